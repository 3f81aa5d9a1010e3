// SPDX-License-Identifier: Apache-2.0
/*
 * Each rule for a quote, its chains, documents and CRLs, broken one at a time on make-believe
 * platforms: exactly the check of that rule fails, and the status word is the right one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "judge.h"
#include "synth_intel.h"

enum { DAY = 86400 };

typedef void change_function(struct synth_intel *synth);

struct broken {
    const char *what;
    change_function *change; /* before the platform is built */
    const char *failed;
    const char *status;
};

/* One function a rule: X(name, what it changes) */
#define CHANGE(name, ...)                                                                          \
    static void name(struct synth_intel *s)                                                        \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }

CHANGE(nothing, (void)s)
CHANGE(version_2, s->version = 2)
CHANGE(version_6, s->version = 6)
CHANGE(key_type_1, s->key_type = 1)
CHANGE(key_type_3, s->key_type = 3)
CHANGE(tee_type_unknown, s->tee_type = 0x82)
CHANGE(vendor_other, s->vendor[15] ^= 1)
CHANGE(body_type_4, s->body = 4)
CHANGE(body_type_of_sgx, s->body = 1)
CHANGE(body_type_of_10, s->body = 2)
CHANGE(body_short, s->body_size = 640)
CHANGE(outer_type_5, s->outer_type = 5)
CHANGE(trailing_text, s->trailing = "text"; s->trailing_size = 4)
CHANGE(trailing_zeros, s->trailing = "\0\0\0\0"; s->trailing_size = 4)
CHANGE(reserved_set, s->report[303] = 1)
CHANGE(qe_reserved_set, s->qe_report[303] = 1)
CHANGE(certification_1, s->certification_type = 1)
CHANGE(certification_2, s->certification_type = 2)
CHANGE(certification_3, s->certification_type = 3)
CHANGE(certification_4, s->certification_type = 4)
CHANGE(certification_6, s->certification_type = 6)
CHANGE(quote_by_stranger, s->wrong_quote_key = true)
CHANGE(qe_by_stranger, s->wrong_qe_key = true)
CHANGE(key_not_bound, s->unbound = true)

CHANGE(pck_name, s->pck.common_name = "Intel SGX PCK Something")
CHANGE(pck_ca_name, s->pck_ca.common_name = "Intel SGX PCK Other CA")
CHANGE(pck_short, s->pck_order = "lr")
CHANGE(pck_leaf_alone, s->pck_order = "l")
CHANGE(pck_unsorted, s->pck_order = "clr")
CHANGE(pck_long, s->pck_order = "lccr")
CHANGE(pck_overlong, s->pck_order = "lcccr")
CHANGE(pck_empty, s->pck_order = "")
CHANGE(pck_other_root, s->pck_order = "lco")
CHANGE(pck_leaf_is_ca, s->pck.constraints = "critical,CA:TRUE")
CHANGE(pck_may_not_sign, s->pck.usage = "critical,keyAgreement")
CHANGE(pck_without_usage, s->pck.usage = NULL)
CHANGE(pck_unknown_critical, s->pck.unknown_critical = true)
CHANGE(pck_ca_no_ca, s->pck_ca.constraints = "critical,CA:FALSE")
CHANGE(pck_ca_without_constraints, s->pck_ca.constraints = NULL)
CHANGE(pck_ca_usage, s->pck_ca.usage = "critical,cRLSign")
CHANGE(pck_ca_unknown_critical, s->pck_ca.unknown_critical = true)
CHANGE(root_path_length, s->root.constraints = "critical,CA:TRUE,pathlen:0")
CHANGE(pck_by_stranger, s->pck.wrong_signer = true)
CHANGE(pck_ca_by_stranger, s->pck_ca.wrong_signer = true)
CHANGE(pck_expired, s->pck.until = SYNTH_AT - 1)
CHANGE(pck_last_second, s->pck.until = SYNTH_AT)
CHANGE(pck_future, s->pck.from = SYNTH_AT + 1)
CHANGE(pck_ca_expired, s->pck_ca.until = SYNTH_AT - DAY)
CHANGE(pck_ca_future, s->pck_ca.from = SYNTH_AT + DAY)

CHANGE(extension_none, s->no_extension = true)
CHANGE(extension_fmspc, s->fmspc_size = 5)
CHANGE(extension_component, s->extension_without_component = true)
CHANGE(extension_twice, s->extension_part_twice = true)
CHANGE(extension_unknown, s->extension_unknown_part = true)

