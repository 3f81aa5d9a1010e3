// SPDX-License-Identifier: Apache-2.0
/*
 * The platform's TCB on make-believe platforms: every component one below and one above, every
 * attribute bit, convergence of platform, module and QE, TD-preserving updates, and what the hints
 * say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "judge.h"
#include "synth_intel.h"

/* Builds, judges under the strict policy, compares, frees. */
static void expect(struct synth_intel *synth, const char *what, const char *failed,
                   const char *status)
{
    synth_intel_build(synth);
    assert_judged(synth_intel_verify(synth, NULL), what, failed, status);
    synth_intel_done(synth);
}

static void test_sgx_components(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 3, TEE_TYPE_SGX);
        synth.components[i]--;
        expect(&synth, "one below", "tcb.status", "OutOfDate");
        synth_intel_init(&synth, 3, TEE_TYPE_SGX);
        synth.components[i]++;
        expect(&synth, "one above", "", "UpToDate");
        synth_intel_init(&synth, 3, TEE_TYPE_SGX);
        synth.components[i] = 3;
        expect(&synth, "below every level", "tcb.level", "no-matching-tcb-level");
    }
}

static void test_sgx_components_of_version_2(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 3, TEE_TYPE_SGX);
        synth.tcb_version = 2;
        synth.components[i]--;
        expect(&synth, "one below", "tcb.status", "OutOfDate");
    }
}

static void test_pce_svn(void **state)
{
    (void)state;
    static const struct {
        uint16_t svn;
        const char *failed, *status;
    } rows[] = {
        {12, "", "UpToDate"},
        {11, "", "UpToDate"},
        {10, "tcb.status", "OutOfDate"},
        {9, "tcb.level", "no-matching-tcb-level"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 3, TEE_TYPE_SGX);
        synth.pce_svn = rows[i].svn;
        expect(&synth, "PCESVN", rows[i].failed, rows[i].status);
    }
}

/* With a TDX 1.5 module, components 1 and 2 are its SVN and version and are rated elsewhere. */
static void test_tdx_components(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 4, TEE_TYPE_TDX);
        synth.report[TD_AT_TCB_SVN + i] = 4;
        if (i == 0)
            expect(&synth, "module SVN", "tcb.status", "OutOfDate");
        else if (i == 1)
            expect(&synth, "module version", "tdx-module.identity tcb.level",
                   "no-matching-tcb-level");
        else
            expect(&synth, "one below", "tcb.status", "OutOfDate");
        synth_intel_init(&synth, 4, TEE_TYPE_TDX);
        synth.report[TD_AT_TCB_SVN + i] = 3;
        if (i >= 2)
            expect(&synth, "below every level", "tcb.level", "no-matching-tcb-level");
        else if (i == 0)
            expect(&synth, "module below every level", "tcb.level", "no-matching-tcb-level");
        else
            expect(&synth, "module version 3", "", "UpToDate");
    }
}

/* Version 0: TDX 1.0, every component counts and there is no module level. */
static void test_tdx_10_module(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 4, TEE_TYPE_TDX);
        memset(synth.report + TD_AT_TCB_SVN, 5, 16);
        synth.report[TD_AT_TCB_SVN + 1] = 0;
        synth.levels[0].tdx[1] = synth.levels[1].tdx[1] = 0;
        if (i != 1)
            synth.report[TD_AT_TCB_SVN + i] = 4;
        expect(&synth, "TDX 1.0", i == 1 ? "" : "tcb.status", i == 1 ? "UpToDate" : "OutOfDate");
    }
}

static void test_qe_svn(void **state)
{
    (void)state;
    static const struct {
        uint8_t svn;
        const char *failed, *status;
    } rows[] = {
        {9, "", "UpToDate"},
        {8, "", "UpToDate"},
        {7, "tcb.status", "OutOfDate"},
        {6, "tcb.status", "OutOfDate"},
        {5, "tcb.level", "no-matching-tcb-level"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 3, TEE_TYPE_SGX);
        synth.qe_report[SGX_AT_ISV_SVN] = rows[i].svn;
        expect(&synth, "QE ISVSVN", rows[i].failed, rows[i].status);
    }
}

/* Every bit of the QE's attributes: refused where the mask looks, ignored where it does not. */
static void test_qe_attributes(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < 128; bit++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 3, TEE_TYPE_SGX);
        synth.qe_report[SGX_AT_ATTRIBUTES + bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool masked = (synth.attributes_mask[bit / 8] >> bit % 8 & 1) != 0;
        expect(&synth, "QE attribute", masked ? "qe.attributes" : "", "UpToDate");
    }
}

static void test_qe_misc_select(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < 32; bit++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 3, TEE_TYPE_SGX);
        synth.misc_mask[3] = 0x7f;
        synth.qe_report[SGX_AT_MISC_SELECT + bit / 8] ^= (uint8_t)(1u << bit % 8);
        expect(&synth, "MISCSELECT", bit == 31 ? "" : "qe.misc-select", "UpToDate");
    }
}

