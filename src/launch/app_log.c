// SPDX-License-Identifier: Apache-2.0
/*
 * What an app writes to its standard output and error. The app may be hostile: its bytes can
 * neither forge a line (each gets its time here), nor drive a terminal (control characters are
 * replaced), nor fill the disk (one rotation). Runs in the supervisor.
 */
#include "launch/app_log.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>

int app_log_open(struct app_log *log, uint64_t max_bytes, struct err *err)
{
    *log = (struct app_log){.file = ROTATING_FILE_INIT};
    return rotating_file_open(&log->file, "log", max_bytes, err);
}

static void remember(struct app_log *log, const char *text, size_t len)
{
    if (len > sizeof(log->tail))
        return;
    while (log->tail_len + len > sizeof(log->tail)) {
        const char *end = memchr(log->tail, '\n', log->tail_len);
        size_t gone = end == NULL ? log->tail_len : (size_t)(end - log->tail) + 1;
        memmove(log->tail, log->tail + gone, log->tail_len - gone);
        log->tail_len -= gone;
    }
    memcpy(log->tail + log->tail_len, text, len);
    log->tail_len += len;
}

static void end_line(struct app_log *log)
{
    char out[APP_LOG_LINE_MAX + RFC3339_NOW_SIZE + 2];
    char now[RFC3339_NOW_SIZE];
    struct err ignored = ERR_INIT;
    log->line_len = bytes_make_printable(log->line, log->line_len, "\t");
    remember(log, log->line, log->line_len);
    remember(log, "\n", 1);
    rfc3339_now(now);
    int len = snprintf(out, sizeof(out), "%s %.*s\n", now, (int)log->line_len, log->line);
    log->line_len = 0;
    if (len < 0)
        return;
    (void)!rotating_file_write(&log->file, slice_of(out, (size_t)len), &ignored);
}

void app_log_write(struct app_log *log, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] == '\r')
            continue;
        if (bytes.data[i] == '\n' || log->line_len == sizeof(log->line))
            end_line(log);
        if (bytes.data[i] != '\n')
            log->line[log->line_len++] = (char)bytes.data[i];
    }
}

void app_log_say(struct app_log *log, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (log->line_len > 0)
        end_line(log);
    app_log_write(log, slice_str("mse: "));
    if (len > 0)
        app_log_write(log, slice_str(text));
    app_log_write(log, slice_str("\n"));
}

bool app_log_ends_with(const struct app_log *log, const char *text)
{
    size_t len = strlen(text);
    return len > 0 && log->line_len == 0 && log->tail_len > len &&
           memcmp(log->tail + log->tail_len - 1 - len, text, len) == 0;
}

void app_log_close(struct app_log *log)
{
    if (log->line_len > 0)
        end_line(log);
    rotating_file_close(&log->file);
}
