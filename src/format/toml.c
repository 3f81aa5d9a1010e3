// SPDX-License-Identifier: Apache-2.0
/*
 * The tree of a TOML document: memory, look-ups, typed access and the texts of its errors. Owns
 * every value and text in one list of blocks, so freeing needs no recursion. Runs in the programs
 * of the owner and in the node daemon, on files that their users wrote.
 */
#include "format/toml_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct block {
    struct block *next;
    max_align_t memory[];
};

struct toml {
    struct block *blocks;
    const char *name;
    struct toml_value *root;
    size_t value_count;
};

void *toml_alloc(struct toml *toml, size_t size, struct err *err)
{
    struct block *block = mem_alloc(sizeof(struct block) + size, err);
    if (block == NULL)
        return NULL;
    block->next = toml->blocks;
    toml->blocks = block;
    return block->memory;
}

struct toml *toml_new(const char *name, struct err *err)
{
    AUTO(toml_free_pointer) struct toml *toml = mem_alloc(sizeof(*toml), err);
    if (toml == NULL)
        return NULL;
    char *copy = toml_alloc(toml, strlen(name) + 1, err);
    struct toml_value *root = toml_alloc(toml, sizeof(*root), err);
    if (copy == NULL || root == NULL)
        return NULL;
    memcpy(copy, name, strlen(name) + 1);
    *root = (struct toml_value){.type = TOML_TABLE, .line = 1, .column = 1, .toml = toml};
    toml->name = copy;
    toml->root = root;
    return STEAL(toml);
}

void toml_free(struct toml *toml)
{
    if (toml == NULL)
        return;
    while (toml->blocks != NULL) {
        struct block *next = toml->blocks->next;
        free(toml->blocks);
        toml->blocks = next;
    }
    free(toml);
}

const struct toml_value *toml_root(const struct toml *toml)
{
    return toml->root;
}

struct toml_value *toml_mutable_root(struct toml *toml)
{
    return toml->root;
}

const char *toml_name(const struct toml *toml)
{
    return toml->name;
}

struct toml_value *toml_add(struct toml_parser *in, struct toml_value *parent,
                            const struct toml_key *key)
{
    if (parent->depth >= TOML_MAX_DEPTH) {
        toml_parse_fail(in, "nested deeper than %d levels", TOML_MAX_DEPTH);
        return NULL;
    }
    if (in->toml->value_count >= TOML_MAX_VALUES) {
        toml_parse_fail(in, "more than %d values", TOML_MAX_VALUES);
        return NULL;
    }
    struct toml_value *value = toml_alloc(in->toml, sizeof(*value), in->err);
    if (value == NULL)
        return NULL;
    *value = (struct toml_value){.line = in->line,
                                 .column = in->column,
                                 .toml = in->toml,
                                 .parent = parent,
                                 .depth = parent->depth + 1};
    if (key != NULL) {
        value->key = key->text;
        value->key_line = key->line;
        value->key_column = key->column;
    }
    if (parent->last != NULL)
        parent->last->next = value;
    else
        parent->first = value;
    parent->last = value;
    parent->count++;
    in->toml->value_count++;
    return value;
}

struct toml_value *toml_find(const struct toml_value *table, struct slice key)
{
    for (struct toml_value *child = table->first; child != NULL; child = child->next) {
        if (slice_equal(child->key, key))
            return child;
    }
    return NULL;
}

const struct toml_value *toml_get(const struct toml_value *table, const char *key)
{
    return table->type == TOML_TABLE ? toml_find(table, slice_str(key)) : NULL;
}

int toml_read(const char *path, struct toml **ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(TOML_MAX_BYTES);
    if (file_read(path, &text, err) < 0)
        return -1;
    return toml_parse(buf_slice(&text), path, ret, err);
}

const char *toml_type_text(enum toml_type type)
{
    static const char *const texts[] = {
        [TOML_STRING] = "a string",
        [TOML_INTEGER] = "an integer",
        [TOML_FLOAT] = "a float",
        [TOML_BOOLEAN] = "a boolean",
        [TOML_DATETIME] = "a date and time",
        [TOML_LOCAL_DATETIME] = "a date and time without offset",
        [TOML_LOCAL_DATE] = "a date",
        [TOML_LOCAL_TIME] = "a time",
        [TOML_ARRAY] = "an array",
        [TOML_TABLE] = "a table",
    };
    return texts[type];
}

static bool key_is_bare(struct slice key)
{
    for (size_t i = 0; i < key.len; i++) {
        uint8_t c = key.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '_' && c != '-')
            return false;
    }
    return key.len > 0;
}

static size_t index_in_parent(const struct toml_value *value)
{
    size_t index = 0;
    for (const struct toml_value *v = value->parent->first; v != value; v = v->next)
        index++;
    return index;
}

