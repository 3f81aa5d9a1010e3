// SPDX-License-Identifier: Apache-2.0
/*
 * The arguments of a program, put together piece by piece. What fails on the way is kept and told
 * by argv_end, so that the pieces read as a list:
 *
 *     AUTO_ARGV struct argv argv = ARGV_INIT;
 *     argv_add(&argv, "-m");
 *     argv_addf(&argv, "%dM", memory);
 *     if (argv_end(&argv, err) < 0)
 *         return -1;
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>

enum { ARGV_ITEMS_MAX = 512 };

struct argv {
    char **items; /* NULL behind the last one, once ended */
    size_t count;
    bool failed; /* out of memory, or too many */
};

#define ARGV_INIT ((struct argv){0})
#define AUTO_ARGV __attribute__((cleanup(argv_done)))

void argv_done(struct argv *argv);
/* A copy of the text. */
void argv_add(struct argv *argv, const char *text);
void argv_add_all(struct argv *argv, const char *const *texts, size_t count);
void argv_addf(struct argv *argv, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Errors: MEMORY. */
int argv_end(struct argv *argv, struct err *err) MUST_USE;
