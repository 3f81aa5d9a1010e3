// SPDX-License-Identifier: Apache-2.0
/*
 * The verifier of evidence inside a TLS certificate (RA-TLS): TCG DICE tagged evidence with claims
 * (model/ratls.h), and Gramine's older form. The certificate proves nothing by itself: anybody can
 * make one. What counts is that genuine evidence names the certificate's key, so every link between
 * the two is a check of its own; the evidence goes through its own verifier into the same verdict.
 */
#include "attest/ra_tls.h"

#include "attest/verifiers.h"
#include "crypto/crypto.h"

static const char advice_stolen[] =
    "the evidence was made for another certificate: somebody may be using stolen evidence";

bool ra_tls_recognise(struct slice bytes)
{
    static const char pem[] = "-----BEGIN CERTIFICATE-----";
    while (bytes.len > 0 && (bytes.data[0] == ' ' || (bytes.data[0] >= 9 && bytes.data[0] <= 13)))
        bytes = slice_of(bytes.data + 1, bytes.len - 1);
    if (bytes.len >= sizeof(pem) - 1 && memcmp(bytes.data, pem, sizeof(pem) - 1) == 0)
        return true;
    /* a SEQUENCE whose length takes one to three bytes */
    return bytes.len >= 4 && bytes.data[0] == 0x30 && bytes.data[1] >= 0x81 &&
           bytes.data[1] <= 0x83;
}

int ra_tls_parse(struct arena *arena, struct slice bytes, struct ra_tls_certificate *ret,
                 struct err *err)
{
    *ret = (struct ra_tls_certificate){0};
    if (certificate_parse(&ret->store, arena, bytes, &ret->certificate, err) < 0)
        return -1;
    if (certificate_key(ret->certificate) == NULL)
        return FAIL(err, ERR_INVALID, "a certificate whose public key cannot be used");
    ret->public_key = arena_copy(arena, ret->certificate->public_key);
    return 0;
}

int ra_tls_find_evidence(struct ra_tls_certificate *certificate, struct err *err)
{
    struct slice content;
    struct err absent = ERR_INIT;
    if (certificate_find_extension(certificate->certificate, RATLS_OID, &content, &absent) == 0) {
        if (ratls_extension_decode(content, &certificate->tagged, err) < 0)
            return -1;
        certificate->form = RA_TLS_TAGGED;
        certificate->evidence = certificate->tagged.evidence;
        certificate->has_extension = true;
        return 0;
    }
    if (absent.kind != ERR_NOT_FOUND)
        return FAIL(err, absent.kind, "%s", absent.message);
    struct err *why = &absent;
    if (certificate_find_extension(certificate->certificate, RATLS_GRAMINE_OID, &content, why) < 0)
        return why->kind == ERR_NOT_FOUND ? FAIL(err, ERR_NOT_FOUND, "neither extension %s nor %s",
                                                 RATLS_OID, RATLS_GRAMINE_OID)
                                          : FAIL(err, why->kind, "%s", why->message);
    certificate->form = RA_TLS_GRAMINE;
    certificate->evidence = content;
    certificate->has_extension = true;
    return 0;
}

/* RFC 5280 4.1.1.3: the certificate is signed with the key that it certifies. */
static void check_signature(struct verification *v, struct certificate *certificate)
{
    bool good = certificate_signed_by(certificate, certificate);
    if (!check_that(v, good, "certificate.signature", good ? "good" : "wrong",
                    "signed with its own key", "the certificate was altered"))
        note_trouble(v, TROUBLE_BAD_SIGNATURE);
}

static bool hash_key(enum ratls_hash hash, struct slice key, uint8_t ret[static RATLS_HASH_MAX])
{
    switch (hash) {
    case RATLS_SHA256:
        return sha256(key, ret, NULL) == 0;
    case RATLS_SHA384:
        return sha384(key, ret, NULL) == 0;
    case RATLS_SHA512:
        return sha512(key, ret, NULL) == 0;
    }
    return false;
}

