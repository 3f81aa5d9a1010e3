// SPDX-License-Identifier: Apache-2.0
/*
 * A make-believe AMD: root, intermediate, leaf and report with everything between them, made from a
 * spec of which a test changes one thing. Any failure ends the program.
 */
#pragma once

#include "attest/snp_report.h"

#include "mse/mse.h"

#include "base/buf.h"

enum { SYNTH_SNP_FROM = 1700000000, SYNTH_SNP_AT = 1750000000, SYNTH_SNP_UNTIL = 1800000000 };

struct synth_certificate {
    const char *common_name;
    int64_t from;
    int64_t until;
    const char *basic_constraints; /* NULL: none */
    const char *key_usage;
    bool signed_by_other; /* the signature is made with a key that is not its issuer's */
    bool sha256;          /* signed over SHA-256 in place of SHA-384 */
    bool absent;          /* not in the collateral */
    long serial;
};

enum synth_crl {
    SYNTH_CRL_NONE,
    SYNTH_CRL_GOOD,
    SYNTH_CRL_REVOKES_ASK,
    SYNTH_CRL_REVOKES_LEAF_SERIAL
};

struct synth_snp {
    /* the report; tcb: FMC, bootloader, TEE, SNP, microcode, placed as `turin` says */
    uint32_t version;
    bool turin;
    uint8_t cpuid_family;
    uint8_t cpuid_model;
    uint8_t cpuid_stepping;
    uint64_t policy;
    uint64_t platform_info;
    uint32_t vmpl;
    uint32_t algorithm;
    uint32_t flags;
    struct mse_snp_tcb current;
    struct mse_snp_tcb reported;
    struct mse_snp_tcb committed;
    struct mse_snp_tcb launch;
    uint8_t chip_id[64];
    uint8_t measurement;       /* each of its bytes */
    uint8_t host_data;         /* likewise */
    uint8_t author_key_digest; /* likewise */
    uint8_t family_id;         /* likewise */
    uint8_t image_id;          /* likewise */
    size_t set_byte;           /* an offset whose byte is set to 1 before signing; 0: none */
    size_t change_signature;   /* an offset in the signature whose byte is changed; 0: none */
    bool signed_by_other;
    /* the leaf's extensions */
    bool vlek;
    const char *product;
    struct mse_snp_tcb leaf_tcb;
    uint8_t hwid[64];
    size_t hwid_size;
    bool hwid_wrapped;       /* in an OCTET STRING of its own */
    const char *without_oid; /* this extension is left out */
    const char *wide_oid;    /* this number is 256 */
    struct synth_certificate leaf;
    struct synth_certificate ask;
    struct synth_certificate ark;
    bool other_root; /* the ARK in the collateral has another key than the anchor */
    enum synth_crl crl;
    int64_t crl_from;
    int64_t crl_until;
    bool crl_signed_by_other;
    bool crl_of_other_issuer;
};

/* A good case of this family ("Milan", "Genoa", "Turin"). */
struct synth_snp synth_snp_good(const char *family, uint32_t version, bool vlek);
/* Appends the report, the collateral bundle and the anchor (PEM). */
void synth_snp_build(const struct synth_snp *spec, struct buf *report, struct buf *collateral,
                     struct buf *root);
/* Builds it and judges it with its own root, at SYNTH_SNP_AT. */
struct mse_verdict *synth_snp_judge(const struct synth_snp *spec, const struct mse_policy *policy);
