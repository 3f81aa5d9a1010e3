// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates made here are read back, by our functions and by OpenSSL's verification.
 */
#include "crypto/x509.h"

#include "testing.h"

static void test_self_signed(void **state)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    OK(p256_key_new(&key, &err));
    const char *const names[] = {"app.example", "127.0.0.1"};
    const struct certificate_spec spec = {.common_name = "app.example",
                                          .dns_names = names,
                                          .dns_name_count = 2,
                                          .not_before = 1795341600,
                                          .not_after = 1795341700};
    OK(certificate_new(key, &spec, NULL, NULL, &certificate, &err));
    assert_true(certificate_matches_key(certificate, key));
    assert_true(certificate_covers(certificate, "app.example"));
    assert_true(certificate_covers(certificate, "127.0.0.1"));
    assert_false(certificate_covers(certificate, "other.example"));
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
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
