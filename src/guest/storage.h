// SPDX-License-Identifier: Apache-2.0
/*
 * Sealed storage on a disk of the host: ext4 on dm-crypt (aegis128, a tag and a random nonce for
 * each block) on dm-integrity (where tags and nonces lie, with a journal). Nothing that describes
 * them is read from the disk: no LUKS header, and dm-integrity's superblock lies in memory.
 *
 * The host cannot read or change a block unnoticed. It can put an old state back, of a block or of
 * all of them: nothing inside a VM remembers.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

/* Opens the disk with a key of BROKER_KEY_SIZE bytes and mounts it on GUEST_PLAIN; a disk that
 * begins with zeros becomes a new storage. Errors: NOT_FOUND (no disk), INVALID (something else is
 * on it), FORBIDDEN (another key, or changed), IO. */
int storage_open(struct slice key, struct err *err) MUST_USE;
