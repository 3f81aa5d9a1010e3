// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates made here are read back, by our functions and by OpenSSL's verification.
 */
#include "crypto/x509.h"
#include "testing.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { NOT_BEFORE = 1795341600, NOT_AFTER = NOT_BEFORE + 1000 };

static const char *const names[] = {"app.example", "*.wild.example", "127.0.0.1", "::1"};

static struct certificate_spec spec_of(const char *common_name)
{
    return (struct certificate_spec){.common_name = common_name,
                                     .dns_names = names,
                                     .dns_name_count = ARRAY_LEN(names),
                                     .not_before = NOT_BEFORE,
                                     .not_after = NOT_AFTER};
}

static void make_self_signed(EVP_PKEY **key, X509 **certificate)
{
    struct certificate_spec spec = spec_of("app.example");
    OK(p256_key_new(key, &err));
    OK(certificate_new(*key, &spec, NULL, NULL, certificate, &err));
}

static void test_self_signed(void **state)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_PKEY EVP_PKEY *other = NULL;
    AUTO_X509 X509 *certificate = NULL;
    AUTO_X509 X509 *again = NULL;
    make_self_signed(&key, &certificate);
    make_self_signed(&other, &again);
    assert_int_equal(X509_verify(certificate, key), 1);
    assert_int_equal(X509_get_version(certificate), X509_VERSION_3);
    assert_true(certificate_matches_key(certificate, key));
    assert_false(certificate_matches_key(certificate, other));
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(X509_check_ca(certificate), 0);
    assert_int_equal(X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0), 1);
    int64_t not_before = 0;
    int64_t not_after = 0;
    OK(certificate_validity(certificate, &not_before, &not_after, &err));
    assert_int_equal(not_before, NOT_BEFORE);
    assert_int_equal(not_after, NOT_AFTER);
    assert_int_not_equal(
        ASN1_INTEGER_cmp(X509_get0_serialNumber(certificate), X509_get0_serialNumber(again)), 0);
}

static void test_covers(void **state)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    make_self_signed(&key, &certificate);
    static const char *const covered[] = {"app.example", "APP.example", "a.wild.example",
                                          "127.0.0.1",   "::1",         "0:0:0:0:0:0:0:1"};
    static const char *const not_covered[] = {
        "other.example", "example", "a.app.example", "", "wild.example", "a.b.wild.example",
        "127.0.0.2",     "::2",     "app.example\n"};
    for (size_t i = 0; i < ARRAY_LEN(covered); i++)
        assert_true(certificate_covers(certificate, covered[i]));
    for (size_t i = 0; i < ARRAY_LEN(not_covered); i++)
        assert_false(certificate_covers(certificate, not_covered[i]));
}

/* A name in the subject alone counts for nothing. */
static void test_common_name_covers_nothing(void **state)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    struct certificate_spec spec = spec_of("app.example");
    spec.dns_name_count = 0;
    OK(p256_key_new(&key, &err));
    OK(certificate_new(key, &spec, NULL, NULL, &certificate, &err));
    assert_false(certificate_covers(certificate, "app.example"));
}

static int verify_chain(X509 *root, X509 *leaf, int64_t when)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_add_cert(store, root), 1);
    assert_int_equal(X509_STORE_CTX_init(context, store, leaf, NULL), 1);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(param, (time_t)when);
    (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    (void)X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    (void)X509_verify_cert(context);
    int result = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return result;
}

