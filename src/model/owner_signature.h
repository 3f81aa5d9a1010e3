// SPDX-License-Identifier: Apache-2.0
/*
 * What every message of an owner to an enclave has: for whom it is, over which TLS session, and at
 * its end the owner's signature over everything before it.
 *
 *     fingerprint (32) | channel binding (32) | ... | Ed25519 signature (64)
 *
 * This is the layout only; provision/ signs, checks and compares.
 */
#pragma once

#include "base/buf.h"
#include "base/reader.h"

struct owner_signature {
    uint8_t fingerprint[32];
    uint8_t channel_binding[32];
    uint8_t signature[64];     /* decode only */
    struct slice signed_bytes; /* decode only: what it covers, without the domain */
};

/* Fingerprint and channel binding. */
int owner_signature_encode_target(const struct owner_signature *signature, struct buf *out,
                                  struct err *err) MUST_USE;
int owner_signature_decode_target(struct reader *in, struct owner_signature *ret,
                                  struct err *err) MUST_USE;
/* The signature, behind which nothing may follow; `bytes` are those that `in` reads from their
 * start. */
int owner_signature_decode_end(struct reader *in, struct slice bytes, struct owner_signature *ret,
                               struct err *err) MUST_USE;
