// SPDX-License-Identifier: Apache-2.0
/*
 * The one writer of JSON. In three styles: in one line, for people, and RFC 8785 canonical JSON:
 * one byte string per value, so that its hash can be an identity. What has two readings elsewhere
 * (fractions, large numbers) is refused there instead of being rounded.
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

static int compare_utf16(const char *a, const char *b)
{
    const uint8_t *x = (const uint8_t *)a;
    const uint8_t *y = (const uint8_t *)b;
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

struct writer {
    struct buf *out;
    struct err *err;
    enum json_style style;
};

static int put(const struct writer *to, const char *text)
{
    return buf_str(to->out, text, to->err);
}

/* RFC 8785 section 3.2.2.2. */
static int put_escaped(const struct writer *to, uint8_t c)
{
    static const char short_form[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c == '"' || c == '\\')
        return buf_printf(to->out, to->err, "\\%c", c);
    if (short_form[c] != '\0')
        return buf_printf(to->out, to->err, "\\%c", short_form[c]);
    return buf_printf(to->out, to->err, "\\u%04x", c);
}

/* A character beyond ASCII where only ASCII is written; *text moves over it. */
static int put_in_ascii(const struct writer *to, const uint8_t **text)
{
    uint32_t c = next_code_point(text);
    if (c < 0x10000)
        return buf_printf(to->out, to->err, "\\u%04x", c);
    return buf_printf(to->out, to->err, "\\u%04x\\u%04x", lead_unit(c), 0xdc00 + (c & 0x3ff));
}

static bool stands_for_itself(const struct writer *to, uint8_t c)
{
    if (c >= 0x7f)
        return to->style != JSON_FOR_PEOPLE;
    return c >= 0x20 && c != '"' && c != '\\';
}

/* Well-formed UTF-8. */
static int put_string(const struct writer *to, struct slice text)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.len;
    if (put(to, "\"") < 0)
        return -1;
    while (at < end) {
        const uint8_t *start = at;
        while (at < end && stands_for_itself(to, *at))
            at++;
        if (buf_bytes(to->out, slice_of(start, (size_t)(at - start)), to->err) < 0)
            return -1;
        if (at == end)
            break;
        if (*at >= 0x7f ? put_in_ascii(to, &at) < 0 : put_escaped(to, *at++) < 0)
            return -1;
    }
    return put(to, "\"");
}

/* What stands before an item or before the closing bracket. */
static int put_line(const struct writer *to, size_t depth)
{
    if (to->style != JSON_FOR_PEOPLE)
        return 0;
    return buf_printf(to->out, to->err, "\n%*s", (int)(2 * depth), "");
}

static int put_value(const struct writer *to, const json_t *value, size_t depth);

struct named {
    struct slice key; /* a zero byte follows */
    json_t *value;
};

static int compare_names(const void *a, const void *b)
{
    return compare_utf16((const char *)((const struct named *)a)->key.data,
                         (const char *)((const struct named *)b)->key.data);
}

static int put_members(const struct writer *to, const struct named *members, size_t count,
                       size_t depth)
{
    for (size_t i = 0; i < count; i++) {
        if ((i > 0 && put(to, ",") < 0) || put_line(to, depth) < 0 ||
            put_string(to, members[i].key) < 0 ||
            put(to, to->style == JSON_FOR_PEOPLE ? ": " : ":") < 0 ||
            put_value(to, members[i].value, depth) < 0)
            return -1;
    }
    return count == 0 ? 0 : put_line(to, depth - 1);
}

static int put_object(const struct writer *to, const json_t *object, size_t depth)
{
    size_t count = 0;
    struct named each;
    AUTO_FREE struct named *members =
        mem_alloc_array(json_object_size(object), sizeof(*members), to->err);
    if (members == NULL)
        return -1;
    while (json_object_member(object, count, &each.key, &each.value))
        members[count++] = each;
    if (to->style == JSON_CANONICAL)
        qsort(members, count, sizeof(*members), compare_names);
    if (put(to, "{") < 0 || put_members(to, members, count, depth) < 0)
        return -1;
    return put(to, "}");
}

static int put_array(const struct writer *to, const json_t *array, size_t depth)
{
    size_t count = json_array_size(array);
    if (put(to, "[") < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if ((i > 0 && put(to, ",") < 0) || put_line(to, depth) < 0 ||
            put_value(to, json_array_get(array, i), depth) < 0)
            return -1;
    }
    if (count > 0 && put_line(to, depth - 1) < 0)
        return -1;
    return put(to, "]");
}

static int put_integer(const struct writer *to, int64_t number)
{
    if (to->style == JSON_CANONICAL && (number > SAFE_INTEGER || number < -SAFE_INTEGER))
        return FAIL(to->err, ERR_INVALID, "canonical JSON: %lld is beyond 2^53 - 1",
                    (long long)number);
    return buf_printf(to->out, to->err, "%lld", (long long)number);
}

static int put_value(const struct writer *to, const json_t *value, size_t depth)
{
    if (depth > JSON_DEPTH_MAX)
        return FAIL(to->err, ERR_INVALID, "JSON: nested deeper than %d levels", JSON_DEPTH_MAX);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return put_object(to, value, depth + 1);
    case JSON_ARRAY:
        return put_array(to, value, depth + 1);
    case JSON_STRING:
        return put_string(to, slice_of(json_string_value(value), json_string_length(value)));
    case JSON_INTEGER:
        return put_integer(to, json_integer_value(value));
    case JSON_REAL:
        if (to->style == JSON_CANONICAL)
            return FAIL(to->err, ERR_INVALID, "canonical JSON: fractional numbers are not allowed");
        return put(to, json_real_value(value));
    case JSON_TRUE:
        return put(to, "true");
    case JSON_FALSE:
        return put(to, "false");
    case JSON_NULL:
        return put(to, "null");
    }
    return FAIL(to->err, ERR_INTERNAL, "JSON: unknown type");
}

int json_write(const json_t *value, enum json_style style, struct buf *out, struct err *err)
{
    const struct writer to = {.out = out, .err = err, .style = style};
    if (json_is_spoilt(value))
        return FAIL(err, ERR_INVALID,
                    "JSON: a value is missing: memory ran out, or a text is not UTF-8");
    return put_value(&to, value, 0);
}

int json_canonical(const json_t *value, struct buf *out, struct err *err)
{
    return json_write(value, JSON_CANONICAL, out, err);
}