static int append_step(const struct toml_value *value, struct buf *out)
{
    if (value->parent->type == TOML_ARRAY)
        return buf_printf(out, NULL, "[%zu]", index_in_parent(value));
    const char *quote = key_is_bare(value->key) ? "" : "\"";
    return buf_printf(out, NULL, "%s%s%s%s", out->len > 0 ? "." : "", quote,
                      (const char *)value->key.data, quote);
}

void toml_path(const struct toml_value *value, char *text, size_t size)
{
    const struct toml_value *steps[TOML_MAX_DEPTH + 1];
    size_t count = 0;
    for (; value->parent != NULL; value = value->parent)
        steps[count++] = value;
    AUTO_BUF struct buf out = BUF_INIT(TOML_MAX_BYTES * 2);
    while (count > 0 && append_step(steps[count - 1], &out) == 0)
        count--;
    (void)snprintf(text, size, "%s", buf_text(&out));
}

void toml_fail(const struct toml_value *value, struct err *err, const char *fmt, ...)
{
    char message[ERR_MESSAGE_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    char path[160];
    toml_path(value, path, sizeof(path));
    err_set(err, ERR_INVALID, 0, "%s:%u: %s%s%s", value->toml->name,
            value->key_line != 0 ? value->key_line : value->line, path, path[0] != '\0' ? ": " : "",
            message);
}

int toml_expect(const struct toml_value *value, enum toml_type type, struct err *err)
{
    if (value->type != type)
        return TOML_FAIL(value, err, "expected %s, found %s", toml_type_text(type),
                         toml_type_text(value->type));
    return 0;
}

int toml_string(const struct toml_value *value, const char **ret, struct err *err)
{
    if (toml_expect(value, TOML_STRING, err) < 0)
        return -1;
    if (memchr(value->text.data, '\0', value->text.len) != NULL)
        return TOML_FAIL(value, err, "the text holds a zero byte");
    *ret = (const char *)value->text.data;
    return 0;
}

int toml_integer(const struct toml_value *value, int64_t min, int64_t max, int64_t *ret,
                 struct err *err)
{
    if (toml_expect(value, TOML_INTEGER, err) < 0)
        return -1;
    if (value->integer < min || value->integer > max)
        return TOML_FAIL(value, err,
                         "expected an integer between %" PRId64 " and %" PRId64 ", found %" PRId64,
                         min, max, value->integer);
    *ret = value->integer;
    return 0;
}

int toml_boolean(const struct toml_value *value, bool *ret, struct err *err)
{
    if (toml_expect(value, TOML_BOOLEAN, err) < 0)
        return -1;
    *ret = value->boolean;
    return 0;
}

int toml_unix_time(const struct toml_value *value, int64_t *ret, struct err *err)
{
    if (toml_expect(value, TOML_DATETIME, err) < 0) {
        if (value->type == TOML_LOCAL_DATETIME || value->type == TOML_LOCAL_DATE)
            err_hint(err, "write the offset too: 2027-01-31T12:00:00Z, or +02:00 instead of Z");
        return -1;
    }
    const struct toml_time *time = &value->time;
    struct err reason = ERR_INIT;
    int64_t seconds;
    if (civil_to_unix(time->year, time->month, time->day, time->hour, time->minute, time->second,
                      &seconds, &reason) < 0)
        return TOML_FAIL(value, err, "%s", reason.message);
    *ret = seconds - (int64_t)time->offset_minutes * 60;
    return 0;
}

int toml_get_string(const struct toml_value *table, const char *key, const char **ret,
                    struct err *err)
{
    const struct toml_value *value = toml_get(table, key);
    return value == NULL ? 0 : toml_string(value, ret, err);
}

int toml_get_integer(const struct toml_value *table, const char *key, int64_t min, int64_t max,
                     int64_t *ret, struct err *err)
{
    const struct toml_value *value = toml_get(table, key);
    return value == NULL ? 0 : toml_integer(value, min, max, ret, err);
}

int toml_get_boolean(const struct toml_value *table, const char *key, bool *ret, struct err *err)
{
    const struct toml_value *value = toml_get(table, key);
    return value == NULL ? 0 : toml_boolean(value, ret, err);
}

static bool is_known(struct slice key, const char *const *known, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is_str(key, known[i]))
            return true;
    }
    return false;
}

int toml_check_keys(const struct toml_value *table, const char *const *known, size_t count,
                    struct err *err)
{
    for (const struct toml_value *child = table->first; child != NULL; child = child->next) {
        if (is_known(child->key, known, count))
            continue;
        const char *nearest = text_nearest((const char *)child->key.data, known, count);
        toml_fail(child, err, "unknown key");
        if (nearest != NULL)
            err_hint(err, "did you mean '%s'?", nearest);
        return -1;
    }
    return 0;
}
