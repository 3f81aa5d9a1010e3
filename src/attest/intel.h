// SPDX-License-Identifier: Apache-2.0
/*
 * One Intel quote on its way to a verdict: what was read so far, shared by the files that judge it.
 */
#pragma once

#include "attest/chain.h"
#include "attest/collateral.h"
#include "attest/intel_tcb.h"
#include "attest/verifiers.h"

struct intel_case {
    struct verification *v;
    struct intel_quote quote;
    struct certificate_store store;
    struct certificate *anchor;
    struct chain pck_chain; /* count 0: none, or none of the right form */
    bool has_pck;
    struct intel_pck pck;
    struct collateral collateral;
    struct certificate *tcb_signer; /* NULL: no readable chain */
    struct certificate *qe_signer;
    bool has_tcb; /* signed by its chain and readable */
    struct tcb_info tcb;
    bool has_qe;
    struct qe_identity qe;
};

extern const char intel_root_pem[];

/* Claims of the report in the quote. */
void intel_record_claims(struct verification *v, const struct intel_quote *quote);
/* The quote's own signatures and its PCK chain. */
void intel_judge_quote(struct intel_case *c);
/* TCB info, QE identity and CRLs; sets has_tcb and has_qe. */
void intel_judge_collateral(struct intel_case *c);
/* QE report against the QE identity. */
void intel_judge_qe(struct intel_case *c);
/* TDX module and TD attributes. */
void intel_judge_td(struct intel_case *c);
/* TCB level, status and advisories against the policy. */
void intel_judge_tcb(struct intel_case *c);

/* What a person can do about the platform's TCB: which component is at what, and what it needs.
 * `result` may have matched nothing. */
const char *intel_tcb_hint(const struct intel_case *c, const struct tcb_evaluation *result);
/* "2024-11-13". */
const char *say_date(struct verification *v, int64_t unix_time);
