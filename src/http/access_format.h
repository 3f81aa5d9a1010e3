// SPDX-License-Identifier: Apache-2.0
/*
 * The format of an access log, taken apart, and the lines made from it. Internal to net/.
 */
#pragma once

#include "http/access_log.h"

enum { ACCESS_PARTS_MAX = 64 };

struct access_part;

struct access_format {
    bool json;
    char text[2 * ACCESS_FORMAT_MAX]; /* what the parts point into */
    size_t count;
    struct access_part {
        const struct access_directive *directive; /* NULL: a text */
        struct slice text;                        /* the text, or what stood in braces */
    } parts[ACCESS_PARTS_MAX];
};

/* Errors: INVALID. *ret must stay where it is. */
int access_format_parse(const char *format, struct access_format *ret, struct err *err) MUST_USE;
/* One line with its end; returns its length. */
size_t access_format_line(const struct access_format *format, const struct access_record *record,
                          char to[static ACCESS_LINE_MAX]);
