// SPDX-License-Identifier: Apache-2.0
/*
 * The simulated TEE's evidence: never taken for hardware, each check failing alone, every byte
 * covered.
 */
#include "simulated.h"

static uint8_t fingerprint[32];
static uint8_t report_data[64];
static uint8_t root[EVIDENCE_PUBLIC_KEY_SIZE];
static struct mse_policy policy;
static struct mse_input input;
static struct buf evidence;

static int setup(void **state)
{
    (void)state;
    memset(fingerprint, 0xf1, sizeof(fingerprint));
    memset(report_data, 0xd2, sizeof(report_data));
    simulated_root_public(7, root);
    evidence = BUF_INIT(4096);
    simulated_evidence(7, fingerprint, report_data, false, &evidence);
    policy = (struct mse_policy){.size = sizeof(struct mse_policy),
                                 .tees = MSE_TEE_BIT(MSE_TEE_SIMULATION),
                                 .simulation_root = root};
    input = (struct mse_input){.size = sizeof(struct mse_input),
                               .evidence = {evidence.data, evidence.len},
                               .policy = &policy,
                               .at = SIMULATED_AT,
                               .report_data = report_data,
                               .fingerprint = fingerprint};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&evidence);
    return 0;
}

static void test_accepted_by_name_only(void **state)
{
    (void)state;
    struct mse_verdict *verdict = mse_verify(&input);
    assert_true(verdict->accepted);
    assert_int_equal(verdict->tee, MSE_TEE_SIMULATION);
    assert_string_equal(verdict->status, "simulated");
    assert_false(verdict->debug);
    assert_memory_equal(verdict->identity.data, fingerprint, 32);
    assert_memory_equal(verdict->report_data.data, report_data, 64);
    assert_true(find_check(verdict, "simulation.protection")->loosened);
    char *text = mse_verdict_text(verdict);
    assert_non_null(strstr(text, "protects nothing from the operator"));
    free(text);
    mse_verdict_free(verdict);
    input.policy = NULL;
    judge_expect(&input, "policy.tee");
    policy.tees = MSE_TEE_BIT(MSE_TEE_SGX) | MSE_TEE_BIT(MSE_TEE_SNP);
    input.policy = &policy;
    judge_expect(&input, "policy.tee");
}

static void test_root(void **state)
{
    (void)state;
    root[5] ^= 1;
    judge_expect(&input, "simulation.root");
    policy.simulation_root = NULL;
    struct mse_verdict *verdict = mse_verify(&input);
    assert_true(verdict->accepted);
    assert_true(find_check(verdict, "simulation.root")->loosened);
    mse_verdict_free(verdict);
}

static void test_bindings(void **state)
{
    (void)state;
    fingerprint[31] ^= 1;
    judge_expect(&input, "binding.fingerprint");
    input.fingerprint = NULL;
    policy.fingerprint = fingerprint;
    judge_expect(&input, "policy.fingerprint");
    fingerprint[31] ^= 1;
    judge_expect(&input, "");
    report_data[63] ^= 1;
    judge_expect(&input, "binding.report-data");
    report_data[63] ^= 1;
    input.public_key = (struct mse_bytes){report_data, 64};
    judge_expect(&input, "binding.public-key");
}

static void test_debug(void **state)
{
    (void)state;
    buf_clear(&evidence);
    simulated_evidence(7, fingerprint, report_data, true, &evidence);
    input.evidence = (struct mse_bytes){evidence.data, evidence.len};
    judge_expect(&input, "policy.debug");
    policy.allow_debug = true;
    judge_expect(&input, "");
}

static void test_every_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < evidence.len; i++) {
        evidence.data[i] ^= 0x10;
        struct mse_verdict *verdict = mse_verify(&input);
        assert_false(verdict->accepted);
        const char *expected = i < 8    ? "evidence.format"
                               : i < 16 ? "simulation.form"
                                        : "simulation.signature";
        if (find_check(verdict, expected)->result != MSE_FAIL)
            fail_msg("byte %zu: %s passed", i, expected);
        if (i >= 16)
            assert_string_equal(verdict->status, "bad-signature");
        mse_verdict_free(verdict);
        evidence.data[i] ^= 0x10;
    }
    for (size_t len = 0; len < evidence.len; len++) {
        input.evidence.size = len;
        struct mse_verdict *verdict = mse_verify(&input);
        assert_false(verdict->accepted);
        mse_verdict_free(verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_accepted_by_name_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bindings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_debug, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_byte, setup, teardown),
    };
    struct err failure = ERR_INIT;
    if (crypto_init(&failure) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
