// SPDX-License-Identifier: Apache-2.0
/*
 * Policies: every key, what is refused and in which words, and what each does to a verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "judge.h"
#include "synth_intel.h"

/* 48 bytes */
#define H48                                                                                        \
    "4848484848484848484848484848484848484848484848484848484848484848"                             \
    "48484848484848484848484848484848"

static struct mse_policy *parse(const char *text)
{
    struct mse_policy *policy = NULL;
    char error[MSE_ERROR_SIZE] = "";
    if (mse_policy_parse(text, strlen(text), &policy, error) < 0)
        fail_msg("%s: %s", text, error);
    return policy;
}

static const char every_key[] = "tee = [\"sgx\", \"simulation\"]\n"
                                "measurement = [\"aabb\", \"CC\"]\n"
                                "signer = \"0102\"\n"
                                "fingerprint = \"000102030405060708090a0b0c0d0e0f"
                                "101112131415161718191a1b1c1d1e1f\"\n"
                                "debug = true\n"
                                "crl = \"if-present\"\n"
                                "[tcb]\n"
                                "accept = [\"UpToDate\", \"SWHardeningNeeded\"]\n"
                                "advisories = [\"INTEL-SA-00615\"]\n"
                                "grace = \"30d\"\n"
                                "[intel]\n"
                                "fmspc = \"00A067110000\"\n"
                                "[sgx]\n"
                                "isv_prod_id = 7\n"
                                "min_isv_svn = 3\n"
                                "[snp]\n"
                                "min_tcb = {bootloader = 3, snp = 20, microcode = 209}\n"
                                "vmpl = [0, 2]\n"
                                "chip_id = [\"ab\"]\n"
                                "product = [\"Genoa\", \"Turin\"]\n"
                                "family_id = \"00112233445566778899aabbccddeeff\"\n"
                                "[tdx]\n"
                                "rtmr1 = [\"" H48 "\", \"" H48 "\"]\n"
                                "[simulation]\n"
                                "root = \"ffffffffffffffffffffffffffffffff"
                                "ffffffffffffffffffffffffffffffff\"\n";

static void expect_common_keys(const struct mse_policy *policy)
{
    assert_int_equal(policy->tees, MSE_TEE_BIT(MSE_TEE_SGX) | MSE_TEE_BIT(MSE_TEE_SIMULATION));
    assert_int_equal(policy->measurement_count, 2);
    assert_int_equal(policy->measurements[1].data[0], 0xcc);
    assert_int_equal(policy->signer_count, 1);
    assert_int_equal(policy->fingerprint[31], 0x1f);
    assert_true(policy->allow_debug);
    assert_int_equal(policy->crl, MSE_CRL_IF_PRESENT);
    assert_int_equal(policy->tcb_accept_count, 2);
    assert_string_equal(policy->tcb_accept[1], "SWHardeningNeeded");
    assert_true(policy->tcb_advisories_listed);
    assert_string_equal(policy->tcb_advisories[0], "INTEL-SA-00615");
    assert_int_equal(policy->tcb_grace, 30 * 86400);
    assert_string_equal(policy->fmspcs[0], "00A067110000");
}

static void expect_keys_of_tees(const struct mse_policy *policy)
{
    assert_true(policy->has_isv_prod_id);
    assert_int_equal(policy->isv_prod_id, 7);
    assert_int_equal(policy->min_isv_svn, 3);
    assert_true(policy->has_snp_min_tcb);
    assert_int_equal(policy->snp_min_tcb.bootloader, 3);
    assert_int_equal(policy->snp_min_tcb.tee, 0);
    assert_int_equal(policy->snp_min_tcb.snp, 20);
    assert_int_equal(policy->snp_min_tcb.microcode, 209);
    assert_int_equal(policy->snp_vmpls, 5);
    assert_int_equal(policy->chip_id_count, 1);
    assert_int_equal(policy->snp_product_count, 2);
    assert_string_equal(policy->snp_products[1], "Turin");
    assert_int_equal(policy->fields[MSE_FIELD_SNP_FAMILY_ID].count, 1);
    assert_int_equal(policy->fields[MSE_FIELD_SNP_FAMILY_ID].values[0].data[15], 0xff);
    assert_int_equal(policy->fields[MSE_FIELD_TDX_RTMR1].count, 2);
    assert_int_equal(policy->fields[MSE_FIELD_TDX_RTMR2].count, 0);
    assert_int_equal(policy->simulation_root[0], 0xff);
}

