// SPDX-License-Identifier: Apache-2.0
/*
 * JSON in: the strict reader's views become a tree of its own (json_value.h), and getters say where
 * something is wrong. Runs in every process, on bytes of strangers. JSON out is in json_writer.c.
 */
#include "format/json.h"

#include "base/text.h"
#include "format/document.h"

#include <stdio.h>

static const char *type_name(const json_t *value)
{
    if (value == NULL)
        return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a fractional number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "an unknown type";
}

/* A text that is being made a tree. */
struct builder {
    struct arena *arena;
    struct slice text;
    const char *what;
};

static int fail_too_big(const struct builder *in, const struct doc_node *node, struct err *err)
{
    size_t line = 1;
    const uint8_t *start = in->text.data;
    for (const uint8_t *at = start; at < node->text.data; at++) {
        if (*at == '\n') {
            line++;
            start = at + 1;
        }
    }
    return FAIL(err, ERR_INVALID,
                "%s: line %zu, column %zu: the number is too big, at most 64 bits", in->what, line,
                (size_t)(node->text.data - start) + 1);
}

static int build_number(const struct builder *in, const struct doc_node *node, json_t **ret,
                        struct err *err)
{
    bool negative = node->text.data[0] == '-';
    int64_t number = 0;
    for (size_t i = negative; i < node->text.len; i++) {
        int digit = node->text.data[i] - '0';
        if (digit < 0 || digit > 9) {
            *ret = json_real_text(node->text);
            return 0;
        }
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, negative ? -digit : digit, &number))
            return fail_too_big(in, node, err);
    }
    *ret = json_integer(number);
    return 0;
}

static int build(const struct builder *in, const struct doc_node *node, json_t **ret,
                 struct err *err);

/* Members or elements. */
static int build_items(const struct builder *in, const struct doc_node *whole, json_t **ret,
                       struct err *err)
{
    bool object = whole->type == DOC_OBJECT;
    AUTO_JSON json_t *value = object ? json_object() : json_array();
    for (const struct doc_node *each = whole->child; each != NULL; each = each->next) {
        json_t *item;
        if (build(in, each, &item, err) < 0)
            return -1;
        if ((object ? json_object_add_new(value, each->name, item)
                    : json_array_append_new(value, item)) < 0)
            return FAIL(err, ERR_MEMORY, "out of memory");
    }
    *ret = STEAL(value);
    return 0;
}

static int build_string(const struct builder *in, const struct doc_node *node, json_t **ret,
                        struct err *err)
{
    struct slice text;
    if (doc_string(in->arena, node, &text, err) < 0)
        return -1;
    *ret = json_stringn((const char *)text.data, text.len);
    return 0;
}

/* As deep as the reader went. */
static int build_any(const struct builder *in, const struct doc_node *node, json_t **ret,
                     struct err *err)
{
    switch (node->type) {
    case DOC_OBJECT:
    case DOC_ARRAY:
        return build_items(in, node, ret, err);
    case DOC_STRING:
        return build_string(in, node, ret, err);
    case DOC_NUMBER:
        return build_number(in, node, ret, err);
    case DOC_TRUE:
    case DOC_FALSE:
        *ret = json_boolean(node->type == DOC_TRUE);
        return 0;
    case DOC_NULL:
        *ret = json_null();
        return 0;
    }
    return FAIL(err, ERR_INTERNAL, "JSON: unknown type");
}

