// SPDX-License-Identifier: Apache-2.0
/*
 * One run of pip in a sandbox.
 */
#pragma once

#include "base/err.h"

struct pip_run {
    const char *output;       /* folder that it fills; its owner is made the sandbox's user */
    const char *requirements; /* file */
    int timeout_ms;
};

/* APP: pip failed, with the end of what it said; TIMEOUT; NOT_FOUND: a tool is missing. Afterwards
 * everything in the folder belongs to this process and nothing is set-uid. */
int pip_install(const struct pip_run *run, struct err *err) MUST_USE;