CHANGE(no_collateral, s->no_collateral = true)
CHANGE(tcb_absent, s->tcb_absent = true)
CHANGE(qe_absent, s->qe_absent = true)
CHANGE(tcb_signature, s->tcb_wrong_signature = true)
CHANGE(qe_signature, s->qe_wrong_signature = true)
CHANGE(tcb_chain_short, s->tcb_order = "t")
CHANGE(tcb_chain_unsorted, s->tcb_order = "rt")
CHANGE(tcb_chain_long, s->tcb_order = "ttr")
CHANGE(tcb_chain_other_root, s->tcb_order = "to")
CHANGE(qe_chain_short, s->qe_order = "t")
CHANGE(qe_chain_unsorted, s->qe_order = "rt")
CHANGE(qe_chain_other_root, s->qe_order = "to")
CHANGE(signer_name, s->tcb_signer.common_name = "Intel SGX Something")
CHANGE(signer_is_ca, s->tcb_signer.constraints = "critical,CA:TRUE")
CHANGE(signer_usage, s->tcb_signer.usage = "critical,cRLSign")
CHANGE(signer_by_stranger, s->tcb_signer.wrong_signer = true)
CHANGE(signer_expired, s->tcb_signer.until = SYNTH_AT - 1)
CHANGE(signer_future, s->tcb_signer.from = SYNTH_AT + 1)

CHANGE(tcb_version_1, s->tcb_version = 1)
CHANGE(tcb_version_4, s->tcb_version = 4)
CHANGE(tcb_version_2, s->tcb_version = 2)
CHANGE(tcb_id_unknown, s->tcb_id = "SEV")
CHANGE(tcb_id_tdx, s->tcb_id = "TDX")
CHANGE(tcb_id_sgx, s->tcb_id = "SGX")
CHANGE(tcb_type_1, s->tcb_type = 1)
CHANGE(tcb_status_unknown, s->levels[1].status = "Perfect")
CHANGE(tcb_status_relaunch, s->levels[1].status = "TDRelaunchAdvised")
CHANGE(tcb_date_broken, s->levels[0].date = "yesterday")
CHANGE(tcb_advisory_broken, s->levels[1].advisories = "17")
CHANGE(tcb_fmspc, s->tcb_fmspc[5] ^= 1)
CHANGE(tcb_pce_id, s->tcb_pce_id[0] ^= 1)
CHANGE(tcb_expired, s->tcb_next = "2025-10-09T08:53:19Z")
CHANGE(tcb_last_second, s->tcb_next = "2025-10-09T08:53:20Z")
CHANGE(tcb_future, s->tcb_issued = "2025-10-09T08:53:21Z")
CHANGE(tcb_no_levels, s->level_count = 0)
CHANGE(qe_version_1, s->qe_version = 1)
CHANGE(qe_version_3, s->qe_version = 3)
CHANGE(qe_id_unknown, s->qe_id = "QVE")
CHANGE(qe_id_tdx, s->qe_id = "TD_QE")
CHANGE(qe_id_sgx, s->qe_id = "QE")
CHANGE(qe_status_unknown, s->qe_levels[1].status = "SWHardeningNeeded")
CHANGE(qe_expired, s->qe_next = "2025-10-09T08:53:19Z")
CHANGE(qe_future, s->qe_issued = "2025-10-09T08:53:21Z")
CHANGE(qe_no_levels, s->qe_level_count = 0)
CHANGE(module_status_unknown, s->modules[0].levels[0].status = "SWHardeningNeeded")

