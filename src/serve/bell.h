// SPDX-License-Identifier: Apache-2.0
/*
 * A bell that rings every two milliseconds while it is touched, and for a while after that: for
 * what has to be looked at while there is work, and costs an idle process nothing.
 */
#pragma once

#include "base/err.h"

struct bell;

/* Starts the bell's thread, which calls ring(context). Errors: MEMORY, IO. */
struct bell *bell_new(void (*ring)(void *context), void *context, struct err *err) MUST_USE;
/* [any thread] ring is called again and again from now on, for some milliseconds. */
void bell_touch(struct bell *bell);
/* Stops the thread. Accepts NULL. */
void bell_free(struct bell *bell);
