// SPDX-License-Identifier: Apache-2.0
/*
 * A layer: the files of wheels as one read-only file system, the same bytes from the same wheels
 * wherever and in whatever order it is made.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { LAYER_WHEELS_MAX = 500 };

struct layer_made {
    uint64_t blocks; /* of EROFS_BLOCK_SIZE */
    uint64_t files;
    uint64_t bytes; /* of the files */
};

/* Reads the wheels and writes the file system to `fd`, from where that is. Errors: those of
 * wheel_open and wheel_read; CONFLICT: two wheels bring one file with different bytes. */
int layer_write(const char *const *wheels, size_t count, int fd, struct layer_made *ret,
                struct err *err) MUST_USE;
