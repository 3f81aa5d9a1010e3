// SPDX-License-Identifier: Apache-2.0
/*
 * The supervisor's lock, and what a killed supervisor would leave. Internal to launch/.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

#define LEFTOVERS_FILE "leftovers"
#define LOCK_FILE "supervisor.lock"

/* Takes the lock of the working folder and writes this process into it. CONFLICT when it is taken.
 * It goes with the descriptor, so with the process. */
int supervisor_lock(int *ret_fd, struct err *err) MUST_USE;
/* Writes LEFTOVERS_FILE in the working folder: the boot and the folder itself (device and inode),
 * then these processes, each by pid and start time. Pids that are not positive are left out. */
int leftovers_write(const pid_t *pids, size_t count, struct err *err) MUST_USE;
/* Kills the processes that the file in this folder names, if they are still the same ones, and
 * waits for their end. Removes the file. One that was written in another folder is a copy: what it
 * names belongs to the original. */
int leftovers_kill(const char *run_folder, struct err *err) MUST_USE;
