// SPDX-License-Identifier: Apache-2.0
/*
 * Receipts: made, checked, and no byte of one that can be changed.
 */
#include "simulated.h"

#include "attest/receipt.h"

static uint8_t public_key[ED25519_PUBLIC_SIZE];

static void make(bool collateral, struct buf *out)
{
    AUTO_SECRET struct secret secret = SECRET_INIT;
    AUTO_BUF struct buf evidence = BUF_INIT(4096);
    const uint8_t seed[ED25519_SEED_SIZE] = {9};
    const uint8_t zero[64] = {0};
    OK(ed25519_keypair_from_seed(seed, public_key, &secret, &err));
    simulated_evidence(7, zero, zero, false, &evidence);
    const struct mse_policy policy = {.size = sizeof(policy),
                                      .tees = MSE_TEE_BIT(MSE_TEE_SIMULATION)};
    const struct mse_input input = {.size = sizeof(input),
                                    .evidence = {evidence.data, evidence.len},
                                    .policy = &policy,
                                    .at = SIMULATED_AT};
    struct mse_verdict *verdict = mse_verify(&input);
    const struct receipt_input made = {
        .evidence = buf_slice(&evidence),
        .collateral = slice_str(collateral ? "{\"vcek\": \"v\", \"ask\": \"a\", \"n\": 1}" : ""),
        .policy = slice_str(collateral ? "tee = [\"simulation\"]" : ""),
        .at = SIMULATED_AT,
        .made_at = SIMULATED_AT + 5,
        .verdict = verdict,
    };
    OK(receipt_make(&made, public_key, &secret, out, &err));
    mse_verdict_free(verdict);
}

static void test_made_and_checked(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        AUTO_BUF struct buf text = BUF_INIT(RECEIPT_MAX);
        struct receipt receipt;
        make(i == 1, &text);
        OK(receipt_check(buf_slice(&text), &receipt, &err));
        assert_memory_equal(receipt.public_key, public_key, sizeof(public_key));
        assert_true(receipt.accepted);
        assert_string_equal(receipt.tee, "simulation");
        assert_string_equal(receipt.status, "simulated");
        assert_int_equal(receipt.at, SIMULATED_AT);
        assert_int_equal(receipt.made_at, SIMULATED_AT + 5);
        assert_int_equal(receipt.has_collateral, i == 1);
        assert_int_equal(receipt.has_policy, i == 1);
        /* each member of the bundle has its digest: SHA-256("v") */
        assert_int_equal(strstr(buf_text(&text), "\"vcek\":\"4c94485e0c21ae6c") != NULL, i == 1);
    }
}

static void test_every_byte(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(RECEIPT_MAX);
    struct receipt receipt;
    make(true, &text);
    for (size_t i = 0; i < text.len; i++) {
        text.data[i] ^= 1;
        err = ERR_INIT;
        if (receipt_check(buf_slice(&text), &receipt, &err) == 0)
            fail_msg("byte %zu may be changed", i);
        assert_true(err.message[0] != '\0');
        text.data[i] ^= 1;
    }
    for (size_t len = 0; len < text.len; len += 17)
        FAILS(ERR_INVALID, "", receipt_check(slice_of(text.data, len), &receipt, &err));
    OK(receipt_check(buf_slice(&text), &receipt, &err));
}

static void test_spelling(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(RECEIPT_MAX);
    struct receipt receipt;
    make(false, &text);
    OK(buf_str(&text, "\n", &err));
    FAILS(ERR_INVALID, "canonical", receipt_check(buf_slice(&text), &receipt, &err));
    FAILS(ERR_INVALID, "", receipt_check(slice_str("{}"), &receipt, &err));
    FAILS(ERR_INVALID, "", receipt_check(slice_str("[]"), &receipt, &err));
}

/* The verdict in it is the verdict, not a word about it. */
static void test_altered(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(RECEIPT_MAX);
    struct receipt receipt;
    make(false, &text);
    char *word = strstr((char *)text.data, "\"verdict\":\"accepted\"");
    assert_non_null(word);
    memcpy(word, "\"verdict\":\"rejected\"", strlen("\"verdict\":\"rejected\""));
    FAILS(ERR_REJECTED, "signature", receipt_check(buf_slice(&text), &receipt, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_and_checked),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_spelling),
        cmocka_unit_test(test_altered),
    };
    struct err failure = ERR_INIT;
    if (crypto_init(&failure) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
