// SPDX-License-Identifier: Apache-2.0
/*
 * What the owner of an app asks of its enclave later on, over a TLS session that was verified.
 * docs/provisioning.md has the byte table.
 *
 *     magic "mse-ownr" | version u16be | action u16be
 *     fingerprint (32) | channel binding (32) | argument u64be
 *     Ed25519 signature (64) over OWNER_REQUEST_DOMAIN and everything before it
 *
 * This is the layout only; provision/ signs, checks and compares.
 */
#pragma once

#include "model/owner_signature.h"

#define OWNER_REQUEST_DOMAIN "mse owner's request, version 1"

enum {
    OWNER_REQUEST_VERSION = 1,
    OWNER_REQUEST_SIZE = 8 + 2 + 2 + 32 + 32 + 8 + 64,
};

enum owner_action {
    OWNER_READ_ACCESS_LOG = 1, /* argument: the last so many bytes of it, 0: all */
};

struct owner_request {
    uint16_t action;
    uint64_t argument;
    struct owner_signature owner;
};

/* Everything up to the signature; sign it, then append the 64 bytes. */
int owner_request_encode(const struct owner_request *request, struct buf *out,
                         struct err *err) MUST_USE;
/* Errors: INVALID (truncated, trailing bytes, no such message), UNSUPPORTED (another version).
 * Which actions there are is the receiver's business. */
int owner_request_decode(struct slice bytes, struct owner_request *ret, struct err *err) MUST_USE;
