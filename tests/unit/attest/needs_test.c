// SPDX-License-Identifier: Apache-2.0
/*
 * Evidence that needs nothing, is none, or stands in a certificate.
 */
#include "needs_of.h"

#include <stdio.h>

static void test_no_evidence(void **state)
{
    (void)state;
    refused(slice_of(NULL, 0), "0 bytes of evidence of unknown format");
    refused(slice_str("{\"quote\": \"\"}"), "of unknown format");
}

/* Evidence in a certificate: what its evidence needs. */
static void test_certificates(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *expected;
    } rows[] = {
        {"tests/fuzz/corpus/ra_tls_certificate/tagged", "simulated evidence has no collateral"},
        {"tests/fuzz/corpus/ra_tls_certificate/pem", "simulated evidence has no collateral"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[4096];
        AUTO_BUF struct buf bytes = BUF_INIT(1 << 16);
        (void)snprintf(path, sizeof(path), "%s/%s", getenv("MSE_SOURCE_ROOT"), rows[i].file);
        OK(file_read(path, &bytes, &err));
        refused(buf_slice(&bytes), rows[i].expected);
        bytes.len--;
        refused(buf_slice(&bytes), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_evidence),
        cmocka_unit_test(test_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
