// SPDX-License-Identifier: Apache-2.0
/*
 * format/toml.c: values, places, the rules on redefinition, limits and the words of the errors.
 * The public suite is run by tools/toml-conformance; these are our own cases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "format/toml.h"

#include <math.h>
#include <stdlib.h>

static struct toml *parse(const char *text)
{
    struct err err = ERR_INIT;
    struct toml *toml = NULL;
    if (toml_parse(slice_str(text), "mse.toml", &toml, &err) < 0)
        fail_msg("'%s' was refused: %s", text, err.message);
    return toml;
}

static void assert_refused(struct slice text, const char *message)
{
    struct err err = ERR_INIT;
    struct toml *toml = NULL;
    if (toml_parse(text, "t", &toml, &err) == 0)
        fail_msg("'%s' was accepted", (const char *)text.data);
    assert_null(toml);
    assert_int_equal(err.kind, ERR_INVALID);
    if (strcmp(err.message, message) != 0)
        fail_msg("'%s'\n  gives   %s\n  and not %s", (const char *)text.data, err.message, message);
}

static void strings_are_read(void **state)
{
    static const struct {
        const char *toml, *text;
        size_t len;
    } cases[] = {
        {"a = \"\"", "", 0},
        {"a = 'C:\\new'", "C:\\new", 6},
        {"a = \"\\b\\t\\n\\f\\r\\\"\\\\\"", "\b\t\n\f\r\"\\", 7},
        {"a = \"\\u00e9\\U0001F512\"", "\xc3\xa9\xf0\x9f\x94\x92", 6},
        {"a = \"x\\u0000y\"", "x\0y", 3},
        {"a = \"\"\"\nfirst\nsecond\"\"\"", "first\nsecond", 12},
        {"a = \"\"\"one \\  \n\n   two\"\"\"", "one two", 7},
        {"a = \"\"\"\"quoted\"\"\"\"\"", "\"quoted\"\"", 9},
        {"a = '''\r\nraw\\n'''", "raw\\n", 5},
        {"a = ''''a' ''b'''''", "'a' ''b''", 9},
        {"\xef\xbb\xbf"
         "a = 'mark'",
         "mark", 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(toml_free_pointer) struct toml *toml = parse(cases[i].toml);
        const struct toml_value *a = toml_get(toml_root(toml), "a");
        assert_non_null(a);
        assert_int_equal(a->type, TOML_STRING);
        assert_int_equal(a->text.len, cases[i].len);
        assert_memory_equal(a->text.data, cases[i].text, cases[i].len);
        assert_int_equal(a->text.data[a->text.len], 0);
    }
}

static void integers_are_read(void **state)
{
    static const struct {
        const char *toml;
        int64_t value;
    } cases[] = {
        {"a = 0", 0},
        {"a = +1_000", 1000},
        {"a = -17", -17},
        {"a = 0xDEAD_beef", 0xdeadbeef},
        {"a = 0o755", 0755},
        {"a = 0b1101", 13},
        {"a = 9223372036854775807", INT64_MAX},
        {"a = -9223372036854775808", INT64_MIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(toml_free_pointer) struct toml *toml = parse(cases[i].toml);
        int64_t value = 0;
        assert_int_equal(toml_get_integer(toml_root(toml), "a", INT64_MIN, INT64_MAX, &value, NULL),
                         0);
        assert_true(value == cases[i].value);
    }
}

static void floats_are_read(void **state)
{
    static const struct {
        const char *toml;
        double value;
    } cases[] = {
        {"a = 1.5", 1.5},        {"a = -0.01", -0.01},     {"a = 5e+2_2", 5e22},
        {"a = 1_0.2_5", 10.25},  {"a = 6.02E-3", 6.02e-3}, {"a = inf", INFINITY},
        {"a = -inf", -INFINITY},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(toml_free_pointer) struct toml *toml = parse(cases[i].toml);
        const struct toml_value *a = toml_get(toml_root(toml), "a");
        assert_int_equal(a->type, TOML_FLOAT);
        assert_true(a->real == cases[i].value);
    }
    AUTO(toml_free_pointer) struct toml *toml = parse("a = nan");
    assert_true(isnan(toml_get(toml_root(toml), "a")->real));
}

static void times_are_read(void **state)
{
    AUTO(toml_free_pointer)
    struct toml *toml = parse("a = 2027-01-31T12:34:56.7891234567-01:30\nb = 2024-02-29 23:59:60\n"
                              "c = 1979-05-27\nd = 07:32:00.5\ne = 2027-01-31t00:00:00z\n");
    const struct toml_value *root = toml_root(toml);
    const struct toml_value *a = toml_get(root, "a");
    assert_int_equal(a->type, TOML_DATETIME);
    assert_int_equal(a->time.year, 2027);
    assert_int_equal(a->time.second, 56);
    assert_int_equal(a->time.nanosecond, 789123456);
    assert_int_equal(a->time.offset_minutes, -90);
    assert_int_equal(toml_get(root, "b")->type, TOML_LOCAL_DATETIME);
    assert_int_equal(toml_get(root, "c")->type, TOML_LOCAL_DATE);
    assert_int_equal(toml_get(root, "c")->time.day, 27);
    assert_int_equal(toml_get(root, "d")->type, TOML_LOCAL_TIME);
    assert_int_equal(toml_get(root, "d")->time.nanosecond, 500000000);
    int64_t seconds = 0;
    assert_int_equal(toml_unix_time(a, &seconds, NULL), 0);
    assert_true(seconds == 1801404296); /* 2027-01-31T14:04:56Z */
    assert_int_equal(toml_unix_time(toml_get(root, "e"), &seconds, NULL), 0);
    assert_true(seconds == 1801353600);
    struct err err = ERR_INIT;
    assert_int_equal(toml_unix_time(toml_get(root, "b"), &seconds, &err), -1);
    assert_string_equal(err.message, "mse.toml:2: b: expected a date and time, found a date and "
                                     "time without offset");
    assert_true(err.hint[0] != '\0');
}

