// SPDX-License-Identifier: Apache-2.0
/*
 * The guard: a process of ours that answers the kernel's question about each call for a new process
 * with "no". Internal to confine/.
 */
#pragma once

#include "base/err.h"

#include <signal.h>
#include <stdbool.h>

/* What the calling thread gets with each refused call: si_value.sival_int is the call's key
 * (filter.h), si_code SI_QUEUE. glibc and Python use none so high. */
#define GUARD_SIGNAL SIGRTMAX

/* Forks the guard. Before any secret is in memory, and with one thread. */
int guard_start(struct err *err) MUST_USE;
bool guard_started(void);
/* Gives the listener of the filter to the guard, for good; takes it over. Negative: there is none,
 * and the guard ends. */
int guard_give(int listener, struct err *err) MUST_USE;

/* confine.c: all capability sets emptied, no_new_privs. */
int confine_drop_privileges(struct err *err) MUST_USE;