static void test_every_key(void **state)
{
    (void)state;
    struct mse_policy *policy = parse(every_key);
    expect_common_keys(policy);
    expect_keys_of_tees(policy);
    mse_policy_free(policy);
}

static void test_empty_is_strict(void **state)
{
    (void)state;
    struct mse_policy *policy = parse("");
    const struct mse_policy strict = {.size = sizeof(strict)};
    assert_memory_equal(policy, &strict, sizeof(strict));
    mse_policy_free(policy);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"debugg = true", "debugg"},
        {"tee = \"sev\"", "unknown TEE 'sev'"},
        {"tee = []", "names no TEE"},
        {"measurement = []", "an empty list would accept nothing"},
        {"measurement = \"abc\"", "hexadecimal"},
        {"measurement = \"zz\"", "hexadecimal"},
        {"measurement = [[\"aa\"]]", "expected a string"},
        {"fingerprint = \"aabb\"", "expected 32 bytes"},
        {"tdx.rtmr1 = \"aabb\"", "expected 48 bytes in hexadecimal, found 2"},
        {"tdx.mrtd = []", "an empty list would accept nothing"},
        {"tdx.rtmr4 = \"aabb\"", "rtmr4"},
        {"tdx.family_id = \"aabb\"", "family_id"},
        {"snp.family_id = \"" H48 "\"", "expected 16 bytes"},
        {"snp.product = \"Milano\"", "did you mean 'Milan'?"},
        {"snp.product = \"Rome\"", "unknown product 'Rome'"},
        {"snp.product = []", "an empty list would accept nothing"},
        {"debug = \"no\"", "debug"},
        {"crl = \"never\"", "'required' or 'if-present'"},
        {"[tcb]\naccept = [\"UptoDate\"]", "did you mean 'UpToDate'?"},
        {"[tcb]\naccept = [\"Revoked\"]", "never accepted"},
        {"[tcb]\naccept = []", "accept nothing"},
        {"[tcb]\ngrace = \"soon\"", "'30d'"},
        {"[tcb]\nadvisories = [\"SA-00615\"]", "INTEL-SA-00615"},
        {"tcb = 3", "tcb"},
        {"[snp]\nvmpl = 4", "vmpl"},
        {"[snp]\nmin_tcb = {cpu = 1}", "cpu"},
        {"[snp]\nmin_tcb = {snp = 256}", "snp"},
        {"[sgx]\nisv_prod_id = 65536", "isv_prod_id"},
        {"[simulation]\nroot = \"aa\"", "expected 32 bytes"},
        {"tee = \"sgx\"\ntee = \"sgx\"", "policy:2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mse_policy *policy = NULL;
        char error[MSE_ERROR_SIZE] = "";
        int rc = mse_policy_parse(rows[i].text, strlen(rows[i].text), &policy, error);
        if (rc == 0 || strstr(error, rows[i].message) == NULL)
            fail_msg("'%s': '%s' not in '%s'", rows[i].text, rows[i].message, error);
        assert_null(policy);
    }
}

/* A policy applied to a platform, which `change` made; "" in `failed` means accepted. */
struct applied {
    const char *policy;
    void (*change)(struct synth_intel *synth);
    const char *failed;
    const char *status;
};

static void as_is(struct synth_intel *synth)
{
    (void)synth;
}

static void debug(struct synth_intel *synth)
{
    synth->report[SGX_AT_ATTRIBUTES] |= 2;
}

static void no_crls(struct synth_intel *synth)
{
    synth->root_crl.absent = synth->pck_crl.absent = true;
}

static void bad_crl(struct synth_intel *synth)
{
    synth->pck_crl.wrong_signer = true;
}