static int build(const struct builder *in, const struct doc_node *node, json_t **ret,
                 struct err *err)
{
    json_t *value = NULL;
    if (build_any(in, node, &value, err) < 0)
        return -1;
    if (value == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    *ret = value;
    return 0;
}

int json_parse(struct slice text, const char *what, size_t max_size, json_t **ret, struct err *err)
{
    const struct doc_source source = {.what = what,
                                      .max_size = max_size,
                                      .max_values = JSON_VALUES_MAX,
                                      .max_depth = JSON_DEPTH_MAX,
                                      .max_names = JSON_NAMES_MAX};
    struct arena arena = {.secret = true};
    const struct doc_node *root;
    if (text.len == 0)
        return FAIL(err, ERR_INVALID, "%s: empty where JSON was expected", what);
    int result = doc_read(&arena, text, &source, &root, err);
    if (result == 0)
        result = build(&(struct builder){&arena, text, what}, root, ret, err);
    arena_done(&arena);
    return result;
}

int json_top(const json_t *root, const char *what, struct json_at *ret, struct err *err)
{
    if (!json_is_object(root))
        return FAIL(err, ERR_INVALID, "%s: expected an object, found %s", what, type_name(root));
    *ret = (struct json_at){.value = root, .what = what};
    return 0;
}

bool json_has(const struct json_at *in, const char *key)
{
    return json_object_get(in->value, key) != NULL;
}

/* "tls." before the key where the object is not the top. */
static const char *dot(const struct json_at *in)
{
    return in->path[0] == '\0' ? "" : ".";
}

static int fail_type(const struct json_at *in, const char *key, const char *expected,
                     const json_t *found, struct err *err)
{
    if (found == NULL)
        return FAIL(err, ERR_INVALID, "%s: key '%s%s%s' is missing, expected %s", in->what,
                    in->path, dot(in), key, expected);
    return FAIL(err, ERR_INVALID, "%s: key '%s%s%s' must be %s, found %s", in->what, in->path,
                dot(in), key, expected, type_name(found));
}

int json_only_keys(const struct json_at *in, const char *const *known, size_t count,
                   struct err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(in->value, key, value)
    {
        size_t i = 0;
        while (i < count && strcmp(known[i], key) != 0)
            i++;
        if (i < count)
            continue;
        (void)FAIL(err, ERR_INVALID, "%s: unknown key '%s%s%.64s'", in->what, in->path, dot(in),
                   key);
        const char *nearest = text_nearest(key, known, count);
        if (nearest != NULL)
            err_hint(err, "did you mean '%s%s%s'?", in->path, dot(in), nearest);
        return -1;
    }
    return 0;
}

int json_read_object(const struct json_at *in, const char *key, struct json_at *ret,
                     struct err *err)
{
    const json_t *value = json_object_get(in->value, key);
    if (!json_is_object(value))
        return fail_type(in, key, "an object", value, err);
    struct json_at at = {.value = value, .what = in->what};
    (void)snprintf(at.path, sizeof(at.path), "%.100s%s%.50s", in->path, dot(in), key);
    *ret = at;
    return 0;
}

int json_read_array(const struct json_at *in, const char *key, size_t max_count, const json_t **ret,
                    struct err *err)
{
    const json_t *value = json_object_get(in->value, key);
    if (!json_is_array(value))
        return fail_type(in, key, "an array", value, err);
    if (json_array_size(value) > max_count)
        return FAIL(err, ERR_TOO_LARGE, "%s: key '%s%s%s' has %zu elements, the limit is %zu",
                    in->what, in->path, dot(in), key, json_array_size(value), max_count);
    *ret = value;
    return 0;
}

int json_read_element(const struct json_at *in, const char *key, size_t index, struct json_at *ret,
                      struct err *err)
{
    const json_t *array;
    if (json_read_array(in, key, SIZE_MAX, &array, err) < 0)
        return -1;
    struct json_at at = {.value = json_array_get(array, index), .what = in->what};
    (void)snprintf(at.path, sizeof(at.path), "%.90s%s%.40s[%zu]", in->path, dot(in), key, index);
    if (!json_is_object(at.value))
        return FAIL(err, ERR_INVALID, "%s: key '%s' must be an object, found %s", in->what, at.path,
                    type_name(at.value));
    *ret = at;
    return 0;
}

int json_read_text(const struct json_at *in, const char *key, size_t max_len, const char **ret,
                   struct err *err)
{
    const json_t *value = json_object_get(in->value, key);
    if (!json_is_string(value))
        return fail_type(in, key, "a string", value, err);
    if (json_string_length(value) > max_len)
        return FAIL(err, ERR_TOO_LARGE, "%s: key '%s%s%s' has %zu bytes, the limit is %zu",
                    in->what, in->path, dot(in), key, json_string_length(value), max_len);
    *ret = json_string_value(value);
    return 0;
}

int json_read_text_optional(const struct json_at *in, const char *key, size_t max_len,
                            const char **ret, struct err *err)
{
    const json_t *value = json_object_get(in->value, key);
    if (value != NULL && !json_is_null(value))
        return json_read_text(in, key, max_len, ret, err);
    *ret = NULL;
    return 0;
}

int json_read_text_into(const struct json_at *in, const char *key, char *to, size_t size,
                        struct err *err)
{
    const char *text;
    if (json_read_text(in, key, size - 1, &text, err) < 0)
        return -1;
    memcpy(to, text, strlen(text) + 1);
    return 0;
}

int json_read_i64(const struct json_at *in, const char *key, int64_t min, int64_t max, int64_t *ret,
                  struct err *err)
{
    const json_t *value = json_object_get(in->value, key);
    if (!json_is_integer(value))
        return fail_type(in, key, "a whole number", value, err);
    int64_t number = json_integer_value(value);
    if (number < min || number > max)
        return FAIL(err, ERR_INVALID, "%s: key '%s%s%s' is %lld, expected %lld to %lld", in->what,
                    in->path, dot(in), key, (long long)number, (long long)min, (long long)max);
    *ret = number;
    return 0;
}

int json_read_u64(const struct json_at *in, const char *key, uint64_t min, uint64_t max,
                  uint64_t *ret, struct err *err)
{
    int64_t number;
    int64_t top = max > INT64_MAX ? INT64_MAX : (int64_t)max;
    if (json_read_i64(in, key, min > INT64_MAX ? INT64_MAX : (int64_t)min, top, &number, err) < 0)
        return -1;
    *ret = (uint64_t)number;
    return 0;
}

int json_read_bool(const struct json_at *in, const char *key, bool *ret, struct err *err)
{
    const json_t *value = json_object_get(in->value, key);
    if (!json_is_boolean(value))
        return fail_type(in, key, "true or false", value, err);
    *ret = json_is_true(value);
    return 0;
}

int json_read_hex(const struct json_at *in, const char *key, uint8_t *ret, size_t size,
                  struct err *err)
{
    const char *text;
    if (json_read_text(in, key, 2 * size, &text, err) < 0)
        return -1;
    if (strspn(text, "0123456789abcdef") != 2 * size)
        return FAIL(err, ERR_INVALID, "%s: key '%s%s%s' must be %zu lower-case hexadecimal digits",
                    in->what, in->path, dot(in), key, 2 * size);
    return hex_decode(text, key, ret, size, err);
}

int json_read_base64(const struct json_at *in, const char *key, struct buf *out, struct err *err)
{
    const char *text;
    size_t limit = out->max > SIZE_MAX / 2 ? SIZE_MAX : out->max / 3 * 4 + 8;
    if (json_read_text(in, key, limit, &text, err) < 0)
        return -1;
    if (base64_decode_append(out, slice_str(text), key, err) < 0)
        return FAIL_CONTEXT(err, "%s", in->what);
    return 0;
}

json_t *json_new_object(struct err *err)
{
    json_t *object = json_object();
    if (object == NULL)
        (void)FAIL(err, ERR_MEMORY, "out of memory for a JSON object");
    return object;
}

int json_put(json_t *object, const char *key, json_t *value, struct err *err)
{
    if (value == NULL || json_object_set_new(object, key, value) < 0)
        return FAIL(err, ERR_MEMORY, "out of memory for JSON member '%s'", key);
    return 0;
}

int json_put_slice(json_t *object, const char *key, struct slice text, struct err *err)
{
    if (!utf8_valid(text) || memchr(text.data, '\0', text.len) != NULL)
        return FAIL(err, ERR_INVALID, "the text for '%s' is not well-formed UTF-8", key);
    return json_put(object, key, json_stringn((const char *)text.data, text.len), err);
}

int json_put_text(json_t *object, const char *key, const char *text, struct err *err)
{
    return json_put_slice(object, key, slice_str(text), err);
}

int json_put_text_optional(json_t *object, const char *key, const char *text, struct err *err)
{
    return text == NULL || text[0] == '\0' ? 0 : json_put_text(object, key, text, err);
}

int json_put_i64(json_t *object, const char *key, int64_t value, struct err *err)
{
    return json_put(object, key, json_integer(value), err);
}

int json_put_u64(json_t *object, const char *key, uint64_t value, struct err *err)
{
    if (value > INT64_MAX)
        return FAIL(err, ERR_INVALID, "the number for '%s' does not fit JSON", key);
    return json_put_i64(object, key, (int64_t)value, err);
}

int json_put_bool(json_t *object, const char *key, bool value, struct err *err)
{
    return json_put(object, key, json_boolean(value), err);
}

int json_put_hex(json_t *object, const char *key, struct slice bytes, struct err *err)
{
    AUTO_FREE char *text = hex_encode_new(bytes, err);
    return text == NULL ? -1 : json_put_text(object, key, text, err);
}

int json_put_base64(json_t *object, const char *key, struct slice bytes, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(bytes.len / 3 * 4 + 8);
    if (base64_append(&text, bytes, err) < 0)
        return -1;
    return json_put_text(object, key, buf_text(&text), err);
}
