// SPDX-License-Identifier: Apache-2.0
/*
 * Layout of the SEV-SNP attestation report: "SEV Secure Nested Paging Firmware ABI Specification",
 * AMD publication 56860, revision 1.58, section 7.3, table 23 (versions 2, 3 and 5). All numbers
 * are little-endian. Slices point into the report.
 */
#pragma once

#include "base/reader.h"

enum {
    SNP_REPORT_SIZE = 0x4a0,
    SNP_SIGNED_SIZE = 0x2a0, /* what the signature covers: everything before it */
    SNP_SCALAR_SIZE = 72,    /* r and s, little-endian, zero-padded: table 139 */
    SNP_CHIP_ID_SIZE = 64,   /* Turin fills the first 8 bytes */
    SNP_ALGORITHM_P384 = 1,  /* ECDSA P-384 with SHA-384: table 138 */
    SNP_VMPL_MAX = 3,
};

/* Guest policy: section 4.3, table 10. */
enum {
    SNP_POLICY_SMT = 1 << 16,
    SNP_POLICY_ONE = 1 << 17, /* reserved, must be one */
    SNP_POLICY_MIGRATE_MA = 1 << 18,
    SNP_POLICY_DEBUG = 1 << 19,
    SNP_POLICY_SINGLE_SOCKET = 1 << 20,
    SNP_POLICY_CXL_ALLOW = 1 << 21,
    SNP_POLICY_MEM_AES_256_XTS = 1 << 22,
    SNP_POLICY_RAPL_DIS = 1 << 23,
    SNP_POLICY_CIPHERTEXT_HIDING = 1 << 24,
    SNP_POLICY_PAGE_SWAP_DISABLE = 1 << 25,
    SNP_POLICY_KNOWN = (1 << 26) - 1,
};

/* PLATFORM_INFO: table 24. It only tells how the platform is set up; what that allows or forbids is
 * in the guest policy. Bits that are not in the table (bit 6 is set on Turin) tell something more,
 * and are no reason to refuse. None of these weakens a guest that allows it in its policy:
 * SMT_EN and TIO_EN need POLICY.SMT and the guest's own acceptance of a device
 * (sections 4.3, 8.32); the others are protections. ALIAS_CHECK_COMPLETE weakens where it is
 * missing: AMD-SB-3015. */
enum {
    SNP_PLATFORM_SMT = 1 << 0,
    SNP_PLATFORM_TSME = 1 << 1,
    SNP_PLATFORM_ECC = 1 << 2,
    SNP_PLATFORM_RAPL_DIS = 1 << 3,
    SNP_PLATFORM_CIPHERTEXT_HIDING = 1 << 4,
    SNP_PLATFORM_ALIAS_CHECK = 1 << 5,
    SNP_PLATFORM_TIO = 1 << 7,
    SNP_PLATFORM_KNOWN = 0xbf,
};

/* The flags at offset 0x48. */
enum {
    SNP_FLAG_AUTHOR_KEY = 1 << 0,
    SNP_FLAG_MASK_CHIP_KEY = 1 << 1,
    SNP_SIGNING_KEY_SHIFT = 2,
    SNP_SIGNING_KEY_MASK = 7,
    SNP_FLAGS_KNOWN = 0x1f,
};
enum snp_signing_key { SNP_KEY_VCEK = 0, SNP_KEY_VLEK = 1, SNP_KEY_NONE = 7 };

struct snp_version {
    uint8_t build;
    uint8_t minor;
    uint8_t major;
};

struct snp_report {
    uint32_t version;
    uint32_t guest_svn;
    uint64_t policy;
    struct slice family_id;
    struct slice image_id;
    uint32_t vmpl;
    uint32_t algorithm;
    struct slice current_tcb; /* 8 bytes; what they mean depends on the family */
    uint64_t platform_info;
    uint32_t flags;
    struct slice report_data;
    struct slice measurement;
    struct slice host_data;
    struct slice id_key_digest;
    struct slice author_key_digest;
    struct slice report_id;
    struct slice report_id_ma;
    struct slice reported_tcb;
    uint8_t cpuid_family; /* version 3 and later: extended and base together */
    uint8_t cpuid_model;
    uint8_t cpuid_stepping;
    struct slice chip_id;
    struct slice committed_tcb;
    struct snp_version current;
    struct snp_version committed;
    struct slice launch_tcb;
    uint64_t launch_mit_vector; /* version 5 */
    uint64_t current_mit_vector;
    struct slice signature; /* 512 bytes */
    bool reserved_zero;
};

/* Only the version: ERR_INVALID where not even that is there. */
int snp_report_read_version(struct slice bytes, uint32_t *ret, struct err *err) MUST_USE;
/* Takes a report apart; nothing is judged. Bytes behind it must be zero. Errors: INVALID. */
int snp_report_parse(struct slice bytes, struct snp_report *ret, struct err *err) MUST_USE;

static inline unsigned snp_signing_key(const struct snp_report *report)
{
    return report->flags >> SNP_SIGNING_KEY_SHIFT & SNP_SIGNING_KEY_MASK;
}