static void hardening(struct synth_intel *synth)
{
    synth->levels[0].status = "SWHardeningNeeded";
    synth->levels[0].advisories = "\"INTEL-SA-00615\",\"INTEL-SA-00657\"";
}

static void revoked_tcb(struct synth_intel *synth)
{
    synth->levels[0].status = "Revoked";
}

/* One level behind a recovery of 2025-09-29, ten days before the judgement. */
static void just_outdated(struct synth_intel *synth)
{
    synth->levels[0].date = "2025-09-29T08:53:20Z";
    synth->components[0] = 4;
}

static void qe_just_outdated(struct synth_intel *synth)
{
    synth->qe_levels[0].date = "2025-09-29T08:53:20Z";
    synth->qe_report[SGX_AT_ISV_SVN] = 6;
}

/* Two recoveries behind: the first that was missed counts. */
static void long_outdated(struct synth_intel *synth)
{
    just_outdated(synth);
    synth->levels[2] = synth->levels[1];
    synth->levels[2].date = "2023-01-01T00:00:00Z";
    memset(synth->levels[2].sgx, 3, 16);
    synth->level_count = 3;
    synth->components[0] = 3;
}

#define E32 "e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1"
#define S32 "5151515151515151515151515151515151515151515151515151515151515151"

static const struct applied rows[] = {
    {"", as_is, "", "UpToDate"},
    {"tee = [\"tdx\", \"snp\"]", as_is, "policy.tee", "UpToDate"},
    {"tee = \"sgx\"", as_is, "", "UpToDate"},
    {"measurement = \"" E32 "\"", as_is, "", "UpToDate"},
    {"measurement = [\"" S32 "\", \"" E32 "\"]", as_is, "", "UpToDate"},
    {"measurement = \"" S32 "\"", as_is, "policy.measurement", "UpToDate"},
    {"measurement = \"e1\"", as_is, "policy.measurement", "UpToDate"},
    {"signer = \"" S32 "\"", as_is, "", "UpToDate"},
    {"signer = \"" E32 "\"", as_is, "policy.signer", "UpToDate"},
    {"fingerprint = \"" E32 "\"", as_is, "policy.fingerprint binding.measurement", "UpToDate"},
    {"fingerprint = \"" E32 "\"\nmeasurement = \"" E32 "\"", as_is, "", "UpToDate"},
    {"", debug, "policy.debug", "UpToDate"},
    {"debug = true", debug, "", "UpToDate"},
    {"", no_crls, "root-crl.present pck-crl.present", "UpToDate"},
    {"crl = \"if-present\"", no_crls, "", "UpToDate"},
    {"crl = \"required\"", no_crls, "root-crl.present pck-crl.present", "UpToDate"},
    {"crl = \"if-present\"", bad_crl, "pck-crl.signature", "bad-signature"},
    {"", hardening, "tcb.status", "SWHardeningNeeded"},
    {"tcb.accept = [\"UpToDate\", \"SWHardeningNeeded\"]", hardening, "", "SWHardeningNeeded"},
    {"tcb.accept = [\"UpToDate\", \"SWHardeningNeeded\"]\ntcb.advisories = [\"INTEL-SA-00615\"]",
     hardening, "tcb.advisories", "SWHardeningNeeded"},
    {"tcb.accept = [\"SWHardeningNeeded\"]\n"
     "tcb.advisories = [\"INTEL-SA-00615\", \"INTEL-SA-00657\"]",
     hardening, "", "SWHardeningNeeded"},
    {"tcb.accept = [\"SWHardeningNeeded\"]", as_is, "tcb.status", "UpToDate"},
    {"tcb.accept = [\"OutOfDate\", \"SWHardeningNeeded\"]", revoked_tcb, "tcb.status", "Revoked"},
    {"tcb.grace = \"9d\"", just_outdated, "tcb.status", "OutOfDate"},
    {"tcb.grace = \"10d\"", just_outdated, "", "OutOfDate"},
    {"tcb.grace = \"10d\"", qe_just_outdated, "", "OutOfDate"},
    {"tcb.grace = \"9d\"", qe_just_outdated, "tcb.status", "OutOfDate"},
    {"tcb.grace = \"300d\"", long_outdated, "tcb.status", "OutOfDate"},
    {"tcb.grace = \"700d\"", long_outdated, "", "OutOfDate"},
    {"tcb.grace = \"10d\"\ntcb.advisories = []", just_outdated, "tcb.advisories", "OutOfDate"},
    {"tcb.grace = \"999d\"", hardening, "tcb.status", "SWHardeningNeeded"},
    {"intel.fmspc = \"00906ED50001\"", as_is, "", "UpToDate"},
    {"intel.fmspc = [\"00906ed50002\"]", as_is, "policy.fmspc", "UpToDate"},
    {"sgx.isv_prod_id = 0", as_is, "", "UpToDate"},
    {"sgx.isv_prod_id = 1", as_is, "policy.isv-prod-id", "UpToDate"},
    {"sgx.min_isv_svn = 1", as_is, "policy.isv-svn", "UpToDate"},
};