static void test_qe_identity_fields(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth.qe_report[SGX_AT_MRSIGNER + 31] ^= 1;
    expect(&synth, "MRSIGNER", "qe.mrsigner", "UpToDate");
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth.qe_report[SGX_AT_ISV_PROD_ID + 1] = 1;
    expect(&synth, "ISVPRODID", "qe.isv-prod-id", "UpToDate");
}

/* TD attributes: bits 7:0 are debug, 29 is migration, some bits are known, the others are refused.
 */
static void test_td_attributes(void **state)
{
    (void)state;
    static const uint8_t known[] = {16, 27, 28, 30, 31, 62, 63};
    for (uint8_t bit = 0; bit < 64; bit++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 4, TEE_TYPE_TDX);
        synth.report[TD_AT_ATTRIBUTES + bit / 8] |= (uint8_t)(1u << bit % 8);
        bool fine = memchr(known, bit, sizeof(known)) != NULL;
        expect(&synth, "TD attribute",
               bit < 8     ? "policy.debug"
               : bit == 29 ? "td.migratable"
               : fine      ? ""
                           : "td.attributes",
               "UpToDate");
    }
}

/* SGX: bit 1 is debug. */
static void test_sgx_debug(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth.report[SGX_AT_ATTRIBUTES] |= 2;
    expect(&synth, "debug", "policy.debug", "UpToDate");
}

static void test_seam_attributes(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < 64; bit++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 4, TEE_TYPE_TDX);
        synth.report[TD_AT_SEAM_ATTRIBUTES + bit / 8] |= (uint8_t)(1u << bit % 8);
        expect(&synth, "SEAMATTRIBUTES", "tdx-module.attributes", "UpToDate");
    }
}

static void test_module_signer(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    synth.report[TD_AT_MRSIGNERSEAM] = 1;
    expect(&synth, "MRSIGNERSEAM", "tdx-module.signer", "UpToDate");
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    synth.modules[0].mrsigner[47] = 1;
    expect(&synth, "mrsigner", "tdx-module.signer", "UpToDate");
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    synth.modules[0].id = "tdx_01";
    expect(&synth, "id", "tdx-module.identity tcb.level", "no-matching-tcb-level");
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    synth.module_count = 0;
    expect(&synth, "no identities", "tdx-module.identity tcb.level", "no-matching-tcb-level");
}

/* Status of the platform, of the module, of the QE, and what they make together (Intel's quote
 * verification library specification 4.1.2.4.17). */
static const struct {
    const char *platform, *module, *qe, *together;
} convergence[] = {
    {"UpToDate", "UpToDate", "UpToDate", "UpToDate"},
    {"SWHardeningNeeded", "UpToDate", "UpToDate", "SWHardeningNeeded"},
    {"ConfigurationNeeded", "UpToDate", "UpToDate", "ConfigurationNeeded"},
    {"ConfigurationAndSWHardeningNeeded", "UpToDate", "UpToDate",
     "ConfigurationAndSWHardeningNeeded"},
    {"OutOfDate", "UpToDate", "UpToDate", "OutOfDate"},
    {"OutOfDateConfigurationNeeded", "UpToDate", "UpToDate", "OutOfDateConfigurationNeeded"},
    {"Revoked", "UpToDate", "UpToDate", "Revoked"},
    {"UpToDate", "OutOfDate", "UpToDate", "OutOfDate"},
    {"SWHardeningNeeded", "OutOfDate", "UpToDate", "OutOfDate"},
    {"ConfigurationNeeded", "OutOfDate", "UpToDate", "OutOfDateConfigurationNeeded"},
    {"ConfigurationAndSWHardeningNeeded", "OutOfDate", "UpToDate", "OutOfDateConfigurationNeeded"},
    {"OutOfDate", "OutOfDate", "UpToDate", "OutOfDate"},
    {"OutOfDateConfigurationNeeded", "OutOfDate", "UpToDate", "OutOfDateConfigurationNeeded"},
    {"Revoked", "OutOfDate", "UpToDate", "Revoked"},
    {"UpToDate", "Revoked", "UpToDate", "Revoked"},
    {"UpToDate", "UpToDate", "OutOfDate", "OutOfDate"},
    {"SWHardeningNeeded", "UpToDate", "OutOfDate", "OutOfDate"},
    {"ConfigurationNeeded", "UpToDate", "OutOfDate", "OutOfDateConfigurationNeeded"},
    {"ConfigurationAndSWHardeningNeeded", "UpToDate", "OutOfDate", "OutOfDateConfigurationNeeded"},
    {"Revoked", "UpToDate", "OutOfDate", "Revoked"},
    {"UpToDate", "UpToDate", "Revoked", "Revoked"},
    {"OutOfDate", "OutOfDate", "Revoked", "Revoked"},
};

