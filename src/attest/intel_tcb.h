// SPDX-License-Identifier: Apache-2.0
/*
 * Evaluation of an Intel platform's TCB: which level the platform, the TDX module and the QE are
 * at, and what that makes together (PCS API v4, "Determining TCB status"; Intel's quote
 * verification library specification 4.1.2.4.17). Pure: no recording.
 */
#pragma once

#include "attest/intel_documents.h"
#include "attest/intel_pck.h"

struct tcb_evaluation {
    const struct tcb_level *sgx_level;    /* first level that SGX components and PCESVN reach */
    const struct tcb_level *level;        /* for TDX: the TDX components too; NULL: none matches */
    const struct tdx_module *module;      /* TDX: the identity that applies, NULL: none */
    const struct svn_level *module_level; /* NULL: TDX 1.0's module, or none matches */
    const struct svn_level *qe_level;     /* NULL: none matches */
    bool module_rated; /* the module has levels of its own (TEE_TCB_SVN[1] > 0) */
    bool matched;      /* every level that is needed was found: `status` means something */
    enum tcb_status status;
};

/* td NULL: SGX. */
struct tcb_evaluation tcb_evaluate(const struct tcb_info *info, const struct intel_pck *pck,
                                   const struct td_report *td, const struct qe_identity *qe,
                                   uint16_t qe_isv_svn);

/* The first level whose svn is not above `isv_svn`, or NULL. */
const struct svn_level *svn_level_find(const struct svn_levels *levels, uint16_t isv_svn);

/* Does the first TDX component that counts for this TD have index 2 (TDX 1.5 modules) or 0? */
size_t tdx_first_component(const struct td_report *td);

bool tcb_status_is_out_of_date(enum tcb_status status);
