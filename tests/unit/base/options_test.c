// SPDX-License-Identifier: Apache-2.0
/*
 * Command lines as users write them, and the messages for those that are wrong.
 */
#include "base/options.h"

#include "base/mem.h"
#include "testing.h"

static const struct option_spec specs[] = {
    {"path", 'p', "FILE", "the file", false, false},
    {"yes", 'y', NULL, "do not ask", false, false},
    {"verbose", 'v', NULL, "say more", true, false},
    {"env", 'e', "NAME=VALUE", "environment", true, false},
    {"export", 0, "FILE", "write", false, true},
};

#define PARSE(ret, ...)                                                                            \
    options_parse(specs, ARRAY_LEN(specs), ARRAY_LEN(((const char *[]){__VA_ARGS__})),             \
                  (const char *[]){__VA_ARGS__}, (ret), &err)

static void test_forms(void **state)
{
    struct options options;
    OK(PARSE(&options, "--path", "a", "b", "-y", "--", "-v"));
    assert_string_equal(options_value(&options, "path"), "a");
    assert_true(options_has(&options, "yes"));
    assert_false(options_has(&options, "verbose"));
    assert_int_equal(options.argument_count, 2);
    assert_string_equal(options.arguments[0], "b");
    assert_string_equal(options.arguments[1], "-v");
    OK(PARSE(&options, "--path=x=y"));
    assert_string_equal(options_value(&options, "path"), "x=y");
    OK(PARSE(&options, "-pfile"));
    assert_string_equal(options_value(&options, "path"), "file");
    OK(PARSE(&options, "-vyp", "file", "-"));
    assert_true(options_has(&options, "verbose") && options_has(&options, "yes"));
    assert_string_equal(options_value(&options, "path"), "file");
    assert_string_equal(options.arguments[0], "-");
    OK(PARSE(&options, "--path="));
    assert_string_equal(options_value(&options, "path"), "");
}

static void test_repeats(void **state)
{
    struct options options;
    OK(PARSE(&options, "-e", "A=1", "-vv", "--env", "B=2"));
    assert_int_equal(options.count, 4);
    assert_string_equal(options_value(&options, "env"), "B=2");
    FAILS(ERR_USAGE, "'--yes' is given more than once", PARSE(&options, "-y", "--yes"));
}

static void test_optional_value(void **state)
{
    struct options options;
    OK(PARSE(&options, "--export", "argument"));
    assert_true(options_has(&options, "export"));
    assert_null(options_value(&options, "export"));
    assert_int_equal(options.argument_count, 1);
    OK(PARSE(&options, "--export=file"));
    assert_string_equal(options_value(&options, "export"), "file");
}

static void test_wrong(void **state)
{
    struct options options = {.count = 7};
    FAILS(ERR_USAGE, "needs a value: --path FILE", PARSE(&options, "--path"));
    FAILS(ERR_USAGE, "needs a value", PARSE(&options, "-yp"));
    FAILS(ERR_USAGE, "'--yes' takes no value", PARSE(&options, "--yes=1"));
    FAILS(ERR_USAGE, "unknown option '-x'", PARSE(&options, "-x"));
    FAILS(ERR_USAGE, "unknown option '--zzzzzzzz'", PARSE(&options, "--zzzzzzzz"));
    FAILS(ERR_USAGE, "unknown option '--'", PARSE(&options, "--=x"));
    assert_int_equal(options.count, 7);
    assert_int_equal(PARSE(&options, "--pahts=1"), -1);
    assert_string_equal(err.hint, "did you mean '--path'?");
}

static void test_too_many(void **state)
{
    const char *argv[OPTIONS_MAX + 1];
    struct options options;
    for (size_t i = 0; i < ARRAY_LEN(argv); i++)
        argv[i] = "x";
    OK(options_parse(specs, ARRAY_LEN(specs), OPTIONS_MAX, argv, &options, &err));
    assert_int_equal(options.argument_count, OPTIONS_MAX);
    FAILS(ERR_USAGE, "more than 64 arguments",
          options_parse(specs, ARRAY_LEN(specs), OPTIONS_MAX + 1, argv, &options, &err));
    for (size_t i = 0; i < ARRAY_LEN(argv); i++)
        argv[i] = "-v";
    FAILS(ERR_USAGE, "more than 64 options",
          options_parse(specs, ARRAY_LEN(specs), OPTIONS_MAX + 1, argv, &options, &err));
}

static void test_number(void **state)
{
    struct options options;
    uint64_t number = 7;
    OK(PARSE(&options, "-y"));
    OK(options_number(&options, "path", 99, &number, &err));
    assert_int_equal(number, 7);
    OK(PARSE(&options, "--path=99"));
    OK(options_number(&options, "path", 99, &number, &err));
    assert_int_equal(number, 99);
    FAILS(ERR_USAGE, "--path", options_number(&options, "path", 98, &number, &err));
    OK(PARSE(&options, "--path=0"));
    FAILS(ERR_USAGE, "--path", options_number(&options, "path", 98, &number, &err));
    OK(PARSE(&options, "--path=x"));
    FAILS(ERR_USAGE, "--path", options_number(&options, "path", 98, &number, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),          cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_optional_value), cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_too_many),       cmocka_unit_test(test_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