CHANGE(root_crl_absent, s->root_crl.absent = true)
CHANGE(pck_crl_absent, s->pck_crl.absent = true)
CHANGE(root_crl_signer, s->root_crl.wrong_signer = true)
CHANGE(pck_crl_signer, s->pck_crl.wrong_signer = true)
CHANGE(root_crl_issuer, s->root_crl.wrong_issuer = true)
CHANGE(pck_crl_issuer, s->pck_crl.wrong_issuer = true)
CHANGE(root_crl_expired, s->root_crl.until = SYNTH_AT - 1)
CHANGE(root_crl_future, s->root_crl.from = SYNTH_AT + 1)
CHANGE(pck_crl_expired, s->pck_crl.until = SYNTH_AT - 1)
CHANGE(pck_crl_future, s->pck_crl.from = SYNTH_AT + 1)
CHANGE(root_crl_critical, s->root_crl.critical = true)
CHANGE(pck_crl_critical, s->pck_crl.critical = true)
CHANGE(revoked_pck, s->pck_crl.revoked = s->pck.serial)
CHANGE(revoked_other, s->pck_crl.revoked = 99)
CHANGE(revoked_pck_ca, s->root_crl.revoked = s->pck_ca.serial)
CHANGE(revoked_signer, s->root_crl.revoked = s->tcb_signer.serial)
CHANGE(crl_chain_short, s->crl_order = "c")
CHANGE(crl_chain_unsorted, s->crl_order = "rc")
CHANGE(crl_chain_other_root, s->crl_order = "co")
CHANGE(pck_ca_no_crl_sign, s->pck_ca.usage = "critical,keyCertSign")

