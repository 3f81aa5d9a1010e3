// SPDX-License-Identifier: Apache-2.0
/*
 * The bounded writer at and around its maximum.
 */
#include "base/buf.h"

#include "testing.h"

static void test_append(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(100);
    assert_string_equal(buf_text(&out), "");
    OK(buf_str(&out, "ab", &err));
    OK(buf_bytes(&out, slice_of("cd", 2), &err));
    OK(buf_bytes(&out, slice_of(NULL, 0), &err));
    OK(buf_printf(&out, &err, "%d-%s", 42, "x"));
    assert_string_equal(buf_text(&out), "abcd42-x");
    assert_int_equal(out.len, 8);
}

static void test_integers(void **state)
{
    static const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                       3, 2, 7, 6, 5, 4, 8, 7, 6, 5,  4,  3,  2,  1};
    AUTO_BUF struct buf out = BUF_INIT(100);
    OK(buf_u8(&out, 1, &err));
    OK(buf_u16be(&out, 0x0203, &err));
    OK(buf_u32be(&out, 0x04050607, &err));
    OK(buf_u64be(&out, 0x08090a0b0c0d0e0f, &err));
    OK(buf_u16le(&out, 0x0203, &err));
    OK(buf_u32le(&out, 0x04050607, &err));
    OK(buf_u64le(&out, 0x0102030405060708, &err));
    assert_int_equal(out.len, sizeof(expected));
    assert_memory_equal(out.data, expected, sizeof(expected));
}

static void test_maximum(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(4);
    OK(buf_str(&out, "abc", &err));
    FAILS(ERR_TOO_LARGE, "4 bytes", buf_str(&out, "de", &err));
    FAILS(ERR_TOO_LARGE, "4 bytes", buf_printf(&out, &err, "%d", 12));
    FAILS(ERR_TOO_LARGE, "4 bytes", buf_u16be(&out, 1, &err));
    assert_null(buf_reserve(&out, SIZE_MAX, NULL));
    assert_string_equal(buf_text(&out), "abc");
    OK(buf_str(&out, "d", &err));
    assert_string_equal(buf_text(&out), "abcd");
}

static void test_takes_no_more_memory_than_the_maximum(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(1000);
    while (out.len < out.max)
        OK(buf_u8(&out, 'x', &err));
    assert_int_equal(out.cap, 1001); /* and the zero byte */
    assert_int_equal(strlen(buf_text(&out)), 1000);
}

static void test_growth_keeps_contents(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(100000);
    for (int i = 0; i < 10000; i++)
        OK(buf_u8(&out, (uint8_t)i, &err));
    for (int i = 0; i < 10000; i++)
        assert_int_equal(out.data[i], (uint8_t)i);
    assert_int_equal(out.data[out.len], 0);
}

static void test_consume_and_clear(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(100);
    buf_consume(&out, 5);
    OK(buf_str(&out, "abcdef", &err));
    buf_consume(&out, 2);
    assert_string_equal(buf_text(&out), "cdef");
    buf_consume(&out, 100);
    assert_string_equal(buf_text(&out), "");
    OK(buf_str(&out, "secret", &err));
    buf_clear(&out);
    assert_int_equal(out.len, 0);
    assert_true(slice_is_zero(slice_of(out.data, out.cap)));
}

static void test_steal(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(100);
    AUTO_FREE char *empty = buf_steal_text(&out, &err);
    assert_string_equal(empty, "");
    OK(buf_str(&out, "text", &err));
    AUTO_FREE char *text = buf_steal_text(&out, &err);
    assert_string_equal(text, "text");
    assert_null(out.data);
    assert_int_equal(out.max, 100);
    OK(buf_str(&out, "again", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_takes_no_more_memory_than_the_maximum),
        cmocka_unit_test(test_growth_keeps_contents),
        cmocka_unit_test(test_consume_and_clear),
        cmocka_unit_test(test_steal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
