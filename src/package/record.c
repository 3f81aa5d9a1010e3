// SPDX-License-Identifier: Apache-2.0
/*
 * See record.h. Runs on the owner's machine on bytes of strangers, who are named by a hash in the
 * owner's lock and trusted for nothing else.
 */
#include "package/record.h"

#include "base/text.h"

#include <stdlib.h>

enum { FIELDS = 3, FIELD_MAX = 4096, HASH_CHARACTERS = 43 };

struct cursor {
    struct slice rest;
    size_t line;
};

static int peek(const struct cursor *cursor)
{
    return cursor->rest.len > 0 ? cursor->rest.data[0] : -1;
}

static void advance(struct cursor *cursor)
{
    cursor->rest = slice_of(cursor->rest.data + 1, cursor->rest.len - 1);
}

static int fail(const struct cursor *cursor, const char *what, struct err *err)
{
    return FAIL(err, ERR_INVALID, "RECORD line %zu: %s", cursor->line, what);
}

static int take_quoted(struct cursor *cursor, struct buf *out, struct err *err)
{
    advance(cursor);
    for (;;) {
        int c = peek(cursor);
        if (c < 0 || c == '\n' || c == '\0')
            return fail(cursor, "a quote is not closed", err);
        advance(cursor);
        if (c == '"' && peek(cursor) != '"')
            return 0;
        if (c == '"')
            advance(cursor);
        if (buf_u8(out, (uint8_t)c, err) < 0)
            return -1;
    }
}

static int take_plain(struct cursor *cursor, struct buf *out, struct err *err)
{
    for (int c = peek(cursor); c >= 0 && c != ',' && c != '\n' && c != '\r'; c = peek(cursor)) {
        if (c == '"' || c == '\0')
            return fail(cursor, "a quote or a zero byte inside a field", err);
        if (buf_u8(out, (uint8_t)c, err) < 0)
            return -1;
        advance(cursor);
    }
    return 0;
}

/* One field and, unless it is the last, the comma behind it; the last one's is the line's end. */
static int take_field(struct cursor *cursor, bool last, struct buf *out, struct err *err)
{
    int result = peek(cursor) == '"' ? take_quoted(cursor, out, err) : take_plain(cursor, out, err);
    if (result < 0)
        return -1;
    if (last && peek(cursor) == '\r')
        advance(cursor);
    int c = peek(cursor);
    if (last ? c >= 0 && c != '\n' : c != ',')
        return fail(cursor, "expected path, hash and size with commas between", err);
    if (c >= 0)
        advance(cursor);
    return 0;
}

/* "sha256=" and base64 for URLs, without padding. */
static int decode_hash(const char *text, uint8_t ret[static SHA256_SIZE])
{
    static const char prefix[] = "sha256=";
    char base64[HASH_CHARACTERS + 2];
    AUTO_BUF struct buf bytes = BUF_INIT(SHA256_SIZE + 1);
    if (!str_starts_with(text, prefix) || strlen(text) != sizeof(prefix) - 1 + HASH_CHARACTERS)
        return -1;
    text += sizeof(prefix) - 1;
    for (size_t i = 0; i < HASH_CHARACTERS; i++) {
        if (text[i] == '+' || text[i] == '/')
            return -1;
        base64[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    }
    base64[HASH_CHARACTERS] = '=';
    base64[HASH_CHARACTERS + 1] = '\0';
    if (base64_decode_append(&bytes, slice_str(base64), "hash", NULL) < 0 ||
        bytes.len != SHA256_SIZE)
        return -1;
    memcpy(ret, bytes.data, SHA256_SIZE);
    return 0;
}

static int add_row(struct record *record, const struct record_row *row, struct err *err)
{
    if (record->count == RECORD_ROWS_MAX)
        return FAIL(err, ERR_TOO_LARGE, "RECORD has more than %d lines", RECORD_ROWS_MAX);
    if (record->count == record->room) {
        size_t room = record->room * 2 + 64;
        struct record_row *rows = mem_resize_array(record->rows, room, sizeof(*rows), err);
        if (rows == NULL)
            return -1;
        record->rows = rows;
        record->room = room;
    }
    record->rows[record->count++] = *row;
    return 0;
}

static int take_row(struct cursor *cursor, struct record *record, struct err *err)
{
    AUTO_BUF struct buf path = BUF_INIT(FIELD_MAX);
    AUTO_BUF struct buf hash = BUF_INIT(FIELD_MAX);
    AUTO_BUF struct buf size = BUF_INIT(FIELD_MAX);
    struct record_row row = {.hashed = false};
    if (take_field(cursor, false, &path, err) < 0 || take_field(cursor, false, &hash, err) < 0 ||
        take_field(cursor, true, &size, err) < 0)
        return -1;
    if (path.len == 0)
        return fail(cursor, "no path", err);
    row.hashed = hash.len > 0;
    if (row.hashed && decode_hash(buf_text(&hash), row.sha256) < 0)
        return fail(cursor, "a hash that is not sha256= and 43 characters", err);
    if (row.hashed && parse_u64(buf_text(&size), "size", 0, UINT64_C(1) << 50, &row.size, NULL) < 0)
        return fail(cursor, "a size that is no number", err);
    row.path = mem_copy(path.data, path.len, err);
    if (row.path == NULL)
        return -1;
    if (add_row(record, &row, err) == 0)
        return 0;
    free(row.path);
    return -1;
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct record_row *)a)->path, ((const struct record_row *)b)->path);
}

static int parse(struct slice text, struct record *record, struct err *err)
{
    struct cursor cursor = {.rest = text};
    while (cursor.rest.len > 0) {
        cursor.line++;
        if (peek(&cursor) == '\n')
            advance(&cursor);
        else if (take_row(&cursor, record, err) < 0)
            return -1;
    }
    if (record->count > 1)
        qsort(record->rows, record->count, sizeof(*record->rows), compare_rows);
    for (size_t i = 1; i < record->count; i++) {
        if (strcmp(record->rows[i - 1].path, record->rows[i].path) == 0)
            return FAIL(err, ERR_INVALID, "RECORD has '%.200s' twice", record->rows[i].path);
    }
    return 0;
}

int record_parse(struct slice text, struct record *ret, struct err *err)
{
    if (text.len > RECORD_MAX)
        return FAIL(err, ERR_TOO_LARGE, "RECORD has more than %d bytes", RECORD_MAX);
    if (parse(text, ret, err) == 0)
        return 0;
    record_done(ret);
    return -1;
}

void record_done(struct record *record)
{
    for (size_t i = 0; i < record->count; i++)
        free(record->rows[i].path);
    free(record->rows);
    *record = (struct record){0};
}

struct record_row *record_find(const struct record *record, const char *path)
{
    const struct record_row key = {.path = (char *)(uintptr_t)path};
    if (record->count == 0)
        return NULL;
    return bsearch(&key, record->rows, record->count, sizeof(*record->rows), compare_rows);
}
