// SPDX-License-Identifier: Apache-2.0
/*
 * CBOR with one spelling for each value. Examples from RFC 8949, appendix A.
 */
#include "testing.h"

#include "format/cbor.h"

#define RAW(text) slice_of(text, sizeof(text) - 1)

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *bytes;
        size_t len;
    } cases[] = {
        {0, "\x00", 1},
        {23, "\x17", 1},
        {24, "\x18\x18", 2},
        {255, "\x18\xff", 2},
        {256, "\x19\x01\x00", 3},
        {1000000, "\x1a\x00\x0f\x42\x40", 5},
        {UINT64_C(1000000000000), "\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00", 9},
        {UINT64_MAX, "\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 9},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf out = BUF_INIT(16);
        OK(cbor_put_uint(&out, cases[i].value, &err));
        assert_true(slice_equal(buf_slice(&out), slice_of(cases[i].bytes, cases[i].len)));
        struct reader in = reader_of(buf_slice(&out), "test");
        uint64_t value;
        OK(cbor_read_uint(&in, "n", &value, &err));
        OK(reader_end(&in, &err));
        assert_int_equal(value, cases[i].value);
    }
}

static void refuse_uint(struct slice bytes, const char *part)
{
    struct reader in = reader_of(bytes, "test");
    uint64_t value;
    FAILS(ERR_INVALID, part, cbor_read_uint(&in, "n", &value, &err));
}

static void test_refused_heads(void **state)
{
    (void)state;
    refuse_uint(RAW("\x18\x17"), "longer than needed");
    refuse_uint(RAW("\x19\x00\xff"), "longer than needed");
    refuse_uint(RAW("\x1a\x00\x00\xff\xff"), "longer than needed");
    refuse_uint(RAW("\x1b\x00\x00\x00\x00\xff\xff\xff\xff"), "longer than needed");
    refuse_uint(RAW("\x1c"), "reserved");
    refuse_uint(RAW("\x9f\xff"), "indefinite");
    refuse_uint(RAW("\x20"), "must be a number, found a negative number");
    refuse_uint(RAW("\x19\x01"), "truncated");
    refuse_uint(RAW(""), "truncated");
}

static void test_strings(void **state)
{
    (void)state;
    AUTO_BUF struct buf out = BUF_INIT(64);
    OK(cbor_put_tag(&out, 60000, &err));
    OK(cbor_put_array(&out, 1, &err));
    OK(cbor_put_map(&out, 1, &err));
    OK(cbor_put_text(&out, "IETF", &err));
    OK(cbor_put_bytes(&out, RAW("\x01\x02\x03\x04"), &err));
    assert_true(
        slice_equal(buf_slice(&out), RAW("\xd9\xea\x60\x81\xa1\x64IETF\x44\x01\x02\x03\x04")));
    struct reader in = reader_of(buf_slice(&out), "test");
    uint64_t value;
    struct slice text;
    OK(cbor_read_tag(&in, "t", &value, &err));
    assert_int_equal(value, 60000);
    OK(cbor_read_array(&in, "a", 1, &value, &err));
    OK(cbor_read_map(&in, "m", 1, &value, &err));
    OK(cbor_read_text(&in, "k", 4, &text, &err));
    assert_true(slice_is_str(text, "IETF"));
    struct reader again = in;
    OK(cbor_read_bytes(&in, "v", 4, &text, &err));
    OK(reader_end(&in, &err));
    FAILS(ERR_TOO_LARGE, "v is 4, the limit is 3", cbor_read_bytes(&again, "v", 3, &text, &err));
}

static void test_string_errors(void **state)
{
    (void)state;
    struct slice text;
    struct reader in = reader_of(RAW("\x62\xff\xff"), "test");
    FAILS(ERR_INVALID, "not UTF-8", cbor_read_text(&in, "k", 9, &text, &err));
    in = reader_of(RAW("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"), "test");
    FAILS(ERR_TOO_LARGE, "the limit is 9", cbor_read_bytes(&in, "k", 9, &text, &err));
    in = reader_of(RAW("\x45xy"), "test");
    FAILS(ERR_INVALID, "truncated", cbor_read_bytes(&in, "k", 9, &text, &err));
}

static void test_skip(void **state)
{
    (void)state;
    struct reader in = reader_of(RAW("\xa2\x01\x82\x20\xf5\x61z\xc1\x41x\x07"), "test");
    uint64_t value;
    OK(cbor_skip(&in, "s", &err));
    OK(cbor_read_uint(&in, "n", &value, &err));
    assert_int_equal(value, 7);
    in = reader_of(RAW("\x9b\xff\xff\xff\xff\xff\xff\xff\xff"), "test");
    FAILS(ERR_INVALID, "announces", cbor_skip(&in, "s", &err));
    in = reader_of(RAW("\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x00"), "test");
    FAILS(ERR_INVALID, "nested deeper", cbor_skip(&in, "s", &err));
    in = reader_of(RAW("\x82\x00"), "test");
    FAILS(ERR_INVALID, "truncated", cbor_skip(&in, "s", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_refused_heads),
        cmocka_unit_test(test_strings), cmocka_unit_test(test_string_errors),
        cmocka_unit_test(test_skip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
