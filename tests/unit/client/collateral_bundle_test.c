// SPDX-License-Identifier: Apache-2.0
/*
 * What becomes of a service's answer, also of one that is not what was asked for.
 */
#include "client/collateral_bundle.h"

#include "testing.h"

static struct collateral_bundle bundle;
static struct buf out;
static struct collateral_answer answer;

static int setup(void **state)
{
    (void)state;
    out = BUF_INIT(1 << 20);
    bundle = (struct collateral_bundle){.out = &out};
    answer = (struct collateral_answer){.body = BUF_INIT(COLLATERAL_DOCUMENT_MAX),
                                        .chain = BUF_INIT(COLLATERAL_CHAIN_MAX)};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&out);
    collateral_answer_done(&answer);
    arena_done(&bundle.arena);
    return 0;
}

static int add(const struct mse_document *document, const char *body, const char *chain)
{
    buf_clear(&answer.body);
    buf_clear(&answer.chain);
    assert_int_equal(buf_str(&answer.body, body, NULL), 0);
    assert_int_equal(buf_str(&answer.chain, chain, NULL), 0);
    return bundle_add(&bundle, document, &answer, &err);
}

static const struct mse_document tcb_info = {
    .form = MSE_FORM_SIGNED_JSON, .name = "tcb_info", .member = "tcbInfo", .issuer_chain = true};

/* The signature is over the very bytes: blanks and escapes stay. */
static void test_signed_json(void **state)
{
    (void)state;
    OK(add(&tcb_info, "{\"signature\":\"ab12\", \"tcbInfo\": { \"a\" : \"\\u0041\\n\" }}",
           "A\nB\n"));
    assert_string_equal(buf_text(&out), "\n\"tcb_info_issuer_chain\": \"A\\u000aB\\u000a\",\n"
                                        "\"tcb_info\": \"{ \\u0022a\\u0022 : "
                                        "\\u0022\\u005cu0041\\u005cn\\u0022 }\",\n"
                                        "\"tcb_info_signature\": \"ab12\"");
    assert_int_equal(bundle.count, 3);
}

static void test_json_that_is_none(void **state)
{
    (void)state;
    FAILS(ERR_INVALID, "tcb_info", add(&tcb_info, "<html>busy</html>", "A"));
    FAILS(ERR_INVALID, "signature", add(&tcb_info, "{\"tcbInfo\": {}}", "A"));
    FAILS(ERR_INVALID, "tcbInfo", add(&tcb_info, "{\"signature\":\"ab\"}", "A"));
    FAILS(ERR_INVALID, "tcbInfo", add(&tcb_info, "{\"signature\":\"ab\",\"tcbInfo\":3}", "A"));
    FAILS(ERR_INVALID, "not plain text",
          add(&tcb_info, "{\"signature\":\"\",\"tcbInfo\":{}}", "\xc3\xa4"));
}

static void test_crl_that_is_none(void **state)
{
    (void)state;
    static const struct mse_document crl = {.form = MSE_FORM_CRL, .name = "crl", .member = ""};
    static const char *const bodies[] = {"",
                                         "0",
                                         "zz",
                                         "30820000",
                                         "-----BEGIN X509 CRL-----\nAAAA\n",
                                         "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
                                         "-----END X509 CRL-----\n-----BEGIN X509 CRL-----\n"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        FAILS(ERR_INVALID, "", add(&crl, bodies[i], ""));
    assert_int_equal(out.len, 0);
}

static void test_certificates_that_are_none(void **state)
{
    (void)state;
    static const struct mse_document vcek = {
        .form = MSE_FORM_CERTIFICATE, .name = "vcek", .member = ""};
    static const struct mse_document chain = {
        .form = MSE_FORM_ASK_ARK, .name = "ask", .member = ""};
    FAILS(ERR_INVALID, "vcek: ", add(&vcek, "0\x82\x01", ""));
    FAILS(ERR_INVALID, "vcek: ", add(&vcek, "", ""));
    FAILS(ERR_INVALID, "holds no certificate", add(&chain, "not found", ""));
    FAILS(ERR_INVALID, "ask: ", add(&chain, "-----END CERTIFICATE-----", ""));
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_signed_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json_that_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crl_that_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certificates_that_are_none, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
