// SPDX-License-Identifier: Apache-2.0
/*
 * Argument vectors: pieces in order, and failures that are told at the end.
 */
#include "testing.h"

#include "base/argv.h"

static void test_pieces(void **state)
{
    (void)state;
    AUTO_ARGV struct argv argv = ARGV_INIT;
    char text[] = "changed later";
    argv_add(&argv, text);
    text[0] = 'C';
    argv_addf(&argv, "-m %d", 7);
    argv_add(&argv, "");
    OK(argv_end(&argv, &err));
    assert_int_equal(argv.count, 3);
    assert_string_equal(argv.items[0], "changed later");
    assert_string_equal(argv.items[1], "-m 7");
    assert_string_equal(argv.items[2], "");
    assert_null(argv.items[3]);
}

static void test_too_many(void **state)
{
    (void)state;
    AUTO_ARGV struct argv argv = ARGV_INIT;
    FAILS(ERR_MEMORY, "cannot put together", argv_end(&argv, &err)); /* not even a program */
    for (size_t i = 0; i < ARGV_ITEMS_MAX; i++)
        argv_add(&argv, "x");
    OK(argv_end(&argv, &err));
    argv_add(&argv, "one more");
    FAILS(ERR_MEMORY, "cannot put together", argv_end(&argv, &err));
    argv_done(&argv);
    assert_int_equal(argv.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