/* Judged on an SGX quote of version 3. */
static const struct broken on_sgx3[] = {
    {"good", nothing, "", "UpToDate"},
    {"version 2", version_2, "quote.version", NULL},
    {"version 6", version_6, "quote.version", NULL},
    {"key type 1", key_type_1, "quote.key-type", NULL},
    {"key type 3", key_type_3, "quote.key-type", NULL},
    {"TEE type", tee_type_unknown, "quote.tee-type", NULL},
    {"vendor", vendor_other, "quote.qe-vendor", NULL},
    {"trailing text", trailing_text, "quote.trailing-bytes", "UpToDate"},
    {"trailing zeros", trailing_zeros, "", "UpToDate"},
    {"reserved", reserved_set, "quote.reserved", "UpToDate"},
    {"QE reserved", qe_reserved_set, "quote.reserved", "UpToDate"},
    {"certification 1", certification_1, "quote.certification-data", "no-chain"},
    {"certification 2", certification_2, "quote.certification-data", "no-chain"},
    {"certification 3", certification_3, "quote.certification-data", "no-chain"},
    {"certification 4", certification_4, "quote.certification-data", "no-chain"},
    {"certification 6", certification_6, "quote.certification-data", "no-chain"},
    {"quote signature", quote_by_stranger, "quote.signature", "bad-signature"},
    {"QE signature", qe_by_stranger, "qe-report.signature", "bad-signature"},
    {"binding", key_not_bound, "qe-report.binding", "bad-signature"},

    {"PCK name", pck_name, "pck-chain.names", "bad-signature"},
    {"PCK CA name", pck_ca_name, "pck-chain.names", "bad-signature"},
    {"PCK chain short", pck_short, "pck-chain.form", "bad-signature"},
    {"PCK leaf alone", pck_leaf_alone, "pck-chain.form", "bad-signature"},
    {"PCK chain unsorted", pck_unsorted, "pck-chain.form", "bad-signature"},
    {"PCK chain long", pck_long, "pck-chain.form", "bad-signature"},
    {"PCK chain overlong", pck_overlong, "quote.certification-data", "no-chain"},
    {"PCK chain empty", pck_empty, "quote.certification-data", "no-chain"},
    {"PCK root", pck_other_root, "pck-chain.root pck-chain.signatures", "bad-signature"},
    {"PCK is CA", pck_leaf_is_ca, "pck-chain.constraints", "bad-signature"},
    {"PCK usage", pck_may_not_sign, "pck-chain.constraints", "bad-signature"},
    {"PCK without usage", pck_without_usage, "pck-chain.constraints", "bad-signature"},
    {"PCK critical", pck_unknown_critical, "pck-chain.constraints", "bad-signature"},
    {"PCK CA no CA", pck_ca_no_ca, "pck-chain.constraints", "bad-signature"},
    {"PCK CA no constraints", pck_ca_without_constraints, "pck-chain.constraints", "bad-signature"},
    {"PCK CA usage", pck_ca_usage, "pck-chain.constraints", "bad-signature"},
    {"PCK CA critical", pck_ca_unknown_critical, "pck-chain.constraints", "bad-signature"},
    {"path length", root_path_length, "pck-chain.constraints", "bad-signature"},
    {"PCK signature", pck_by_stranger, "pck-chain.signatures", "bad-signature"},
    {"PCK CA signature", pck_ca_by_stranger, "pck-chain.signatures", "bad-signature"},
    {"PCK expired", pck_expired, "pck-chain.validity", "expired"},
    {"PCK last second", pck_last_second, "", "UpToDate"},
    {"PCK future", pck_future, "pck-chain.validity", "not-yet-valid"},
    {"PCK CA expired", pck_ca_expired, "pck-chain.validity", "expired"},
    {"PCK CA future", pck_ca_future, "pck-chain.validity", "not-yet-valid"},

    {"no extension", extension_none, "pck.extension", "no-chain"},
    {"FMSPC size", extension_fmspc, "pck.extension", "no-chain"},
    {"component missing", extension_component, "pck.extension", "no-chain"},
    {"part twice", extension_twice, "pck.extension", "no-chain"},
    {"unknown part", extension_unknown, "pck.extension", "no-chain"},

    {"no collateral", no_collateral, "collateral.form", "no-collateral"},
    {"no TCB info", tcb_absent, "tcb-info-chain.form", "no-collateral"},
    {"no QE identity", qe_absent, "qe-identity-chain.form", "no-collateral"},
    {"TCB info signature", tcb_signature, "tcb-info.signature", "bad-signature"},
    {"QE identity signature", qe_signature, "qe-identity.signature", "bad-signature"},
    {"TCB chain short", tcb_chain_short, "tcb-info-chain.form", "bad-signature"},
    {"TCB chain unsorted", tcb_chain_unsorted, "tcb-info-chain.form", "bad-signature"},
    {"TCB chain long", tcb_chain_long, "tcb-info-chain.form", "bad-signature"},
    {"TCB chain root", tcb_chain_other_root, "tcb-info-chain.root tcb-info-chain.signatures",
     "bad-signature"},
    {"QE chain short", qe_chain_short, "qe-identity-chain.form", "bad-signature"},
    {"QE chain unsorted", qe_chain_unsorted, "qe-identity-chain.form", "bad-signature"},
    {"QE chain root", qe_chain_other_root, "qe-identity-chain.root qe-identity-chain.signatures",
     "bad-signature"},
    {"signer name", signer_name, "tcb-info-chain.names qe-identity-chain.names", "bad-signature"},
    {"signer is CA", signer_is_ca, "tcb-info-chain.constraints qe-identity-chain.constraints",
     "bad-signature"},
    {"signer usage", signer_usage, "tcb-info-chain.constraints qe-identity-chain.constraints",
     "bad-signature"},
    {"signer signature", signer_by_stranger,
     "tcb-info-chain.signatures qe-identity-chain.signatures", "bad-signature"},
    {"signer expired", signer_expired, "tcb-info-chain.validity qe-identity-chain.validity",
     "expired"},
    {"signer future", signer_future, "tcb-info-chain.validity qe-identity-chain.validity",
     "not-yet-valid"},

    {"TCB version 1", tcb_version_1, "tcb-info.form", "no-collateral"},
    {"TCB version 4", tcb_version_4, "tcb-info.form", "no-collateral"},
    {"TCB version 2", tcb_version_2, "", "UpToDate"},
    {"TCB id", tcb_id_unknown, "tcb-info.form", "no-collateral"},
    {"TCB id TDX", tcb_id_tdx, "tcb-info.tee", "no-collateral"},
    {"TCB type", tcb_type_1, "tcb-info.form", "no-collateral"},
    {"TCB status", tcb_status_unknown, "tcb-info.form", "no-collateral"},
    {"TCB status relaunch", tcb_status_relaunch, "tcb-info.form", "no-collateral"},
    {"TCB date", tcb_date_broken, "tcb-info.form", "no-collateral"},
    {"TCB advisory", tcb_advisory_broken, "tcb-info.form", "no-collateral"},
    {"FMSPC", tcb_fmspc, "tcb-info.fmspc", "no-collateral"},
    {"PCE id", tcb_pce_id, "tcb-info.pce-id", "no-collateral"},
    {"TCB expired", tcb_expired, "tcb-info.validity", "expired"},
    {"TCB last second", tcb_last_second, "", "UpToDate"},
    {"TCB future", tcb_future, "tcb-info.validity", "not-yet-valid"},
    {"TCB no levels", tcb_no_levels, "tcb.level", "no-matching-tcb-level"},
    {"QE version 1", qe_version_1, "qe-identity.form", "no-collateral"},
    {"QE version 3", qe_version_3, "qe-identity.form", "no-collateral"},
    {"QE id", qe_id_unknown, "qe-identity.form", "no-collateral"},
    {"QE id TDX", qe_id_tdx, "qe-identity.tee", "no-collateral"},
    {"QE status", qe_status_unknown, "qe-identity.form", "no-collateral"},
    {"QE expired", qe_expired, "qe-identity.validity", "expired"},
    {"QE future", qe_future, "qe-identity.validity", "not-yet-valid"},
    {"QE no levels", qe_no_levels, "tcb.level", "no-matching-tcb-level"},

    {"no root CRL", root_crl_absent, "root-crl.present", "UpToDate"},
    {"no PCK CRL", pck_crl_absent, "pck-crl.present", "UpToDate"},
    {"root CRL signer", root_crl_signer, "root-crl.signature", "bad-signature"},
    {"PCK CRL signer", pck_crl_signer, "pck-crl.signature", "bad-signature"},
    {"root CRL issuer", root_crl_issuer, "root-crl.issuer", "UpToDate"},
    {"PCK CRL issuer", pck_crl_issuer, "pck-crl.issuer", "UpToDate"},
    {"root CRL expired", root_crl_expired, "root-crl.validity", "UpToDate"},
    {"root CRL future", root_crl_future, "root-crl.validity", "UpToDate"},
    {"PCK CRL expired", pck_crl_expired, "pck-crl.validity", "UpToDate"},
    {"PCK CRL future", pck_crl_future, "pck-crl.validity", "UpToDate"},
    {"root CRL critical", root_crl_critical, "root-crl.form", "UpToDate"},
    {"PCK CRL critical", pck_crl_critical, "pck-crl.form", "UpToDate"},
    {"revoked PCK", revoked_pck, "pck-crl.revocation", "revoked"},
    {"revoked another", revoked_other, "", "UpToDate"},
    {"revoked PCK CA", revoked_pck_ca, "root-crl.revocation", "revoked"},
    {"revoked signer", revoked_signer, "root-crl.revocation", "revoked"},
    {"CRL chain short", crl_chain_short, "pck-crl-chain.form", "bad-signature"},
    {"CRL chain unsorted", crl_chain_unsorted, "pck-crl-chain.form", "bad-signature"},
    {"CRL chain root", crl_chain_other_root, "pck-crl-chain.root pck-crl-chain.signatures",
     "bad-signature"},
    {"CRL sign", pck_ca_no_crl_sign, "pck-crl.issuer", "UpToDate"},
};

