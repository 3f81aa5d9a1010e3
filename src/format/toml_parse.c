// SPDX-License-Identifier: Apache-2.0
/*
 * TOML 1.0 syntax: cursor, keys, headers, arrays and inline tables, and the rules on what may be
 * defined twice. Recursion follows arrays and inline tables only and ends at TOML_MAX_DEPTH.
 *
 * A table may be opened by a header once, and extended only the way it came to be: one made by a
 * longer header ("[a.b]" makes "a") may still get its own header; one made by a dotted key grows
 * only by dotted keys under the same header; an inline table or array is complete where it ends.
 */
#include "format/toml_internal.h"

#include "base/text.h"

#include <stdio.h>

enum {
    FLAG_DEFINED = 1, /* by a header of its own, also an item of an array of tables */
    FLAG_DOTTED = 2,  /* by a dotted key, in header number `section` */
    FLAG_INLINE = 4,  /* by { } */
    FLAG_TABLES = 8,  /* an array made by [[ ]] */
};

static int parse_value(struct toml_parser *in, struct toml_value *parent,
                       const struct toml_key *key) MUST_USE;

void toml_parse_fail(struct toml_parser *in, const char *fmt, ...)
{
    char message[ERR_MESSAGE_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    err_set(in->err, ERR_INVALID, 0, "%s:%u:%u: %s", toml_name(in->toml), in->line, in->column,
            message);
}

int toml_unexpected(struct toml_parser *in, const char *what)
{
    int c = toml_peek(in);
    if (c == TOML_END)
        return PARSE_FAIL(in, "expected %s, found the end of the file", what);
    if (toml_at_newline(in))
        return PARSE_FAIL(in, "expected %s, found the end of the line", what);
    if (c > 0x20 && c < 0x7f)
        return PARSE_FAIL(in, "expected %s, found '%c'", what, c);
    if (c < 0x80)
        return PARSE_FAIL(in, "expected %s, found the character U+%04X", what, (unsigned)c);
    return PARSE_FAIL(in, "expected %s, found a character that is not ASCII", what);
}

int toml_peek_at(const struct toml_parser *in, size_t ahead)
{
    return ahead < in->text.len - in->pos ? in->text.data[in->pos + ahead] : TOML_END;
}

int toml_peek(const struct toml_parser *in)
{
    return toml_peek_at(in, 0);
}

void toml_advance(struct toml_parser *in, size_t count)
{
    for (; count > 0 && in->pos < in->text.len; count--) {
        uint8_t c = in->text.data[in->pos++];
        if (c == '\n') {
            in->line++;
            in->column = 1;
        } else if ((c & 0xc0) != 0x80) { /* not inside a UTF-8 sequence */
            in->column++;
        }
    }
}

bool toml_take(struct toml_parser *in, const char *text)
{
    size_t len = strlen(text);
    if (len > in->text.len - in->pos || memcmp(in->text.data + in->pos, text, len) != 0)
        return false;
    toml_advance(in, len);
    return true;
}

bool toml_at_newline(const struct toml_parser *in)
{
    return toml_peek(in) == '\n' || (toml_peek(in) == '\r' && toml_peek_at(in, 1) == '\n');
}

static void skip_blanks(struct toml_parser *in)
{
    while (toml_peek(in) == ' ' || toml_peek(in) == '\t')
        toml_advance(in, 1);
}

static int skip_comment(struct toml_parser *in)
{
    if (toml_peek(in) != '#')
        return 0;
    while (toml_peek(in) != TOML_END && !toml_at_newline(in)) {
        int c = toml_peek(in);
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return PARSE_FAIL(in, "the control character U+%04X may not stand in a comment",
                              (unsigned)c);
        toml_advance(in, 1);
    }
    return 0;
}

/* Blanks, comments and line ends, as many as there are. */
static int skip_lines(struct toml_parser *in)
{
    for (;;) {
        skip_blanks(in);
        if (skip_comment(in) < 0)
            return -1;
        if (!toml_at_newline(in))
            return 0;
        toml_advance(in, toml_peek(in) == '\r' ? 2 : 1);
    }
}

static int end_line(struct toml_parser *in)
{
    skip_blanks(in);
    if (skip_comment(in) < 0)
        return -1;
    if (toml_peek(in) != TOML_END && !toml_at_newline(in))
        return toml_unexpected(in, "the end of the line");
    return 0;
}

static bool is_bare_key_byte(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static int parse_simple_key(struct toml_parser *in, struct toml_key *ret)
{
    ret->line = in->line;
    ret->column = in->column;
    if (toml_peek(in) == '"' || toml_peek(in) == '\'')
        return toml_parse_string(in, false, &ret->text);
    size_t len = 0;
    while (is_bare_key_byte(toml_peek_at(in, len)))
        len++;
    if (len == 0)
        return toml_unexpected(in, "a key");
    char *text = toml_alloc(in->toml, len + 1, in->err);
    if (text == NULL)
        return -1;
    memcpy(text, in->text.data + in->pos, len);
    toml_advance(in, len);
    ret->text = slice_of(text, len);
    return 0;
}

static int fail_defined(struct toml_parser *in, const struct toml_key *key,
                        const struct toml_value *found)
{
    in->line = key->line;
    in->column = key->column;
    char path[160];
    toml_path(found, path, sizeof(path));
    return PARSE_FAIL(in, "'%s' is already %s, defined in line %u", path,
                      toml_type_text(found->type),
                      found->key_line != 0 ? found->key_line : found->line);
}

static struct toml_value *add_table(struct toml_parser *in, struct toml_value *parent,
                                    const struct toml_key *key, unsigned flags)
{
    struct toml_value *table = toml_add(in, parent, key);
    if (table == NULL)
        return NULL;
    table->type = TOML_TABLE;
    table->flags = flags;
    table->section = in->section;
    if (key != NULL) {
        table->line = key->line;
        table->column = key->column;
    }
    return table;
}

/* One step of a header's path: into a table, or the last one of an array of tables. */
static int descend_header(struct toml_parser *in, struct toml_value **table,
                          const struct toml_key *key)
{
    struct toml_value *next = toml_find(*table, key->text);
    if (next == NULL)
        next = add_table(in, *table, key, 0);
    else if (next->type == TOML_ARRAY && (next->flags & FLAG_TABLES) != 0)
        next = next->last;
    else if (next->type != TOML_TABLE || (next->flags & FLAG_INLINE) != 0)
        return fail_defined(in, key, next);
    if (next == NULL)
        return -1;
    *table = next;
    return 0;
}

static int descend_dotted(struct toml_parser *in, struct toml_value **table,
                          const struct toml_key *key)
{
    struct toml_value *next = toml_find(*table, key->text);
    if (next == NULL)
        next = add_table(in, *table, key, FLAG_DOTTED);
    else if ((next->flags & FLAG_DOTTED) == 0 || next->section != in->section)
        return fail_defined(in, key, next);
    if (next == NULL)
        return -1;
    *table = next;
    return 0;
}

/* "a.b.c": goes down to a.b and gives back the key c. */
static int parse_key_path(struct toml_parser *in, struct toml_value **table, struct toml_key *last,
                          int (*descend)(struct toml_parser *, struct toml_value **,
                                         const struct toml_key *))
{
    for (;;) {
        skip_blanks(in);
        if (parse_simple_key(in, last) < 0)
            return -1;
        skip_blanks(in);
        if (!toml_take(in, "."))
            return 0;
        if (descend(in, table, last) < 0)
            return -1;
    }
}

static int parse_key_value(struct toml_parser *in, struct toml_value *table)
{
    struct toml_key key = {0};
    if (parse_key_path(in, &table, &key, descend_dotted) < 0)
        return -1;
    if (!toml_take(in, "="))
        return toml_unexpected(in, "'=' after the key");
    skip_blanks(in);
    struct toml_value *found = toml_find(table, key.text);
    if (found != NULL)
        return fail_defined(in, &key, found);
    return parse_value(in, table, &key);
}

static int open_table(struct toml_parser *in, struct toml_value *parent, const struct toml_key *key)
{
    struct toml_value *table = toml_find(parent, key->text);
    if (table == NULL)
        table = add_table(in, parent, key, FLAG_DEFINED);
    else if (table->type != TOML_TABLE || table->flags != 0)
        return fail_defined(in, key, table);
    if (table == NULL)
        return -1;
    table->flags |= FLAG_DEFINED;
    in->table = table;
    return 0;
}

static int open_array_item(struct toml_parser *in, struct toml_value *parent,
                           const struct toml_key *key)
{
    struct toml_value *array = toml_find(parent, key->text);
    if (array == NULL) {
        array = add_table(in, parent, key, FLAG_TABLES);
        if (array == NULL)
            return -1;
        array->type = TOML_ARRAY;
    } else if (array->type != TOML_ARRAY || (array->flags & FLAG_TABLES) == 0) {
        return fail_defined(in, key, array);
    }
    in->table = add_table(in, array, NULL, FLAG_DEFINED);
    return in->table == NULL ? -1 : 0;
}

static int parse_header(struct toml_parser *in)
{
    in->section++;
    bool array = toml_take(in, "[[");
    if (!array)
        toml_advance(in, 1);
    struct toml_value *parent = toml_mutable_root(in->toml);
    struct toml_key key = {0};
    if (parse_key_path(in, &parent, &key, descend_header) < 0)
        return -1;
    if (!toml_take(in, array ? "]]" : "]"))
        return toml_unexpected(in, array ? "']]'" : "']'");
    return array ? open_array_item(in, parent, &key) : open_table(in, parent, &key);
}

static int parse_array(struct toml_parser *in, struct toml_value *array)
{
    array->type = TOML_ARRAY;
    toml_advance(in, 1);
    for (;;) {
        if (skip_lines(in) < 0)
            return -1;
        if (toml_take(in, "]"))
            return 0;
        if (parse_value(in, array, NULL) < 0 || skip_lines(in) < 0)
            return -1;
        if (!toml_take(in, ",") && toml_peek(in) != ']')
            return toml_unexpected(in, "',' or ']' in the array");
    }
}

/* One line, no comma behind the last pair. */
static int parse_inline_table(struct toml_parser *in, struct toml_value *table)
{
    table->type = TOML_TABLE;
    table->flags = FLAG_INLINE;
    toml_advance(in, 1);
    skip_blanks(in);
    if (toml_take(in, "}"))
        return 0;
    for (;;) {
        if (parse_key_value(in, table) < 0)
            return -1;
        skip_blanks(in);
        if (toml_take(in, "}"))
            return 0;
        if (!toml_take(in, ","))
            return toml_unexpected(in, "',' or '}' in the inline table");
    }
}

static int parse_value(struct toml_parser *in, struct toml_value *parent,
                       const struct toml_key *key)
{
    struct toml_value *value = toml_add(in, parent, key);
    if (value == NULL)
        return -1;
    switch (toml_peek(in)) {
    case '"':
    case '\'':
        value->type = TOML_STRING;
        return toml_parse_string(in, true, &value->text);
    case '[':
        return parse_array(in, value);
    case '{':
        return parse_inline_table(in, value);
    default:
        return toml_parse_scalar(in, value);
    }
}

static int parse_document(struct toml_parser *in)
{
    (void)toml_take(in, "\xef\xbb\xbf"); /* a byte order mark is tolerated */
    in->column = 1;
    for (;;) {
        if (skip_lines(in) < 0)
            return -1;
        if (toml_peek(in) == TOML_END)
            return 0;
        bool header = toml_peek(in) == '[';
        if ((header ? parse_header(in) : parse_key_value(in, in->table)) < 0 || end_line(in) < 0)
            return -1;
    }
}

/* A sequence never spans lines, so checking line by line also finds the place. */
static int check_encoding(struct toml_parser *in)
{
    size_t start = 0;
    for (unsigned line = 1; start < in->text.len; line++) {
        const uint8_t *from = in->text.data + start;
        const uint8_t *end = memchr(from, '\n', in->text.len - start);
        size_t len = end == NULL ? in->text.len - start : (size_t)(end - from) + 1;
        if (!utf8_valid(slice_of(from, len)))
            return FAIL(in->err, ERR_INVALID, "%s:%u: the text is not valid UTF-8",
                        toml_name(in->toml), line);
        start += len;
    }
    return 0;
}

int toml_parse(struct slice text, const char *name, struct toml **ret, struct err *err)
{
    if (text.len > TOML_MAX_BYTES)
        return FAIL(err, ERR_TOO_LARGE, "'%s' is larger than the limit of %d bytes", name,
                    TOML_MAX_BYTES);
    AUTO(toml_free_pointer) struct toml *toml = toml_new(name, err);
    if (toml == NULL)
        return -1;
    struct toml_parser in = {.text = text, .line = 1, .column = 1, .toml = toml, .err = err};
    in.table = toml_mutable_root(toml);
    if (check_encoding(&in) < 0 || parse_document(&in) < 0)
        return -1;
    *ret = STEAL(toml);
    return 0;
}
