// SPDX-License-Identifier: Apache-2.0
/*
 * `msed staple`: one enclave's collateral, from its evidence to its attestation documents. A
 * process of its own with a time limit, started by the stapler. On descriptor STAPLE_FD it has a
 * connection to the app; $MSE_CACHE_HOME is the node's cache.
 */
#pragma once

#include "base/err.h"

enum { STAPLE_FD = 3 };

/* The arguments behind "staple": what to do, and the services as the configuration has them; "-"
 * stands for none. */
enum staple_argument {
    STAPLE_HOW, /* STAPLE_KEPT or STAPLE_REFRESH */
    STAPLE_PCCS,
    STAPLE_KDS,
    STAPLE_VLEK,
    STAPLE_ARGUMENTS
};
#define STAPLE_KEPT "kept"       /* what is in the cache and has not ended */
#define STAPLE_REFRESH "refresh" /* what the vendor has now; the cache where it does not answer */

/* Exit status as everywhere; the error is one line on standard error. */
int staple_main(const char *const *arguments, int count);