/* Judged on a TDX quote of version 4. */
static const struct broken on_tdx4[] = {
    {"good", nothing, "", "UpToDate"},
    {"TEE type", tee_type_unknown, "quote.tee-type", NULL},
    {"outer certification", outer_type_5, "quote.form", NULL},
    {"trailing text", trailing_text, "quote.trailing-bytes", "UpToDate"},
    {"certification 3", certification_3, "quote.certification-data", "no-chain"},
    {"quote signature", quote_by_stranger, "quote.signature", "bad-signature"},
    {"TCB version 2", tcb_version_2, "tcb-info.tee", "no-collateral"},
    {"TCB id SGX", tcb_id_sgx, "tcb-info.tee", "no-collateral"},
    {"QE id SGX", qe_id_sgx, "qe-identity.tee", "no-collateral"},
    {"module status", module_status_unknown, "tcb-info.form", "no-collateral"},
};

/* Judged on a TDX quote of version 5 with a 1.5 body. */
static const struct broken on_tdx5[] = {
    {"good", nothing, "", "UpToDate"},
    {"body type 4", body_type_4, "quote.form", NULL},
    {"body type of SGX", body_type_of_sgx, "quote.form", NULL},
    {"body type of 1.0", body_type_of_10, "quote.form", NULL},
    {"body size", body_short, "quote.form", NULL},
    {"outer certification", outer_type_5, "quote.form", NULL},
    {"quote signature", quote_by_stranger, "quote.signature", "bad-signature"},
};

static const struct broken on_sgx45[] = {
    {"good", nothing, "", "UpToDate"},
    {"quote signature", quote_by_stranger, "quote.signature", "bad-signature"},
    {"outer certification", outer_type_5, "quote.form", NULL},
};

