// SPDX-License-Identifier: Apache-2.0
/*
 * pid 1's SHA-256 against OpenSSL's, over every length around its blocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "guest/sha256.h"

static void test_same_as_openssl(void **state)
{
    (void)state;
    uint8_t bytes[1000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        uint8_t ours[SHA256_BYTES];
        uint8_t theirs[SHA256_SIZE];
        struct err err = ERR_INIT;
        sha256_of(slice_of(bytes, len), ours);
        assert_int_equal(sha256(slice_of(bytes, len), theirs, &err), 0);
        assert_memory_equal(ours, theirs, sizeof(ours));
    }
}

/* FIPS 180-4's own example. */
static void test_abc(void **state)
{
    (void)state;
    static const uint8_t expected[SHA256_BYTES] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                                   0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                                   0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                                   0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t found[SHA256_BYTES];
    sha256_of(slice_str("abc"), found);
    assert_memory_equal(found, expected, sizeof(found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_as_openssl),
                                       cmocka_unit_test(test_abc)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
