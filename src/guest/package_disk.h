// SPDX-License-Identifier: Apache-2.0
/*
 * The package disk and the environment's: bytes of the host into files of a folder in memory.
 */
#pragma once

#include "base/buf.h"

/* Lays the sections of a package (model/package_format.h) into `folder` as mse-enclave expects
 * them; behind the package only zeros may follow. Appends the manifest to `manifest`.
 * `max_archive`: largest encrypted archive. Errors: those of the package reader; INVALID, IO. */
int package_disk_unpack(int disk, const char *folder, uint64_t max_archive, struct buf *manifest,
                        struct err *err) MUST_USE;
/* A length (u32 big-endian), so many bytes, zeros. Errors: INVALID, TOO_LARGE, IO. */
int environment_disk_read(int disk, struct buf *out, struct err *err) MUST_USE;
