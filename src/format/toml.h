// SPDX-License-Identifier: Apache-2.0
/*
 * TOML 1.0 (toml.io/en/v1.0.0), complete, read-only: a text becomes a tree of values that remember
 * where they stand, so that every later complaint can name file, line and key:
 *
 *     AUTO(toml_free_pointer) struct toml *toml = NULL;
 *     if (toml_parse(text, "mse.toml", &toml, err) < 0)
 *         return -1;
 *     const char *name = "default";
 *     if (toml_get_string(toml_root(toml), "name", &name, err) < 0)
 *         return -1;    (mse.toml:7: code.location: expected a string, found an integer)
 *
 * Texts and values live as long as the struct toml that they came from.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TOML_MAX_BYTES = 1024 * 1024,
    TOML_MAX_DEPTH = 64,     /* nested tables and arrays, also those of dotted keys and headers */
    TOML_MAX_VALUES = 16384, /* in one file; bounds the linear look-ups */
};

enum toml_type {
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOLEAN,
    TOML_DATETIME,       /* with an offset from UTC */
    TOML_LOCAL_DATETIME, /* without one: which instant it means is not known */
    TOML_LOCAL_DATE,
    TOML_LOCAL_TIME,
    TOML_ARRAY,
    TOML_TABLE,
};

struct toml_time {
    int year, month, day;     /* 0 in a local time */
    int hour, minute, second; /* 0 in a local date; second may be 60 */
    int nanosecond;           /* digits past the ninth are dropped */
    int offset_minutes;       /* east of UTC; TOML_DATETIME only */
};

struct toml;

/* Read-only outside toml*.c. Children of arrays and tables are linked in the order of the file. */
struct toml_value {
    enum toml_type type;
    unsigned line, column; /* of the value; of a table: of its first mention. Both from 1 */
    unsigned key_line, key_column;
    struct slice key; /* a zero byte follows; empty for array items and the root */
    const struct toml *toml;
    const struct toml_value *parent; /* NULL: the root */
    struct toml_value *first, *last, *next;
    size_t count; /* children */
    union {
        struct slice text; /* a zero byte follows; may hold zero bytes too */
        int64_t integer;
        double real;
        bool boolean;
        struct toml_time time;
    };
    /* what the rules on redefinition need, see toml_parse.c */
    unsigned flags, section, depth;
};

/* Parses `text`; `name` stands for the file in every message (copied). The caller frees *ret.
 * Errors: INVALID ("name:line:column: what is wrong"), TOO_LARGE. */
int toml_parse(struct slice text, const char *name, struct toml **ret, struct err *err) MUST_USE;
/* Reads and parses a file; errors name it by `path`. Errors: also NOT_FOUND, IO. */
int toml_read(const char *path, struct toml **ret, struct err *err) MUST_USE;
void toml_free(struct toml *toml);
DEFINE_CLEANUP(toml_free_pointer, struct toml *, toml_free)

/* A table, also when the file is empty. */
const struct toml_value *toml_root(const struct toml *toml);
const char *toml_name(const struct toml *toml);

/* The value under `key`, NULL where there is none or `table` is no table. */
const struct toml_value *toml_get(const struct toml_value *table, const char *key);

/* "a string", "an integer", … */
const char *toml_type_text(enum toml_type type);

/* The value's place as a dotted path ("code.location", "hosts[2].name"), cut to `size`. */
void toml_path(const struct toml_value *value, char *text, size_t size);

/* Sets ERR_INVALID "file:line: path: …"; TOML_FAIL is the literal -1. */
void toml_fail(const struct toml_value *value, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
#define TOML_FAIL(value, err, ...) (toml_fail((value), (err), __VA_ARGS__), -1)

/* Typed access. A value of another type is ERR_INVALID and says what was found. */
int toml_expect(const struct toml_value *value, enum toml_type type, struct err *err) MUST_USE;
/* As a C string: one with a zero byte in it is refused. */
int toml_string(const struct toml_value *value, const char **ret, struct err *err) MUST_USE;
int toml_integer(const struct toml_value *value, int64_t min, int64_t max, int64_t *ret,
                 struct err *err) MUST_USE;
int toml_boolean(const struct toml_value *value, bool *ret, struct err *err) MUST_USE;
/* An offset date-time as seconds since 1970; local ones are refused, for they name no instant. */
int toml_unix_time(const struct toml_value *value, int64_t *ret, struct err *err) MUST_USE;

/* The same by key; where the key is absent *ret stays as it was and 0 is returned. */
int toml_get_string(const struct toml_value *table, const char *key, const char **ret,
                    struct err *err) MUST_USE;
int toml_get_integer(const struct toml_value *table, const char *key, int64_t min, int64_t max,
                     int64_t *ret, struct err *err) MUST_USE;
int toml_get_boolean(const struct toml_value *table, const char *key, bool *ret,
                     struct err *err) MUST_USE;

/* Fails at the first key of the table that is not among `known`; the hint names the nearest. */
int toml_check_keys(const struct toml_value *table, const char *const *known, size_t count,
                    struct err *err) MUST_USE;
