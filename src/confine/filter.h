// SPDX-License-Identifier: Apache-2.0
/*
 * The seccomp filter. Internal to confine/.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Loads the filter into the calling thread (what it starts inherits it). *ret_listener receives the
 * descriptor on which forbidden calls are announced; -1 where another listener above us takes that
 * place: the kernel then kills the process with SIGSYS and nobody learns the call's name. */
int filter_load(int *ret_listener, struct err *err) MUST_USE;
/* The name of a fatal call by its number and first argument: "fork" also for a clone() that is one.
 * A literal. */
const char *filter_call_name(int number, uint64_t first_argument);
