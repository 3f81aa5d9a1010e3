// SPDX-License-Identifier: Apache-2.0
/*
 * A set of texts: each once, copies of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text_set.h"

#include <stdio.h>

static void each_once_test(void **state)
{
    (void)state;
    AUTO_TEXT_SET struct text_set set = {0};
    struct err err = ERR_INIT;
    char text[16];
    assert_false(text_set_has(&set, ""));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100; i++) {
            (void)snprintf(text, sizeof(text), "%d", i);
            assert_int_equal(text_set_has(&set, text), round);
            assert_int_equal(text_set_add(&set, text, &err), 0);
        }
        assert_int_equal(set.count, 100);
    }
    assert_true(text_set_has(&set, "7") && text_set_has(&set, "99"));
    assert_false(text_set_has(&set, "100") || text_set_has(&set, ""));
    text_set_done(&set);
    assert_false(text_set_has(&set, "7"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_once_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
