// SPDX-License-Identifier: Apache-2.0
/*
 * The quote itself: which certification data it has, the PCK chain in it, and the three links
 * PCK certificate -> QE report -> attestation key -> quote (Intel's quote verification library
 * specification 4.1.2.4.4 to 4.1.2.4.16).
 */
#include "attest/intel.h"

#include "crypto/crypto.h"

#include <openssl/objects.h>

static const char advice_chain[] =
    "the platform must be registered and its quoting software must find its PCK certificate "
    "(PCCS or multi-package registration): then quotes carry the chain (certification data type 5)";

static const struct chain_rules pck_rules = {
    .name = "pck-chain",
    .count = 3,
    .digest_nid = NID_sha256,
    .signature_nid = NID_X9_62_id_ecPublicKey,
    .common_names = {{"Intel SGX PCK Certificate"},
                     {"Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA"},
                     {"Intel SGX Root CA"}},
    .hint = "this chain does not come from Intel for this platform: do not trust the quote",
};

static void judge_trailing(struct intel_case *c)
{
    struct slice trailing = c->quote.trailing;
    bool zero = slice_is_zero(trailing);
    check_that(c->v, zero, "quote.trailing-bytes",
               trailing.len == 0 ? "none"
                                 : say(c->v, "%zu%s", trailing.len, zero ? ", all zero" : ""),
               "none, or zero bytes only",
               "the evidence has bytes that nobody signed: give the quote alone");
}

static void judge_reserved(struct intel_case *c)
{
    bool zero = c->quote.qe_report.reserved_zero &&
                (c->quote.body != QUOTE_BODY_SGX || c->quote.sgx.reserved_zero);
    check_that(
        c->v, zero, "quote.reserved", zero ? "zero" : "not zero", "zero",
        "a report with reserved fields set means something that this verifier does not know");
}

static const char *certification_name(unsigned type)
{
    static const char *const names[] = {"unknown",
                                        "PPID in clear",
                                        "PPID encrypted (RSA-2048)",
                                        "PPID encrypted (RSA-3072)",
                                        "PCK certificate alone",
                                        "PCK certificate chain"};
    return type < ARRAY_LEN(names) ? names[type] : names[0];
}

static bool judge_certification(struct intel_case *c)
{
    struct verification *v = c->v;
    unsigned type = c->quote.certification_type;
    const char *found = say(v, "type %u: %s", type, certification_name(type));
    struct err err = ERR_INIT;
    bool right_type = type == CERTIFICATION_PCK_CHAIN;
    bool readable = right_type && chain_parse(&c->store, v->arena, c->quote.certification_data,
                                              &c->pck_chain, &err) == 0;
    if (right_type && !readable)
        found = say(v, "type 5, unreadable: %s", err.message);
    if (!readable)
        note_trouble(v, TROUBLE_NO_CHAIN);
    return check_that(v, readable, "quote.certification-data", found,
                      "type 5: PCK certificate chain", advice_chain);
}

static void claim_pck(struct verification *v, const struct intel_pck *pck)
{
    claim_bytes(v, "fmspc", pck->fmspc);
    claim_bytes(v, "pce_id", pck->pce_id);
    claim_bytes(v, "ppid", pck->ppid);
    claim_bytes(v, "platform_tcb", slice_of(pck->components, sizeof(pck->components)));
    claim_number(v, "pce_svn", pck->pce_svn);
    claim_number(v, "sgx_type", pck->sgx_type);
    if (pck->platform_instance.len > 0)
        claim_bytes(v, "platform_instance_id", pck->platform_instance);
    v->verdict->platform = say_hex(v, pck->fmspc);
}

static void judge_extension(struct intel_case *c)
{
    struct err err = ERR_INIT;
    struct slice extension;
    c->has_pck = certificate_find_extension(c->pck_chain.certificates[0], intel_pck_oid, &extension,
                                            &err) == 0 &&
                 intel_pck_parse(extension, &c->pck, &err) == 0;
    check_that(c->v, c->has_pck, "pck.extension",
               c->has_pck ? say(c->v, "FMSPC %s", say_hex(c->v, c->pck.fmspc))
                          : say(c->v, "%s", err.message),
               "the SGX extension of a PCK certificate", advice_chain);
    if (c->has_pck)
        claim_pck(c->v, &c->pck);
    else
        note_trouble(c->v, TROUBLE_NO_CHAIN);
}

static void judge_signature(struct intel_case *c, bool good, const char *name, const char *expected)
{
    if (!check_that(c->v, good, name, good ? "good" : "wrong", expected,
                    "the quote was altered, or put together from parts of others"))
        note_trouble(c->v, TROUBLE_BAD_SIGNATURE);
}

/* 4.1.2.4.13: SHA-256 over attestation key and authentication data, then zero bytes. */
static bool binds_attestation_key(const struct intel_quote *quote)
{
    AUTO_BUF struct buf joined = BUF_INIT(UINT16_MAX + 64);
    uint8_t digest[SHA256_SIZE];
    if (buf_bytes(&joined, quote->attestation_key, NULL) < 0 ||
        buf_bytes(&joined, quote->qe_auth_data, NULL) < 0 ||
        sha256(buf_slice(&joined), digest, NULL) < 0)
        return false;
    struct slice data = quote->qe_report.report_data;
    return slice_equal(slice_of(data.data, SHA256_SIZE), slice_of(digest, SHA256_SIZE)) &&
           slice_is_zero(slice_of(data.data + SHA256_SIZE, data.len - SHA256_SIZE));
}

static bool quote_signature_good(const struct intel_quote *quote)
{
    EVP_PKEY *key = p256_public_key(quote->attestation_key.data);
    bool good = key != NULL && ecdsa_verify(key, quote->signed_data, quote->signature.data, 32);
    EVP_PKEY_free(key);
    return good;
}

static void judge_pck(struct intel_case *c)
{
    if (!chain_judge(c->v, &pck_rules, &c->pck_chain, c->anchor)) {
        c->pck_chain.count = 0;
        return;
    }
    judge_extension(c);
    EVP_PKEY *key = certificate_key(c->pck_chain.certificates[0]);
    judge_signature(c,
                    key != NULL && ecdsa_verify(key, c->quote.qe_report_bytes,
                                                c->quote.qe_report_signature.data, 32),
                    "qe-report.signature", "signed by the PCK certificate's key");
}

void intel_judge_quote(struct intel_case *c)
{
    judge_trailing(c);
    judge_reserved(c);
    if (judge_certification(c))
        judge_pck(c);
    judge_signature(c, binds_attestation_key(&c->quote), "qe-report.binding",
                    "report data = SHA-256(attestation key, authentication data)");
    judge_signature(c, quote_signature_good(&c->quote), "quote.signature",
                    "signed by the attestation key");
}
