// SPDX-License-Identifier: Apache-2.0
/*
 * SHA-256 (FIPS 180-4) for pid 1, which has no library: the fingerprint of a manifest.
 */
#pragma once

#include "base/slice.h"

enum { SHA256_BYTES = 32 };

void sha256_of(struct slice bytes, uint8_t ret[static SHA256_BYTES]);