static void test_convergence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(convergence); i++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 4, TEE_TYPE_TDX);
        synth.levels[0].status = convergence[i].platform;
        synth.modules[0].levels[0].status = convergence[i].module;
        synth.qe_levels[0].status = convergence[i].qe;
        bool fine = strcmp(convergence[i].together, "UpToDate") == 0;
        expect(&synth, convergence[i].platform, fine ? "" : "tcb.status", convergence[i].together);
    }
}

/* TD-preserving update: launched on module SVN 4 (out of date), running on what `now` says. */
static const struct {
    const char *platform;
    uint8_t now[3];
    uint8_t qe_svn;
    const char *status;
} relaunch[] = {
    {"UpToDate", {6, 1, 5}, 8, "TDRelaunchAdvised"},
    {"SWHardeningNeeded", {6, 1, 5}, 8, "TDRelaunchAdvised"},
    {"ConfigurationNeeded", {6, 1, 5}, 8, "TDRelaunchAdvisedConfigurationNeeded"},
    {"ConfigurationAndSWHardeningNeeded", {6, 1, 5}, 8, "TDRelaunchAdvisedConfigurationNeeded"},
    {"UpToDate", {6, 3, 5}, 8, "TDRelaunchAdvised"}, /* another module version, current there */
    {"UpToDate", {5, 0, 5}, 8, "TDRelaunchAdvised"}, /* back to TDX 1.0, current there */
    {"UpToDate", {4, 0, 5}, 8, "OutOfDate"},
    {"UpToDate", {5, 1, 5}, 8, "OutOfDate"}, /* still not the newest */
    {"UpToDate", {6, 1, 4}, 8, "OutOfDate"}, /* microcode of the newest level missing */
    {"UpToDate", {6, 2, 5}, 8, "OutOfDate"}, /* a module version that Intel does not name */
    {"UpToDate", {6, 1, 5}, 6, "OutOfDate"}, /* the QE is out of date anyway */
    {"OutOfDate", {6, 1, 5}, 8, "OutOfDate"},
    {"Revoked", {6, 1, 5}, 8, "Revoked"},
};

static void test_relaunch(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(relaunch); i++) {
        struct synth_intel synth;
        synth_intel_init(&synth, 5, TEE_TYPE_TDX);
        synth.levels[0].status = relaunch[i].platform;
        synth.report[TD_AT_TCB_SVN] = 4;
        memcpy(synth.report + TD_AT_TCB_SVN2, relaunch[i].now, 3);
        synth.qe_report[SGX_AT_ISV_SVN] = relaunch[i].qe_svn;
        expect(&synth, relaunch[i].platform, "tcb.status", relaunch[i].status);
    }
}

/* A 1.0 body has no second SVN: no relaunch is ever advised. */
static void test_no_relaunch_without_svn2(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    synth.report[TD_AT_TCB_SVN] = 4;
    expect(&synth, "1.0 body", "tcb.status", "OutOfDate");
}

static void test_hint_names_component(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth.components[7] = 3;
    synth_intel_build(&synth);
    struct mse_verdict *verdict = synth_intel_verify(&synth, NULL);
    const struct mse_check *check = find_check(verdict, "tcb.level");
    assert_int_equal(check->result, MSE_FAIL);
    assert_string_equal(check->hint,
                        "platform microcode component 8 (BIOS, Part 8) is at 3, at least 5 is "
                        "needed for UpToDate since 2025-03-01: the operator must update BIOS or "
                        "microcode");
    mse_verdict_free(verdict);
    synth_intel_done(&synth);
}

static void test_hint_names_advisories(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    synth.report[TD_AT_TCB_SVN] = 4;
    synth_intel_build(&synth);
    struct mse_verdict *verdict = synth_intel_verify(&synth, NULL);
    assert_string_equal(find_check(verdict, "tcb.status")->hint,
                        "the TDX module TDX_01 is at SVN 4, at least 6 is needed for UpToDate "
                        "since 2025-03-01 (advisories INTEL-SA-00002): the operator must load a "
                        "newer TDX module, and the TD must be started anew");
    assert_int_equal(verdict->advisory_count, 1);
    assert_string_equal(verdict->advisories[0], "INTEL-SA-00002");
    mse_verdict_free(verdict);
    synth_intel_done(&synth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgx_components),
        cmocka_unit_test(test_sgx_components_of_version_2),
        cmocka_unit_test(test_pce_svn),
        cmocka_unit_test(test_tdx_components),
        cmocka_unit_test(test_tdx_10_module),
        cmocka_unit_test(test_qe_svn),
        cmocka_unit_test(test_qe_attributes),
        cmocka_unit_test(test_qe_misc_select),
        cmocka_unit_test(test_qe_identity_fields),
        cmocka_unit_test(test_td_attributes),
        cmocka_unit_test(test_sgx_debug),
        cmocka_unit_test(test_seam_attributes),
        cmocka_unit_test(test_module_signer),
        cmocka_unit_test(test_convergence),
        cmocka_unit_test(test_relaunch),
        cmocka_unit_test(test_no_relaunch_without_svn2),
        cmocka_unit_test(test_hint_names_component),
        cmocka_unit_test(test_hint_names_advisories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
