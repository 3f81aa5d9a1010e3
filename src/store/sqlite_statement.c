// SPDX-License-Identifier: Apache-2.0
/*
 * SQLite's calls turned into ours: error kinds, binding, rows. Owns nothing; runs in msed,
 * untrusted.
 */
#include "store/sqlite_statement.h"

#include <string.h>

static enum err_kind kind_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_INVALID;
    case SQLITE_NOMEM:
        return ERR_MEMORY;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_TOOBIG:
        return ERR_TOO_LARGE;
    default:
        return ERR_IO;
    }
}

int sql_fail(sqlite3 *db, const char *what, struct err *err)
{
    int code = sqlite3_extended_errcode(db);
    err_set(err, kind_of(code), 0, "database: %s: %s", what, sqlite3_errmsg(db));
    if ((code & 0xff) == SQLITE_FULL)
        err_hint(err, "free some space on the file system of the state folder");
    if (kind_of(code) == ERR_INVALID)
        err_hint(err, "the state database is damaged: restore it from a copy that is as new as the "
                      "apps; without one msed starts over when apps/ is moved away");
    return -1;
}

int sql_exec(sqlite3 *db, const char *sql, struct err *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sql_fail(db, "statement", err);
    return 0;
}

void sql_values_from(const void *from, const struct column *columns, size_t count,
                     struct sql_value *values)
{
    for (size_t i = 0; i < count; i++) {
        const char *field = (const char *)from + columns[i].offset;
        if (columns[i].type == COLUMN_TEXT) {
            values[i] = SQL_TEXT(field);
            continue;
        }
        int64_t number = 0;
        memcpy(&number, field, sizeof(number));
        values[i] = SQL_INT(number);
    }
}

static int column_text_to(sqlite3_stmt *statement, int index, const struct column *column, char *to,
                          struct err *err)
{
    const unsigned char *text = sqlite3_column_text(statement, index);
    size_t len = (size_t)sqlite3_column_bytes(statement, index);
    if (len >= column->size)
        return FAIL(err, ERR_INVALID, "database: column '%s' holds %zu bytes, at most %zu expected",
                    sqlite3_column_name(statement, index), len, column->size - 1);
    if (text != NULL)
        memcpy(to, text, len);
    to[text != NULL ? len : 0] = '\0';
    return 0;
}

int sql_row_to(sqlite3_stmt *statement, const struct column *columns, size_t count, void *to,
               struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        char *field = (char *)to + columns[i].offset;
        if (columns[i].type == COLUMN_TEXT) {
            if (column_text_to(statement, (int)i, &columns[i], field, err) < 0)
                return -1;
            continue;
        }
        int64_t number = sqlite3_column_int64(statement, (int)i);
        memcpy(field, &number, sizeof(number));
    }
    return 0;
}

static int bind_values(sqlite3_stmt *statement, const struct sql_value *values, size_t count,
                       struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        int index = (int)i + 1;
        int code = SQLITE_OK;
        if (!values[i].is_text)
            code = sqlite3_bind_int64(statement, index, values[i].number);
        else if (values[i].text == NULL)
            code = sqlite3_bind_null(statement, index);
        else
            code = sqlite3_bind_text(statement, index, values[i].text, -1, SQLITE_STATIC);
        if (code != SQLITE_OK)
            return sql_fail(sqlite3_db_handle(statement), "bind", err);
    }
    return 0;
}

int sql_run(sqlite3_stmt *statement, const struct sql_value *values, size_t count,
            int (*row)(void *context, sqlite3_stmt *statement, struct err *err), void *context,
            struct err *err)
{
    int result = bind_values(statement, values, count, err);
    while (result == 0) {
        int code = sqlite3_step(statement);
        if (code == SQLITE_DONE)
            break;
        if (code != SQLITE_ROW)
            result = sql_fail(sqlite3_db_handle(statement), "step", err);
        else if (row != NULL)
            result = row(context, statement, err);
    }
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return result;
}
