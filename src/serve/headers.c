// SPDX-License-Identifier: Apache-2.0
/*
 * Response fields as an app gives them: checked once, never copied. The checks are what keeps an
 * app from splitting a response (PEP 3333, "The start_response() Callable"; RFC 9110 section 5).
 */
#include "serve/internal.h"

#include <strings.h>

/* RFC 9110 section 7.6.1 with RFC 2616's list, to which PEP 3333 refers. */
static const char *const hop_by_hop[] = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "te",         "trailers",   "transfer-encoding",  "upgrade",
};

void fields_init(struct fields *fields)
{
    fields->items = fields->inline_items;
    fields->cap = ARRAY_LEN(fields->inline_items);
    fields->count = 0;
    fields->content_length = -1;
}

void fields_done(struct fields *fields)
{
    if (fields->items != fields->inline_items)
        free(fields->items);
    fields_init(fields);
}

static bool fields_grow(struct fields *fields)
{
    size_t cap = fields->cap * 2;
    bool first = fields->items == fields->inline_items;
    struct http_header *items =
        mem_resize_array(first ? NULL : fields->items, cap, sizeof(*items), NULL);
    if (items == NULL) {
        PyErr_NoMemory();
        return false;
    }
    if (first)
        memcpy(items, fields->inline_items, sizeof(fields->inline_items));
    fields->items = items;
    fields->cap = cap;
    return true;
}

/* RFC 9110 section 5.6.2: tchar. */
static bool is_token_char(uint8_t c)
{
    uint8_t lower = c | 0x20;
    if ((lower >= 'a' && lower <= 'z') || c == '-' || (c >= '0' && c <= '9'))
        return true;
    return c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL;
}

static bool is_token(struct slice name)
{
    if (name.len == 0)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_char(name.data[i]))
            return false;
    }
    return true;
}

static bool has_control(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] == 0x7f)
            return true;
    }
    return false;
}

static bool name_is(struct slice name, const char *lower)
{
    size_t len = strlen(lower);
    return name.len == len && strncasecmp((const char *)name.data, lower, len) == 0;
}

bool is_hop_by_hop(struct slice name)
{
    if (name.len == 0)
        return false;
    /* Most names are none of these; their first letter says so. */
    switch (name.data[0] | 0x20) {
    case 'c':
    case 'k':
    case 'p':
    case 't':
    case 'u':
        break;
    default:
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(hop_by_hop); i++) {
        if (name_is(name, hop_by_hop[i]))
            return true;
    }
    return false;
}

static bool fields_set_length(struct fields *fields, struct slice value)
{
    int64_t length = 0;
    bool valid = value.len > 0 && value.len <= 18;
    for (size_t i = 0; valid && i < value.len; i++) {
        valid = value.data[i] >= '0' && value.data[i] <= '9';
        length = length * 10 + (value.data[i] - '0');
    }
    if (valid && (fields->content_length == -1 || fields->content_length == length)) {
        fields->content_length = length;
        return true;
    }
    PyErr_Format(PyExc_ValueError, "Content-Length '%.*s' is not a number, or given twice",
                 (int)(value.len < 40 ? value.len : 40), value.data);
    return false;
}

bool fields_add_own(struct fields *fields, struct slice name, struct slice value)
{
    if (fields->count == fields->cap && !fields_grow(fields))
        return false;
    fields->items[fields->count++] = (struct http_header){name, value};
    return true;
}

bool fields_add(struct fields *fields, struct slice name, struct slice value)
{
    int shown = (int)(name.len < 80 ? name.len : 80);
    if (!is_token(name)) {
        PyErr_Format(PyExc_ValueError, "response header name '%.*s' is not a token (RFC 9110)",
                     shown, name.data);
        return false;
    }
    if (has_control(value)) {
        PyErr_Format(PyExc_ValueError,
                     "response header '%.*s' has a control character in its value", shown,
                     name.data);
        return false;
    }
    if (is_hop_by_hop(name)) {
        PyErr_Format(PyExc_ValueError,
                     "response header '%.*s' is hop-by-hop: it belongs to the server (PEP 3333)",
                     shown, name.data);
        return false;
    }
    if (name_is(name, "content-length"))
        return fields_set_length(fields, value);
    return fields_add_own(fields, name, value);
}

bool latin1_slice(PyObject *text, const char *what, struct slice *ret)
{
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.100s", what, Py_TYPE(text)->tp_name);
        return false;
    }
    if (PyUnicode_READY(text) < 0)
        return false;
    if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) {
        PyErr_Format(PyExc_ValueError, "%s has a character outside Latin-1: %R", what, text);
        return false;
    }
    *ret = slice_of(PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
    return true;
}
