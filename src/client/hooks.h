// SPDX-License-Identifier: Apache-2.0
/*
 * What the owner's side tells the program around it while it works, and what it asks it. The
 * command line answers with its terminal; another program may answer with nothing at all.
 */
#pragma once

#include "base/err.h"

#include <signal.h>
#include <stdint.h>

/* Each member may be NULL: then nobody listens. The struct outlives what it was handed to. */
struct client_hooks {
    const volatile sig_atomic_t *interrupted; /* not 0: what runs ends with ERR_INTERRUPTED */
    void (*progress)(uint64_t done_bytes, uint64_t all_bytes); /* of an upload */
    void (*info)(const char *text); /* why it takes longer; a line, without its end */
    void (*warn)(const char *text); /* what was passed over; likewise */
};

/* `hooks` may be NULL everywhere. */
const volatile sig_atomic_t *client_interrupted(const struct client_hooks *hooks);
void client_progress(const struct client_hooks *hooks, uint64_t done_bytes, uint64_t all_bytes);
void client_info(const struct client_hooks *hooks, const char *fmt, ...) PRINTF_LIKE(2, 3);
void client_warn(const struct client_hooks *hooks, const char *fmt, ...) PRINTF_LIKE(2, 3);
