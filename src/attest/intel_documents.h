// SPDX-License-Identifier: Apache-2.0
/*
 * TCB info (versions 2 and 3) and QE identity (version 2) as Intel's provisioning service signs
 * them: "Intel SGX and Intel TDX Provisioning Certification Service API", v3 and v4, models
 * TcbInfoV2, TcbInfoV3 and EnclaveIdentityV2. Everything lives in the arena it was parsed into.
 */
#pragma once

#include "attest/intel_quote.h"
#include "format/document.h"

enum { TCB_LEVELS_MAX = 128, SVN_LEVELS_MAX = 64, TDX_MODULES_MAX = 32, ADVISORIES_MAX = 128 };

/* In the order of the specification's table; the words are in tcb_status_word. */
enum tcb_status {
    TCB_UP_TO_DATE,
    TCB_SW_HARDENING_NEEDED,
    TCB_CONFIGURATION_NEEDED,
    TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    TCB_OUT_OF_DATE,
    TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
    TCB_REVOKED,
    TCB_TD_RELAUNCH_ADVISED, /* never in a document: it comes out of the evaluation */
    TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    TCB_STATUS_COUNT,
};
const char *tcb_status_word(enum tcb_status status);
/* -1 where the word is unknown. */
int tcb_status_of(struct slice word);

/* A level of the platform's TCB. */
struct tcb_level {
    uint8_t sgx[TCB_COMPONENTS];
    uint8_t tdx[TCB_COMPONENTS];
    uint16_t pce_svn;
    enum tcb_status status;
    int64_t date;
    const struct doc_node *sgx_components; /* NULL in version 2; they may name the part */
    const struct doc_node *tdx_components;
    const struct doc_node *advisories; /* array of strings, or NULL */
};

/* A level of the QE or of a TDX module. */
struct svn_level {
    uint16_t isv_svn;
    enum tcb_status status;
    int64_t date;
    const struct doc_node *advisories;
};

struct svn_levels {
    struct svn_level *levels;
    size_t count;
};

struct tdx_module {
    struct slice id; /* "TDX_01"; empty: the module of TDX 1.0 */
    uint8_t mrsigner[48];
    uint8_t attributes[8];
    uint8_t attributes_mask[8];
    struct svn_levels levels; /* none for TDX 1.0 */
};

struct tcb_info {
    uint8_t version;
    bool is_tdx;
    int64_t issued;
    int64_t next_update;
    uint8_t fmspc[6];
    uint8_t pce_id[2];
    uint64_t evaluation_number;
    struct tcb_level *levels; /* in the document's order, best first */
    size_t level_count;
    bool has_module;
    struct tdx_module module;
    struct tdx_module *modules; /* tdxModuleIdentities */
    size_t module_count;
};

struct qe_identity {
    bool is_tdx; /* id TD_QE */
    int64_t issued;
    int64_t next_update;
    uint64_t evaluation_number;
    uint8_t misc_select[4];
    uint8_t misc_select_mask[4];
    uint8_t attributes[16];
    uint8_t attributes_mask[16];
    uint8_t mrsigner[32];
    uint16_t isv_prod_id;
    struct svn_levels levels;
};

/* Errors: INVALID (what is wrong and where in the document), TOO_LARGE, MEMORY. */
int tcb_info_parse(struct arena *arena, struct slice text, struct tcb_info *ret,
                   struct err *err) MUST_USE;
int qe_identity_parse(struct arena *arena, struct slice text, struct qe_identity *ret,
                      struct err *err) MUST_USE;
