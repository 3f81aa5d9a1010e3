// SPDX-License-Identifier: Apache-2.0
/*
 * RFC 8785 canonical JSON: one byte string per value, so that its hash can be an identity. What has
 * two readings elsewhere (fractions, large numbers) is refused here instead of being rounded.
 */
#include "format/json.h"

#include "base/text.h"

#include <stdlib.h>

/* The largest n for which n and n + 1 are both exact in IEEE 754 double (RFC 7493 section 2.2). */
#define SAFE_INTEGER ((int64_t)9007199254740991)

/* One code point of well-formed UTF-8; advances *text. */
static uint32_t next_code_point(const uint8_t **text)
{
    const uint8_t *at = *text;
    size_t more = at[0] < 0x80 ? 0 : at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
    uint32_t value = more == 0 ? at[0] : at[0] & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++)
        value = value << 6 | (at[i] & 0x3fu);
    *text = at + more + 1;
    return value;
}

/* The first UTF-16 code unit: for characters beyond U+FFFF a surrogate, which sorts before U+E000
 * although the character does not. Equal lead units differ in the trailing one as the code points
 * do. */
static uint32_t lead_unit(uint32_t code_point)
{
    return code_point < 0x10000 ? code_point : 0xd800 + ((code_point - 0x10000) >> 10);
}

static int compare_utf16(const void *a, const void *b)
{
    const uint8_t *x = *(const uint8_t *const *)a;
    const uint8_t *y = *(const uint8_t *const *)b;
    while (*x != '\0' && *y != '\0') {
        uint32_t cx = next_code_point(&x);
        uint32_t cy = next_code_point(&y);
        if (lead_unit(cx) != lead_unit(cy))
            return lead_unit(cx) < lead_unit(cy) ? -1 : 1;
        if (cx != cy)
            return cx < cy ? -1 : 1;
    }
    return (*x != '\0') - (*y != '\0');
}

/* Section 3.2.2.2. */
static int append_escaped(uint8_t c, struct buf *out, struct err *err)
{
    static const char short_form[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c == '"' || c == '\\')
        return buf_printf(out, err, "\\%c", c);
    if (short_form[c] != '\0')
        return buf_printf(out, err, "\\%c", short_form[c]);
    return buf_printf(out, err, "\\u%04x", c);
}

static int append_string(const char *text, size_t len, struct buf *out, struct err *err)
{
    if (buf_u8(out, '"', err) < 0)
        return -1;
    size_t start = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        if (buf_bytes(out, slice_of(text + start, i - start), err) < 0 ||
            append_escaped(c, out, err) < 0)
            return -1;
        start = i + 1;
    }
    if (buf_bytes(out, slice_of(text + start, len - start), err) < 0)
        return -1;
    return buf_u8(out, '"', err);
}

static int append_value(const json_t *value, size_t depth, struct buf *out, struct err *err);

static int append_members(const json_t *object, const char **keys, size_t depth, struct buf *out,
                          struct err *err)
{
    size_t count = json_object_size(object);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && buf_u8(out, ',', err) < 0)
            return -1;
        if (append_string(keys[i], strlen(keys[i]), out, err) < 0 || buf_u8(out, ':', err) < 0 ||
            append_value(json_object_get(object, keys[i]), depth, out, err) < 0)
            return -1;
    }
    return 0;
}

static int append_object(const json_t *object, size_t depth, struct buf *out, struct err *err)
{
    AUTO_FREE const char **keys = mem_alloc_array(json_object_size(object), sizeof(*keys), err);
    if (keys == NULL)
        return -1;
    size_t count = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) keys[count++] = key;
    qsort(keys, count, sizeof(*keys), compare_utf16);
    if (buf_u8(out, '{', err) < 0 || append_members(object, keys, depth, out, err) < 0)
        return -1;
    return buf_u8(out, '}', err);
}

static int append_array(const json_t *array, size_t depth, struct buf *out, struct err *err)
{
    if (buf_u8(out, '[', err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0 && buf_u8(out, ',', err) < 0)
            return -1;
        if (append_value(json_array_get(array, i), depth, out, err) < 0)
            return -1;
    }
    return buf_u8(out, ']', err);
}

static int append_value(const json_t *value, size_t depth, struct buf *out, struct err *err)
{
    if (value == NULL || depth > JSON_DEPTH_MAX)
        return FAIL(err, ERR_INVALID, "canonical JSON: nested deeper than %d levels",
                    JSON_DEPTH_MAX);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return append_object(value, depth + 1, out, err);
    case JSON_ARRAY:
        return append_array(value, depth + 1, out, err);
    case JSON_STRING:
        return append_string(json_string_value(value), json_string_length(value), out, err);
    case JSON_INTEGER:
        if (json_integer_value(value) > SAFE_INTEGER || json_integer_value(value) < -SAFE_INTEGER)
            return FAIL(err, ERR_INVALID, "canonical JSON: %lld is beyond 2^53 - 1",
                        (long long)json_integer_value(value));
        return buf_printf(out, err, "%lld", (long long)json_integer_value(value));
    case JSON_REAL:
        return FAIL(err, ERR_INVALID, "canonical JSON: fractional numbers are not allowed");
    case JSON_TRUE:
        return buf_str(out, "true", err);
    case JSON_FALSE:
        return buf_str(out, "false", err);
    case JSON_NULL:
        return buf_str(out, "null", err);
    }
    return FAIL(err, ERR_INTERNAL, "canonical JSON: unknown type");
}

int json_canonical(const json_t *value, struct buf *out, struct err *err)
{
    return append_value(value, 0, out, err);
}