static void check_claimed_key(struct verification *v, const struct ra_tls_certificate *certificate)
{
    const struct ratls_claims *claims = &certificate->tagged.claims;
    struct slice claimed = slice_of(claims->public_key_hash, claims->public_key_hash_len);
    uint8_t digest[RATLS_HASH_MAX] = {0};
    bool hashed = hash_key(claims->hash, certificate->public_key, digest);
    struct slice found = slice_of(digest, claims->public_key_hash_len);
    check_that(v, hashed && slice_equal(found, claimed), "certificate.public-key",
               say_hex(v, found), say(v, "%s, as the claims say", say_hex(v, claimed)),
               advice_stolen);
}

/* SHA-256 of `bytes`, then 32 zero bytes: what the report data must be in both forms. */
static void check_report_data(struct verification *v, struct slice bytes, const char *over)
{
    uint8_t expected[MSE_REPORT_DATA_SIZE] = {0};
    bool hashed = sha256(bytes, expected, NULL) == 0;
    struct slice found = slice_from(v->verdict->report_data);
    check_that(v, hashed && slice_equal(found, slice_of(expected, sizeof(expected))),
               "certificate.report-data", say_hex(v, found),
               say(v, "%s (SHA-256 of the %s, then zero)",
                   say_hex(v, slice_of(expected, sizeof(expected))), over),
               advice_stolen);
}

static void check_format(struct verification *v, enum ratls_evidence format)
{
    enum mse_tee tee = v->verdict->tee;
    bool ok = false;
    const char *expected = "";
    switch (format) {
    case RATLS_INTEL_QUOTE:
        ok = tee == MSE_TEE_SGX || tee == MSE_TEE_TDX;
        expected = "sgx or tdx, as the extension's tag says";
        break;
    case RATLS_SNP_REPORT:
        ok = tee == MSE_TEE_SNP;
        expected = "snp, as the extension's tag says";
        break;
    case RATLS_SIMULATION:
        ok = tee == MSE_TEE_SIMULATION;
        expected = "simulation, as the extension's tag says";
        break;
    }
    check_that(v, ok, "certificate.evidence-format", mse_tee_name(tee), expected,
               "the certificate was put together from parts");
}

/* The fingerprint, then nothing but zero bytes (TDX's MRCONFIGID is longer). */
static bool identity_is(struct slice identity, struct slice fingerprint)
{
    return identity.len >= fingerprint.len &&
           slice_equal(slice_of(identity.data, fingerprint.len), fingerprint) &&
           slice_is_zero(slice_of(identity.data + fingerprint.len, identity.len - fingerprint.len));
}

/* The claim is under the report data, so the enclave's code vouches for it; the TEE itself vouches
 * for its identity field. SGX has no such field here: MRENCLAVE decides which code it is. */
static void check_claimed_identity(struct verification *v, struct slice claimed)
{
    struct slice identity = slice_from(v->verdict->identity);
    if (v->verdict->tee == MSE_TEE_SGX) {
        check_skip(v, "certificate.identity", "SGX binds the fingerprint through MRENCLAVE");
        return;
    }
    check_that(v, !slice_is_zero(claimed) && identity_is(identity, claimed), "certificate.identity",
               say_hex(v, identity),
               say(v, "%s, the fingerprint in the claims", say_hex(v, claimed)),
               "the enclave was started as another app than its certificate says");
}

static void check_claimed_fingerprint(struct verification *v, const struct ratls_claims *claims)
{
    static const char name[] = "certificate.fingerprint";
    const uint8_t *expected =
        v->input->fingerprint != NULL ? v->input->fingerprint : v->policy->fingerprint;
    if (!claims->has_fingerprint) {
        check_skip(v, name, "the claims hold no fingerprint");
        return;
    }
    struct slice claimed = slice_of(claims->fingerprint, sizeof(claims->fingerprint));
    if (expected == NULL)
        check_skip(v, name, "no fingerprint was expected");
    else
        check_that(v, slice_equal(claimed, slice_of(expected, MSE_FINGERPRINT_SIZE)), name,
                   say_hex(v, claimed), say_hex(v, slice_of(expected, MSE_FINGERPRINT_SIZE)),
                   "this is another app, or another version of it: compare manifests with "
                   "`mse diff`");
    check_claimed_identity(v, claimed);
}

