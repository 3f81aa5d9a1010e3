// SPDX-License-Identifier: Apache-2.0
/*
 * One line per event on standard error: "2026-11-22T10:00:00.123Z warning node: text". Control
 * characters from outside are replaced, so nobody can forge a line or drive a terminal. Libraries
 * never log above debug; programs log. Never a secret.
 */
#pragma once

#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* `program` is a literal that stands in every line; `level` is the lowest that is written. */
void log_init(const char *program, enum log_level level);
/* For who writes to a log that has a time in each line anyway. */
void log_omit_time(void);
enum log_level log_level(void);
void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The error's message and, where there is one, its hint. */
void log_err(enum log_level level, const struct err *err);

/* For what others can bring about as often as they like: LOG_SPARE_LINES a minute are written, and
 * then how many were not. A file of log lines is somebody's disk. Zeroed, it is ready. */
enum { LOG_SPARE_LINES = 30 };
struct log_spare {
    _Atomic int64_t minute;
    atomic_uint count; /* in this minute */
};
void log_sparingly(struct log_spare *spare, enum log_level level, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