static void test_issued(void **state)
{
    AUTO_PKEY EVP_PKEY *root_key = NULL;
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *root = NULL;
    AUTO_X509 X509 *leaf = NULL;
    AUTO_PKEY EVP_PKEY *other_key = NULL;
    AUTO_X509 X509 *other = NULL;
    struct certificate_spec root_spec = {
        .common_name = "root", .not_before = NOT_BEFORE, .not_after = NOT_AFTER, .is_ca = true};
    struct certificate_spec spec = spec_of("app.example");
    OK(p256_key_new(&root_key, &err));
    OK(p256_key_new(&key, &err));
    OK(certificate_new(root_key, &root_spec, NULL, NULL, &root, &err));
    OK(certificate_new(key, &spec, root, root_key, &leaf, &err));
    assert_int_equal(X509_check_ca(root), 1);
    assert_int_equal(verify_chain(root, leaf, NOT_BEFORE + 1), X509_V_OK);
    assert_int_equal(verify_chain(root, leaf, NOT_AFTER + 1), X509_V_ERR_CERT_HAS_EXPIRED);
    OK(p256_key_new(&other_key, &err));
    OK(certificate_new(other_key, &root_spec, NULL, NULL, &other, &err));
    assert_int_not_equal(verify_chain(other, leaf, NOT_BEFORE + 1), X509_V_OK);
    X509 *none = NULL;
    FAILS(ERR_INTERNAL, "issuer", certificate_new(key, &spec, root, NULL, &none, &err));
    FAILS(ERR_INTERNAL, "issuer", certificate_new(key, &spec, NULL, root_key, &none, &err));
    assert_null(none);
}

static void test_spec_refused(void **state)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    X509 *none = NULL;
    OK(p256_key_new(&key, &err));
    struct certificate_spec spec = spec_of("");
    FAILS(ERR_INVALID, "0 bytes", certificate_new(key, &spec, NULL, NULL, &none, &err));
    char long_name[66] = "";
    memset(long_name, 'x', 65);
    spec.common_name = long_name;
    FAILS(ERR_INVALID, "65 bytes", certificate_new(key, &spec, NULL, NULL, &none, &err));
    spec = spec_of("app.example");
    spec.not_after = NOT_BEFORE - 1;
    FAILS(ERR_INVALID, "ends before", certificate_new(key, &spec, NULL, NULL, &none, &err));
    spec = spec_of("app.example");
    const struct certificate_extension bad[] = {{.oid = "not an oid"}};
    spec.extensions = bad;
    spec.extension_count = 1;
    FAILS(ERR_INVALID, "'not an oid'", certificate_new(key, &spec, NULL, NULL, &none, &err));
    assert_null(none);
    assert_int_equal(ERR_peek_error(), 0);
}

/* "2.23.133.5.4.9" is TCG's tagged evidence; what is in it is anything to us. */
static void test_extensions(void **state)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    AUTO_X509 X509 *twice = NULL;
    AUTO_BUF struct buf value = BUF_INIT(100);
    AUTO_BUF struct buf small = BUF_INIT(2);
    struct certificate_spec spec = spec_of("app.example");
    const struct certificate_extension extensions[] = {
        {.oid = "2.23.133.5.4.9", .value = slice_of("\x04\x01\xff", 3)},
        {.oid = "2.23.133.5.4.9", .value = slice_of("\x04\x01\xff", 3)}};
    spec.extensions = extensions;
    spec.extension_count = 1;
    OK(p256_key_new(&key, &err));
    OK(certificate_new(key, &spec, NULL, NULL, &certificate, &err));
    OK(certificate_extension_get(certificate, "2.23.133.5.4.9", &value, &err));
    assert_int_equal(value.len, 3);
    assert_memory_equal(value.data, "\x04\x01\xff", 3);
    FAILS(ERR_NOT_FOUND, "1.2.3.4",
          certificate_extension_get(certificate, "1.2.3.4", &value, &err));
    FAILS(ERR_TOO_LARGE, "2 bytes",
          certificate_extension_get(certificate, "2.23.133.5.4.9", &small, &err));
    spec.extension_count = 2;
    OK(certificate_new(key, &spec, NULL, NULL, &twice, &err));
    FAILS(ERR_INVALID, "twice", certificate_extension_get(twice, "2.23.133.5.4.9", &value, &err));
    assert_int_equal(value.len, 3);
}

