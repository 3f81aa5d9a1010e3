// SPDX-License-Identifier: Apache-2.0
/*
 * Intel's collateral: TCB info and QE identity with their chains and windows, and the CRLs (quote
 * verification library specification 4.1.2.2 to 4.1.2.10).
 */
#include "attest/intel.h"
#include "attest/policy_apply.h"

#include <openssl/objects.h>

static const char advice_fetch[] = "fetch the collateral for this very quote with "
                                   "`mse collateral fetch`";

static const struct chain_rules tcb_chain_rules = {
    .name = "tcb-info-chain",
    .count = 2,
    .digest_nid = NID_sha256,
    .signature_nid = NID_X9_62_id_ecPublicKey,
    .common_names = {{"Intel SGX TCB Signing"}, {"Intel SGX Root CA"}},
    .hint = advice_fetch,
};

static const struct chain_rules qe_chain_rules = {
    .name = "qe-identity-chain",
    .count = 2,
    .digest_nid = NID_sha256,
    .signature_nid = NID_X9_62_id_ecPublicKey,
    .common_names = {{"Intel SGX TCB Signing"}, {"Intel SGX Root CA"}},
    .hint = advice_fetch,
};

static const struct chain_rules crl_chain_rules = {
    .name = "pck-crl-chain",
    .count = 2,
    .digest_nid = NID_sha256,
    .signature_nid = NID_X9_62_id_ecPublicKey,
    .common_names = {{"Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA"},
                     {"Intel SGX Root CA"}},
    .hint = advice_fetch,
    .leaf_is_ca = true,
};

/* A signed JSON document: its members in the bundle, and the names of its checks. */
struct document {
    const char *chain_form;
    const char *signature;
    const struct chain_rules *rules;
    struct slice chain;
    struct slice text;
    struct slice signature_bytes;
};

/* Chain and signature; *ret_good says whether the text may be read. Returns the signer, NULL where
 * there is no chain that tells who it is. */
static struct certificate *judge_signed(struct intel_case *c, const struct document *document,
                                        bool *ret_good)
{
    struct verification *v = c->v;
    struct chain chain;
    struct err err = ERR_INIT;
    *ret_good = false;
    if (document->text.len == 0 || document->chain.len == 0) {
        check_fail(v, document->chain_form, "not in the collateral", "document and issuer chain",
                   advice_fetch);
        note_trouble(v, TROUBLE_NO_COLLATERAL);
        return NULL;
    }
    if (chain_parse(&c->store, v->arena, document->chain, &chain, &err) < 0) {
        check_fail(v, document->chain_form, say(v, "%s", err.message), "a PEM chain", advice_fetch);
        note_trouble(v, TROUBLE_BAD_SIGNATURE);
        return NULL;
    }
    if (!chain_judge(v, document->rules, &chain, c->anchor))
        return NULL;
    struct certificate *signer = chain.certificates[0];
    EVP_PKEY *key = certificate_key(signer);
    *ret_good = key != NULL && document->signature_bytes.len == 64 &&
                ecdsa_verify(key, document->text, document->signature_bytes.data, 32);
    if (!check_that(v, *ret_good, document->signature, *ret_good ? "good" : "wrong",
                    "signed by the chain's leaf, over the exact text",
                    "the document was altered or reformatted: fetch it again"))
        note_trouble(v, TROUBLE_BAD_SIGNATURE);
    return signer;
}

/* Levels of another platform would say nothing about this one: they are not evaluated then. */
static void judge_tcb_binding(struct intel_case *c)
{
    struct verification *v = c->v;
    bool tdx = c->quote.body != QUOTE_BODY_SGX;
    bool right_tee = check_that(v, c->tcb.is_tdx == tdx, "tcb-info.tee",
                                c->tcb.is_tdx ? "TDX" : "SGX", tdx ? "TDX" : "SGX", advice_fetch);
    if (!right_tee)
        note_trouble(v, TROUBLE_NO_COLLATERAL);
    if (!c->has_pck)
        return;
    struct slice fmspc = slice_of(c->tcb.fmspc, sizeof(c->tcb.fmspc));
    struct slice pce_id = slice_of(c->tcb.pce_id, sizeof(c->tcb.pce_id));
    bool same = check_that(v, slice_equal(fmspc, c->pck.fmspc), "tcb-info.fmspc", say_hex(v, fmspc),
                           say_hex(v, c->pck.fmspc), advice_fetch);
    same = check_that(v, slice_equal(pce_id, c->pck.pce_id), "tcb-info.pce-id", say_hex(v, pce_id),
                      say_hex(v, c->pck.pce_id), advice_fetch) &&
           same;
    c->has_tcb = same;
    if (!same)
        note_trouble(v, TROUBLE_NO_COLLATERAL);
}

