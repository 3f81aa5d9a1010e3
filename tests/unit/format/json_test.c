// SPDX-License-Identifier: Apache-2.0
/*
 * Strict JSON in, typed getters with their errors, RFC 8785 out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "format/json.h"

static void expect_parse_error(const char *text, const char *part)
{
    AUTO_JSON json_t *root = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(json_parse(slice_str(text), "thing", 4096, &root, &err), -1);
    if (strstr(err.message, part) == NULL)
        fail_msg("'%s' gives '%s', expected '%s' in it", text, err.message, part);
    assert_null(root);
}

static void test_parse_refuses(void **state)
{
    (void)state;
    expect_parse_error("", "empty");
    expect_parse_error("{\"a\":1,\"a\":2}", "column 11: a name stands twice in one object");
    expect_parse_error("{\"a\":{\"b\":1,\"\\u0062\":1}}", "twice");
    expect_parse_error("{\"a\":1,\n  \"b\":}", "line 2");
    expect_parse_error("{} {}", "the end expected");
    expect_parse_error("{\"a\":\"\\u0000\"}", "a zero character");
    expect_parse_error("{\"a\":\"\xff\"}", "not UTF-8");
    expect_parse_error("{\n\"a\":9223372036854775808}", "line 2, column 5: the number is too big");
    expect_parse_error("{\"a\":-9223372036854775809}", "too big");
    expect_parse_error("{\"a\":\"\\ud800\"}", "surrogate");
    expect_parse_error("{\"a\":01}", "line 1");
    expect_parse_error("{'a':1}", "line 1");
}

static void test_parse_bounds(void **state)
{
    (void)state;
    AUTO_JSON json_t *root = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(json_parse(slice_str("{\"a\":1}"), "thing", 6, &root, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    char deep[2 * JSON_DEPTH_MAX + 5] = "";
    for (size_t i = 0; i < JSON_DEPTH_MAX + 2; i++) {
        deep[i] = '[';
        deep[JSON_DEPTH_MAX + 2 + i] = ']';
    }
    expect_parse_error(deep, "more than 32 levels deep");
    /* Brackets inside a string are not nesting. */
    char text[JSON_DEPTH_MAX + 8] = "\"\\\"";
    memset(text + 3, '[', JSON_DEPTH_MAX + 2);
    text[JSON_DEPTH_MAX + 5] = '"';
    assert_int_equal(json_parse(slice_str(text), "thing", 4096, &root, &err), 0);
}

static const char sample[] = "{\"text\":\"abc\",\"number\":7,\"flag\":true,\"none\":null,"
                             "\"hex\":\"00ff\",\"base\":\"AAEC\",\"real\":1.5,"
                             "\"inner\":{\"list\":[{\"x\":1},2]}}";

static void test_getters(void **state)
{
    (void)state;
    AUTO_JSON json_t *root = NULL;
    struct err err = ERR_INIT;
    struct json_at top;
    assert_int_equal(json_parse(slice_str(sample), "sample", 4096, &root, &err), 0);
    assert_int_equal(json_top(root, "sample", &top, &err), 0);
    const char *text;
    assert_int_equal(json_read_text(&top, "text", 3, &text, &err), 0);
    assert_string_equal(text, "abc");
    char small[4];
    assert_int_equal(json_read_text_into(&top, "text", small, sizeof(small), &err), 0);
    assert_string_equal(small, "abc");
    uint64_t number;
    assert_int_equal(json_read_u64(&top, "number", 7, 7, &number, &err), 0);
    assert_int_equal(number, 7);
    bool flag;
    assert_int_equal(json_read_bool(&top, "flag", &flag, &err), 0);
    assert_true(flag);
    uint8_t bytes[2];
    assert_int_equal(json_read_hex(&top, "hex", bytes, 2, &err), 0);
    assert_int_equal(bytes[1], 0xff);
    AUTO_BUF struct buf out = BUF_INIT(3);
    assert_int_equal(json_read_base64(&top, "base", &out, &err), 0);
    assert_int_equal(out.len, 3);
    assert_int_equal(json_read_text_optional(&top, "none", 9, &text, &err), 0);
    assert_null(text);
    assert_int_equal(json_read_text_optional(&top, "absent", 9, &text, &err), 0);
    assert_null(text);
    assert_true(json_has(&top, "none"));
    assert_false(json_has(&top, "absent"));
}

static void expect_message(const struct err *err, const char *part)
{
    if (strstr(err->message, part) == NULL)
        fail_msg("error '%s' lacks '%s'", err->message, part);
}

