// SPDX-License-Identifier: Apache-2.0
/*
 * The forms that a line of the access log can have. Internal to http/.
 */
#pragma once

#include "http/access_log.h"

struct access_format;

/* "common", "combined" or "json". Errors: INVALID. */
int access_format_by_name(const char *name, const struct access_format **ret,
                          struct err *err) MUST_USE;
/* One line with its end; returns its length. */
size_t access_format_line(const struct access_format *format, const struct access_record *record,
                          char to[static ACCESS_LINE_MAX]);