static void test_applied(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct synth_intel synth;
        struct mse_policy *policy = parse(rows[i].policy);
        synth_intel_init(&synth, 3, TEE_TYPE_SGX);
        rows[i].change(&synth);
        synth_intel_build(&synth);
        bool right = judged(synth_intel_verify(&synth, policy), rows[i].policy, rows[i].failed,
                            rows[i].status);
        wrong += right ? 0 : 1;
        synth_intel_done(&synth);
        mse_policy_free(policy);
    }
    assert_int_equal(wrong, 0);
}

/* Every loosened line is named, also where this evidence did not need it. */
static void test_loosened_lines_are_named(void **state)
{
    (void)state;
    static const char *const names[] = {"policy.loosened.tee", "policy.loosened.debug",
                                        "policy.loosened.crl", "policy.loosened.tcb.accept",
                                        "policy.loosened.tcb.grace"};
    struct mse_policy *policy = parse("tee = [\"sgx\", \"simulation\"]\ndebug = true\n"
                                      "crl = \"if-present\"\ntcb.grace = \"1d\"\n"
                                      "tcb.accept = [\"UpToDate\", \"ConfigurationNeeded\"]\n");
    struct synth_intel synth;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth_intel_build(&synth);
    struct mse_verdict *verdict = synth_intel_verify(&synth, policy);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct mse_check *check = find_check(verdict, names[i]);
        assert_non_null(check);
        assert_true(check->loosened);
    }
    mse_verdict_free(verdict);
    verdict = synth_intel_verify(&synth, NULL);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_null(find_check(verdict, names[i]));
    mse_verdict_free(verdict);
    synth_intel_done(&synth);
    mse_policy_free(policy);
}

/* Report data and fingerprint that the caller expects. */
static void test_bindings(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    synth_intel_build(&synth);
    const struct mse_trust trust = {.size = sizeof(trust),
                                    .intel_root = {synth.root_der.data, synth.root_der.len}};
    uint8_t report_data[64];
    uint8_t fingerprint[32];
    const struct mse_bytes measurement = {synth.report + TD_AT_MRTD, 48};
    const struct mse_bytes rtmr1 = {synth.report + TD_AT_RTMR0 + 48, 48};
    const struct mse_bytes rtmr2 = {synth.report + TD_AT_RTMR0 + 96, 48};
    struct mse_policy policy = {
        .size = sizeof(policy), .measurements = &measurement, .measurement_count = 1};
    struct mse_input input = {
        .size = sizeof(input),
        .evidence = {synth.evidence.data, synth.evidence.len},
        .collateral = {synth.collateral.data, synth.collateral.len},
        .at = SYNTH_AT,
        .trust = &trust,
        .report_data = report_data,
        .fingerprint = fingerprint,
    };
    memset(report_data, 0xda, 64);
    memset(fingerprint, 0xf1, 32);
    /* Whoever starts a TD chooses the fingerprint in it: any TD could have this one. */
    assert_judged(mse_verify(&input), "unmeasured", "binding.measurement", "UpToDate");
    input.policy = &policy;
    /* MRTD is the firmware alone: a TD with any kernel behind it has this one. */
    assert_judged(mse_verify(&input), "firmware alone", "binding.measurement", "UpToDate");
    policy.fields[MSE_FIELD_TDX_RTMR1] = (struct mse_accepted){&rtmr1, 1};
    assert_judged(mse_verify(&input), "without RTMR2", "binding.measurement", "UpToDate");
    policy.fields[MSE_FIELD_TDX_RTMR2] = (struct mse_accepted){&rtmr2, 1};
    assert_judged(mse_verify(&input), "bound", "", "UpToDate");
    policy.measurement_count = 0;
    assert_judged(mse_verify(&input), "without MRTD", "binding.measurement", "UpToDate");
    policy.fields[MSE_FIELD_TDX_MRTD] = (struct mse_accepted){&measurement, 1};
    assert_judged(mse_verify(&input), "bound", "", "UpToDate");
    report_data[63] ^= 1;
    assert_judged(mse_verify(&input), "report data", "binding.report-data", "UpToDate");
    report_data[63] ^= 1;
    fingerprint[0] ^= 1;
    assert_judged(mse_verify(&input), "fingerprint", "binding.fingerprint", "UpToDate");
    memset(fingerprint, 0, 32);
    assert_judged(mse_verify(&input), "zero fingerprint", "binding.fingerprint", "UpToDate");
    synth_intel_done(&synth);
}

