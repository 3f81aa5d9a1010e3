// SPDX-License-Identifier: Apache-2.0
/*
 * The log: each event is formatted whole and written with one write(2) to standard error, so that
 * lines of several threads and processes never mix. Owns the program's name and the lowest level,
 * both set once at the start; runs in every process.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048 };

static const char *program_name = "mse";
static enum log_level lowest = LOG_INFO;
static bool has_time = true;

void log_init(const char *program, enum log_level level)
{
    program_name = program;
    lowest = level;
}

void log_omit_time(void)
{
    has_time = false;
}

enum log_level log_level(void)
{
    return lowest;
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return (size_t)level < sizeof(names) / sizeof(names[0]) ? names[level] : "error";
}

static size_t write_prefix(char *line, enum log_level level)
{
    char now[RFC3339_NOW_SIZE] = "";
    if (has_time)
        rfc3339_now(now);
    int used = snprintf(line, LINE_SIZE, "%s%s%s %s: ", now, has_time ? " " : "", level_name(level),
                        program_name);
    return used < 0 ? 0 : strnlen(line, LINE_SIZE - 1);
}

static void PRINTF_LIKE(2, 0) write_line(enum log_level level, const char *fmt, va_list args)
{
    if (level < lowest)
        return;
    char line[LINE_SIZE];
    size_t len = write_prefix(line, level);
    int used = vsnprintf(line + len, sizeof(line) - len, fmt, args);
    line[used < 0 ? len : sizeof(line) - 1] = '\0';
    text_make_printable(line, "");
    size_t end = strlen(line);
    line[end] = '\n'; /* over the zero byte, which nobody needs any more */
    ssize_t ignored = write(STDERR_FILENO, line, end + 1);
    (void)ignored;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    write_line(level, fmt, args);
    va_end(args);
}

/* Of two threads at the turn of a minute one begins it. */
static void begin_minute(struct log_spare *spare, enum log_level level)
{
    int64_t now = clock_monotonic_ms() / 60000 + 1; /* never 0 */
    int64_t before = atomic_load(&spare->minute);
    if (before == now || !atomic_compare_exchange_strong(&spare->minute, &before, now))
        return;
    unsigned count = atomic_exchange(&spare->count, 0);
    if (count > LOG_SPARE_LINES)
        log_write(level, "%u more lines of the following kind were left out",
                  count - LOG_SPARE_LINES);
}

void log_sparingly(struct log_spare *spare, enum log_level level, const char *fmt, ...)
{
    va_list args;
    begin_minute(spare, level);
    if (atomic_fetch_add(&spare->count, 1) >= LOG_SPARE_LINES)
        return;
    va_start(args, fmt);
    write_line(level, fmt, args);
    va_end(args);
}

void log_err(enum log_level level, const struct err *err)
{
    if (err->hint[0] == '\0')
        log_write(level, "%s", err->message);
    else
        log_write(level, "%s (%s)", err->message, err->hint);
}
