// SPDX-License-Identifier: Apache-2.0
/*
 * The log of an app: lines with the time in front, made printable, in two files of bounded size.
 * Internal to launch/.
 */
#pragma once

#include "base/buf.h"
#include "base/rotating_file.h"

#include <stdbool.h>
#include <stdint.h>

enum { APP_LOG_LINE_MAX = 4096, APP_LOG_TAIL_LINES = 40, APP_LOG_TAIL_SIZE = 4000 };

struct app_log {
    struct rotating_file file;
    char line[APP_LOG_LINE_MAX];
    size_t line_len;
    char tail[APP_LOG_TAIL_SIZE]; /* the last whole lines, newest at the end */
    size_t tail_len;
};

/* "log" in the working folder, appended to; max_bytes for it and "log.1" together. */
int app_log_open(struct app_log *log, uint64_t max_bytes, struct err *err) MUST_USE;
/* Takes output as it comes, in any pieces. A disk that is full loses lines and nothing else. */
void app_log_write(struct app_log *log, struct slice bytes);
/* A line of the supervisor's own. */
void app_log_say(struct app_log *log, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Is that how its last line ends? */
bool app_log_ends_with(const struct app_log *log, const char *text);
void app_log_close(struct app_log *log);
