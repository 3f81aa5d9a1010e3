// SPDX-License-Identifier: Apache-2.0
/*
 * Which lines of a requirements.txt the node hands to pip. Names with versions, extras, markers and
 * hashes pass; everything that could read the node's files, reach a place other than the index that
 * the operator chose, or change pip's own behaviour is refused by name.
 */
#pragma once

#include "base/buf.h"

enum { REQUIREMENTS_LINES_MAX = 2000, REQUIREMENTS_LINE_MAX = 4096 };

/* Checks every line and appends the requirements to `out`, one a line, without comments and
 * continuations: that text goes to pip, so that pip and this check never read a file differently.
 * *ret_count: how many; 0 means that no layer is needed. INVALID names the line. */
int requirements_check(struct slice text, struct buf *out, size_t *ret_count,
                       struct err *err) MUST_USE;
