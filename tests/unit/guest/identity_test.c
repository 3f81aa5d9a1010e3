// SPDX-License-Identifier: Apache-2.0
/*
 * A guest looks at its own report: each thing that a host could have chosen otherwise is refused by
 * its name, and so is every truncation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest/tee.h"

#include <string.h>

enum { REPORT_SIZE = 1184, QUOTE_SIZE = 700, HOST_DATA_END = 0xc0 + 32, CONFIG_ID_END = 184 + 48 };

static uint8_t fingerprint[SHA256_BYTES];

static int prepare(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fingerprint); i++)
        fingerprint[i] = (uint8_t)(i + 1);
    return 0;
}

static void make_report(uint8_t report[static REPORT_SIZE])
{
    memset(report, 0, REPORT_SIZE);
    report[0] = 2;
    report[0x08 + 2] = 0x03; /* policy 0x30000 */
    memcpy(report + 0x10, fingerprint, 32);
    memcpy(report + 0xc0, fingerprint, 32);
}

static void expect_snp(const uint8_t *report, size_t size, const char *expected)
{
    struct err err = ERR_INIT;
    int status = identity_check_snp(slice_of(report, size), fingerprint, &err);
    assert_int_equal(status, expected == NULL ? 0 : -1);
    if (expected != NULL)
        assert_non_null(strstr(err.message, expected));
}

static void test_snp(void **state)
{
    (void)state;
    uint8_t report[REPORT_SIZE];
    make_report(report);
    expect_snp(report, sizeof(report), NULL);
    for (size_t size = 0; size < HOST_DATA_END; size++)
        expect_snp(report, size, "truncated");
    report[0x08 + 2] |= 0x08;
    expect_snp(report, sizeof(report), "may debug this guest");
    make_report(report);
    report[0x30] = 1;
    expect_snp(report, sizeof(report), "VMPL 1, expected 0");
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        make_report(report);
        report[0xc0 + i] ^= 1;
        expect_snp(report, sizeof(report), "HOST_DATA of this guest is not the fingerprint");
        make_report(report);
        report[0x10 + i] ^= 1;
        expect_snp(report, sizeof(report), "FAMILY_ID and IMAGE_ID of this guest");
    }
}

static size_t make_quote(uint8_t quote[static QUOTE_SIZE], uint8_t version)
{
    memset(quote, 0, QUOTE_SIZE);
    quote[0] = version;
    size_t body = 48 + (version == 5 ? 6 : 0);
    memcpy(quote + body + 184, fingerprint, 32);
    return body;
}

static void expect_tdx(const uint8_t *quote, size_t size, const char *expected)
{
    struct err err = ERR_INIT;
    int status = identity_check_tdx(slice_of(quote, size), fingerprint, &err);
    assert_int_equal(status, expected == NULL ? 0 : -1);
    if (expected != NULL)
        assert_non_null(strstr(err.message, expected));
}

static void test_tdx(void **state)
{
    (void)state;
    uint8_t quote[QUOTE_SIZE];
    for (uint8_t version = 4; version <= 5; version++) {
        size_t body = make_quote(quote, version);
        expect_tdx(quote, sizeof(quote), NULL);
        for (size_t size = 0; size < body + CONFIG_ID_END; size++)
            expect_tdx(quote, size, "truncated");
        quote[body + 120] = 1;
        expect_tdx(quote, sizeof(quote), "may debug this guest");
        for (size_t i = 0; i < 48; i++) {
            (void)make_quote(quote, version);
            quote[body + 184 + i] ^= 1;
            expect_tdx(quote, sizeof(quote), "MRCONFIGID of this guest is not the fingerprint");
        }
    }
    (void)make_quote(quote, 3);
    expect_tdx(quote, sizeof(quote), "version 3, expected 4 or 5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_snp), cmocka_unit_test(test_tdx)};
    return cmocka_run_group_tests(tests, prepare, NULL);
}
