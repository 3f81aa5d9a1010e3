// SPDX-License-Identifier: Apache-2.0
/*
 * Names that are the node's, in every spelling, and certificates that hold one of them somewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/names.h"

static struct err failure;
#define OK(call) assert_int_equal((call), 0)

static void names_of_the_node_test(void **state)
{
    static const char *const of_node[] = {
        "apps.test",   "APPS.test",     "apps.test.", "Apps.Test..", "a.apps.test", "a.b.apps.test",
        "*.apps.test", "*.a.apps.test", "*.test",     "*.TEST.",     ".apps.test",
    };
    static const char *const others[] = {
        "test",         "xapps.test", "apps.test.example",
        "apps.testing", "*.example",  "*",
        "*.",           "",           ".",
        "*.xtest",      "a.test",     "xn--apps-.test",
        "apps-test",
    };
    for (size_t i = 0; i < ARRAY_LEN(of_node); i++) {
        if (!name_is_of_node(of_node[i], "apps.test"))
            fail_msg("'%s' is the node's", of_node[i]);
        if (name_is_of_node(of_node[i], "localhost"))
            fail_msg("'%s' leads nowhere on localhost", of_node[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (name_is_of_node(others[i], "apps.test"))
            fail_msg("'%s' is not the node's", others[i]);
    }
    assert_true(name_is_of_node("xn--bcher-kva.example", "xn--bcher-kva.example"));
    assert_true(name_is_of_node("XN--BCHER-KVA.example", "xn--bcher-kva.example"));
}

static X509 *certificate_for(const char *common_name, const char *first, const char *second)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    const char *const names[] = {first, second};
    const struct certificate_spec spec = {.common_name = common_name,
                                          .dns_names = names,
                                          .dns_name_count = second == NULL ? 1 : 2,
                                          .not_before = 1000000000,
                                          .not_after = 2000000000};
    OK(p256_key_new(&key, &failure));
    OK(certificate_new(key, &spec, NULL, NULL, &certificate, &failure));
    return certificate;
}

static void check(const char *host, X509 *given, enum err_kind kind, const char *words)
{
    AUTO_X509 X509 *certificate = given;
    struct err err = ERR_INIT;
    int result = names_check_certificate(certificate, host, "apps.test", &err);
    assert_int_equal(result, kind == ERR_NONE ? 0 : -1);
    assert_int_equal(err.kind, kind);
    if (strstr(err.message, words) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, words);
}

/* A name of the node's is claimed, alone, as one of several, by a pattern, as a common name. */
static void certificates_test(void **state)
{
    const char *mine = "www.example.com";
    check(mine, certificate_for("x", mine, NULL), ERR_NONE, "");
    check(mine, certificate_for("x", "*.example.com", "example.com"), ERR_NONE, "");
    check("apps.test", certificate_for("x", "apps.test", NULL), ERR_FORBIDDEN, "tls.host_name");
    check("a.apps.test", certificate_for("x", "a.apps.test", NULL), ERR_FORBIDDEN, "tls.host_name");
    check(mine, certificate_for("x", mine, "APPS.test"), ERR_FORBIDDEN, "'APPS.test'");
    check(mine, certificate_for("x", mine, "*.apps.test"), ERR_FORBIDDEN, "'*.apps.test'");
    check(mine, certificate_for("x", "*.test", mine), ERR_FORBIDDEN, "'*.test'");
    check(mine, certificate_for("apps.test", mine, NULL), ERR_FORBIDDEN, "'apps.test'");
    check(mine, certificate_for("x", "example.com", NULL), ERR_INVALID, "does not cover");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_node_test),
        cmocka_unit_test(certificates_test),
    };
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
