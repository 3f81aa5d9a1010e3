// SPDX-License-Identifier: Apache-2.0
/*
 * RECORD of a wheel: which files it has, with their hashes and sizes. Lines of CSV;
 * tests/unit/package/record_test.c shows what is taken. Source: the Python packaging guide,
 * "Recording installed projects".
 */
#pragma once

#include "crypto/crypto.h"

enum { RECORD_MAX = 32 << 20, RECORD_ROWS_MAX = 200000 };

struct record_row {
    char *path;
    bool hashed;
    uint8_t sha256[SHA256_SIZE]; /* where hashed */
    uint64_t size;               /* likewise */
    bool seen;                   /* the reader's own */
};

struct record {
    struct record_row *rows; /* by path, each once */
    size_t count;
    size_t room;
};
#define AUTO_RECORD __attribute__((cleanup(record_done)))

/* *ret must be zeroed. Errors: INVALID with the line: CSV that is none, another hash than SHA-256,
 * a path twice; TOO_LARGE. */
int record_parse(struct slice text, struct record *ret, struct err *err) MUST_USE;
void record_done(struct record *record);
/* NULL: it has none. */
struct record_row *record_find(const struct record *record, const char *path);
