// SPDX-License-Identifier: Apache-2.0
/*
 * The only two things of the machine that a TEE driver touches: paths below a root and ioctl. Tests
 * put a folder and a function in their place, so that all of a driver but the hardware runs there.
 * Internal to tee/.
 */
#pragma once

#include "base/err.h"

struct tee_platform {
    const char *root; /* prepended to every path, "" on a real machine */
    int (*ioctl)(int fd, unsigned long request, void *argument);
};

extern struct tee_platform tee_platform;

/* The path of a device below the platform's root. The caller frees; NULL out of memory. */
char *tee_path(const char *path, struct err *err) MUST_USE;
/* Does the path exist below the platform's root? */
int tee_path_exists(const char *path);
