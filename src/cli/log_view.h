// SPDX-License-Identifier: Apache-2.0
/*
 * What of an app's log is shown: lines "TIME text" come in any pieces, and those that are wanted go
 * out, as they are or as JSON. Runs on the owner's machine; the node and the app chose every byte.
 */
#pragma once

#include "base/buf.h"

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct log_filter {
    bool boot;           /* also what the enclave says of its start and its end */
    bool json;           /* {"time":…,"text":…,"boot":…} a line */
    int64_t since;       /* unix seconds; INT64_MIN: any */
    int64_t until;       /* INT64_MAX: any */
    const regex_t *grep; /* NULL: any */
};
/* Of whatever time. */
#define LOG_FILTER_INIT ((struct log_filter){.since = INT64_MIN, .until = INT64_MAX})

/* `out` takes the lines. */
struct log_view {
    struct log_filter filter;
    FILE *out;
    struct buf line; /* that has not ended yet */
};

void log_view_init(struct log_view *view, const struct log_filter *filter, FILE *out);
void log_view_done(struct log_view *view);
#define AUTO_LOG_VIEW __attribute__((cleanup(log_view_done)))
/* For node_client_stream; `view` is a struct log_view. */
int log_view_write(void *view, struct slice bytes, struct err *err) MUST_USE;
/* What came without an end of line. */
int log_view_finish(struct log_view *view, struct err *err) MUST_USE;

/* "2h" before `now`, or a date. USAGE. */
int log_time_parse(const char *text, const char *option, int64_t now, int64_t *ret,
                   struct err *err) MUST_USE;
