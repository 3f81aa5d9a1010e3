// SPDX-License-Identifier: Apache-2.0
/*
 * Device mapper by its ioctls.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DM_PATH_SIZE = 32 };

/* One after another from the device's first sector on. */
struct dm_target {
    uint64_t sectors; /* of 512 bytes */
    const char *type; /* "verity" */
    const char *parameters;
};

enum { DM_TARGETS_MAX = 2 };

struct dm_device {
    const char *name; /* "root" */
    const struct dm_target *targets;
    size_t target_count;
    bool read_only;
};

/* Makes the device; `path` becomes its node, which devtmpfs makes. Errors: IO. */
int dm_create(const struct dm_device *device, char path[static DM_PATH_SIZE],
              struct err *err) MUST_USE;
/* 0 also where there is none. */
int dm_remove(const char *name, struct err *err) MUST_USE;