static void record_claims(struct verification *v, const struct ra_tls_certificate *certificate)
{
    uint8_t digest[SHA256_SIZE] = {0};
    v->public_key = certificate->public_key;
    if (sha256(certificate->public_key, digest, NULL) == 0)
        claim_bytes(v, "certificate_public_key_sha256", slice_of(digest, sizeof(digest)));
    claim_text(v, "certificate_form",
               certificate->form == RA_TLS_TAGGED ? "TCG DICE tagged evidence" : "Gramine");
    if (certificate->form != RA_TLS_TAGGED)
        return;
    const struct ratls_claims *claims = &certificate->tagged.claims;
    if (claims->has_fingerprint)
        claim_bytes(v, "certificate_fingerprint",
                    slice_of(claims->fingerprint, sizeof(claims->fingerprint)));
    if (claims->nonce.len > 0)
        claim_bytes(v, "certificate_nonce", claims->nonce);
}

static void judge_bindings(struct verification *v, const struct ra_tls_certificate *certificate)
{
    if (certificate->form == RA_TLS_GRAMINE) {
        check_report_data(v, certificate->public_key, "public key");
        return;
    }
    check_format(v, certificate->tagged.format);
    check_report_data(v, certificate->tagged.claims_bytes, "claims");
    check_claimed_fingerprint(v, &certificate->tagged.claims);
}

static void judge(struct verification *v, struct ra_tls_certificate *certificate)
{
    struct err err = ERR_INIT;
    (void)check_window(v, "certificate.validity", certificate->certificate->not_before,
                       certificate->certificate->not_after, true,
                       "the enclave must be deployed anew, or look at the clock of this machine");
    check_signature(v, certificate->certificate);
    bool found = ra_tls_find_evidence(certificate, &err) == 0;
    if (!check_that(v, found, "certificate.evidence",
                    !found                               ? say(v, "%s", err.message)
                    : certificate->form == RA_TLS_TAGGED ? "TCG DICE tagged evidence"
                                                         : "Gramine's older extension",
                    "evidence in the certificate",
                    "this server's certificate is an ordinary one, or was altered"))
        return;
    record_claims(v, certificate);
    if (certificate->form == RA_TLS_TAGGED)
        check_claimed_key(v, certificate);
    v->evidence = certificate->evidence;
    verifier_run(v);
    if (v->parsed)
        judge_bindings(v, certificate);
}

static bool detect(struct slice evidence)
{
    return ra_tls_recognise(evidence);
}

static void verify(struct verification *v)
{
    struct ra_tls_certificate certificate;
    struct err err = ERR_INIT;
    if (v->public_key.len > 0) {
        check_fail(v, "certificate.form", "a certificate inside a certificate", "evidence", "");
        return;
    }
    bool readable = ra_tls_parse(v->arena, v->evidence, &certificate, &err) == 0;
    if (check_that(v, readable, "certificate.form", readable ? "X.509" : say(v, "%s", err.message),
                   "one complete certificate", "give the certificate alone, as DER or PEM"))
        judge(v, &certificate);
    certificate_store_done(&certificate.store);
}

static int needs(struct slice evidence, struct needs *needs, struct err *err)
{
    struct ra_tls_certificate certificate = {0};
    int rc = ra_tls_parse(&needs->arena, evidence, &certificate, err);
    if (rc == 0)
        rc = ra_tls_find_evidence(&certificate, err);
    if (rc == 0 && ra_tls_recognise(certificate.evidence))
        rc = FAIL(err, ERR_INVALID, "the certificate's evidence is a certificate");
    if (rc == 0)
        rc = verifier_needs(certificate.evidence, needs, err);
    certificate_store_done(&certificate.store);
    return rc;
}

const struct verifier ra_tls_verifier = {
    .name = "RA-TLS certificate",
    .detect = detect,
    .verify = verify,
    .needs = needs,
};

void ra_tls_check_public_key(struct verification *v)
{
    static const char name[] = "binding.public-key";
    struct slice expected = slice_from(v->input->public_key);
    if (expected.len == 0) {
        check_skip(v, name, "no public key was expected");
        return;
    }
    if (v->public_key.len == 0) {
        check_fail(v, name, "the evidence is not in a certificate", "a certificate with this key",
                   "bind the key through the expected report data instead");
        return;
    }
    bool same = slice_equal(v->public_key, expected);
    check_that(v, same, name, same ? "the same key" : "another key", "the key of the connection",
               "somebody answers in the enclave's place: do not send any secret");
}
