// SPDX-License-Identifier: Apache-2.0
/*
 * One run of pip in a sandbox.
 */
#pragma once

#include "node/build.h"

struct pip_run {
    const char *output;       /* folder that it fills; its owner is made the sandbox's user */
    const char *requirements; /* file */
    bool host_network;        /* the operator's index is on this machine */
    struct build_limits limits;
    int timeout_ms;
};

/* APP: pip failed, with the end of what it said, or went over a limit; TIMEOUT; NOT_FOUND: a tool
 * is missing. Afterwards everything in the folder belongs to this process and nothing is set-uid.
 */
int pip_install(const struct pip_run *run, struct err *err) MUST_USE;
