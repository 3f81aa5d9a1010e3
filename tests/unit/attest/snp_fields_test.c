// SPDX-License-Identifier: Apache-2.0
/*
 * What a policy can name of an SEV-SNP launch: ids and keys of its ID block, the chip's generation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "judge.h"
#include "synth_snp.h"

#define X4(text) text text text text
#define F16 X4("f1f1f1f1")
#define A16 X4("a1a1a1a1")
#define K48 X4("1d1d1d1d") X4("1d1d1d1d") X4("1d1d1d1d")

static const struct {
    const char *policy;
    const char *failed;
} field_rows[] = {
    {"snp.family_id = \"" F16 "\"", ""},
    {"snp.family_id = \"" A16 "\"", "policy.family-id"},
    {"snp.family_id = [\"" A16 "\", \"" F16 "\"]", ""},
    {"snp.image_id = \"" A16 "\"", ""},
    {"snp.image_id = \"" F16 "\"", "policy.image-id"},
    {"snp.id_key_digest = \"" K48 "\"", ""},
    {"snp.id_key_digest = \"" F16 F16 F16 "\"", "policy.id-key-digest"},
    {"snp.author_key_digest = \"" F16 F16 F16 "\"", ""},
    {"snp.author_key_digest = \"" K48 "\"", "policy.author-key-digest"},
    {"snp.product = \"Genoa\"", ""},
    {"snp.product = [\"Milan\", \"Genoa\"]", ""},
    {"snp.product = [\"Milan\", \"Turin\"]", "policy.product"},
    /* a register of another TEE: this evidence has none, and is not what the policy means */
    {"tdx.rtmr1 = \"" K48 "\"", "policy.tee"},
    {"tee = [\"snp\", \"tdx\"]\ntdx.rtmr1 = \"" K48 "\"", ""},
    {"tdx.rtmr1 = \"" K48 "\"\nsnp.image_id = \"" A16 "\"", ""},
};

static void test_policy_fields(void **state)
{
    (void)state;
    struct synth_snp spec = synth_snp_good("Genoa", 5, false);
    size_t wrong = 0;
    spec.family_id = 0xf1;
    spec.image_id = 0xa1;
    spec.author_key_digest = 0xf1;
    spec.flags |= SNP_FLAG_AUTHOR_KEY;
    for (size_t i = 0; i < ARRAY_LEN(field_rows); i++) {
        struct mse_policy *policy = NULL;
        char error[MSE_ERROR_SIZE];
        if (mse_policy_parse(field_rows[i].policy, strlen(field_rows[i].policy), &policy, error) <
            0)
            fail_msg("%s: %s", field_rows[i].policy, error);
        wrong += judged(synth_snp_judge(&spec, policy), field_rows[i].policy, field_rows[i].failed,
                        "genuine")
                     ? 0
                     : 1;
        mse_policy_free(policy);
    }
    assert_int_equal(wrong, 0);
}

/* HOST_DATA alone is what any host can write beside the ids of another app, whose keys the guest
 * would then get. */
static void test_ids_hold_the_fingerprint(void **state)
{
    (void)state;
    uint8_t fingerprint[32];
    uint8_t measured[48];
    struct synth_snp spec = synth_snp_good("Genoa", 5, false);
    memset(fingerprint, 0xf1, sizeof(fingerprint));
    memset(measured, spec.measurement, sizeof(measured));
    const struct mse_bytes measurement = {measured, sizeof(measured)};
    const struct mse_policy policy = {.size = sizeof(policy),
                                      .measurements = &measurement,
                                      .measurement_count = 1,
                                      .fingerprint = fingerprint};
    spec.host_data = 0xf1;
    spec.family_id = 0xf1;
    spec.image_id = 0xf1;
    assert_judged(synth_snp_judge(&spec, &policy), "bound", "", "genuine");
    spec.image_id = 0xf2;
    assert_judged(synth_snp_judge(&spec, &policy), "image id", "binding.ids", "genuine");
    spec.image_id = 0xf1;
    spec.family_id = 0;
    assert_judged(synth_snp_judge(&spec, &policy), "family id", "binding.ids", "genuine");
    spec.image_id = 0;
    assert_judged(synth_snp_judge(&spec, &policy), "no ID block", "binding.ids", "genuine");
    memset(fingerprint, 0, sizeof(fingerprint));
    spec.host_data = 0;
    assert_judged(synth_snp_judge(&spec, &policy), "zero", "policy.fingerprint binding.ids",
                  "genuine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_fields),
        cmocka_unit_test(test_ids_hold_the_fingerprint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
