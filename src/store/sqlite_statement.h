// SPDX-License-Identifier: Apache-2.0
/*
 * SQLite under our errors: one call binds, runs and reads a prepared statement. Rows and structs
 * meet through a table of columns.
 */
#pragma once

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum column_type { COLUMN_TEXT, COLUMN_INT };

/* One field of a struct: a char array (COLUMN_TEXT) or an int64_t (COLUMN_INT). */
struct column {
    enum column_type type;
    size_t offset;
    size_t size;
};

#define COLUMN_OF(type_, struct_, field_)                                                          \
    {                                                                                              \
        type_, offsetof(struct struct_, field_), sizeof(((struct struct_ *)0)->field_)             \
    }

/* A parameter of a statement: NULL text is bound as NULL when `is_text`. */
struct sql_value {
    bool is_text;
    const char *text;
    int64_t number;
};
#define SQL_TEXT(value) ((struct sql_value){.is_text = true, .text = (value)})
#define SQL_INT(value) ((struct sql_value){.number = (value)})

/* Fails with our kind for SQLite's current error on this connection. */
int sql_fail(sqlite3 *db, const char *what, struct err *err) MUST_USE;
/* Runs texts that return nothing (several statements at once). */
int sql_exec(sqlite3 *db, const char *sql, struct err *err) MUST_USE;
/* Copies a struct's fields to values[0..count-1]; the text stays where it is. */
void sql_values_from(const void *from, const struct column *columns, size_t count,
                     struct sql_value *values);
/* Copies the current row's columns into a struct; a text that does not fit is INVALID. */
int sql_row_to(sqlite3_stmt *statement, const struct column *columns, size_t count, void *to,
               struct err *err) MUST_USE;
/* Binds and runs to the end; each row goes to `row` (may be NULL). The
 * statement is reset whatever happens. */
int sql_run(sqlite3_stmt *statement, const struct sql_value *values, size_t count,
            int (*row)(void *context, sqlite3_stmt *statement, struct err *err), void *context,
            struct err *err) MUST_USE;
