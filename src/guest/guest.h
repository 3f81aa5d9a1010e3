// SPDX-License-Identifier: Apache-2.0
/*
 * mse-init, pid 1 of a confidential VM: what its boot steps know, and the steps. Linked with libc
 * alone. Everything that it believes is measured: its own bytes, the kernel, the command line. All
 * that comes through a device is the host's word and is checked.
 */
#pragma once

#include "base/err.h"
#include "guest/options.h"
#include "guest/sha256.h"
#include "model/sandbox_layout.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define GUEST_PACKAGE SANDBOX_PACKAGE
#define GUEST_ENVIRONMENT "/run/mse/environment"
/* Where storage appears; shared with the app's world, which has nothing else of it. */
#define GUEST_STORAGE "/run/mse/storage"
#define GUEST_PLAIN GUEST_STORAGE "/plain"
#define GUEST_ENCLAVE "/usr/lib/mse/mse-enclave"

struct guest {
    char cmdline[GUEST_CMDLINE_MAX];
    struct guest_options options;
    const struct guest_tee *tee;
    int status_port; /* -1: not open */
    int log_port;
    int control_port;
    uint64_t memory_bytes;             /* MemTotal */
    uint8_t fingerprint[SHA256_BYTES]; /* SHA-256 of the manifest on the package disk */
    pid_t broker;                      /* answers the enclave for the TEE and for storage */
    pid_t world;                       /* the first process of the app's world */
    int app_socket;                    /* where the app is reached */
    int broker_socket;                 /* the enclave's end, until the world has it */
    int enclave_status[2];             /* pipes: [0] reads */
    int enclave_log[2];
};

/* The steps, in their order. */
int step_tee(struct guest *guest, struct err *err) MUST_USE;    /* tee.c */
int step_kernel(struct guest *guest, struct err *err) MUST_USE; /* machine.c */
int step_ports(struct guest *guest, struct err *err) MUST_USE;  /* ports.c */
int step_initrd(struct guest *guest, struct err *err) MUST_USE; /* machine.c */
int step_memory(struct guest *guest, struct err *err) MUST_USE;
int step_modules(struct guest *guest, struct err *err) MUST_USE;
int step_root(struct guest *guest, struct err *err) MUST_USE; /* root.c */
int step_folders(struct guest *guest, struct err *err) MUST_USE;
int step_network(struct guest *guest, struct err *err) MUST_USE;  /* network.c */
int step_package(struct guest *guest, struct err *err) MUST_USE;  /* package_disk.c */
int step_identity(struct guest *guest, struct err *err) MUST_USE; /* tee.c */
int step_broker(struct guest *guest, struct err *err) MUST_USE;   /* broker.c */
int step_world(struct guest *guest, struct err *err) MUST_USE;    /* world.c */

/* A line for the log port, and for the console of a debug image. */
void guest_say(const struct guest *guest, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* {"state":"failed","reason":...} on the status port. */
void guest_report_failure(const struct guest *guest, const struct err *err);

/* watch.c: passes lines on and reaps until the enclave has ended. */
void guest_watch(struct guest *guest);
