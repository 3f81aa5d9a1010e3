// SPDX-License-Identifier: Apache-2.0
/*
 * The newest opening of an app's storage that was seen from here (model/storage_history.h), one
 * file a storage in the config folder (seen/, mode 0600):
 *
 *     {"format": 1, "opening", "head": hex}
 *
 * With keep = "owner" all versions of an app have one storage, otherwise each version has its own.
 */
#pragma once

#include "crypto/crypto.h"
#include "model/manifest.h"
#include "model/storage_history.h"

/* *ret.opening is 0 where nothing was seen yet. Errors: INVALID (a file that was changed), IO. */
int storage_memory_get(const struct manifest *manifest,
                       const uint8_t fingerprint[static SHA256_SIZE], struct storage_mark *ret,
                       struct err *err) MUST_USE;
/* Takes the place of what was seen before. */
int storage_memory_set(const struct manifest *manifest,
                       const uint8_t fingerprint[static SHA256_SIZE],
                       const struct storage_mark *mark, struct err *err) MUST_USE;
