// SPDX-License-Identifier: Apache-2.0
/*
 * RECORD of a wheel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "package/record.h"

/* SHA-256 of no bytes */
#define EMPTY "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"

static void rows_are_found_by_path(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    AUTO_RECORD struct record record = {0};
    static const char text[] = "pkg/__init__.py," EMPTY ",0\r\n"
                               "\"a, \"\"b\"\".py\"," EMPTY ",12\n"
                               "pkg-1.dist-info/RECORD,,";
    assert_int_equal(record_parse(slice_str(text), &record, &err), 0);
    assert_int_equal(record.count, 3);
    const struct record_row *quoted = record_find(&record, "a, \"b\".py");
    assert_non_null(quoted);
    assert_true(quoted->hashed && quoted->size == 12);
    assert_int_equal(quoted->sha256[0], 0xe3);
    assert_int_equal(quoted->sha256[31], 0x55);
    assert_false(record_find(&record, "pkg-1.dist-info/RECORD")->hashed);
    assert_null(record_find(&record, "pkg"));
}

static void what_is_no_record_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"a.py", "line 1: expected path, hash and size"},
        {"a.py," EMPTY, "expected path, hash and size"},
        {"a.py," EMPTY ",0,x", "expected path, hash and size"},
        {"," EMPTY ",0", "no path"},
        {"a,,\n\"b", "line 2: a quote is not closed"},
        {"a\"b,,", "a quote or a zero byte"},
        {"\"a\"b,,", "expected path"},
        {"a,sha512=xx,0", "a hash that is not sha256="},
        {"a,sha256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU,0", "a hash that is not"},
        {"a," EMPTY "=,0", "a hash that is not"},
        {"a," EMPTY ",", "a size that is no number"},
        {"a," EMPTY ",-1", "a size that is no number"},
        {"a,,\na,,", "RECORD has 'a' twice"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = ERR_INIT;
        AUTO_RECORD struct record record = {0};
        assert_int_equal(record_parse(slice_str(cases[i].text), &record, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        if (strstr(err.message, cases[i].part) == NULL)
            fail_msg("'%s' does not say '%s'", err.message, cases[i].part);
        assert_null(record.rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_found_by_path),
        cmocka_unit_test(what_is_no_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