static void test_getter_errors(void **state)
{
    (void)state;
    AUTO_JSON json_t *root = NULL;
    struct err err = ERR_INIT;
    struct json_at top;
    struct json_at inner;
    struct json_at element;
    assert_int_equal(json_parse(slice_str(sample), "sample", 4096, &root, &err), 0);
    assert_int_equal(json_top(root, "sample", &top, &err), 0);
    const char *text;
    uint64_t number;
    uint8_t bytes[3];
    assert_int_equal(json_read_text(&top, "number", 9, &text, &err), -1);
    expect_message(&err, "sample: key 'number' must be a string, found a whole number");
    assert_int_equal(json_read_text(&top, "text", 2, &text, &err), -1);
    expect_message(&err, "the limit is 2");
    assert_int_equal(json_read_u64(&top, "real", 0, 9, &number, &err), -1);
    expect_message(&err, "found a fractional number");
    assert_int_equal(json_read_u64(&top, "number", 0, 6, &number, &err), -1);
    expect_message(&err, "is 7, expected 0 to 6");
    assert_int_equal(json_read_hex(&top, "hex", bytes, 3, &err), -1);
    expect_message(&err, "6 lower-case hexadecimal digits");
    assert_int_equal(json_read_object(&top, "inner", &inner, &err), 0);
    assert_int_equal(json_read_u64(&inner, "gone", 0, 6, &number, &err), -1);
    expect_message(&err, "key 'inner.gone' is missing");
    assert_int_equal(json_read_element(&inner, "list", 0, &element, &err), 0);
    assert_int_equal(json_read_text(&element, "x", 6, &text, &err), -1);
    expect_message(&err, "key 'inner.list[0].x'");
    assert_int_equal(json_read_element(&inner, "list", 1, &element, &err), -1);
    expect_message(&err, "'inner.list[1]' must be an object");
    const json_t *array;
    assert_int_equal(json_read_array(&inner, "list", 1, &array, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
}

static void test_unknown_key(void **state)
{
    (void)state;
    AUTO_JSON json_t *root = NULL;
    struct err err = ERR_INIT;
    struct json_at top;
    assert_int_equal(json_parse(slice_str("{\"nmae\":1}"), "sample", 4096, &root, &err), 0);
    assert_int_equal(json_top(root, "sample", &top, &err), 0);
    static const char *const known[] = {"name", "project"};
    assert_int_equal(json_only_keys(&top, known, 2, &err), -1);
    expect_message(&err, "unknown key 'nmae'");
    assert_string_equal(err.hint, "did you mean 'name'?");
    assert_int_equal(json_top(json_object_get(root, "nmae"), "sample", &top, &err), -1);
}

static void expect_canonical(const char *text, const char *expected)
{
    AUTO_JSON json_t *root = NULL;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(4096);
    assert_int_equal(json_parse(slice_str(text), "thing", 4096, &root, &err), 0);
    assert_int_equal(json_canonical(root, &out, &err), 0);
    assert_string_equal(buf_text(&out), expected);
}

static void test_canonical(void **state)
{
    (void)state;
    expect_canonical("{ \"b\" : [ 1 , true , null ] , \"a\" : { } }",
                     "{\"a\":{},\"b\":[1,true,null]}");
    expect_canonical("\"\\u000a\\u001F\\/\\\"\\\\\\b\\f\\r\\t\\u00e9\\u007f\"",
                     "\"\\n\\u001f/\\\"\\\\\\b\\f\\r\\t\xc3\xa9\x7f\"");
    expect_canonical("-0", "0");
    expect_canonical("9007199254740991", "9007199254740991");
    /* The example of RFC 8785 section 3.2.3: sorted by UTF-16 code units, not by code points. */
    expect_canonical("{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,"
                     "\"\\u0080\":6,\"\\u00f6\":7}",
                     "{\"\\r\":2,\"1\":4,\"\xc2\x80\":6,\"\xc3\xb6\":7,\"\xe2\x82\xac\":1,"
                     "\"\xf0\x9f\x98\x80\":5,\"\xef\xac\xb3\":3}");
    expect_canonical("{\"ab\":1,\"a\":2}", "{\"a\":2,\"ab\":1}");
}

static void test_canonical_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"1.5", "1e3", "9007199254740992", "[-9007199254740992]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_JSON json_t *root = NULL;
        struct err err = ERR_INIT;
        AUTO_BUF struct buf out = BUF_INIT(4096);
        assert_int_equal(json_parse(slice_str(bad[i]), "thing", 4096, &root, &err), 0);
        assert_int_equal(json_canonical(root, &out, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

static void test_put(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    AUTO_JSON json_t *object = json_new_object(&err);
    AUTO_BUF struct buf out = BUF_INIT(4096);
    assert_int_equal(json_put_text(object, "t", "x", &err), 0);
    assert_int_equal(json_put_text_optional(object, "n", "", &err), 0);
    assert_int_equal(json_put_u64(object, "u", 5, &err), 0);
    assert_int_equal(json_put_bool(object, "b", false, &err), 0);
    assert_int_equal(json_put_hex(object, "h", slice_of("\x01\xab", 2), &err), 0);
    assert_int_equal(json_put_base64(object, "s", slice_of("\x00\x01", 2), &err), 0);
    assert_int_equal(json_put_u64(object, "big", UINT64_MAX, &err), -1);
    assert_int_equal(json_put_text(object, "bad", "\xff", &err), -1);
    assert_int_equal(json_canonical(object, &out, &err), 0);
    assert_string_equal(buf_text(&out), "{\"b\":false,\"h\":\"01ab\",\"s\":\"AAE=\",\"t\":\"x\","
                                        "\"u\":5}");
}

static void expect_written(const json_t *value, enum json_style style, const char *expected)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(4096);
    assert_int_equal(json_write(value, style, &out, &err), 0);
    assert_string_equal(buf_text(&out), expected);
}

static void test_styles(void **state)
{
    (void)state;
    json_t *list = json_array();
    assert_int_equal(json_array_append_new(list, json_integer(INT64_MIN)), 0);
    assert_int_equal(json_array_append_new(list, json_real(0.532)), 0);
    assert_int_equal(json_array_append_new(list, json_real(2)), 0);
    assert_int_equal(json_array_append_new(list, json_array()), 0);
    AUTO_JSON json_t *value =
        JSON_OF(JSON_TEXT("z", "\x01\x7f\"\\/\n\xc2\x9b\xf0\x9f\x98\x80"), JSON_BOOL("b", true),
                JSON_VALUE("list", list), JSON_VALUE("none", json_object()));
    expect_written(value, JSON_COMPACT,
                   "{\"z\":\"\\u0001\x7f\\\"\\\\/\\n\xc2\x9b\xf0\x9f\x98\x80\",\"b\":true,"
                   "\"list\":[-9223372036854775808,0.532,2.0,[]],\"none\":{}}");
    expect_written(value, JSON_FOR_PEOPLE,
                   "{\n  \"z\": \"\\u0001\\u007f\\\"\\\\/\\n\\u009b\\ud83d\\ude00\",\n"
                   "  \"b\": true,\n  \"list\": [\n    -9223372036854775808,\n    0.532,\n"
                   "    2.0,\n    []\n  ],\n  \"none\": {}\n}");
    AUTO_JSON json_t *copy = json_deep_copy(value);
    assert_int_equal(json_object_set_new(copy, "list", json_null()), 0);
    assert_int_equal(json_object_del(copy, "z"), 0);
    assert_int_equal(json_object_del(copy, "z"), -1);
    expect_written(copy, JSON_COMPACT, "{\"b\":true,\"list\":null,\"none\":{}}");
}

/* Whatever could not be made, however deep: nothing is written, and it is said. */
static void test_spoilt(void **state)
{
    (void)state;
    AUTO_JSON json_t *top = json_object();
    json_t *list = json_array();
    assert_null(json_string("\xff"));
    assert_null(json_real(1.0 / 0.0));
    assert_null(JSON_OF(JSON_TEXT("good", "x"), JSON_TEXT("bad", "cut \xc3")));
    assert_int_equal(json_array_append_new(list, json_string("\xff")), -1);
    assert_int_equal(json_array_append_new(list, json_string("x")), 0);
    assert_int_equal(json_object_set_new(top, "list", list), 0);
    for (int style = JSON_COMPACT; style <= JSON_CANONICAL; style++) {
        struct err err = ERR_INIT;
        AUTO_BUF struct buf out = BUF_INIT(4096);
        assert_int_equal(json_write(top, style, &out, &err), -1);
        expect_message(&err, "a value is missing");
        assert_int_equal(out.len, 0);
        assert_int_equal(json_write(NULL, style, &out, &err), -1);
    }
}

/* What was read is what is written, and the first spelling is the last one. */
static void test_there_and_back(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1,-2,1.50,1e3,\"\",null,{\"b\":{}}],\"\":true,\"x\":\"\xc3\xa9\"}";
    struct err err = ERR_INIT;
    AUTO_JSON json_t *root = NULL;
    assert_int_equal(json_parse(slice_str(text), "text", sizeof(text), &root, &err), 0);
    expect_written(root, JSON_COMPACT, text);
}

static void test_writer_is_bounded(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    AUTO_JSON json_t *top = json_array();
    AUTO_BUF struct buf small = BUF_INIT(4);
    json_t *inner = top;
    assert_int_equal(json_array_append_new(top, json_string("abc")), 0);
    assert_int_equal(json_write(top, JSON_COMPACT, &small, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    for (int i = 0; i <= JSON_DEPTH_MAX; i++) {
        json_t *next = json_array();
        assert_int_equal(json_array_append_new(inner, next), 0);
        inner = next;
    }
    AUTO_BUF struct buf out = BUF_INIT(4096);
    assert_int_equal(json_write(top, JSON_COMPACT, &out, &err), -1);
    expect_message(&err, "deeper than 32 levels");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_parse_bounds),
        cmocka_unit_test(test_getters),
        cmocka_unit_test(test_getter_errors),
        cmocka_unit_test(test_unknown_key),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_canonical_refuses),
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_styles),
        cmocka_unit_test(test_spoilt),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_writer_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
