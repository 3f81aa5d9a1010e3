// SPDX-License-Identifier: Apache-2.0
/*
 * What is shown of evidence, certificates and collateral: real samples without an error in them,
 * JSON that another parser reads, broken files that are shown as far as they go, and differences.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "samples.h"

#include "simulated.h"
#include "synth_snp.h"

#include "attest/ra_tls.h"
#include "format/json.h"

static char message[MSE_ERROR_SIZE];

static struct mse_bytes bytes_of(const struct buf *buf)
{
    return (struct mse_bytes){buf->data, buf->len};
}

static json_t *explain_as_json(const struct buf *file)
{
    char *text = mse_explain(bytes_of(file), MSE_JSON, message);
    if (text == NULL)
        fail_msg("%s", message);
    struct err failure = ERR_INIT;
    json_t *document;
    if (json_parse(slice_str(text), "what is shown", strlen(text), &document, &failure) < 0)
        fail_msg("%s", failure.message);
    free(text);
    return document;
}

static const char *field(json_t *document, const char *path)
{
    return json_string_value(json_object_get(json_object_get(document, "fields"), path));
}

static void test_samples(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *kind;
        const char *path;
        const char *value;
    } samples[] = {
        {"sgx-config-and-hardening.evidence", "Intel quote, version 3", "report.tee", "sgx"},
        {"tdx4-up-to-date.evidence", "Intel quote, version 4", "certification.chain[2].issuer",
         "/CN=Intel SGX Root CA/O=Intel Corporation/L=Santa Clara/ST=CA/C=US"},
        {"tdx5-up-to-date.evidence", "Intel quote, version 5", "certification.chain[0].sgx.fmspc",
         "90c06f000000"},
        {"tdx5-up-to-date.collateral.json", "Intel collateral", "tcb_info.fmspc", "90C06F000000"},
        {"snp-genoa-v5.evidence", "AMD SEV-SNP report, version 5", "report.reported_tcb",
         "bootloader 10, tee 0, snp 25, microcode 84"},
        {"snp-milan-v2.evidence", "AMD SEV-SNP report, version 2", "report.reported_tcb",
         "0300000000000873"},
        {"snp-milan-vlek.collateral.json", "AMD collateral", "vlek.amd.csp_id",
         "CN=cc-us-east-2.amazonaws.com"},
        {"turin-certificates.json", "AMD collateral", "vcek.amd.hardware_id", "1e550a8ee5cf9f4d"},
    };
    const char *folder = samples_or_skip();
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        AUTO_BUF struct buf file = BUF_INIT(1 << 20);
        sample_read(folder, samples[i].file, &file);
        json_t *document = explain_as_json(&file);
        assert_string_equal(json_string_value(json_object_get(document, "kind")), samples[i].kind);
        const char *value = field(document, samples[i].path);
        if (value == NULL)
            fail_msg("%s: no %s", samples[i].file, samples[i].path);
        assert_string_equal(value, samples[i].value);
        assert_null(field(document, "error"));
        json_decref(document);
        char *text = mse_explain(bytes_of(&file), MSE_TEXT, message);
        assert_non_null(strstr(text, samples[i].value));
        free(text);
    }
}

static void test_certificate(void **state)
{
    (void)state;
    AUTO_BUF struct buf certificate = BUF_INIT(65536);
    struct ra_tls_parts parts = ra_tls_good_parts();
    ra_tls_build(&parts, &certificate, NULL);
    json_t *document = explain_as_json(&certificate);
    assert_string_equal(field(document, "subject"), "/CN=app.example");
    assert_string_equal(field(document, "not_before"), "2027-01-15T08:00:00Z");
    assert_string_equal(field(document, "ra_tls.evidence.tee"), "simulation");
    assert_memory_equal(field(document, "ra_tls.evidence.fingerprint"), "f1f1f1", 6);
    assert_memory_equal(field(document, "ra_tls.claims.mse-fingerprint"), "f1f1f1", 6);
    json_decref(document);
}

static void test_broken_ones(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(1 << 20);
    AUTO_BUF struct buf collateral = BUF_INIT(65536);
    AUTO_BUF struct buf root = BUF_INIT(16384);
    struct synth_snp spec = synth_snp_good("Turin", 5, false);
    spec.crl = SYNTH_CRL_GOOD;
    synth_snp_build(&spec, &file, &collateral, &root);
    for (size_t len = 0; len < collateral.len; len += 13) {
        struct mse_bytes part = {collateral.data, len};
        char *text = mse_explain(part, MSE_JSON, message);
        assert_true(text != NULL || message[0] != '\0');
        free(text);
    }
    assert_null(mse_explain((struct mse_bytes){file.data, 100}, MSE_TEXT, message));
    assert_non_null(strstr(message, "not known"));
    assert_null(mse_explain((struct mse_bytes){NULL, 0}, MSE_TEXT, message));
    assert_null(mse_explain((struct mse_bytes){(const uint8_t *)"hello", 5}, MSE_TEXT, message));
    assert_null(mse_explain((struct mse_bytes){(const uint8_t *)"{]", 2}, MSE_TEXT, message));
}

static void test_diff(void **state)
{
    (void)state;
    AUTO_BUF struct buf a = BUF_INIT(4096);
    AUTO_BUF struct buf b = BUF_INIT(4096);
    uint8_t report_data[64] = {0};
    uint8_t fingerprint[32] = {1};
    bool same = false;
    simulated_evidence(7, fingerprint, report_data, false, &a);
    fingerprint[0] = 2;
    simulated_evidence(7, fingerprint, report_data, false, &b);
    char *text = mse_diff(bytes_of(&a), bytes_of(&a), MSE_TEXT, &same, message);
    assert_true(same);
    assert_string_equal(text, "no difference\n");
    free(text);
    text = mse_diff(bytes_of(&a), bytes_of(&b), MSE_JSON, &same, message);
    assert_false(same);
    struct err failure = ERR_INIT;
    json_t *list;
    assert_int_equal(json_parse(slice_str(text), "differences", strlen(text), &list, &failure), 0);
    assert_int_equal(json_array_size(list), 2);
    json_t *first = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(first, "field")), "fingerprint");
    assert_non_null(
        strstr(json_string_value(json_object_get(first, "meaning")), "the manifest: code"));
    json_decref(list);
    free(text);
    assert_null(mse_diff(bytes_of(&a), (struct mse_bytes){NULL, 0}, MSE_TEXT, NULL, message));
    assert_non_null(strstr(message, "the second file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_broken_ones),
        cmocka_unit_test(test_diff),
    };
    struct err failure = ERR_INIT;
    if (crypto_init(&failure) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
