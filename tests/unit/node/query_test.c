// SPDX-License-Identifier: Apache-2.0
/*
 * Queries of the API: decoding, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/query.h"

static const char *const known[] = {"name", "project", NULL};

static void good_test(void **state)
{
    struct err err = ERR_INIT;
    struct query query = {0};
    assert_int_equal(query_parse(slice_str(""), known, &query, &err), 0);
    assert_string_equal(query_value(&query, "name"), "");
    assert_int_equal(query_parse(slice_str("name=a%20b%2Fc+d&project=%C3%a4"), known, &query, &err),
                     0);
    assert_string_equal(query_value(&query, "name"), "a b/c d");
    assert_string_equal(query_value(&query, "project"), "\xc3\xa4");
    assert_int_equal(query_parse(slice_str("&name&"), known, &query, &err), 0);
    assert_string_equal(query_value(&query, "name"), "");
}

static void refused_test(void **state)
{
    static const char *const bad[] = {"nmae=x",     "name=%",         "name=%4",  "name=%zz",
                                      "name=%00",   "name=%0a",       "name=%ff", "name=1&name=2",
                                      "name%3dx=y", "na%6De=x&name=y"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err = ERR_INIT;
        struct query query = {0};
        if (query_parse(slice_str(bad[i]), known, &query, &err) == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(err.kind, ERR_INVALID);
    }
    struct err err = ERR_INIT;
    struct query query = {0};
    assert_int_equal(query_parse(slice_str("nmae=x"), known, &query, &err), -1);
    assert_non_null(strstr(err.hint, "name"));
}

static void long_test(void **state)
{
    struct err err = ERR_INIT;
    struct query query = {0};
    char text[QUERY_VALUE_SIZE + 16] = "name=";
    memset(text + 5, 'x', QUERY_VALUE_SIZE);
    assert_int_equal(query_parse(slice_str(text), known, &query, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_test),
        cmocka_unit_test(refused_test),
        cmocka_unit_test(long_test),
    };
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
