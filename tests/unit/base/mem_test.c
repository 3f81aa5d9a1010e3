// SPDX-License-Identifier: Apache-2.0
/*
 * Allocation, overflow of products, and giving away.
 */
#include "base/mem.h"

#include "testing.h"

static void test_zeroed(void **state)
{
    AUTO_FREE uint8_t *memory = mem_alloc(100, &err);
    assert_non_null(memory);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(memory[i], 0);
    AUTO_FREE uint8_t *nothing = mem_alloc(0, &err);
    assert_non_null(nothing);
    AUTO_FREE uint32_t *array = mem_alloc_array(0, 4, &err);
    assert_non_null(array);
}

static void test_overflow(void **state)
{
    volatile size_t huge = SIZE_MAX / 2; /* the compiler shall not see that it fails */
    err = ERR_INIT;
    assert_null(mem_alloc_array(huge, 4, &err));
    assert_int_equal(err.kind, ERR_MEMORY);
    AUTO_FREE uint32_t *array = mem_alloc_array(4, sizeof(uint32_t), &err);
    array[3] = 7;
    assert_null(mem_resize_array(array, huge, 4, &err));
    assert_int_equal(array[3], 7);
    assert_null(mem_copy("", SIZE_MAX, &err));
}

static void test_resize(void **state)
{
    uint32_t *array = mem_resize_array(NULL, 2, sizeof(uint32_t), &err);
    assert_non_null(array);
    array[0] = 1;
    array[1] = 2;
    array = mem_resize_array(array, 100, sizeof(uint32_t), &err);
    assert_non_null(array);
    assert_int_equal(array[1], 2);
    array = mem_resize_array(array, 0, sizeof(uint32_t), &err);
    assert_non_null(array);
    free(array);
}

static void test_texts(void **state)
{
    AUTO_FREE char *copy = str_copy("text", &err);
    assert_string_equal(copy, "text");
    AUTO_FREE char *formatted = str_printf(&err, "%s-%d", copy, 5);
    assert_string_equal(formatted, "text-5");
    AUTO_FREE char *part = mem_copy("abcdef", 3, &err);
    assert_string_equal(part, "abc");
    AUTO_FREE char *empty = mem_copy(NULL, 0, &err);
    assert_string_equal(empty, "");
}

static void test_wipe_and_steal(void **state)
{
    uint8_t bytes[4] = {1, 2, 3, 4};
    mem_wipe(bytes, 0);
    mem_wipe(NULL, 0);
    assert_int_equal(bytes[0], 1);
    mem_wipe(bytes + 1, 2);
    assert_memory_equal(bytes, ((uint8_t[]){1, 0, 0, 4}), 4);
    AUTO_FREE char *given = str_copy("x", &err);
    char *taken = STEAL(given);
    assert_null(given);
    assert_string_equal(taken, "x");
    free(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed),         cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_resize),         cmocka_unit_test(test_texts),
        cmocka_unit_test(test_wipe_and_steal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
