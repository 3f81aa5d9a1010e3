// SPDX-License-Identifier: Apache-2.0
/*
 * The strict JSON reader. One pass, recursion bounded by the caller's limit; every byte is looked
 * at through `peek`, which knows the end.
 */
#include "format/document.h"

#include "base/text.h"

#include <stdio.h>

struct parser {
    struct arena *arena;
    struct slice text;
    size_t pos;
    size_t values;
    struct doc_source limits;
};

static int peek(const struct parser *in)
{
    return in->pos < in->text.len ? in->text.data[in->pos] : -1;
}

static void skip_space(struct parser *in)
{
    while (peek(in) == ' ' || peek(in) == '\n' || peek(in) == '\t' || peek(in) == '\r')
        in->pos++;
}

/* Where the reader is, for people: the text up to there is what its caller has. */
static int refuse(const struct parser *in, const char *what_is_wrong, struct err *err)
{
    size_t line = 1;
    size_t start = 0;
    for (size_t i = 0; i < in->pos; i++) {
        if (in->text.data[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    return FAIL(err, ERR_INVALID, "%s: line %zu, column %zu: %s", in->limits.what, line,
                in->pos - start + 1, what_is_wrong);
}

static int syntax(const struct parser *in, const char *expected, struct err *err)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "not JSON: %s expected", expected);
    return refuse(in, text, err);
}

static struct slice since(const struct parser *in, size_t start)
{
    return slice_of(in->text.data + start, in->pos - start);
}

static int parse_hex4(struct parser *in, uint32_t *ret, struct err *err)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit_value((char)peek(in)); /* -1, the end, is none */
        if (digit < 0)
            return syntax(in, "a hexadecimal digit", err);
        value = value << 4 | (uint32_t)digit;
        in->pos++;
    }
    *ret = value;
    return 0;
}

/* The second half of a character beyond U+FFFF, which only an escape can be. */
static int parse_low_surrogate(struct parser *in, struct err *err)
{
    uint32_t low = 0;
    if (peek(in) == '\\' && in->pos + 1 < in->text.len && in->text.data[in->pos + 1] == 'u') {
        in->pos += 2;
        if (parse_hex4(in, &low, err) < 0)
            return -1;
    }
    if (low < 0xdc00 || low > 0xdfff)
        return refuse(in, "half of a surrogate pair", err);
    return 0;
}

/* What `unescape` resolves later without a question. */
static int parse_escape(struct parser *in, struct err *err)
{
    in->pos++; /* the backslash */
    int c = peek(in);
    if (c <= 0 || strchr("\"\\/bfnrtu", c) == NULL)
        return syntax(in, "an escape", err);
    in->pos++;
    if (c != 'u')
        return 0;
    uint32_t code;
    if (parse_hex4(in, &code, err) < 0)
        return -1;
    if (code == 0)
        return refuse(in, "a zero character", err);
    if (code >= 0xdc00 && code <= 0xdfff)
        return refuse(in, "half of a surrogate pair", err);
    return code < 0xd800 || code > 0xdfff ? 0 : parse_low_surrogate(in, err);
}

/* Moves over characters that stand for themselves. */
static void skip_plain(struct parser *in)
{
    const uint8_t *text = in->text.data;
    size_t pos = in->pos;
    while (pos < in->text.len && text[pos] >= 0x20 && text[pos] != '"' && text[pos] != '\\')
        pos++;
    in->pos = pos;
}

/* At the opening quote; *ret is what stands between the quotes. */
static int parse_string(struct parser *in, struct slice *ret, struct err *err)
{
    if (peek(in) != '"')
        return syntax(in, "a string", err);
    in->pos++;
    size_t start = in->pos;
    for (;;) {
        skip_plain(in);
        int c = peek(in);
        if (c == '"')
            break;
        if (c != '\\')
            return syntax(in, "the end of a string", err);
        if (parse_escape(in, err) < 0)
            return -1;
    }
    *ret = since(in, start);
    in->pos++;
    return 0;
}

