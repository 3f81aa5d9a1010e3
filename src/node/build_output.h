// SPDX-License-Identifier: Apache-2.0
/*
 * How much of the disk a build has taken, while it does its best to hide it.
 */
#pragma once

#include "base/err.h"
#include "launch/cgroup.h"

#include <stdint.h>

struct build_output {
    const char *folder;
    const struct cgroup *cgroup; /* of whom writes there */
    uint64_t limit_bytes;
    uint64_t reserve_bytes; /* that must stay free on the disk */
};

/* APP: it has taken more than it may, has hidden how much, or the disk is down to its reserve. */
int build_output_check(const struct build_output *output, struct err *err) MUST_USE;