static void judge_all(uint16_t version, uint32_t tee_type, const struct broken *rows, size_t count)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        struct synth_intel synth;
        synth_intel_init(&synth, version, tee_type);
        rows[i].change(&synth);
        synth_intel_build(&synth);
        bool right =
            judged(synth_intel_verify(&synth, NULL), rows[i].what, rows[i].failed, rows[i].status);
        wrong += right ? 0 : 1;
        synth_intel_done(&synth);
    }
    assert_int_equal(wrong, 0);
}

static void test_sgx_version_3(void **state)
{
    (void)state;
    judge_all(3, TEE_TYPE_SGX, on_sgx3, ARRAY_LEN(on_sgx3));
}

static void test_sgx_versions_4_and_5(void **state)
{
    (void)state;
    judge_all(4, TEE_TYPE_SGX, on_sgx45, ARRAY_LEN(on_sgx45));
    judge_all(5, TEE_TYPE_SGX, on_sgx45, ARRAY_LEN(on_sgx45));
}

static void test_tdx_version_4(void **state)
{
    (void)state;
    judge_all(4, TEE_TYPE_TDX, on_tdx4, ARRAY_LEN(on_tdx4));
}

static void test_tdx_version_5(void **state)
{
    (void)state;
    judge_all(5, TEE_TYPE_TDX, on_tdx5, ARRAY_LEN(on_tdx5));
}

/* Version 5 may carry the 1.0 body. */
static void test_tdx_version_5_with_body_10(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 5, TEE_TYPE_TDX);
    synth.body = QUOTE_BODY_TD_10;
    synth.body_size = TD_REPORT_10_SIZE;
    synth_intel_build(&synth);
    assert_judged(synth_intel_verify(&synth, NULL), "body 1.0", "", "UpToDate");
    synth_intel_done(&synth);
}

/* Version 3 knows no other TEE. */
static void test_tdx_in_version_3(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth.tee_type = TEE_TYPE_TDX;
    synth_intel_build(&synth);
    assert_judged(synth_intel_verify(&synth, NULL), "TDX in v3", "quote.tee-type", NULL);
    synth_intel_done(&synth);
}

/* A make-believe chain is worth nothing without the override, and the override is named. */
static void test_other_roots(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth_intel_build(&synth);
    struct mse_verdict *verdict = synth_intel_verify(&synth, NULL);
    const struct mse_check *check = find_check(verdict, "trust.intel-root");
    assert_true(verdict->accepted);
    assert_non_null(check);
    assert_true(check->loosened);
    mse_verdict_free(verdict);
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {synth.evidence.data, synth.evidence.len},
        .collateral = {synth.collateral.data, synth.collateral.len},
        .at = SYNTH_AT,
    };
    verdict = mse_verify(&input);
    assert_false(verdict->accepted);
    assert_int_equal(find_check(verdict, "pck-chain.root")->result, MSE_FAIL);
    assert_string_equal(verdict->status, "bad-signature");
    mse_verdict_free(verdict);
    synth_intel_done(&synth);
}

/* The window of the whole: latest beginning, earliest end. */
static void test_window(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth_intel_build(&synth);
    struct mse_verdict *verdict = synth_intel_verify(&synth, NULL);
    assert_int_equal(verdict->valid_from, SYNTH_AT - DAY); /* the CRLs */
    assert_int_equal(verdict->valid_until, 1761868800);    /* TCB info, 2025-10-31 */
    mse_verdict_free(verdict);
    synth_intel_done(&synth);
}

/* A shorter and shorter quote is always refused, by name and without a crash. */
static void test_truncation(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 5, TEE_TYPE_TDX);
    synth_intel_build(&synth);
    size_t whole = synth.evidence.len;
    for (size_t len = 0; len < whole; len += len < 64 ? 1 : 7) {
        synth.evidence.len = len;
        struct mse_verdict *verdict = synth_intel_verify(&synth, NULL);
        assert_false(verdict->accepted);
        assert_true(verdict->check_count > 0);
        mse_verdict_free(verdict);
    }
    synth.evidence.len = whole;
    synth_intel_done(&synth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgx_version_3),
        cmocka_unit_test(test_sgx_versions_4_and_5),
        cmocka_unit_test(test_tdx_version_4),
        cmocka_unit_test(test_tdx_version_5),
        cmocka_unit_test(test_tdx_version_5_with_body_10),
        cmocka_unit_test(test_tdx_in_version_3),
        cmocka_unit_test(test_other_roots),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
