// SPDX-License-Identifier: Apache-2.0
/*
 * The status as a line of JSON, and the enclave's own lines. Internal to launch/.
 */
#pragma once

#include "launch/launcher.h"

/* Appends one line with its end. */
int status_encode(const struct launch_status *status, struct buf *out, struct err *err) MUST_USE;

/* What an enclave says on its status pipe. It may be hostile by then: anything else than the known
 * events is ERR_INVALID, every text is bounded and printable. */
struct enclave_event {
    enum launch_state state; /* LAUNCH_SPAWNING: the line says nothing about the state */
    bool has_stats;
    struct app_stats stats;
    char reason[LAUNCH_REASON_SIZE];
    char call[32];
};
int enclave_event_decode(struct slice line, struct enclave_event *ret, struct err *err) MUST_USE;
