// SPDX-License-Identifier: Apache-2.0
/*
 * What an owner sends to a verified enclave whose storage is locked: the volume key.
 * docs/storage.md has the byte table.
 *
 *     magic "mse-unlk" | version u16be
 *     fingerprint (32) | channel binding (32) | volume key (32)
 *     Ed25519 signature (64) over UNLOCK_MESSAGE_DOMAIN and everything before it
 *
 * This is the layout only; provision/ signs, checks and compares.
 */
#pragma once

#include "model/owner_signature.h"

#define UNLOCK_MESSAGE_DOMAIN "mse unlock message, version 1"

enum {
    UNLOCK_MESSAGE_VERSION = 1,
    UNLOCK_KEY_SIZE = 32,
    UNLOCK_MESSAGE_SIZE = 8 + 2 + 32 + 32 + UNLOCK_KEY_SIZE + 64,
};

struct unlock_message {
    struct owner_signature owner;
    struct slice key; /* of the bytes that were decoded; UNLOCK_KEY_SIZE */
};

/* Everything up to the signature; sign it, then append the 64 bytes. */
int unlock_message_encode(const struct unlock_message *message, struct buf *out,
                          struct err *err) MUST_USE;
/* Errors: INVALID (truncated, trailing bytes, no such message), UNSUPPORTED (another version). */
int unlock_message_decode(struct slice bytes, struct unlock_message *ret, struct err *err) MUST_USE;