static void judge_tcb_info(struct intel_case *c)
{
    struct verification *v = c->v;
    const struct document document = {
        .chain_form = "tcb-info-chain.form",
        .signature = "tcb-info.signature",
        .rules = &tcb_chain_rules,
        .chain = c->collateral.tcb_info_issuer_chain,
        .text = c->collateral.tcb_info,
        .signature_bytes = c->collateral.tcb_info_signature,
    };
    bool good;
    struct err err = ERR_INIT;
    c->tcb_signer = judge_signed(c, &document, &good);
    if (!good)
        return;
    c->has_tcb = tcb_info_parse(v->arena, c->collateral.tcb_info, &c->tcb, &err) == 0;
    if (!check_that(v, c->has_tcb, "tcb-info.form",
                    c->has_tcb
                        ? say(v, "version %u, %zu levels", c->tcb.version, c->tcb.level_count)
                        : say(v, "%s", err.message),
                    "TCB info version 2 or 3", advice_fetch)) {
        note_trouble(v, TROUBLE_NO_COLLATERAL);
        return;
    }
    (void)check_window(v, "tcb-info.validity", c->tcb.issued, c->tcb.next_update, true,
                       "the collateral is out of date: fetch it again");
    judge_tcb_binding(c);
    claim_number(v, "tcb_evaluation_data_number", c->tcb.evaluation_number);
}

static void judge_qe_identity(struct intel_case *c)
{
    struct verification *v = c->v;
    const struct document document = {
        .chain_form = "qe-identity-chain.form",
        .signature = "qe-identity.signature",
        .rules = &qe_chain_rules,
        .chain = c->collateral.qe_identity_issuer_chain,
        .text = c->collateral.qe_identity,
        .signature_bytes = c->collateral.qe_identity_signature,
    };
    bool good;
    struct err err = ERR_INIT;
    c->qe_signer = judge_signed(c, &document, &good);
    if (!good)
        return;
    c->has_qe = qe_identity_parse(v->arena, c->collateral.qe_identity, &c->qe, &err) == 0;
    if (!check_that(v, c->has_qe, "qe-identity.form",
                    c->has_qe ? say(v, "version 2, %zu levels", c->qe.levels.count)
                              : say(v, "%s", err.message),
                    "QE identity version 2", advice_fetch)) {
        note_trouble(v, TROUBLE_NO_COLLATERAL);
        return;
    }
    (void)check_window(v, "qe-identity.validity", c->qe.issued, c->qe.next_update, true,
                       "the collateral is out of date: fetch it again");
    bool tdx = c->quote.body != QUOTE_BODY_SGX;
    if (!check_that(v, c->qe.is_tdx == tdx, "qe-identity.tee", c->qe.is_tdx ? "TD_QE" : "QE",
                    tdx ? "TD_QE" : "QE", advice_fetch))
        note_trouble(v, TROUBLE_NO_COLLATERAL);
}

/* The chain that comes with the PCK CRL is that of the quote's own PCK CA; where it is byte for
 * byte the one that was judged already, there is nothing more to ask. */
static void judge_crl_chain(struct intel_case *c)
{
    struct verification *v = c->v;
    struct slice pem = c->collateral.pck_crl_issuer_chain;
    struct chain chain;
    struct err err = ERR_INIT;
    if (pem.len == 0) {
        check_skip(v, "pck-crl-chain.form", "not in the collateral: the quote's own chain serves");
        return;
    }
    if (chain_parse(&c->store, v->arena, pem, &chain, &err) < 0) {
        check_fail(v, "pck-crl-chain.form", say(v, "%s", err.message), "a PEM chain", advice_fetch);
        return;
    }
    bool same = chain.count == 2 && c->pck_chain.count == 3 &&
                chain.certificates[0] == c->pck_chain.certificates[1] &&
                chain.certificates[1] == c->pck_chain.certificates[2];
    if (same)
        check_pass(v, "pck-crl-chain.form", "the quote's own PCK CA", "");
    else
        (void)chain_judge(v, &crl_chain_rules, &chain, c->anchor);
}

static void judge_crls(struct intel_case *c)
{
    bool required = policy_requires_crl(c->v->policy);
    const struct crl_rules root_rules = {"root-crl", required, advice_fetch};
    const struct crl_rules pck_rules = {"pck-crl", required, advice_fetch};
    bool has_chain = c->pck_chain.count == 3;
    const struct certificate *under_root[] = {
        has_chain ? c->pck_chain.certificates[1] : NULL,
        c->tcb_signer,
        c->qe_signer,
    };
    crl_judge(c->v, &root_rules, c->collateral.root_ca_crl, c->anchor, under_root,
              ARRAY_LEN(under_root));
    if (!has_chain)
        return;
    const struct certificate *under_ca[] = {c->pck_chain.certificates[0]};
    crl_judge(c->v, &pck_rules, c->collateral.pck_crl, c->pck_chain.certificates[1], under_ca,
              ARRAY_LEN(under_ca));
    judge_crl_chain(c);
}

void intel_judge_collateral(struct intel_case *c)
{
    if (!collateral_judge(c->v, advice_fetch, &c->collateral))
        return;
    judge_tcb_info(c);
    judge_qe_identity(c);
    judge_crls(c);
}
