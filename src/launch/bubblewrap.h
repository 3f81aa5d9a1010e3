// SPDX-License-Identifier: Apache-2.0
/*
 * What bubblewrap says of the sandbox that it has made.
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

/* Reads from the other end of --info-fd which process is the sandbox's first. Errors: TIMEOUT, IO
 * (it ended without a sandbox), INVALID. */
int bubblewrap_read_init(int info_fd, pid_t *ret, struct err *err) MUST_USE;
