// SPDX-License-Identifier: Apache-2.0
/*
 * What the code key and the salt become: shared by pack.c and unpack.c.
 */
#pragma once

#include "package/package.h"

/* Stream key and, behind it, stream header. */
enum { PACKAGE_STREAM_MATERIAL = STREAM_KEY_SIZE + STREAM_HEADER_SIZE };

/* Additional data of every message: the version of the format. */
#define PACKAGE_STREAM_LABEL "mse code archive 1"

/* Errors: INVALID for keys of the wrong size. The caller's secret is initialised here. */
int package_stream_material(const struct package_keys *keys, struct secret *ret,
                            struct err *err) MUST_USE;
