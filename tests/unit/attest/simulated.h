// SPDX-License-Identifier: Apache-2.0
/*
 * Simulated evidence and RA-TLS certificates as an enclave makes them, with every part open to a
 * test's meddling; and what is asked of a verdict.
 */
#pragma once

#include "crypto/x509.h"
#include "launch/simulation_device.h"
#include "model/ratls.h"
#include "testing.h"

#include "mse/mse.h"

#include <stdio.h>

enum { SIMULATED_FROM = 1800000000, SIMULATED_AT = 1800001000, SIMULATED_UNTIL = 1800086400 };

/* Evidence with these 32 and 64 bytes, signed under the root of bytes `root`. */
static inline void simulated_evidence(uint8_t root_byte, const uint8_t *fingerprint,
                                      const uint8_t *report_data, bool debug, struct buf *out)
{
    uint8_t seed[SIMULATION_ROOT_SIZE];
    memset(seed, root_byte, sizeof(seed));
    AUTO_SECRET struct secret root = SECRET_INIT;
    struct simulation_device device;
    OK(secret_copy(&root, slice_of(seed, sizeof(seed)), &err));
    OK(simulation_device_init(&device, &root, fingerprint, &err));
    device.debug = debug;
    OK(simulation_device_evidence(&device, report_data, out, &err));
    simulation_device_done(&device);
}

static inline void simulated_root_public(uint8_t root_byte,
                                         uint8_t ret[static EVIDENCE_PUBLIC_KEY_SIZE])
{
    uint8_t seed[SIMULATION_ROOT_SIZE];
    memset(seed, root_byte, sizeof(seed));
    AUTO_SECRET struct secret root = SECRET_INIT;
    OK(secret_copy(&root, slice_of(seed, sizeof(seed)), &err));
    OK(simulation_root_public_key(&root, ret, &err));
}

/* What a certificate is made of; a test changes one field. */
struct ra_tls_parts {
    uint8_t fingerprint[32];         /* in the evidence's field */
    uint8_t claimed_fingerprint[32]; /* in the claims */
    bool claim_no_fingerprint;
    bool other_key_in_claims;
    bool other_report_data;
    bool gramine;
    bool no_extension;
    bool signed_by_other;
    enum ratls_evidence tag;
    int64_t not_before;
    int64_t not_after;
    uint8_t root; /* byte of the simulation root */
};

static inline struct ra_tls_parts ra_tls_good_parts(void)
{
    struct ra_tls_parts parts = {.tag = RATLS_SIMULATION,
                                 .not_before = SIMULATED_FROM,
                                 .not_after = SIMULATED_UNTIL,
                                 .root = 7};
    memset(parts.fingerprint, 0xf1, 32);
    memset(parts.claimed_fingerprint, 0xf1, 32);
    return parts;
}

/* The extension over the key's DER. */
static inline void ra_tls_extension(const struct ra_tls_parts *parts, struct slice key,
                                    struct buf *out)
{
    uint8_t report_data[64] = {0};
    uint8_t digest[32];
    AUTO_BUF struct buf claims = BUF_INIT(4096);
    AUTO_BUF struct buf evidence = BUF_INIT(4096);
    OK(sha256(key, digest, &err));
    digest[0] ^= parts->other_key_in_claims ? 1 : 0;
    OK(ratls_claims_encode(digest, parts->claim_no_fingerprint ? NULL : parts->claimed_fingerprint,
                           &claims, &err));
    OK(sha256(parts->gramine ? key : buf_slice(&claims), report_data, &err));
    report_data[63] ^= parts->other_report_data ? 1 : 0;
    simulated_evidence(parts->root, parts->fingerprint, report_data, false, &evidence);
    if (parts->gramine)
        OK(buf_bytes(out, buf_slice(&evidence), &err));
    else
        OK(ratls_extension_encode(parts->tag, buf_slice(&evidence), buf_slice(&claims), out, &err));
}

/* The certificate's DER; its key's DER is appended to `key` unless that is NULL. */
static inline void ra_tls_build(const struct ra_tls_parts *parts, struct buf *out, struct buf *key)
{
    AUTO_PKEY EVP_PKEY *own = NULL;
    AUTO_PKEY EVP_PKEY *other = NULL;
    AUTO_X509 X509 *certificate = NULL;
    AUTO_BUF struct buf spki = BUF_INIT(1024);
    AUTO_BUF struct buf extension = BUF_INIT(16384);
    OK(p256_key_new(&own, &err));
    OK(p256_key_new(&other, &err));
    OK(public_key_der(own, &spki, &err));
    ra_tls_extension(parts, buf_slice(&spki), &extension);
    const struct certificate_extension extensions[] = {
        {.oid = parts->gramine ? RATLS_GRAMINE_OID : RATLS_OID, .value = buf_slice(&extension)}};
    const char *const names[] = {"app.example"};
    const struct certificate_spec spec = {
        .common_name = "app.example",
        .dns_names = names,
        .dns_name_count = 1,
        .not_before = parts->not_before,
        .not_after = parts->not_after,
        .extensions = extensions,
        .extension_count = parts->no_extension ? 0 : 1,
    };
    AUTO_X509 X509 *issuer = NULL;
    if (parts->signed_by_other)
        OK(certificate_new(other, &spec, NULL, NULL, &issuer, &err));
    OK(certificate_new(own, &spec, issuer, issuer == NULL ? NULL : other, &certificate, &err));
    OK(certificate_to_der(certificate, out, &err));
    if (key != NULL)
        OK(buf_bytes(key, buf_slice(&spki), &err));
}

/* The only failed check, "" where there is none; several fail the test aloud. */
static inline const char *only_failure(const struct mse_verdict *verdict)
{
    const char *name = "";
    for (size_t i = 0; i < verdict->check_count; i++) {
        const struct mse_check *check = &verdict->checks[i];
        if (check->result != MSE_FAIL)
            continue;
        if (name[0] != '\0')
            fail_msg("both %s and %s failed (%s)", name, check->name, check->found);
        name = check->name;
    }
    return name;
}

static inline const struct mse_check *find_check(const struct mse_verdict *verdict,
                                                 const char *name)
{
    for (size_t i = 0; i < verdict->check_count; i++) {
        if (strcmp(verdict->checks[i].name, name) == 0)
            return &verdict->checks[i];
    }
    fail_msg("no check %s", name);
    return NULL;
}

/* Judges and expects exactly this check to fail ("": none, accepted). */
static inline void judge_expect(const struct mse_input *input, const char *failure)
{
    struct mse_verdict *verdict = mse_verify(input);
    assert_non_null(verdict);
    assert_string_equal(only_failure(verdict), failure);
    assert_int_equal(verdict->accepted, failure[0] == '\0');
    mse_verdict_free(verdict);
}
