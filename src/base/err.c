// SPDX-License-Identifier: Apache-2.0
/*
 * Error values: formatting and the table of kinds. Owns nothing; runs in every process.
 */
#include "base/err.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name; /* with the "ERR_" prefix */
    const char *text;
    int exit_status;
    int http_status;
} kinds[] = {
#define X(kind, text, exit_status, http_status) [kind] = {#kind, text, exit_status, http_status},
    ERR_KINDS(X)
#undef X
};

enum { KIND_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

static size_t kind_index(enum err_kind kind)
{
    return (size_t)kind < KIND_COUNT ? (size_t)kind : (size_t)ERR_INTERNAL;
}

/* Messages may quote what came from outside: keep terminals and log lines whole. One that fills its
 * place was cut off, and ends at a whole character: a strict reader takes half a one for none. */
static void finish(char *text, size_t size)
{
    size_t len = strlen(text);
    if (len == size - 1)
        text[len - utf8_cut_tail(slice_of(text, len))] = '\0';
    text_make_printable(text, "");
}

void err_set(struct err *err, enum err_kind kind, int errnum, const char *fmt, ...)
{
    if (err == NULL)
        return;
    va_list args;
    va_start(args, fmt);
    char message[ERR_MESSAGE_SIZE]; /* apart: an argument may point into err itself */
    int used = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    size_t len = used < 0 ? 0 : strlen(message);
    if (errnum != 0 && len < sizeof(message))
        (void)snprintf(message + len, sizeof(message) - len, ": %s", strerror(errnum));
    finish(message, sizeof(message));
    err->kind = kind;
    err->errnum = errnum;
    err->hint[0] = '\0';
    memcpy(err->message, message, sizeof(message));
}

void err_context(struct err *err, const char *fmt, ...)
{
    if (err == NULL)
        return;
    char message[ERR_MESSAGE_SIZE];
    va_list args;
    va_start(args, fmt);
    int used = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    size_t len = used < 0 ? 0 : strlen(message);
    /* What does not fit is cut off. */
    (void)snprintf(message + len, sizeof(message) - len, ": %.*s", (int)(sizeof(message) - 3),
                   err->message);
    finish(message, sizeof(message));
    memcpy(err->message, message, sizeof(message));
}

void err_hint(struct err *err, const char *fmt, ...)
{
    if (err == NULL)
        return;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(err->hint, sizeof(err->hint), fmt, args);
    va_end(args);
    finish(err->hint, sizeof(err->hint));
}

void err_clear(struct err *err)
{
    if (err != NULL)
        *err = ERR_INIT;
}

const char *err_kind_text(enum err_kind kind)
{
    return kinds[kind_index(kind)].text;
}

const char *err_kind_name(enum err_kind kind)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",
        [ERR_USAGE] = "usage",
        [ERR_INVALID] = "invalid",
        [ERR_UNAUTHORIZED] = "unauthorized",
        [ERR_FORBIDDEN] = "forbidden",
        [ERR_NOT_FOUND] = "not_found",
        [ERR_EXISTS] = "exists",
        [ERR_CONFLICT] = "conflict",
        [ERR_TOO_LARGE] = "too_large",
        [ERR_NO_ROOM] = "no_room",
        [ERR_IO] = "io",
        [ERR_MEMORY] = "memory",
        [ERR_CRYPTO] = "crypto",
        [ERR_REJECTED] = "rejected",
        [ERR_UNREACHABLE] = "unreachable",
        [ERR_APP] = "app",
        [ERR_TIMEOUT] = "timeout",
        [ERR_BUSY] = "busy",
        [ERR_UNSUPPORTED] = "unsupported",
        [ERR_INTERRUPTED] = "interrupted",
        [ERR_INTERNAL] = "internal",
    };
    return names[kind_index(kind)];
}

int err_exit_status(enum err_kind kind)
{
    return kinds[kind_index(kind)].exit_status;
}

int err_http_status(enum err_kind kind)
{
    return kinds[kind_index(kind)].http_status;
}