static const char *const register_names[] = {"rtmr0", "rtmr1", "rtmr2", "rtmr3"};

/* Each register by itself: its own value is accepted, and the value of every other is not. */
static void test_registers(void **state)
{
    (void)state;
    struct synth_intel synth;
    char text[256];
    char hex[97];
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    for (size_t i = 0; i < ARRAY_LEN(register_names); i++)
        memset(synth.report + TD_AT_RTMR0 + 48 * i, 0x10 + (int)i, 48);
    synth_intel_build(&synth);
    for (size_t i = 0; i < ARRAY_LEN(register_names); i++) {
        for (size_t k = 0; k <= ARRAY_LEN(register_names); k++) {
            char failed[32] = "";
            for (size_t n = 0; n < 48; n++)
                (void)snprintf(hex + 2 * n, 3, "%02x", (unsigned)(0x10 + k));
            (void)snprintf(text, sizeof(text), "tdx.%s = \"%s\"", register_names[i], hex);
            if (i != k)
                (void)snprintf(failed, sizeof(failed), "policy.%s", register_names[i]);
            struct mse_policy *policy = parse(text);
            assert_judged(synth_intel_verify(&synth, policy), text, failed, "UpToDate");
            mse_policy_free(policy);
        }
    }
    synth_intel_done(&synth);
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth_intel_build(&synth);
    struct mse_policy *policy = parse(text);
    assert_judged(synth_intel_verify(&synth, policy), "SGX has no registers", "policy.tee",
                  "UpToDate");
    mse_policy_free(policy);
    synth_intel_done(&synth);
}

/* An identity field of zero bytes is no fingerprint, and more than the fingerprint is none either.
 */
static void test_identity_field(void **state)
{
    (void)state;
    const uint8_t zero[32] = {0};
    const struct mse_policy policy = {.size = sizeof(policy), .fingerprint = zero};
    struct synth_intel synth;
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    memset(synth.report + TD_AT_MRCONFIGID, 0, 48);
    synth_intel_build(&synth);
    assert_judged(synth_intel_verify(&synth, &policy), "zero",
                  "policy.fingerprint binding.measurement", "UpToDate");
    synth_intel_done(&synth);
    uint8_t fingerprint[32];
    memset(fingerprint, 0xf1, 32);
    const struct mse_policy other = {.size = sizeof(other), .fingerprint = fingerprint};
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    synth.report[TD_AT_MRCONFIGID + 47] = 1;
    synth_intel_build(&synth);
    assert_judged(synth_intel_verify(&synth, &other), "longer",
                  "policy.fingerprint binding.measurement", "UpToDate");
    synth_intel_done(&synth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_empty_is_strict),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_applied),
        cmocka_unit_test(test_loosened_lines_are_named),
        cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_identity_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
