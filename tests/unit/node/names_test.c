// SPDX-License-Identifier: Apache-2.0
/*
 * Names that are the node's, in every spelling, and certificates that hold one of them somewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/fd.h"
#include "node/names.h"

#include <stdlib.h>
#include <unistd.h>

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

static const uint8_t fingerprint[NAME_PROOF_SUBJECT_SIZE] = {7};

/* The owner's name without, and with, each proof that needs no network. */
static void proofs_test(void **state)
{
    AUTO_NODE_CONFIG struct node_config config = {0};
    AUTO_X509 X509 *certificate = certificate_for("x", "www.example.com", NULL);
    AUTO_BUF struct buf chain = BUF_INIT(1 << 16);
    OK(certificate_to_pem(certificate, &chain, &failure));
    OK(node_config_parse(slice_str("domain = 'apps.test'\n[names]\ndns = false\n"
                                   "allow = ['www.example.com=token:alice']\n"),
                         "/etc/msed.toml", &config, &failure));
    const struct {
        const char *name;
        const char *account;
        bool by_operator;
        bool proved;
    } rows[] = {
        {"www.example.com", "token:alice", false, true},
        {"www.example.com", "token:alic", false, false},
        {"www.example.com", "token:alicea", false, false},
        {"www.example.co", "token:alice", false, false},
        {"a.www.example.com", "token:alice", false, false},
        {"www.example.com", "token:bob", false, false},
        {"www.example.com", "uid:0", true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = ERR_INIT;
        const struct name_claim claim = {.name = rows[i].name,
                                         .account = rows[i].account,
                                         .by_operator = rows[i].by_operator,
                                         .certificate = certificate,
                                         .chain = buf_slice(&chain),
                                         .fingerprint = fingerprint,
                                         .now = 1500000000};
        assert_int_equal(names_prove(&config, &claim, &err), rows[i].proved ? 0 : -1);
        if (rows[i].proved)
            continue;
        assert_int_equal(err.kind, ERR_FORBIDDEN);
        assert_non_null(strstr(err.message, "not proved"));
        assert_non_null(strstr(err.message, "names.allow"));
        assert_non_null(strstr(err.message, "no authority"));
        assert_non_null(strstr(err.message, "names.dns"));
        assert_true(err.hint[0] != '\0');
    }
}

/* The chain of a certificate is public: with its key it proves, alone it does not. */
static void stolen_chain_test(void **state)
{
    AUTO_NODE_CONFIG struct node_config config = {0};
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    AUTO_BUF struct buf chain = BUF_INIT(1 << 16);
    AUTO_BUF struct buf signature = BUF_INIT(NAME_PROOF_SIGNATURE_MAX);
    char file[] = "/tmp/mse-names-XXXXXX";
    AUTO_BUF struct buf toml = BUF_INIT(1000);
    const char *const names[] = {"www.example.com"};
    const struct certificate_spec spec = {.common_name = "x",
                                          .dns_names = names,
                                          .dns_name_count = 1,
                                          .not_before = 1000000000,
                                          .not_after = 2000000000};
    OK(p256_key_new(&key, &failure));
    OK(certificate_new(key, &spec, NULL, NULL, &certificate, &failure));
    OK(certificate_to_pem(certificate, &chain, &failure));
    int fd = mkstemp(file);
    OK(fd_write_all(fd, buf_slice(&chain), &failure)); /* trusted as it is */
    fd_close(fd);
    OK(buf_printf(&toml, &failure,
                  "domain = 'apps.test'\n[names]\ndns = false\nauthorities = '%s'\n", file));
    OK(node_config_parse(buf_slice(&toml), "/etc/msed.toml", &config, &failure));
    struct name_claim claim = {.name = "www.example.com",
                               .account = "token:bob",
                               .certificate = certificate,
                               .chain = buf_slice(&chain),
                               .fingerprint = fingerprint,
                               .now = 1500000000};
    struct err err = ERR_INIT;
    assert_int_equal(names_prove(&config, &claim, &err), -1);
    assert_non_null(strstr(err.message, "has not signed"));
    OK(name_proof_sign(key, fingerprint, &signature, &failure));
    claim.signature = buf_slice(&signature);
    OK(names_prove(&config, &claim, &failure));
    assert_int_equal(unlink(file), 0);
}

static void allowed_names_test(void **state)
{
    static const char *const bad[] = {"www.example.com", "www.example.com=", "=token:alice",
                                      "WWW.example.com=token:alice", "*.example.com=token:alice"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = ERR_INIT;
        AUTO_NODE_CONFIG struct node_config config = {0};
        AUTO_BUF struct buf toml = BUF_INIT(1000);
        OK(buf_printf(&toml, &failure, "[names]\nallow = ['%s']\n", bad[i]));
        assert_int_equal(node_config_parse(buf_slice(&toml), "/etc/msed.toml", &config, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_node_test),
        cmocka_unit_test(certificates_test),
        cmocka_unit_test(proofs_test),
        cmocka_unit_test(stolen_chain_test),
        cmocka_unit_test(allowed_names_test),
    };
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
