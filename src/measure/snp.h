// SPDX-License-Identifier: Apache-2.0
/*
 * The launch digest of an SEV-SNP guest: what the chip will put into MEASUREMENT of a report.
 *
 * The chip hashes pages in the order in which QEMU (direct boot, kernel-hashes=on) hands them over:
 * the firmware, the sections that its SEV metadata lists, the first state of every virtual
 * processor. Kernel, initrd and command line are in it by a table of their SHA-256 in one of those
 * sections, which the firmware compares before it starts the kernel.
 *
 * Source: AMD "SEV Secure Nested Paging Firmware ABI Specification", publication 56860, section
 * 8.17.2 (PAGE_INFO); "AMD64 Architecture Programmer's Manual" volume 2, table B-4 (VMSA).
 */
#pragma once

#include "crypto/crypto.h"
#include "measure/firmware.h"

enum { SNP_DIGEST_SIZE = SHA384_SIZE, SNP_VCPUS_MAX = 512 };

/* SEV_FEATURES of a virtual processor (APM volume 2, table B-4, offset 0x3b0). */
enum { SNP_FEATURE_ACTIVE = 1 << 0, SNP_FEATURE_DEBUG_SWAP = 1 << 5 };

/* All that the digest takes from a firmware file; `digest` is the state after its own pages. */
struct snp_firmware {
    uint8_t digest[SNP_DIGEST_SIZE];
    struct sev_metadata metadata;
    uint32_t hashes_base;
    uint32_t hashes_size;
    bool has_ap_reset;
    uint32_t ap_reset_eip;
};

int snp_firmware_measure(const struct firmware *firmware, struct snp_firmware *ret,
                         struct err *err) MUST_USE;

/* SHA-256 of each; of the command line with the zero byte that QEMU hands over behind it. */
struct kernel_hashes {
    uint8_t kernel[SHA256_SIZE];
    uint8_t initrd[SHA256_SIZE];
    uint8_t cmdline[SHA256_SIZE];
};

int kernel_hashes_cmdline(const char *cmdline, uint8_t ret[static SHA256_SIZE],
                          struct err *err) MUST_USE;

/* QEMU's table (target/i386/sev.c, PaddedSevHashTable): 168 bytes, padded. */
enum { KERNEL_HASHES_TABLE_SIZE = 176 };
void kernel_hashes_table(const struct kernel_hashes *hashes,
                         uint8_t ret[static KERNEL_HASHES_TABLE_SIZE]);

struct snp_launch {
    const struct kernel_hashes *kernel; /* NULL: the firmware starts something from a disk */
    uint32_t vcpus;
    uint32_t cpu_signature; /* CPUID 1, EAX: snp_cpu_signature */
    uint64_t features;      /* SNP_FEATURE_* */
};

/* Errors: INVALID, UNSUPPORTED (a kernel, and this firmware checks none). */
int snp_launch_digest(const struct snp_firmware *firmware, const struct snp_launch *launch,
                      uint8_t ret[static SNP_DIGEST_SIZE], struct err *err) MUST_USE;

/* The signature of a QEMU processor model ("EPYC-v4"). Errors: INVALID, with the known names. */
int snp_cpu_signature(const char *model, uint32_t *ret, struct err *err) MUST_USE;
/* Every name that snp_cpu_signature knows, NULL behind the last. */
const char *snp_cpu_model(size_t index);

/* The page with which a virtual processor begins. */
void snp_vmsa(uint32_t eip, uint32_t cpu_signature, uint64_t features,
              uint8_t ret[static GUEST_PAGE_SIZE]);
