// SPDX-License-Identifier: Apache-2.0
/*
 * The only things of the machine that a TEE driver touches: paths below a root, small files, ioctl.
 * Tests put a folder and functions in their place, so that all of a driver but the hardware runs
 * there. Internal to tee/.
 */
#pragma once

#include "base/buf.h"
#include "crypto/crypto.h"

#include <stdbool.h>

struct tee_platform {
    const char *root; /* prepended to every path, "" on a real machine */
    int (*ioctl)(int fd, unsigned long request, void *argument);
    /* Whole files of sysfs and its like: one read or one write decides. */
    int (*read)(const char *path, struct buf *out, struct err *err);
    int (*write)(const char *path, struct slice bytes, struct err *err);
};

extern struct tee_platform tee_platform;

/* The path of a device below the platform's root. The caller frees; NULL out of memory. */
char *tee_path(const char *path, struct err *err) MUST_USE;
/* Does the path exist below the platform's root? */
bool tee_path_exists(const char *path);
/* A file below the platform's root, in one piece. */
int tee_read(const char *path, struct buf *out, struct err *err) MUST_USE;
int tee_write(const char *path, struct slice bytes, struct err *err) MUST_USE;

/* Evidence through Linux's common interface for confidential guests, configfs-tsm
 * (Documentation/ABI/testing/configfs-tsm, Linux 6.7): appends the `outblob` of the given provider
 * ("tdx_guest", "sev_guest"). UNSUPPORTED where the kernel has no such interface. */
int tsm_report(const char *provider, struct slice report_data, struct buf *out,
               struct err *err) MUST_USE;

/* A sealing key from what the hardware gives: HKDF-SHA-256 with the fingerprint and the epoch, so
 * that it is never that of a measurement alone. */
int tee_derive_sealing_key(struct slice hardware_key, const uint8_t *fingerprint, uint32_t epoch,
                           struct secret *ret, struct err *err) MUST_USE;
