// SPDX-License-Identifier: Apache-2.0
/*
 * The strict JSON reader: what it refuses, by name, and what a name or a string means once read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "format/document.h"

static int parse(struct arena *arena, const char *text, const struct doc_node **ret,
                 struct err *err)
{
    return doc_parse(arena, slice_str(text), "thing", ret, err);
}

static void expect_refused(const char *text, const char *part)
{
    struct arena arena = {0};
    struct err err = ERR_INIT;
    const struct doc_node *root = NULL;
    if (parse(&arena, text, &root, &err) == 0)
        fail_msg("'%s' was read, expected '%s'", text, part);
    if (strstr(err.message, part) == NULL)
        fail_msg("'%s' gives '%s', expected '%s' in it", text, err.message, part);
    arena_done(&arena);
}

/* Two readers that take different members for the same name would see two documents in one. */
static void test_one_name_is_one_name(void **state)
{
    (void)state;
    static const char twice[] = "stands twice";
    expect_refused("{\"a\":1,\"a\":2}", twice);
    expect_refused("{\"a\":1,\"\\u0061\":2}", twice);
    expect_refused("{\"\\u0061\":1,\"a\":2}", twice);
    expect_refused("{\"\\u000a\":1,\"\\n\":2}", twice);
    expect_refused("{\"/\":1,\"\\/\":2}", twice);
    expect_refused("{\"\\u00e9\":1,\"\xc3\xa9\":2}", twice);
    expect_refused("{\"\\u00E9\":1,\"\\u00e9\":2}", twice);
    expect_refused("{\"x\":[{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}]}", twice);
}

static void test_half_a_character_is_refused(void **state)
{
    (void)state;
    static const char half[] = "half of a surrogate pair";
    expect_refused("\"\\ud83d\"", half);
    expect_refused("\"\\ude00\"", half);
    expect_refused("\"\\ude00\\ud83d\"", half);
    expect_refused("\"\\ud83d\\ud83d\"", half);
    expect_refused("\"\\ud83dx\"", half);
    expect_refused("\"\\ud83d\\n\"", half);
    expect_refused("\"\\ud83d\\u0041\"", half);
    expect_refused("{\"\\ud83d\":1}", half);
    expect_refused("[1,[\"x\\uDFFF\"]]", half);
    expect_refused("\"\\ud83d\\u", "hexadecimal digit");
    expect_refused("\"\\u0000\"", "zero");
    expect_refused("{\"a\\u0000b\":1}", "zero");
}

static void test_other_than_json_is_refused(void **state)
{
    (void)state;
    expect_refused("", "line 1, column 1: not JSON: a value expected");
    expect_refused("{} {}", "line 1, column 4: not JSON: the end expected");
    expect_refused("{\"a\":01}", "a number expected");
    expect_refused("{'a':1}", "a string expected");
    expect_refused("{\"a\":1,\n  \"b\":}", "line 2, column 7: not JSON: a value expected");
    expect_refused("{\"a\":1,}", "a string expected");
    expect_refused("[1,]", "a value expected");
    expect_refused("\"\xff\"", "not UTF-8");
    expect_refused("\"\xed\xa0\xbd\"", "not UTF-8"); /* a surrogate in UTF-8 */
    expect_refused("\"a\nb\"", "the end of a string");
    expect_refused("\"\\x41\"", "an escape");
    expect_refused("nul", "a value expected");
    expect_refused("[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "16 levels deep");
}

static void test_names_and_strings_are_read_without_escapes(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct err err = ERR_INIT;
    const struct doc_node *root;
    struct slice text;
    assert_int_equal(parse(&arena,
                           "{\"\\u0061\\n\":\"\\u00e9\\ud83d\\ude00\\/\\\"\\\\\\b\\f\\r\\t\","
                           "\"plain\":\"as it is\"}",
                           &root, &err),
                     0);
    assert_true(slice_is_str(root->child->name, "a\n"));
    assert_non_null(doc_get(root, "a\n"));
    assert_null(doc_get(root, "\\u0061\\n"));
    assert_int_equal(doc_get_string(&arena, root, "a\n", &text, &err), 0);
    assert_true(slice_is_str(text, "\xc3\xa9\xf0\x9f\x98\x80/\"\\\b\f\r\t"));
    assert_int_equal(doc_get_string(&arena, root, "plain", &text, &err), 0);
    assert_true(slice_is_str(text, "as it is"));
    arena_done(&arena);
}

/* The caller says how much it reads. */
static void test_limits_are_the_callers(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[[1,2],3],\"b\":4}";
    static const struct {
        struct doc_source source;
        const char *part; /* NULL: read */
    } cases[] = {
        {{.what = "it"}, NULL},
        {{.what = "it", .max_size = 21, .max_values = 7, .max_depth = 3, .max_names = 2}, NULL},
        {{.what = "it", .max_size = 20}, "it has 21 bytes, at most 20 are read"},
        {{.what = "it", .max_values = 6}, "it: more than 6 values"},
        {{.what = "it", .max_depth = 2}, "it: more than 2 levels deep"},
        {{.what = "it", .max_names = 1}, "it: more than 1 names in one object"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = {0};
        struct err err = ERR_INIT;
        const struct doc_node *root;
        int result = doc_read(&arena, slice_str(text), &cases[i].source, &root, &err);
        if (result != (cases[i].part == NULL ? 0 : -1) ||
            (result < 0 && (err.kind != ERR_TOO_LARGE || strcmp(err.message, cases[i].part) != 0)))
            fail_msg("case %zu: %d '%s'", i, result, err.message);
        arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_name_is_one_name),
        cmocka_unit_test(test_half_a_character_is_refused),
        cmocka_unit_test(test_other_than_json_is_refused),
        cmocka_unit_test(test_limits_are_the_callers),
        cmocka_unit_test(test_names_and_strings_are_read_without_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
