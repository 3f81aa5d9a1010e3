// SPDX-License-Identifier: Apache-2.0
/*
 * Parses queries. Owns nothing; runs in msed on bytes from callers of the API.
 */
#include "node/query.h"

#include "base/text.h"

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(struct slice from, const char *what, char *to, size_t size, struct err *err)
{
    size_t len = 0;
    for (size_t i = 0; i < from.len; i++) {
        uint8_t c = from.data[i];
        if (c == '+')
            c = ' ';
        if (c == '%') {
            int high = i + 2 < from.len ? digit_of(from.data[i + 1]) : -1;
            int low = i + 2 < from.len ? digit_of(from.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return FAIL(err, ERR_INVALID, "query: %s: '%%' without two digits", what);
            c = (uint8_t)(high * 16 + low);
            i += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return FAIL(err, ERR_INVALID, "query: %s: a control character", what);
        if (len + 1 >= size)
            return FAIL(err, ERR_TOO_LARGE, "query: %s: longer than %zu bytes", what, size - 1);
        to[len++] = (char)c;
    }
    to[len] = '\0';
    if (!utf8_valid(slice_of(to, len)))
        return FAIL(err, ERR_INVALID, "query: %s: not UTF-8", what);
    return 0;
}

static int check_name(const struct query *query, const char *const *known, const char *name,
                      struct err *err)
{
    size_t count = 0;
    bool found = false;
    for (; known[count] != NULL; count++)
        found = found || strcmp(known[count], name) == 0;
    if (!found) {
        const char *nearest = text_nearest(name, known, count);
        err_set(err, ERR_INVALID, 0, "query: unknown parameter '%s'", name);
        if (nearest != NULL)
            err_hint(err, "did you mean '%s'?", nearest);
        return -1;
    }
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->parameters[i].name, name) == 0)
            return FAIL(err, ERR_INVALID, "query: parameter '%s' is given twice", name);
    }
    return 0;
}

static int add_parameter(struct query *query, const char *const *known, struct slice part,
                         struct err *err)
{
    struct query_parameter parameter;
    const uint8_t *equals = memchr(part.data, '=', part.len);
    size_t name = equals != NULL ? (size_t)(equals - part.data) : part.len;
    size_t value = equals != NULL ? name + 1 : part.len;
    if (query->count >= QUERY_PARAMETERS_MAX)
        return FAIL(err, ERR_TOO_LARGE, "query: more than %d parameters", QUERY_PARAMETERS_MAX);
    if (decode(slice_of(part.data, name), "a name", parameter.name, sizeof(parameter.name), err) <
            0 ||
        check_name(query, known, parameter.name, err) < 0 ||
        decode(slice_of(part.data + value, part.len - value), parameter.name, parameter.value,
               sizeof(parameter.value), err) < 0)
        return -1;
    query->parameters[query->count++] = parameter;
    return 0;
}

int query_parse(struct slice text, const char *const *known, struct query *ret, struct err *err)
{
    ret->count = 0;
    while (text.len > 0) {
        const uint8_t *end = memchr(text.data, '&', text.len);
        size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
        if (len > 0 && add_parameter(ret, known, slice_of(text.data, len), err) < 0)
            return -1;
        size_t used = len + (end != NULL ? 1 : 0);
        text = slice_of(text.data + used, text.len - used);
    }
    return 0;
}

const char *query_value(const struct query *query, const char *name)
{
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->parameters[i].name, name) == 0)
            return query->parameters[i].value;
    }
    return "";
}