/* Every value's path in the order of the file, "path=count " for containers. */
static void walk(const struct toml_value *value, struct buf *out)
{
    for (const struct toml_value *child = value->first; child != NULL; child = child->next) {
        char path[128];
        toml_path(child, path, sizeof(path));
        assert_int_equal(buf_printf(out, NULL, "%s ", path), 0);
        walk(child, out);
    }
}

static void structure_is_read(void **state)
{
    static const struct {
        const char *toml, *paths;
    } cases[] = {
        {"", ""},
        {"# only this", ""},
        {"b = 1\na = 2\r\n", "b a "},
        {"a.b . 'c d'.\"\" = 1", "a a.b a.b.\"c d\" a.b.\"c d\".\"\" "},
        {"a = [1, [2, 3], ] # x", "a a[0] a[1] a[1][0] a[1][1] "},
        {"a = [ # one\n 'x', # two\n\n 'y'\n]", "a a[0] a[1] "},
        {"a = {b = 1, c.d = {}, c.e = 2}", "a a.b a.c a.c.d a.c.e "},
        {"[a.b]\nx = 1\n[a]\ny = 2\n[ c ]", "a a.b a.b.x a.y c "},
        {"[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 1", "a a[0] a[0].x a[1] a[1].b a[1].b.y "},
        {"[a]\nb.c = 1\nb.d = 2\n[a.b.e]\nf = 3", "a a.b a.b.c a.b.d a.b.e a.b.e.f "},
        {"1234 = 1\ntrue = 2\n-_ = 3", "1234 true -_ "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(toml_free_pointer) struct toml *toml = parse(cases[i].toml);
        AUTO_BUF struct buf paths = BUF_INIT(1024);
        walk(toml_root(toml), &paths);
        assert_string_equal(buf_text(&paths), cases[i].paths);
    }
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
    static const struct {
        const char *toml, *message;
    } cases[] = {
        {"a", "t:1:2: expected '=' after the key, found the end of the file"},
        {"a = ", "t:1:5: expected a value, found the end of the file"},
        {"a = 1 b = 2", "t:1:7: expected the end of the line, found 'b'"},
        {"= 1", "t:1:1: expected a key, found '='"},
        {"a = hello", "t:1:5: 'hello' is not a value: a text needs quotes"},
        {"a = 012", "t:1:5: '012' is not a number"},
        {"a = 1__2", "t:1:5: '1__2' is not a number"},
        {"a = 1_", "t:1:5: '1_' is not a number"},
        {"a = 1.", "t:1:5: '1.' is not a number"},
        {"a = .5", "t:1:5: '.5' is not a value: a text needs quotes"},
        {"a = +0x1", "t:1:5: '+0x1' is not a number"},
        {"a = 0o8", "t:1:5: '0o8' is not a number"},
        {"a = 0x", "t:1:5: '0x' is not a number"},
        {"a = 1e", "t:1:5: '1e' is not a number"},
        {"a = 9223372036854775808", "t:1:5: the integer does not fit 64 bits"},
        {"a = 'x", "t:1:7: the string does not end"},
        {"a = \"x\ny\"", "t:1:7: the string does not end in its line"},
        {"a = \"\"\"x", "t:1:9: the string does not end"},
        {"a = \"\\x41\"",
         "t:1:7: expected one of b t n f r \" \\ u U after the backslash, found 'x'"},
        {"a = \"\\u12\"", "t:1:6: expected 4 hexadecimal digits in the escape"},
        {"a = \"\\ud800\"", "t:1:6: U+D800 in the escape is no Unicode scalar value"},
        {"a = \"\\U00110000\"", "t:1:6: U+110000 in the escape is no Unicode scalar value"},
        {"a = \"\x01\"", "t:1:6: the control character U+0001 must be written as an escape"},
        {"a = 1 # \x7f", "t:1:9: the control character U+007F may not stand in a comment"},
        {"a = 1\rb = 2", "t:1:6: expected the end of the line, found the character U+000D"},
        {"\xc3\xa9 = 1", "t:1:1: expected a key, found a character that is not ASCII"},
        {"a = 'caf\xc3\xa9' x", "t:1:12: expected the end of the line, found 'x'"},
        {"a = 1\nb = '\xff'", "t:2: the text is not valid UTF-8"},
        {"a = '\xed\xa0\x80'", "t:1: the text is not valid UTF-8"},
        {"\"\"\"a\"\"\" = 1", "t:1:1: a key cannot be a multi-line string"},
        {"a = [1 2]", "t:1:8: expected ',' or ']' in the array, found '2'"},
        {"a = [1", "t:1:7: expected ',' or ']' in the array, found the end of the file"},
        {"a = {b = 1,}", "t:1:12: expected a key, found '}'"},
        {"a = {b = 1\n}",
         "t:1:11: expected ',' or '}' in the inline table, found the end of the line"},
        {"[a", "t:1:3: expected ']', found the end of the file"},
        {"[[a]", "t:1:4: expected ']]', found ']'"},
        {"[]", "t:1:2: expected a key, found ']'"},
        {"[a] b = 1", "t:1:5: expected the end of the line, found 'b'"},
        {"a = 2027-13-01", "t:1:10: the month 13 is not between 1 and 12"},
        {"a = 2027-02-29", "t:1:13: the day 29 is not between 1 and 28"},
        {"a = 2027-1-01", "t:1:10: expected 2 digits for the month"},
        {"a = 24:00:00", "t:1:5: the hour 24 is not between 0 and 23"},
        {"a = 12:00", "t:1:10: expected ':' after the minute, found the end of the file"},
        {"a = 12:00:00.", "t:1:14: expected digits after the point, found the end of the file"},
        {"a = 2027-01-01T00:00:00+24:00",
         "t:1:25: the hour of the offset 24 is not between 0 and 23"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_refused(slice_str(cases[i].toml), cases[i].message);
    static const char zero[] = "a = 'x\0y'";
    assert_refused(slice_of(zero, sizeof(zero) - 1),
                   "t:1:7: the control character U+0000 must be written as an escape");
}

static void nothing_is_defined_twice(void **state)
{
    static const struct {
        const char *toml, *message;
    } cases[] = {
        {"a = 1\na = 2", "t:2:1: 'a' is already an integer, defined in line 1"},
        {"a = 1\n'a' = 2", "t:2:1: 'a' is already an integer, defined in line 1"},
        {"a = 1\na.b = 2", "t:2:1: 'a' is already an integer, defined in line 1"},
        {"a.b = 1\na = 2", "t:2:1: 'a' is already a table, defined in line 1"},
        {"[a]\n[a]", "t:2:2: 'a' is already a table, defined in line 1"},
        {"[a]\nb = 1\n[a.b]", "t:3:4: 'a.b' is already an integer, defined in line 2"},
        {"a = {}\n[a]", "t:2:2: 'a' is already a table, defined in line 1"},
        {"a = {}\n[a.b]", "t:2:2: 'a' is already a table, defined in line 1"},
        {"a = {b = {c = 1}, b.d = 2}", "t:1:19: 'a.b' is already a table, defined in line 1"},
        {"a = {}\na.b = 1", "t:2:1: 'a' is already a table, defined in line 1"},
        {"[a]\nb.c = 1\n[a.b]", "t:3:4: 'a.b' is already a table, defined in line 2"},
        {"[a.b.c]\n[a]\nb.d = 1", "t:3:1: 'a.b' is already a table, defined in line 1"},
        {"a = []\n[[a]]", "t:2:3: 'a' is already an array, defined in line 1"},
        {"[a]\n[[a]]", "t:2:3: 'a' is already a table, defined in line 1"},
        {"[[a]]\n[a]", "t:2:2: 'a' is already an array, defined in line 1"},
        {"a = [{}]\n[a.b]", "t:2:2: 'a' is already an array, defined in line 1"},
        {"[a.b]\n[[a]]", "t:2:3: 'a' is already a table, defined in line 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_refused(slice_str(cases[i].toml), cases[i].message);
}

/* `before`, then `middle` `count` times, then `after`. */
static int parse_repeated(const char *before, const char *middle, int count, const char *after,
                          struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(8 * 1024 * 1024);
    assert_int_equal(buf_str(&text, before, NULL), 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(buf_str(&text, middle, NULL), 0);
    assert_int_equal(buf_str(&text, after, NULL), 0);
    AUTO(toml_free_pointer) struct toml *toml = NULL;
    return toml_parse(buf_slice(&text), "t", &toml, err);
}

static void depth_and_size_are_bounded(void **state)
{
    struct err err = ERR_INIT;
    assert_int_equal(parse_repeated("a = ", "[", TOML_MAX_DEPTH - 1, "", &err), -1);
    assert_non_null(strstr(err.message, "found the end of the file"));
    assert_int_equal(parse_repeated("a = ", "[", 100000, "", &err), -1);
    assert_non_null(strstr(err.message, "nested deeper than 64 levels"));
    assert_int_equal(parse_repeated("a = ", "{a=", 100000, "", &err), -1);
    assert_non_null(strstr(err.message, "nested deeper than 64 levels"));
    assert_int_equal(parse_repeated("a", ".a", 100000, " = 1", &err), -1);
    assert_non_null(strstr(err.message, "nested deeper than 64 levels"));
    assert_int_equal(parse_repeated("[a", ".a", 100000, "]", &err), -1);
    assert_non_null(strstr(err.message, "nested deeper than 64 levels"));
    assert_int_equal(parse_repeated("a = [", "1,", TOML_MAX_VALUES - 1, "]", &err), 0);
    assert_int_equal(parse_repeated("a = [", "1,", TOML_MAX_VALUES, "]", &err), -1);
    assert_non_null(strstr(err.message, "more than 16384 values"));
    assert_int_equal(parse_repeated("#", "x", TOML_MAX_BYTES - 1, "", &err), 0);
    assert_int_equal(parse_repeated("#", "x", TOML_MAX_BYTES, "", &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
}

static void wrong_types_name_file_line_and_key(void **state)
{
    AUTO(toml_free_pointer)
    struct toml *toml =
        parse("name = 'x'\n\n[code]\nlocation = 5\nports = [1, 'two']\nzero = \"a\\u0000\"\n");
    const struct toml_value *code = toml_get(toml_root(toml), "code");
    struct err err = ERR_INIT;
    const char *text = "kept";
    assert_int_equal(toml_get_string(code, "location", &text, &err), -1);
    assert_string_equal(err.message,
                        "mse.toml:4: code.location: expected a string, found an integer");
    assert_string_equal(text, "kept");
    assert_int_equal(toml_get_string(code, "absent", &text, &err), 0);
    assert_string_equal(text, "kept");
    int64_t number;
    assert_int_equal(toml_integer(toml_get(code, "ports")->last, 0, 9, &number, &err), -1);
    assert_string_equal(err.message,
                        "mse.toml:5: code.ports[1]: expected an integer, found a string");
    assert_int_equal(toml_get_integer(code, "location", 6, 9, &number, &err), -1);
    assert_string_equal(err.message,
                        "mse.toml:4: code.location: expected an integer between 6 and 9, found 5");
    bool truth;
    assert_int_equal(toml_get_boolean(code, "location", &truth, &err), -1);
    assert_int_equal(toml_expect(code, TOML_ARRAY, &err), -1);
    assert_string_equal(err.message, "mse.toml:3: code: expected an array, found a table");
    assert_int_equal(toml_get_string(code, "zero", &text, &err), -1);
    assert_string_equal(err.message, "mse.toml:6: code.zero: the text holds a zero byte");
    assert_null(toml_get(toml_get(code, "location"), "deeper"));
}

static void unknown_keys_are_named_with_the_nearest(void **state)
{
    static const char *const known[] = {"location", "docker"};
    AUTO(toml_free_pointer) struct toml *toml = parse("[code]\ndocker = 'x'\nlocatoin = 'y'\n");
    struct err err = ERR_INIT;
    const struct toml_value *code = toml_get(toml_root(toml), "code");
    assert_int_equal(toml_check_keys(code, known, ARRAY_LEN(known), &err), -1);
    assert_string_equal(err.message, "mse.toml:3: code.locatoin: unknown key");
    assert_string_equal(err.hint, "did you mean 'location'?");
}

/* Cut anywhere or with any byte changed, a text is read or refused, and always with a place. */
static void every_truncation_and_change_is_survived(void **state)
{
    static const char good[] = "a = \"x\\u00e9\"\nb = [1, 2.5, {c = 0x1F}]\n[d.'e']\n"
                               "f = 2027-01-31T00:00:00Z # end\n[[g]]\nh = '''\nraw'''\n";
    for (size_t len = 0; len < sizeof(good); len++) {
        struct err err = ERR_INIT;
        AUTO(toml_free_pointer) struct toml *toml = NULL;
        if (toml_parse(slice_of(good, len), "t", &toml, &err) < 0)
            assert_int_equal(strncmp(err.message, "t:", 2), 0);
    }
    for (size_t i = 0; i < (sizeof(good) - 1) * 256; i++) {
        AUTO_FREE char *text = mem_copy(good, sizeof(good) - 1, NULL);
        assert_non_null(text);
        text[i / 256] = (char)(i % 256);
        struct err err = ERR_INIT;
        AUTO(toml_free_pointer) struct toml *toml = NULL;
        if (toml_parse(slice_of(text, sizeof(good) - 1), "t", &toml, &err) < 0)
            assert_int_equal(strncmp(err.message, "t:", 2), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_read),
        cmocka_unit_test(integers_are_read),
        cmocka_unit_test(floats_are_read),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(structure_is_read),
        cmocka_unit_test(what_is_wrong_is_said_with_its_place),
        cmocka_unit_test(nothing_is_defined_twice),
        cmocka_unit_test(depth_and_size_are_bounded),
        cmocka_unit_test(wrong_types_name_file_line_and_key),
        cmocka_unit_test(unknown_keys_are_named_with_the_nearest),
        cmocka_unit_test(every_truncation_and_change_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
