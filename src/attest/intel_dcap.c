// SPDX-License-Identifier: Apache-2.0
/*
 * The verifier of Intel DCAP quotes: SGX and TDX, versions 3, 4 and 5. Reads the quote, then judges
 * quote, collateral, parts and TCB in this order, each in a file of its own.
 */
#include "attest/intel.h"
#include "attest/policy_apply.h"

static bool detect(struct slice evidence)
{
    struct intel_quote quote;
    if (intel_quote_read_header(evidence, &quote, NULL) < 0)
        return false;
    bool ours = slice_equal(quote.qe_vendor, slice_of(intel_qe_vendor, sizeof(intel_qe_vendor)));
    /* SNP reports of the same version numbers have zero where the key type stands */
    return ours || (quote.version >= 3 && quote.version <= 5 && quote.key_type != 0);
}

static bool judge_header(struct verification *v, const struct intel_quote *quote)
{
    bool tee_known =
        quote->tee_type == TEE_TYPE_SGX || (quote->tee_type == TEE_TYPE_TDX && quote->version > 3);
    bool vendor = slice_equal(quote->qe_vendor, slice_of(intel_qe_vendor, sizeof(intel_qe_vendor)));
    bool known = check_that(v, quote->version >= 3 && quote->version <= 5, "quote.version",
                            say(v, "%u", quote->version), "3, 4 or 5",
                            "this kind of quote is not known to this verifier");
    known = check_that(v, quote->key_type == QUOTE_KEY_ECDSA_P256, "quote.key-type",
                       say(v, "%u", quote->key_type), "2 (ECDSA P-256)",
                       "ask the platform for an ECDSA quote; EPID quotes are not supported") &&
            known;
    known = check_that(v, tee_known, "quote.tee-type", say(v, "0x%08x", quote->tee_type),
                       quote->version == 3 ? "0 (SGX)" : "0 (SGX) or 0x81 (TDX)",
                       "this TEE is not known to this verifier") &&
            known;
    return check_that(v, vendor, "quote.qe-vendor", say_hex(v, quote->qe_vendor),
                      say_hex(v, slice_of(intel_qe_vendor, sizeof(intel_qe_vendor))),
                      "only quotes of Intel's quoting enclave are supported") &&
           known;
}

static bool find_anchor(struct intel_case *c)
{
    const struct mse_trust *trust = c->v->input->trust;
    bool given = trust != NULL && trust->intel_root.size > 0;
    struct slice bytes = given ? slice_from(trust->intel_root) : slice_str(intel_root_pem);
    struct certificate *anchor = NULL;
    struct err err = ERR_INIT;
    if (certificate_parse(&c->store, c->v->arena, bytes, &anchor, &err) < 0) {
        check_fail(c->v, "trust.intel-root", say(c->v, "%s", err.message), "a certificate",
                   "the trust anchor that the caller gave is unusable");
        return false;
    }
    c->anchor = anchor;
    if (given)
        check_loosened(c->v, "trust.intel-root", "a root given by the caller",
                       "the built-in Intel SGX Root CA");
    return true;
}

static void judge_sgx_policy(struct intel_case *c)
{
    struct verification *v = c->v;
    const struct mse_policy *policy = v->policy;
    if (c->quote.body != QUOTE_BODY_SGX)
        return;
    if (policy->has_isv_prod_id)
        check_that(v, c->quote.sgx.isv_prod_id == policy->isv_prod_id, "policy.isv-prod-id",
                   say(v, "%u", c->quote.sgx.isv_prod_id), say(v, "%u", policy->isv_prod_id),
                   "this is another product of the same signer");
    if (policy->min_isv_svn > 0)
        check_that(v, c->quote.sgx.isv_svn >= policy->min_isv_svn, "policy.isv-svn",
                   say(v, "%u", c->quote.sgx.isv_svn), say(v, "at least %u", policy->min_isv_svn),
                   "this is an older version of the enclave than you accept");
}

static void judge_platform_policy(struct intel_case *c)
{
    struct verification *v = c->v;
    const struct mse_policy *policy = v->policy;
    if (policy->fmspc_count == 0)
        return;
    bool found = false;
    for (size_t i = 0; i < policy->fmspc_count && c->has_pck; i++)
        found = found || policy_hex_equal(policy->fmspcs[i], c->pck.fmspc);
    check_that(v, found, "policy.fmspc", c->has_pck ? say_hex(v, c->pck.fmspc) : "unknown",
               say_words(v, policy->fmspcs, policy->fmspc_count),
               "this platform is not among those that the policy allows");
}

static void judge(struct intel_case *c)
{
    if (!find_anchor(c))
        return;
    intel_judge_quote(c);
    intel_judge_collateral(c);
    intel_judge_qe(c);
    intel_judge_td(c);
    intel_judge_tcb(c);
    judge_sgx_policy(c);
    judge_platform_policy(c);
    c->v->complete = c->has_tcb && c->has_qe && c->has_pck;
}

static void verify(struct verification *v)
{
    struct intel_case c = {.v = v};
    struct err err = ERR_INIT;
    if (intel_quote_read_header(v->evidence, &c.quote, &err) < 0 || !judge_header(v, &c.quote))
        return;
    bool readable = intel_quote_parse(v->evidence, &c.quote, &err) == 0;
    if (!check_that(v, readable, "quote.form",
                    readable ? say(v, "version %u", c.quote.version) : say(v, "%s", err.message),
                    "a complete quote", "the evidence was cut off or is no quote of this version"))
        return;
    intel_record_claims(v, &c.quote);
    v->parsed = true;
    judge(&c);
    certificate_store_done(&c.store);
}

const struct verifier intel_dcap_verifier = {
    .name = "Intel DCAP quote",
    .detect = detect,
    .verify = verify,
    .needs = intel_dcap_needs,
};