static void test_encodings(void **state)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    AUTO_X509 X509 *from_der = NULL;
    AUTO_X509 X509 *from_pem = NULL;
    AUTO_BUF struct buf der = BUF_INIT(10000);
    AUTO_BUF struct buf pem = BUF_INIT(10000);
    make_self_signed(&key, &certificate);
    OK(certificate_to_der(certificate, &der, &err));
    OK(certificate_to_pem(certificate, &pem, &err));
    OK(certificate_from_der(buf_slice(&der), &from_der, &err));
    OK(certificate_from_pem(buf_slice(&pem), &from_pem, &err));
    assert_int_equal(X509_cmp(certificate, from_der), 0);
    assert_int_equal(X509_cmp(certificate, from_pem), 0);
    X509 *none = NULL;
    for (size_t len = 0; len < der.len; len += 7)
        FAILS(ERR_INVALID, "no certificate in DER",
              certificate_from_der(slice_of(der.data, len), &none, &err));
    OK(buf_u8(&der, 0, &err));
    FAILS(ERR_INVALID, "1 bytes more", certificate_from_der(buf_slice(&der), &none, &err));
    FAILS(ERR_INVALID, "no certificate in PEM", certificate_from_pem(slice_str(""), &none, &err));
    FAILS(ERR_INVALID, "no certificate in PEM",
          certificate_from_pem(slice_str("x\n"), &none, &err));
    FAILS(ERR_INVALID, "no certificate in PEM",
          certificate_from_pem(slice_of(pem.data, pem.len / 2), &none, &err));
    AUTO_BUF struct buf small = BUF_INIT(10);
    FAILS(ERR_TOO_LARGE, "10 bytes", certificate_to_der(certificate, &small, &err));
    FAILS(ERR_TOO_LARGE, "10 bytes", certificate_to_pem(certificate, &small, &err));
    assert_null(none);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_private_keys(void **state)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_PKEY EVP_PKEY *back = NULL;
    AUTO_BUF struct buf pem = BUF_INIT(10000);
    AUTO_BUF struct buf public_der = BUF_INIT(1000);
    OK(p256_key_new(&key, &err));
    OK(private_key_to_pem(key, &pem, &err));
    assert_non_null(strstr(buf_text(&pem), "-----BEGIN PRIVATE KEY-----\n"));
    OK(private_key_from_pem(buf_slice(&pem), &back, &err));
    assert_int_equal(EVP_PKEY_eq(key, back), 1);
    OK(public_key_der(key, &public_der, &err));
    assert_int_equal(public_der.len, 91); /* SubjectPublicKeyInfo of an uncompressed P-256 point */
    EVP_PKEY *none = NULL;
    FAILS(ERR_INVALID, "no private key", private_key_from_pem(slice_str(""), &none, &err));
    FAILS(ERR_INVALID, "no private key",
          private_key_from_pem(slice_of(pem.data, pem.len / 2), &none, &err));
    assert_null(none);
}

/* One with a password must be refused and not asked about on the terminal. */
static void test_encrypted_private_key(void **state)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    OK(p256_key_new(&key, &err));
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), "password", 8, NULL, NULL), 1);
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    EVP_PKEY *none = NULL;
    FAILS(ERR_INVALID, "without a password",
          private_key_from_pem(slice_of(text, (size_t)len), &none, &err));
    BIO_free(bio);
    assert_null(none);
}

static void test_ed25519_can_sign(void **state)
{
    AUTO_PKEY EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    AUTO_X509 X509 *certificate = NULL;
    struct certificate_spec spec = spec_of("app.example");
    OK(certificate_new(key, &spec, NULL, NULL, &certificate, &err));
    assert_int_equal(X509_verify(certificate, key), 1);
}

static int setup(void **state)
{
    return crypto_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_self_signed),
        cmocka_unit_test(test_covers),
        cmocka_unit_test(test_common_name_covers_nothing),
        cmocka_unit_test(test_issued),
        cmocka_unit_test(test_spec_refused),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_private_keys),
        cmocka_unit_test(test_encrypted_private_key),
        cmocka_unit_test(test_ed25519_can_sign),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
