// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by toml.c (the tree), toml_parse.c (keys, tables, arrays) and toml_value.c (scalars).
 */
#pragma once

#include "base/buf.h"
#include "format/toml.h"

struct toml_parser {
    struct slice text;
    size_t pos;
    unsigned line, column; /* of the byte at pos; columns count code points */
    struct toml *toml;
    struct toml_value *table; /* of the last header */
    unsigned section;         /* number of headers so far */
    struct err *err;
};

struct toml_key {
    struct slice text;
    unsigned line, column;
};

/* Memory that lives as long as the document. */
void *toml_alloc(struct toml *toml, size_t size, struct err *err) MUST_USE;
/* A document with an empty root table, NULL on failure. */
struct toml *toml_new(const char *name, struct err *err) MUST_USE;
struct toml_value *toml_mutable_root(struct toml *toml);
/* A new last child of `parent` (under `key` in tables, NULL in arrays), placed where the parser
 * stands. Fails past TOML_MAX_DEPTH and TOML_MAX_VALUES. */
struct toml_value *toml_add(struct toml_parser *in, struct toml_value *parent,
                            const struct toml_key *key) MUST_USE;
struct toml_value *toml_find(const struct toml_value *table, struct slice key);

/* "file:line:column: …" at the parser's place. */
void toml_parse_fail(struct toml_parser *in, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define PARSE_FAIL(in, ...) (toml_parse_fail((in), __VA_ARGS__), -1)
/* Fails with "expected `what`, found …". */
int toml_unexpected(struct toml_parser *in, const char *what) MUST_USE;

enum { TOML_END = -1 };

/* The byte `ahead` places from here, TOML_END past the end. */
int toml_peek_at(const struct toml_parser *in, size_t ahead);
int toml_peek(const struct toml_parser *in);
void toml_advance(struct toml_parser *in, size_t count);
/* Takes `text` if it stands here. */
bool toml_take(struct toml_parser *in, const char *text);
/* At "\n" or "\r\n"? */
bool toml_at_newline(const struct toml_parser *in);

/* A string of any kind; `multiline` says whether """ and ''' are allowed (not in keys). */
int toml_parse_string(struct toml_parser *in, bool multiline, struct slice *ret) MUST_USE;
/* Every scalar but strings, told apart by the first bytes. */
int toml_parse_scalar(struct toml_parser *in, struct toml_value *value) MUST_USE;
/* A date, a time or both. */
int toml_parse_time(struct toml_parser *in, struct toml_value *value) MUST_USE;
/* Does a date or a time stand here (as opposed to a number)? */
bool toml_at_time(const struct toml_parser *in);
