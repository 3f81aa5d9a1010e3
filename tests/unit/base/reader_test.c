// SPDX-License-Identifier: Apache-2.0
/*
 * The bounded reader: every width, and no read past the end moves anything.
 */
#include "base/reader.h"

#include "testing.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

static void test_big_endian(void **state)
{
    struct reader in = reader_of(slice_of(bytes, sizeof(bytes)), "test");
    uint8_t one = 0;
    uint16_t two = 0;
    uint32_t three = 0;
    uint32_t four = 0;
    uint64_t eight = 0;
    OK(reader_u8(&in, "one", &one, &err));
    OK(reader_u16be(&in, "two", &two, &err));
    OK(reader_u24be(&in, "three", &three, &err));
    OK(reader_u32be(&in, "four", &four, &err));
    OK(reader_u64be(&in, "eight", &eight, &err));
    assert_int_equal(one, 1);
    assert_int_equal(two, 0x0203);
    assert_int_equal(three, 0x040506);
    assert_int_equal(four, 0x0708090a);
    assert_int_equal(eight, 0x0b0c0d0e0f101112);
    OK(reader_end(&in, &err));
}

static void test_little_endian(void **state)
{
    struct reader in = reader_of(slice_of(bytes, 14), "test");
    uint16_t two = 0;
    uint32_t four = 0;
    uint64_t eight = 0;
    OK(reader_u16le(&in, "two", &two, &err));
    OK(reader_u32le(&in, "four", &four, &err));
    OK(reader_u64le(&in, "eight", &eight, &err));
    assert_int_equal(two, 0x0201);
    assert_int_equal(four, 0x06050403);
    assert_int_equal(eight, 0x0e0d0c0b0a090807);
}

static void test_pieces(void **state)
{
    struct reader in = reader_of(slice_of(bytes, 6), "test");
    struct slice view;
    uint8_t copy[2];
    OK(reader_skip(&in, "skipped", 1, &err));
    OK(reader_slice(&in, "view", 2, &view, &err));
    OK(reader_copy(&in, "copy", copy, 2, &err));
    assert_ptr_equal(view.data, bytes + 1);
    assert_int_equal(view.len, 2);
    assert_memory_equal(copy, bytes + 3, 2);
    assert_int_equal(reader_left(&in), 1);
    FAILS(ERR_INVALID, "test has 1 bytes more", reader_end(&in, &err));
}

static void test_truncated(void **state)
{
    for (size_t len = 0; len < 8; len++) {
        struct reader in = reader_of(slice_of(bytes, len), "quote");
        uint64_t value = 7;
        FAILS(ERR_INVALID, "quote is truncated: field", reader_u64be(&in, "field", &value, &err));
        FAILS(ERR_INVALID, "truncated", reader_skip(&in, "field", SIZE_MAX, &err));
        assert_int_equal(value, 7);
        assert_int_equal(in.pos, 0);
    }
}

static void test_empty(void **state)
{
    struct reader in = reader_of(slice_of(NULL, 0), "nothing");
    struct slice view;
    OK(reader_slice(&in, "view", 0, &view, &err));
    assert_int_equal(view.len, 0);
    OK(reader_copy(&in, "copy", NULL, 0, &err));
    OK(reader_end(&in, &err));
    uint8_t one = 0;
    FAILS(ERR_INVALID, "truncated", reader_u8(&in, "one", &one, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_big_endian), cmocka_unit_test(test_little_endian),
        cmocka_unit_test(test_pieces),     cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
