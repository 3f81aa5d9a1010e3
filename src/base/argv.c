// SPDX-License-Identifier: Apache-2.0
/*
 * Growing argument vectors. Owns every text in them.
 */
#include "base/argv.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

void argv_done(struct argv *argv)
{
    for (size_t i = 0; i < argv->count; i++)
        free(argv->items[i]);
    free((void *)argv->items);
    *argv = ARGV_INIT;
}

/* Takes over `text`; NULL stands for a failed allocation. */
static void take(struct argv *argv, char *text)
{
    char **items =
        text == NULL || argv->count == ARGV_ITEMS_MAX
            ? NULL
            : mem_resize_array((void *)argv->items, argv->count + 2, sizeof(*items), NULL);
    if (items == NULL) {
        argv->failed = true;
        free(text);
        return;
    }
    argv->items = items;
    items[argv->count++] = text;
    items[argv->count] = NULL;
}

void argv_add(struct argv *argv, const char *text)
{
    take(argv, str_copy(text, NULL));
}

void argv_add_all(struct argv *argv, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        argv_add(argv, texts[i]);
}

void argv_addf(struct argv *argv, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        text = NULL;
    va_end(args);
    take(argv, text);
}

int argv_end(struct argv *argv, struct err *err)
{
    if (argv->failed || argv->count == 0)
        return FAIL(err, ERR_MEMORY, "cannot put together the arguments of a program");
    return 0;
}