static uint32_t hex_value(struct slice digits)
{
    uint32_t value = 0;
    for (size_t i = 0; i < digits.len; i++)
        value = value << 4 | (uint32_t)hex_digit_value((char)digits.data[i]);
    return value;
}

/* Encodes one code point; the caller has room for 4 bytes. */
static size_t utf8_put(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (uint8_t)(0xc0 | c >> 6);
        to[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (uint8_t)(0xe0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | c >> 18);
    to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    to[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* At 'u' of an escape that parse_escape has seen: the code point, and how many bytes of the text
 * it took. */
static uint32_t unescape_unicode(struct slice in, size_t *ret_len)
{
    uint32_t c = hex_value(slice_of(in.data + 1, 4));
    *ret_len = 5;
    if (c < 0xd800 || c > 0xdfff)
        return c;
    *ret_len = 11;
    return 0x10000 + ((c - 0xd800) << 10) + (hex_value(slice_of(in.data + 7, 4)) - 0xdc00);
}

/* What parse_string let through, without its escapes; `to` has room for in.len bytes, since an
 * escape is never shorter than what it stands for. */
static size_t unescape(struct slice in, uint8_t *to)
{
    static const char from[] = "\"\\/bfnrt";
    static const char into[] = "\"\\/\b\f\n\r\t";
    size_t len = 0;
    for (size_t i = 0; i < in.len;) {
        const uint8_t *escape = memchr(in.data + i, '\\', in.len - i);
        size_t plain = escape == NULL ? in.len - i : (size_t)(escape - in.data) - i;
        memcpy(to + len, in.data + i, plain);
        len += plain;
        i += plain;
        if (i == in.len)
            break;
        i++;
        if (in.data[i] != 'u') {
            to[len++] = (uint8_t)into[strchr(from, in.data[i++]) - from];
            continue;
        }
        size_t used;
        len += utf8_put(to + len, unescape_unicode(slice_of(in.data + i, in.len - i), &used));
        i += used;
    }
    return len;
}

/* A view of the text where there is no escape. */
static int resolve(struct arena *arena, struct slice written, struct slice *ret, struct err *err)
{
    *ret = written;
    if (written.len == 0 || memchr(written.data, '\\', written.len) == NULL)
        return 0;
    uint8_t *place = arena_alloc(arena, written.len);
    if (place == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    *ret = slice_of(place, unescape(written, place));
    return 0;
}

static size_t skip_digits(struct parser *in)
{
    size_t start = in->pos;
    while (peek(in) >= '0' && peek(in) <= '9')
        in->pos++;
    return in->pos - start;
}

static int parse_number(struct parser *in, struct slice *ret, struct err *err)
{
    size_t start = in->pos;
    if (peek(in) == '-')
        in->pos++;
    bool leading_zero = peek(in) == '0';
    size_t digits = skip_digits(in);
    if (digits == 0 || (leading_zero && digits > 1))
        return syntax(in, "a number", err);
    if (peek(in) == '.') {
        in->pos++;
        if (skip_digits(in) == 0)
            return syntax(in, "a digit", err);
    }
    if (peek(in) == 'e' || peek(in) == 'E') {
        in->pos++;
        if (peek(in) == '+' || peek(in) == '-')
            in->pos++;
        if (skip_digits(in) == 0)
            return syntax(in, "a digit", err);
    }
    *ret = since(in, start);
    return 0;
}

static int parse_word(struct parser *in, struct doc_node *node, struct err *err)
{
    static const struct {
        const char *word;
        enum doc_type type;
    } words[] = {{"true", DOC_TRUE}, {"false", DOC_FALSE}, {"null", DOC_NULL}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t len = strlen(words[i].word);
        if (in->text.len - in->pos < len ||
            memcmp(in->text.data + in->pos, words[i].word, len) != 0)
            continue;
        node->type = words[i].type;
        in->pos += len;
        return 0;
    }
    return syntax(in, "a value", err);
}

static int parse_value(struct parser *in, size_t depth, struct doc_node **ret, struct err *err);

static int refuse_duplicate(const struct parser *in, const struct doc_node *object,
                            struct slice name, struct err *err)
{
    for (const struct doc_node *each = object->child; each != NULL; each = each->next) {
        if (slice_equal(each->name, name))
            return refuse(in, "a name stands twice in one object", err);
    }
    if (object->count == in->limits.max_names)
        return FAIL(err, ERR_TOO_LARGE, "%s: more than %zu names in one object", in->limits.what,
                    in->limits.max_names);
    return 0;
}

static int parse_member_name(struct parser *in, const struct doc_node *object, struct slice *ret,
                             struct err *err)
{
    struct slice written;
    skip_space(in);
    if (parse_string(in, &written, err) < 0 || resolve(in->arena, written, ret, err) < 0 ||
        refuse_duplicate(in, object, *ret, err) < 0)
        return -1;
    skip_space(in);
    if (peek(in) != ':')
        return syntax(in, "':'", err);
    in->pos++;
    return 0;
}

/* Members or elements, up to the closing bracket; at the opening one. */
static int parse_items(struct parser *in, size_t depth, struct doc_node *whole, struct err *err)
{
    int close = whole->type == DOC_OBJECT ? '}' : ']';
    struct doc_node **tail = &whole->child;
    in->pos++;
    skip_space(in);
    if (peek(in) == close) {
        in->pos++;
        return 0;
    }
    for (;;) {
        struct slice name = slice_of(NULL, 0);
        if (whole->type == DOC_OBJECT && parse_member_name(in, whole, &name, err) < 0)
            return -1;
        struct doc_node *item;
        if (parse_value(in, depth + 1, &item, err) < 0)
            return -1;
        item->name = name;
        *tail = item;
        tail = &item->next;
        whole->count++;
        int c = peek(in);
        if (c != ',' && c != close)
            return syntax(in, "',' or the end of the list", err);
        in->pos++;
        if (c == close)
            return 0;
    }
}

static int parse_by_first(struct parser *in, size_t depth, struct doc_node *node, struct err *err)
{
    int c = peek(in);
    if (c == '{' || c == '[') {
        node->type = c == '{' ? DOC_OBJECT : DOC_ARRAY;
        return parse_items(in, depth, node, err);
    }
    if (c == '"') {
        node->type = DOC_STRING;
        return parse_string(in, &node->text, err);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        node->type = DOC_NUMBER;
        return parse_number(in, &node->text, err);
    }
    return parse_word(in, node, err);
}

static int parse_value(struct parser *in, size_t depth, struct doc_node **ret, struct err *err)
{
    if (depth > in->limits.max_depth)
        return FAIL(err, ERR_TOO_LARGE, "%s: more than %zu levels deep", in->limits.what,
                    in->limits.max_depth);
    if (++in->values > in->limits.max_values)
        return FAIL(err, ERR_TOO_LARGE, "%s: more than %zu values", in->limits.what,
                    in->limits.max_values);
    struct doc_node *node = arena_alloc(in->arena, sizeof(*node));
    if (node == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    skip_space(in);
    size_t start = in->pos;
    if (parse_by_first(in, depth, node, err) < 0)
        return -1;
    if (node->type != DOC_STRING)
        node->text = slice_of(in->text.data + start, in->pos - start);
    skip_space(in);
    *ret = node;
    return 0;
}

static size_t limit(size_t asked, size_t otherwise)
{
    return asked != 0 ? asked : otherwise;
}

int doc_read(struct arena *arena, struct slice text, const struct doc_source *source,
             const struct doc_node **ret, struct err *err)
{
    struct parser in = {
        .arena = arena,
        .text = text,
        .limits = {.what = source->what,
                   .max_size = limit(source->max_size, DOC_MAX_SIZE),
                   .max_values = limit(source->max_values, DOC_MAX_VALUES),
                   .max_depth = limit(source->max_depth, DOC_MAX_DEPTH),
                   .max_names = limit(source->max_names, DOC_MAX_NAMES)},
    };
    if (text.len > in.limits.max_size)
        return FAIL(err, ERR_TOO_LARGE, "%s has %zu bytes, at most %zu are read", source->what,
                    text.len, in.limits.max_size);
    if (!utf8_valid(text))
        return FAIL(err, ERR_INVALID, "%s is not UTF-8", source->what);
    struct doc_node *root;
    if (parse_value(&in, 0, &root, err) < 0)
        return -1;
    if (in.pos != text.len)
        return syntax(&in, "the end", err);
    *ret = root;
    return 0;
}

int doc_parse(struct arena *arena, struct slice text, const char *what, const struct doc_node **ret,
              struct err *err)
{
    return doc_read(arena, text, &(const struct doc_source){.what = what}, ret, err);
}

const struct doc_node *doc_get(const struct doc_node *object, const char *name)
{
    if (object == NULL || object->type != DOC_OBJECT)
        return NULL;
    for (const struct doc_node *each = object->child; each != NULL; each = each->next) {
        if (slice_is_str(each->name, name))
            return each;
    }
    return NULL;
}

static int get_typed(const struct doc_node *object, const char *name, enum doc_type type,
                     const struct doc_node **ret, struct err *err)
{
    static const char *const names[] = {"an object", "an array", "a string", "a number"};
    const struct doc_node *node = doc_get(object, name);
    if (node == NULL)
        return FAIL(err, ERR_INVALID, "'%s' is missing", name);
    if (node->type != type)
        return FAIL(err, ERR_INVALID, "'%s' is not %s", name, names[type]);
    *ret = node;
    return 0;
}

int doc_get_object(const struct doc_node *object, const char *name, const struct doc_node **ret,
                   struct err *err)
{
    return get_typed(object, name, DOC_OBJECT, ret, err);
}

int doc_get_array(const struct doc_node *object, const char *name, size_t max_count,
                  const struct doc_node **ret, struct err *err)
{
    const struct doc_node *node;
    if (get_typed(object, name, DOC_ARRAY, &node, err) < 0)
        return -1;
    if (node->count > max_count)
        return FAIL(err, ERR_TOO_LARGE, "'%s' has %zu elements, at most %zu are read", name,
                    node->count, max_count);
    *ret = node;
    return 0;
}

int doc_string(struct arena *arena, const struct doc_node *node, struct slice *ret, struct err *err)
{
    if (node->type != DOC_STRING)
        return FAIL(err, ERR_INVALID, "a string expected");
    return resolve(arena, node->text, ret, err);
}

int doc_get_string(struct arena *arena, const struct doc_node *object, const char *name,
                   struct slice *ret, struct err *err)
{
    const struct doc_node *node;
    if (get_typed(object, name, DOC_STRING, &node, err) < 0)
        return -1;
    if (doc_string(arena, node, ret, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", name);
    return 0;
}

int doc_get_number(const struct doc_node *object, const char *name, uint64_t max, uint64_t *ret,
                   struct err *err)
{
    const struct doc_node *node;
    if (get_typed(object, name, DOC_NUMBER, &node, err) < 0)
        return -1;
    uint64_t value = 0;
    for (size_t i = 0; i < node->text.len; i++) {
        uint8_t c = node->text.data[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit || i >= 18 || value * 10 + (uint64_t)(c - '0') > max)
            return FAIL(err, ERR_INVALID, "'%s' is not a whole number from 0 to %llu", name,
                        (unsigned long long)max);
        value = value * 10 + (uint64_t)(c - '0');
    }
    *ret = value;
    return 0;
}

int doc_get_hex(const struct doc_node *object, const char *name, uint8_t *ret, size_t size,
                struct err *err)
{
    const struct doc_node *node;
    if (get_typed(object, name, DOC_STRING, &node, err) < 0)
        return -1;
    struct slice digits = node->text;
    if (digits.len != 2 * size)
        return FAIL(err, ERR_INVALID, "'%s' has %zu hexadecimal digits, not %zu", name, digits.len,
                    2 * size);
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit_value((char)digits.data[2 * i]);
        int low = hex_digit_value((char)digits.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return FAIL(err, ERR_INVALID, "'%s' is not hexadecimal", name);
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}
