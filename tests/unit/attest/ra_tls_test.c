// SPDX-License-Identifier: Apache-2.0
/*
 * Evidence in certificates: both forms accepted, each link between certificate and evidence failing
 * alone, and no byte of a certificate that can be changed.
 */
#include "simulated.h"

static struct mse_policy policy;
static struct mse_input input;
static struct ra_tls_parts parts;
static struct buf certificate;
static struct buf key;

static int setup(void **state)
{
    (void)state;
    parts = ra_tls_good_parts();
    certificate = BUF_INIT(65536);
    key = BUF_INIT(1024);
    policy = (struct mse_policy){.size = sizeof(struct mse_policy),
                                 .tees = MSE_TEE_BIT(MSE_TEE_SIMULATION)};
    input = (struct mse_input){.size = sizeof(struct mse_input),
                               .policy = &policy,
                               .at = SIMULATED_AT,
                               .fingerprint = parts.fingerprint};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&certificate);
    buf_done(&key);
    return 0;
}

static void build(void)
{
    buf_clear(&certificate);
    buf_clear(&key);
    ra_tls_build(&parts, &certificate, &key);
    input.evidence = (struct mse_bytes){certificate.data, certificate.len};
    input.public_key = (struct mse_bytes){key.data, key.len};
}

static void build_expect(const char *failure)
{
    build();
    judge_expect(&input, failure);
}

static void test_accepted(void **state)
{
    (void)state;
    build();
    struct mse_verdict *verdict = mse_verify(&input);
    assert_string_equal(only_failure(verdict), "");
    assert_true(verdict->accepted);
    assert_string_equal(verdict->status, "simulated");
    assert_int_equal(verdict->valid_from, SIMULATED_FROM);
    assert_int_equal(verdict->valid_until, SIMULATED_UNTIL);
    assert_int_equal(find_check(verdict, "binding.public-key")->result, MSE_PASS);
    assert_int_equal(find_check(verdict, "certificate.fingerprint")->result, MSE_PASS);
    mse_verdict_free(verdict);
    input.policy = NULL;
    judge_expect(&input, "policy.tee");
}

static void test_pem(void **state)
{
    (void)state;
    build();
    AUTO_X509 X509 *x509 = NULL;
    AUTO_BUF struct buf pem = BUF_INIT(65536);
    OK(certificate_from_der(buf_slice(&certificate), &x509, &err));
    OK(certificate_to_pem(x509, &pem, &err));
    input.evidence = (struct mse_bytes){pem.data, pem.len};
    judge_expect(&input, "");
    OK(certificate_to_pem(x509, &pem, &err));
    input.evidence = (struct mse_bytes){pem.data, pem.len};
    judge_expect(&input, "certificate.form");
}

static void test_gramine(void **state)
{
    (void)state;
    parts.gramine = true;
    build_expect("");
    parts.other_report_data = true;
    build_expect("certificate.report-data");
}

static void test_links(void **state)
{
    (void)state;
    parts.other_key_in_claims = true;
    build_expect("certificate.public-key");
    parts.other_key_in_claims = false;
    parts.other_report_data = true;
    build_expect("certificate.report-data");
    parts.other_report_data = false;
    parts.tag = RATLS_INTEL_QUOTE;
    build_expect("certificate.evidence-format");
    parts.tag = RATLS_SNP_REPORT;
    build_expect("certificate.evidence-format");
    parts.tag = RATLS_SIMULATION;
    parts.no_extension = true;
    build_expect("certificate.evidence");
}

static void test_fingerprint(void **state)
{
    (void)state;
    static uint8_t other[32] = {0xf2};
    /* the enclave was started as another app than the claims say */
    memcpy(parts.claimed_fingerprint, other, 32);
    input.fingerprint = NULL;
    build_expect("certificate.identity");
    /* all say the same, and it is not the expected one: both views of it fail, nothing else */
    memcpy(parts.claimed_fingerprint, parts.fingerprint, 32);
    input.fingerprint = other;
    build();
    struct mse_verdict *verdict = mse_verify(&input);
    assert_int_equal(find_check(verdict, "certificate.fingerprint")->result, MSE_FAIL);
    assert_int_equal(find_check(verdict, "binding.fingerprint")->result, MSE_FAIL);
    assert_int_equal(find_check(verdict, "certificate.identity")->result, MSE_PASS);
    mse_verdict_free(verdict);
    /* the TEE's own field decides where the claims are silent */
    parts.claim_no_fingerprint = true;
    build_expect("binding.fingerprint");
    input.fingerprint = parts.fingerprint;
    build_expect("");
    memset(parts.fingerprint, 0, 32);
    memset(parts.claimed_fingerprint, 0, 32);
    parts.claim_no_fingerprint = false;
    input.fingerprint = NULL;
    build_expect("certificate.identity");
}

static void test_window(void **state)
{
    (void)state;
    build();
    input.at = SIMULATED_FROM - 1;
    struct mse_verdict *verdict = mse_verify(&input);
    assert_string_equal(only_failure(verdict), "certificate.validity");
    assert_string_equal(verdict->status, "not-yet-valid");
    mse_verdict_free(verdict);
    input.at = SIMULATED_UNTIL + 1;
    verdict = mse_verify(&input);
    assert_string_equal(only_failure(verdict), "certificate.validity");
    assert_string_equal(verdict->status, "expired");
    mse_verdict_free(verdict);
    input.at = SIMULATED_FROM;
    judge_expect(&input, "");
    input.at = SIMULATED_UNTIL;
    judge_expect(&input, "");
}

static void test_keys(void **state)
{
    (void)state;
    build();
    key.data[key.len - 1] ^= 1;
    judge_expect(&input, "binding.public-key");
    input.public_key.size = 0;
    judge_expect(&input, "");
    parts.signed_by_other = true;
    build_expect("certificate.signature");
}

static void test_report_data_expected(void **state)
{
    (void)state;
    static uint8_t report_data[64];
    build();
    struct mse_verdict *verdict = mse_verify(&input);
    memcpy(report_data, verdict->report_data.data, 64);
    mse_verdict_free(verdict);
    input.report_data = report_data;
    judge_expect(&input, "");
    report_data[40] ^= 1;
    judge_expect(&input, "binding.report-data");
}

/* A signature with s replaced by n - s would still be good, and no single byte makes that. */
static void test_every_byte(void **state)
{
    (void)state;
    build();
    for (size_t i = 0; i < certificate.len; i++) {
        certificate.data[i] ^= (uint8_t)(1 << i % 8);
        struct mse_verdict *verdict = mse_verify(&input);
        if (verdict->accepted)
            fail_msg("byte %zu of %zu may be changed", i, certificate.len);
        assert_true(verdict->check_count > 0);
        mse_verdict_free(verdict);
        certificate.data[i] ^= (uint8_t)(1 << i % 8);
    }
    judge_expect(&input, "");
    for (size_t len = 0; len < certificate.len; len++) {
        input.evidence.size = len;
        struct mse_verdict *verdict = mse_verify(&input);
        assert_false(verdict->accepted);
        mse_verdict_free(verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_accepted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pem, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gramine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fingerprint, setup, teardown),
        cmocka_unit_test_setup_teardown(test_window, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_report_data_expected, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_byte, setup, teardown),
    };
    struct err failure = ERR_INIT;
    if (crypto_init(&failure) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
