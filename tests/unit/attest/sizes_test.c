// SPDX-License-Identifier: Apache-2.0
/*
 * Callers that were compiled with another version of the headers: an older one goes on working, and
 * what a newer one asks for is never passed over.
 */
#include "simulated.h"

#include <stddef.h>

static uint8_t fingerprint[32];
static uint8_t report_data[64];
static struct buf evidence;

/* A later version's structs, one member longer. */
struct later_input {
    struct mse_input known;
    uint64_t later;
};

struct later_policy {
    struct mse_policy known;
    uint64_t later;
};

static struct later_policy policy;
static struct later_input input;

static void reset(void)
{
    policy = (struct later_policy){
        .known = {.size = sizeof(policy.known), .tees = MSE_TEE_BIT(MSE_TEE_SIMULATION)}};
    input = (struct later_input){.known = {.size = sizeof(input.known),
                                           .evidence = {evidence.data, evidence.len},
                                           .policy = &policy.known,
                                           .at = SIMULATED_AT,
                                           .report_data = report_data,
                                           .fingerprint = fingerprint}};
}

/* The one check that fails; "" means accepted. */
static void expect(const char *failed)
{
    struct mse_verdict *verdict = mse_verify(&input.known);
    assert_non_null(verdict);
    const char *found = "";
    for (size_t i = 0; i < verdict->check_count; i++) {
        if (verdict->checks[i].result == MSE_FAIL) {
            assert_string_equal(found, "");
            found = verdict->checks[i].name;
        }
    }
    assert_string_equal(found, failed);
    assert_int_equal(verdict->accepted, failed[0] == '\0');
    assert_int_equal(verdict->size, sizeof(*verdict));
    mse_verdict_free(verdict);
}

static int setup(void **state)
{
    (void)state;
    memset(fingerprint, 0xf1, sizeof(fingerprint));
    evidence = BUF_INIT(4096);
    simulated_evidence(7, fingerprint, report_data, false, &evidence);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&evidence);
    return 0;
}

static void test_an_older_caller(void **state)
{
    (void)state;
    reset();
    expect("");
    /* What lies behind its struct is not its, and is not looked at. */
    input.known.size = offsetof(struct mse_input, public_key);
    input.known.public_key = (struct mse_bytes){fingerprint, sizeof(fingerprint)};
    policy.known.size = offsetof(struct mse_policy, simulation_root);
    policy.known.simulation_root = fingerprint;
    expect("");
    input.known.size = sizeof(input.known);
    expect("binding.public-key");
    reset();
    policy.known.simulation_root = fingerprint;
    expect("simulation.root");
}

static void test_a_newer_caller(void **state)
{
    (void)state;
    reset();
    input.known.size = sizeof(input);
    policy.known.size = sizeof(policy);
    expect("");
    input.later = 1;
    expect("input.size");
    input.later = 0;
    policy.later = (uint64_t)1 << 63;
    expect("policy.size");
    reset();
    policy.known.fields[MSE_FIELD_MAX - 1].count = 1;
    expect("policy.known");
    reset();
    policy.known.fields[MSE_FIELD_COUNT].count = 1;
    expect("policy.known");
    reset();
    policy.known.snp_min_tcb.reserved[2] = 1;
    expect("policy.known");
}

static void test_no_size(void **state)
{
    static const size_t sizes[] = {0,       1,        7,           12, sizeof(struct mse_input) + 1,
                                   1 << 20, SIZE_MAX, SIZE_MAX - 7};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        reset();
        input.known.size = sizes[i];
        expect("input.size");
        reset();
        policy.known.size = sizes[i];
        expect("policy.size");
        const struct mse_trust trust = {.size = sizes[i]};
        reset();
        input.known.trust = &trust;
        expect("trust.size");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_older_caller),
        cmocka_unit_test(test_a_newer_caller),
        cmocka_unit_test(test_no_size),
    };
    struct err failure = ERR_INIT;
    if (crypto_init(&failure) < 0)
        return 1;
    return cmocka_run_group_tests(tests, setup, teardown);
}
