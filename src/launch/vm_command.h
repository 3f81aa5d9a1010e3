// SPDX-License-Identifier: Apache-2.0
/*
 * QEMU's command line for a confidential VM, as a pure function of what is to be started. What
 * QEMU is told decides what the hardware measures: the machine has a version, the devices a fixed
 * order, and nothing comes from a configuration of the user's. Internal to launch/.
 */
#pragma once

#include "base/argv.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    VM_DIGEST_SIZE = 48,
    VM_HOST_DATA_SIZE = 32,
    VM_ID_BLOCK_SIZE = 96,
    VM_ID_AUTH_SIZE = 4096,
    VM_MEMORY_MIN = 64 << 20,
    VM_VCPUS_MAX = 64,
    VM_TDX_QUOTE_PORT = 4050, /* Intel's quote generation service, by vsock at the host */
};

/* SNP guest policy (AMD 56860, table 10): bit 17, which must be set, and SMT. No debug, no
 * migration. */
#define VM_SNP_POLICY UINT64_C(0x30000)

struct vm_launch {
    const char *qemu;
    bool kvm; /* the simulated TEE alone; hardware always has it */
    unsigned vcpus;
    uint64_t memory_bytes; /* the guest's; whole MiB */

    /* paths as QEMU sees them; none has a comma */
    const char *firmware; /* NULL: QEMU's own, simulated TEE alone */
    const char *kernel;
    const char *initrd;
    const char *cmdline;
    const char *root;
    const char *layer; /* NULL: none */
    const char *package;
    const char *environment;
    const char *storage; /* NULL: none */

    /* descriptors by their numbers in QEMU, none of them 0 to 2 */
    int status_fd; /* files that the guest's ports are written to */
    int log_fd;
    int control_fd; /* connected sockets */
    int tee_fd;     /* simulated TEE alone */
    bool console;   /* a debug image: the serial port goes to the log */

    uint16_t forward_port; /* on 127.0.0.1 in QEMU's network: leads to GUEST_APP_PORT */

    /* SNP */
    const char *cpu;  /* "EPYC-v4" */
    unsigned cbitpos; /* CPUID 0x8000001f, EBX 5:0 */
    uint8_t host_data[VM_HOST_DATA_SIZE];
    uint8_t id_block[VM_ID_BLOCK_SIZE];
    uint8_t id_auth[VM_ID_AUTH_SIZE];
    /* TDX */
    uint8_t mrconfigid[VM_DIGEST_SIZE];
};

/* How a VM is protected; one const struct a TEE. */
struct vm_tee {
    const char *name; /* as in msed.toml and src/tee: "snp" */
    bool simulated;
    /* Processor, machine and what protects its memory. */
    int (*add)(const struct vm_launch *launch, struct argv *argv, struct err *err);
};

extern const struct vm_tee vm_tee_simulation;
extern const struct vm_tee vm_tee_snp;
extern const struct vm_tee vm_tee_tdx;

/* ERR_NOT_FOUND lists the names. */
int vm_tee_by_name(const char *name, const struct vm_tee **ret, struct err *err) MUST_USE;

/* Appends program and arguments. Errors: INVALID (names what cannot be), MEMORY. */
int vm_command(const struct vm_tee *tee, const struct vm_launch *launch, struct argv *argv,
               struct err *err) MUST_USE;
