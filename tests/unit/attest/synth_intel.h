// SPDX-License-Identifier: Apache-2.0
/*
 * A make-believe Intel: its own root, PCK chain, CRLs, TCB info, QE identity and quotes of every
 * version, complete and correct unless a test changes a field before it is built. The root is given
 * to the verifier as trust anchor.
 *
 *     struct synth_intel synth;
 *     synth_intel_init(&synth, 4, TEE_TYPE_TDX);
 *     synth.levels[0].status = "OutOfDate";
 *     synth_intel_build(&synth);
 *     struct mse_verdict *verdict = synth_intel_verify(&synth, &policy);
 */
#pragma once

#include "attest/intel_quote.h"
#include "base/buf.h"

#include "mse/mse.h"

#include <openssl/evp.h>

enum {
    SYNTH_AT = 1760000000, /* the time of every judgement: 2025-10-09 */
    SYNTH_LEVELS = 4,
    SYNTH_MODULES = 2,
};

struct synth_certificate {
    const char *common_name;
    int64_t from, until;
    const char *constraints; /* OpenSSL's notation; NULL: no extension */
    const char *usage;
    bool unknown_critical; /* carries a critical extension that nobody knows */
    bool wrong_signer;     /* signed by a stranger */
    unsigned serial;
};

struct synth_level {
    uint8_t sgx[16], tdx[16];
    uint16_t pce_svn;
    const char *status;
    const char *date;
    const char *advisories; /* "\"INTEL-SA-00001\"", "" */
};

struct synth_svn_level {
    unsigned isv_svn;
    const char *status;
    const char *date;
    const char *advisories;
};

struct synth_module {
    const char *id;
    uint8_t mrsigner[48], attributes[8], mask[8];
    struct synth_svn_level levels[SYNTH_LEVELS];
    size_t level_count;
};

struct synth_crl {
    bool absent;
    int64_t from, until;
    unsigned revoked; /* serial, 0: none */
    bool wrong_signer;
    bool wrong_issuer;
    bool critical;
};

struct synth_intel {
    /* the quote */
    uint16_t version, key_type;
    uint32_t tee_type;
    uint16_t body; /* version 5 */
    uint32_t body_size;
    uint8_t vendor[16];
    uint8_t report[TD_REPORT_15_SIZE]; /* SGX or TD report, as the body says */
    uint8_t qe_report[SGX_REPORT_SIZE];
    bool unbound; /* QE report data as given, not computed */
    uint8_t auth_data[32];
    uint16_t outer_type, certification_type;
    bool wrong_quote_key, wrong_qe_key;
    const char *trailing;
    size_t trailing_size;
    /* certificates; orders name them: r root, c PCK CA, l PCK leaf, t TCB signer, o a strange root
     */
    struct synth_certificate root, pck_ca, pck, tcb_signer;
    const char *pck_order, *tcb_order, *qe_order, *crl_order;
    /* the SGX extension */
    uint8_t fmspc[6], pce_id[2], components[16];
    size_t fmspc_size;
    uint16_t pce_svn;
    bool no_extension, extension_without_component, extension_part_twice, extension_unknown_part;
    /* TCB info */
    unsigned tcb_version, tcb_type;
    const char *tcb_id, *tcb_issued, *tcb_next;
    uint8_t tcb_fmspc[6], tcb_pce_id[2];
    struct synth_level levels[SYNTH_LEVELS];
    size_t level_count;
    struct synth_module module; /* of TDX 1.0 */
    struct synth_module modules[SYNTH_MODULES];
    size_t module_count;
    bool tcb_wrong_signature, tcb_absent;
    /* QE identity */
    unsigned qe_version;
    const char *qe_id, *qe_issued, *qe_next;
    uint8_t misc_select[4], misc_mask[4], attributes[16], attributes_mask[16], mrsigner[32];
    unsigned isv_prod_id;
    struct synth_svn_level qe_levels[SYNTH_LEVELS];
    size_t qe_level_count;
    bool qe_wrong_signature, qe_absent;
    struct synth_crl root_crl, pck_crl;
    bool no_collateral;
    /* the results */
    struct buf evidence, collateral, root_der;
    struct buf tcb_info, qe_identity;
};

/* Correct and up to date; tee_type with version 3 must be SGX. Version 5 and TDX: a 1.5 body. */
void synth_intel_init(struct synth_intel *synth, uint16_t version, uint32_t tee_type);
void synth_intel_build(struct synth_intel *synth);
/* Judged with our root as the anchor; the caller frees the verdict. */
struct mse_verdict *synth_intel_verify(const struct synth_intel *synth,
                                       const struct mse_policy *policy);
void synth_intel_done(struct synth_intel *synth);

/* Where fields of reports lie, for tests that change them. */
enum {
    SGX_AT_MISC_SELECT = 16,
    SGX_AT_ATTRIBUTES = 48,
    SGX_AT_MRENCLAVE = 64,
    SGX_AT_MRSIGNER = 128,
    SGX_AT_CONFIG_ID = 192,
    SGX_AT_ISV_PROD_ID = 256,
    SGX_AT_ISV_SVN = 258,
    SGX_AT_REPORT_DATA = 320,
    TD_AT_TCB_SVN = 0,
    TD_AT_MRSIGNERSEAM = 64,
    TD_AT_SEAM_ATTRIBUTES = 112,
    TD_AT_ATTRIBUTES = 120,
    TD_AT_MRTD = 136,
    TD_AT_MRCONFIGID = 184,
    TD_AT_MROWNER = 232,
    TD_AT_RTMR0 = 328, /* and RTMR1 to 3 behind it */
    TD_AT_REPORT_DATA = 520,
    TD_AT_TCB_SVN2 = 584,
};
