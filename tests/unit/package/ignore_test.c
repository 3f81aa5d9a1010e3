// SPDX-License-Identifier: Apache-2.0
/*
 * .mseignore means what gitignore(5) says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "package/ignore.h"

static void test_glob(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *path;
        bool matches;
    } cases[] = {
        {"abc", "abc", true},
        {"abc", "abcd", false},
        {"abcd", "abc", false},
        {"*", "abc", true},
        {"*", "a/b", false},
        {"*.py", "a.py", true},
        {"*.py", ".py", true},
        {"*.py", "a/b.py", false},
        {"a*b*c", "a1b2b3c", true},
        {"a*b*c", "a1b2b3d", false},
        {"?", "a", true},
        {"?", "", false},
        {"a?b", "a/b", false},
        {"[a-c]x", "bx", true},
        {"[a-c]x", "dx", false},
        {"[!a-c]x", "dx", true},
        {"[^a-c]x", "ax", false},
        {"[]]x", "]x", true},
        {"[!]]x", "]x", false},
        {"[a-]x", "-x", true},
        {"[\\]]x", "]x", true},
        {"a[!b]c", "a/c", false},
        {"[abc", "a", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"a\\", "a\\", true},
        {"**/x", "x", true},
        {"**/x", "a/x", true},
        {"**/x", "a/b/x", true},
        {"**/x", "a/bx", false},
        {"a/**", "a/b", true},
        {"a/**", "a/b/c", true},
        {"a/**", "a", false},
        {"a/**/b", "a/b", true},
        {"a/**/b", "a/x/b", true},
        {"a/**/b", "a/x/y/b", true},
        {"a/**/b", "a/x/yb", false},
        {"a/**/b*c", "a/b/x/b1c", true},
        {"a/***/b", "a/x/y/b", true},
        {"a**b", "axxb", true},
        {"a**b", "ax/xb", false},
        {"**/a/**/b", "x/a/y/a/z/b", true},
        {"**/*.py", "a/b/c.py", true},
        {"**", "a/b", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (ignore_glob(cases[i].pattern, cases[i].path) != cases[i].matches)
            fail_msg("'%s' against '%s'", cases[i].pattern, cases[i].path);
    }
}

static void test_glob_is_bounded(void **state)
{
    (void)state;
    /* Exponential matchers never end here. */
    char pattern[201];
    char path[301];
    for (size_t i = 0; i < 200; i += 4)
        memcpy(pattern + i, "**/*", 4);
    memset(path, 'a', 300);
    for (size_t i = 1; i < 300; i += 2)
        path[i] = '/';
    pattern[200] = path[300] = '\0';
    pattern[199] = 'b';
    assert_false(ignore_glob(pattern, path));
    assert_false(
        ignore_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void expect(const char *rules, const char *path, bool is_folder, bool ignored)
{
    AUTO_IGNORE struct ignore *ignore = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(ignore_new(slice_str(rules), NULL, "", &ignore, &err), 0);
    if (ignore_match(ignore, path, is_folder) != ignored)
        fail_msg("rules '%s', path '%s'", rules, path);
}

static void test_rules(void **state)
{
    (void)state;
    expect("", "a", false, false);
    expect("# a\n\n", "a", false, false);
    expect("\\#a", "#a", false, true);
    expect("a", "x/y/a", false, true);
    expect("/a", "x/a", false, false);
    expect("/a", "a", false, true);
    expect("x/a", "x/a", false, true);
    expect("x/a", "y/x/a", false, false);
    expect("a/", "a", false, false);
    expect("a/", "a", true, true);
    expect("a/", "x/a", true, true);
    expect("x/a/", "y/x/a", true, false);
    expect("*.log\n!keep.log", "keep.log", false, false);
    expect("*.log\n!keep.log", "x/other.log", false, true);
    expect("!keep.log\n*.log", "keep.log", false, true);
    expect("\\!a", "!a", false, true);
    expect("a  ", "a", false, true);
    expect("a\\ ", "a ", false, true);
    expect("a\r\n", "a", false, true);
    expect("/", "a", true, false);
    expect("!", "a", true, false);
}

static void test_nested(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    AUTO_IGNORE struct ignore *top = NULL;
    AUTO_IGNORE struct ignore *inner = NULL;
    assert_int_equal(ignore_new(slice_str("*.txt\n/x/no"), NULL, "", &top, &err), 0);
    assert_int_equal(ignore_new(slice_str("!a.txt\n/b"), top, "x", &inner, &err), 0);
    assert_false(ignore_match(inner, "x/a.txt", false));
    assert_true(ignore_match(inner, "x/c.txt", false));
    assert_true(ignore_match(inner, "x/b", false));
    assert_false(ignore_match(inner, "x/y/b", false));
    assert_true(ignore_match(inner, "x/no", false));
}

static void test_default(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    AUTO_IGNORE struct ignore *defaults = NULL;
    assert_int_equal(ignore_new_default(&defaults, &err), 0);
    static const char *const ignored[] = {".git", "x/.mseignore", "a.pyc",  "a.swp",
                                          "x/a~", "#a#",          ".#lock", "x/.DS_Store"};
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        assert_true(ignore_match(defaults, ignored[i], false));
    assert_true(ignore_match(defaults, "x/__pycache__", true));
    assert_false(ignore_match(defaults, "a.py", false));
    assert_false(ignore_match(defaults, ".env", false));
    AUTO_IGNORE struct ignore *own = NULL;
    assert_int_equal(ignore_new(slice_str("!*.pyc"), defaults, "", &own, &err), 0);
    assert_false(ignore_match(own, "a.pyc", false));
}

static void test_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ignore *ignore = NULL;
    assert_int_equal(ignore_new(slice_str("a\n\xff\n"), NULL, "sub", &ignore, &err), -1);
    assert_string_equal(err.message, "sub/.mseignore: line 2 is not UTF-8 text");
    assert_null(ignore);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glob),    cmocka_unit_test(test_glob_is_bounded),
        cmocka_unit_test(test_rules),   cmocka_unit_test(test_nested),
        cmocka_unit_test(test_default), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
