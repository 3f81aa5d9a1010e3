// SPDX-License-Identifier: Apache-2.0
/*
 * Two versions of one struct, and sizes that none can have.
 */
#include "base/sized.h"

#include "testing.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct older {
    size_t size;
    uint64_t a;
};

struct newer {
    size_t size;
    uint64_t a;
    uint64_t b;
};

static void test_take(void **state)
{
    (void)state;
    struct older older = {.size = sizeof(older), .a = 1};
    struct newer newer = {.b = 9};
    OK(sized_take(&older, &newer, sizeof(newer), &err));
    assert_int_equal(newer.a, 1);
    assert_int_equal(newer.b, 9); /* the caller's default */
    newer = (struct newer){.size = sizeof(newer), .a = 2};
    OK(sized_take(&newer, &older, sizeof(older), &err));
    assert_int_equal(older.a, 2);
    newer.b = (uint64_t)1 << 56;
    older.a = 3;
    FAILS(ERR_INVALID, "all 0", sized_take(&newer, &older, sizeof(older), &err));
    assert_int_equal(older.a, 3);
}

static void test_give(void **state)
{
    (void)state;
    const struct newer known = {.size = sizeof(known), .a = 1, .b = 2};
    struct newer room = {.size = sizeof(struct older), .b = 9};
    OK(sized_give(&known, sizeof(known), &room, &err));
    assert_int_equal(room.size, sizeof(struct older));
    assert_int_equal(room.a, 1);
    assert_int_equal(room.b, 9);
    room.size = sizeof(room);
    OK(sized_give(&known, sizeof(known), &room, &err));
    assert_int_equal(room.b, 2);
}

static void test_sizes_of_no_struct(void **state)
{
    (void)state;
    static const size_t none[] = {0, 1, 7, 12, (64 << 10) + 8, SIZE_MAX, SIZE_MAX - 7};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        err = ERR_INIT;
        struct newer newer = {.size = none[i]};
        struct newer to = {.a = 5};
        assert_int_equal(sized_take(&newer, &to, sizeof(to), &err), -1);
        assert_int_equal(to.a, 5);
        assert_int_equal(sized_give(&to, sizeof(to), &newer, &err), -1);
        assert_non_null(strstr(err.message, "expected 24"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_give),
        cmocka_unit_test(test_sizes_of_no_struct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
