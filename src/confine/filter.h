// SPDX-License-Identifier: Apache-2.0
/*
 * The seccomp filter. Internal to confine/.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Loads the filter into the calling thread (what it starts inherits it). *ret_listener receives the
 * descriptor on which calls for new processes are announced; -1 where another listener above us
 * takes that place: the call then fails with EPERM (`refuse`), or the kernel kills the process with
 * SIGSYS, and nobody learns the call's name. */
int filter_load(bool refuse, int *ret_listener, struct err *err) MUST_USE;
/* The guard's own: what it needs to answer, and the end for anything else. */
int filter_load_guard(struct err *err) MUST_USE;
/* A small number for an announced call, by its number and first argument, and the name behind it, a
 * literal: "fork" also for a clone() that is one. */
int filter_call_key(int number, uint64_t first_argument);
const char *filter_call_name(int key);
