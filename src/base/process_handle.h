// SPDX-License-Identifier: Apache-2.0
/*
 * Descriptors that stand for one process each. A number can be given to another process as soon as
 * its own has been reaped; who is not its parent must not signal by number.
 *
 * To be sure of a process that somebody else named: open it, check what is known of the number
 * (start time, parent, cgroup), then act on the descriptor. If the check was about another process
 * that has the number now, the one behind the descriptor is dead and the act reaches nobody.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Close-on-exec; readable for poll() once the process has ended. NOT_FOUND: there is none. */
int process_handle_open(pid_t pid, int *ret, struct err *err) MUST_USE;
/* False where it has ended, or may not be signalled. */
bool process_handle_signal(int fd, int number);
/* Waits for the end, 0: only looks. False: it still lives. Its parent may not have reaped it. */
bool process_handle_ended(int fd, int timeout_ms);
