// SPDX-License-Identifier: Apache-2.0
/*
 * What unit tests share: a temporary folder that is removed again, and checks that
 * print the error they found.
 */
#pragma once

#include "base/file.h"

#include <stdlib.h>

/* In the order that cmocka wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The last failure; OK and FAILS begin with an empty one, and their calls take its address. */
static struct err err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        err = ERR_INIT;                                                                            \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, err.message);                                                \
    } while (0)

/* Expects a failure of this kind whose message has `part` in it. */
#define FAILS(error_kind, part, call)                                                              \
    do {                                                                                           \
        err = ERR_INIT;                                                                            \
        assert_int_equal(call, -1);                                                                \
        if (err.kind != (error_kind))                                                              \
            fail_msg("%s: %s error: %s", #call, err_kind_name(err.kind), err.message);             \
        if (strstr(err.message, part) == NULL)                                                     \
            fail_msg("%s: no \"%s\" in: %s", #call, part, err.message);                            \
    } while (0)

struct temp_folder {
    char path[64];
};

static inline struct temp_folder temp_folder_new(void)
{
    struct temp_folder folder = {.path = "/tmp/mse-unit-XXXXXX"};
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

static inline void temp_folder_remove(const struct temp_folder *folder)
{
    OK(folder_remove_tree(folder->path, &err));
}

#define AUTO_TEMP __attribute__((cleanup(temp_folder_remove)))
