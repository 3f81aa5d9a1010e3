// SPDX-License-Identifier: Apache-2.0
/*
 * The one error convention of the tree.
 *
 * A function that can fail returns int (0 or -1) or a pointer (NULL on failure), takes
 * `struct err *err` as its last parameter and is MUST_USE. `struct err` is a fixed-size value on
 * the caller's stack: nothing to free, usable when memory is out. On failure the out-parameters
 * are untouched. Never put a secret into an error.
 *
 *     if (fd < 0)
 *         return FAIL_ERRNO(err, ERR_IO, "cannot open '%s'", path);
 *     if (file_read(path, MAX_TOML, &text, err) < 0)
 *         return FAIL_CONTEXT(err, "configuration");
 *
 * The value of the FAIL macros is the literal -1: static analysers then see that a failing path
 * fails. In a function that returns a pointer write `(void)FAIL(...); return NULL;`.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* kind, text, exit status of a command line program, HTTP status of an API answer */
#define ERR_KINDS(X)                                                                               \
    X(ERR_NONE, "no error", 0, 200)                                                                \
    X(ERR_USAGE, "wrong usage", 2, 400)                                                            \
    X(ERR_INVALID, "invalid input", 1, 400)                                                        \
    X(ERR_UNAUTHORIZED, "not authenticated", 1, 401)                                               \
    X(ERR_FORBIDDEN, "not allowed", 1, 403)                                                        \
    X(ERR_NOT_FOUND, "not found", 1, 404)                                                          \
    X(ERR_EXISTS, "exists already", 1, 409)                                                        \
    X(ERR_CONFLICT, "conflicting state", 1, 409)                                                   \
    X(ERR_TOO_LARGE, "too large", 1, 413)                                                          \
    X(ERR_NO_ROOM, "no room left", 1, 507)                                                         \
    X(ERR_IO, "input/output error", 1, 500)                                                        \
    X(ERR_MEMORY, "out of memory", 1, 503)                                                         \
    X(ERR_CRYPTO, "cryptographic failure", 1, 500)                                                 \
    X(ERR_REJECTED, "verification failed", 3, 403)                                                 \
    X(ERR_UNREACHABLE, "unreachable", 4, 502)                                                      \
    X(ERR_APP, "the app failed", 5, 500)                                                           \
    X(ERR_TIMEOUT, "timed out", 1, 504)                                                            \
    X(ERR_BUSY, "busy", 1, 503)                                                                    \
    X(ERR_UNSUPPORTED, "not supported", 1, 501)                                                    \
    X(ERR_INTERRUPTED, "interrupted", 130, 503)                                                    \
    X(ERR_INTERNAL, "internal error", 1, 500)

enum err_kind {
#define X(kind, text, exit_status, http_status) kind,
    ERR_KINDS(X)
#undef X
};

enum { ERR_MESSAGE_SIZE = 768, ERR_HINT_SIZE = 256 };

struct err {
    enum err_kind kind;
    int errnum; /* errno of the failing call, 0 where there is none */
    char message[ERR_MESSAGE_SIZE];
    char hint[ERR_HINT_SIZE]; /* what the user can do, "" where there is nothing */
};

#define ERR_INIT ((struct err){0})

/* err may be NULL in all of these: the failure is then reported by the return value alone. */
void err_set(struct err *err, enum err_kind kind, int errnum, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Prepends "context: " to the message; kind, errnum and hint stay. */
void err_context(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Sets the line that says what the user can do. */
void err_hint(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_clear(struct err *err);

const char *err_kind_text(enum err_kind kind);
/* The constant's own name without "ERR_" in lower case ("not_found"): stable, for JSON. */
const char *err_kind_name(enum err_kind kind);
int err_exit_status(enum err_kind kind);
int err_http_status(enum err_kind kind);

#define FAIL(err, kind, ...) (err_set((err), (kind), 0, __VA_ARGS__), -1)
/* Uses the current errno and appends its text: "cannot open 'x': No such file or directory". */
#define FAIL_ERRNO(err, kind, ...) (err_set((err), (kind), errno, __VA_ARGS__), -1)
#define FAIL_CONTEXT(err, ...) (err_context((err), __VA_ARGS__), -1)
