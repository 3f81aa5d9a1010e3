// SPDX-License-Identifier: Apache-2.0
/*
 * A name shown by a certificate: the chain must lead to an authority that counts, be for that name
 * and of now, and the certificate's own key must have signed for this very app.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "crypto/name_proof.h"

#include <stdio.h>
#include <stdlib.h>

static struct err failure;
#define OK(call) assert_int_equal((call), 0)

enum { NOW = 1500000000, YEAR = 365 * 24 * 3600 };
static const char host[] = "www.example.com";

struct fixture {
    char folder[64];
    char authorities[96];
    EVP_PKEY *ca_key;
    X509 *ca;
    EVP_PKEY *key;
    X509 *certificate;
    struct buf chain;
};

static X509 *issue(EVP_PKEY *key, const char *name, bool is_ca, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *certificate = NULL;
    const struct certificate_spec spec = {.common_name = is_ca ? name : "x",
                                          .dns_names = &name,
                                          .dns_name_count = is_ca ? 0 : 1,
                                          .not_before = NOW - YEAR,
                                          .not_after = NOW + YEAR,
                                          .is_ca = is_ca};
    OK(certificate_new(key, &spec, issuer, issuer_key, &certificate, &failure));
    return certificate;
}

static int set_up(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture), NULL);
    AUTO_BUF struct buf pem = BUF_INIT(1 << 16);
    assert_non_null(fixture);
    (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/mse-proof-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->authorities, sizeof(fixture->authorities), "%s/ca.pem",
                   fixture->folder);
    OK(p256_key_new(&fixture->ca_key, &failure));
    OK(p256_key_new(&fixture->key, &failure));
    fixture->ca = issue(fixture->ca_key, "authority", true, NULL, NULL);
    fixture->certificate = issue(fixture->key, host, false, fixture->ca, fixture->ca_key);
    OK(certificate_to_pem(fixture->ca, &pem, &failure));
    OK(file_write_atomic(fixture->authorities, buf_slice(&pem), 0644, &failure));
    fixture->chain = BUF_INIT(1 << 16);
    OK(certificate_to_pem(fixture->certificate, &fixture->chain, &failure));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    OK(folder_remove_tree(fixture->folder, &failure));
    EVP_PKEY_free(fixture->ca_key);
    EVP_PKEY_free(fixture->key);
    X509_free(fixture->ca);
    X509_free(fixture->certificate);
    buf_done(&fixture->chain);
    free(fixture);
    return 0;
}

static void rejected(const struct fixture *fixture, const char *name, int64_t now)
{
    struct err err = ERR_INIT;
    assert_int_equal(
        name_proof_chain(buf_slice(&fixture->chain), name, fixture->authorities, now, &err), -1);
    assert_int_equal(err.kind, ERR_REJECTED);
}

static void chain_test(void **state)
{
    const struct fixture *fixture = *state;
    OK(name_proof_chain(buf_slice(&fixture->chain), host, fixture->authorities, NOW, &failure));
    rejected(fixture, "example.com", NOW);
    rejected(fixture, "evil.example.com", NOW);
    rejected(fixture, host, NOW + 2 * YEAR);
    rejected(fixture, host, NOW - 2 * YEAR);
}

/* Made by nobody, by itself, by a certificate that may make none, by an authority of the same name.
 */
static void other_chains_test(void **state)
{
    struct fixture *fixture = *state;
    AUTO_PKEY EVP_PKEY *key = NULL;
    OK(p256_key_new(&key, &failure));
    X509 *const certificates[] = {
        issue(key, host, false, NULL, NULL),
        issue(key, host, false, fixture->certificate, fixture->key),
    };
    for (size_t i = 0; i < ARRAY_LEN(certificates); i++) {
        AUTO_X509 X509 *certificate = certificates[i];
        AUTO_BUF struct buf rest = BUF_INIT(1 << 16);
        OK(buf_bytes(&rest, buf_slice(&fixture->chain), &failure));
        buf_clear(&fixture->chain);
        OK(certificate_to_pem(certificate, &fixture->chain, &failure));
        OK(buf_bytes(&fixture->chain, buf_slice(&rest), &failure));
        rejected(fixture, host, NOW);
    }
    AUTO_X509 X509 *namesake = issue(key, "authority", true, NULL, NULL);
    AUTO_X509 X509 *certificate = issue(fixture->key, host, false, namesake, key);
    buf_clear(&fixture->chain);
    OK(certificate_to_pem(certificate, &fixture->chain, &failure));
    OK(certificate_to_pem(namesake, &fixture->chain, &failure));
    rejected(fixture, host, NOW);
}

static void unreadable_test(void **state)
{
    const struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    assert_int_equal(name_proof_chain(slice_str("no PEM"), host, fixture->authorities, NOW, &err),
                     -1);
    assert_int_equal(err.kind, ERR_INVALID);
    err_clear(&err);
    assert_int_equal(name_proof_chain(buf_slice(&fixture->chain), host, "/nowhere", NOW, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
}

static void unsigned_by(X509 *certificate, const uint8_t *subject, struct slice signature)
{
    struct err err = ERR_INIT;
    assert_int_equal(name_proof_verify(certificate, subject, signature, &err), -1);
    assert_int_equal(err.kind, ERR_REJECTED);
}

/* Who has a chain, as everybody can, has no signature of its key. */
static void signature_test(void **state)
{
    struct fixture *fixture = *state;
    const uint8_t subject[NAME_PROOF_SUBJECT_SIZE] = {1};
    const uint8_t other[NAME_PROOF_SUBJECT_SIZE] = {2};
    AUTO_BUF struct buf signature = BUF_INIT(NAME_PROOF_SIGNATURE_MAX);
    OK(name_proof_sign(fixture->key, subject, &signature, &failure));
    OK(name_proof_verify(fixture->certificate, subject, buf_slice(&signature), &failure));
    unsigned_by(fixture->certificate, other, buf_slice(&signature));
    unsigned_by(fixture->ca, subject, buf_slice(&signature));
    unsigned_by(fixture->certificate, subject, slice_of(NULL, 0));
    for (size_t i = 0; i < signature.len; i++) {
        signature.data[i] ^= 1;
        unsigned_by(fixture->certificate, subject, buf_slice(&signature));
        signature.data[i] ^= 1;
    }
}

static void key_types_test(void **state)
{
    const uint8_t subject[NAME_PROOF_SUBJECT_SIZE] = {1};
    EVP_PKEY *const keys[] = {EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
                              EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        AUTO_PKEY EVP_PKEY *key = keys[i];
        assert_non_null(key);
        AUTO_X509 X509 *certificate = issue(key, host, false, NULL, NULL);
        AUTO_BUF struct buf signature = BUF_INIT(NAME_PROOF_SIGNATURE_MAX);
        OK(name_proof_sign(key, subject, &signature, &failure));
        OK(name_proof_verify(certificate, subject, buf_slice(&signature), &failure));
        signature.data[9] ^= 1;
        unsigned_by(certificate, subject, buf_slice(&signature));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name##_test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(chain), TEST(other_chains), TEST(unreadable), TEST(signature), TEST(key_types),
    };
    return cmocka_run_group_tests_name("name_proof", tests, NULL, NULL);
}
