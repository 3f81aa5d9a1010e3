// SPDX-License-Identifier: Apache-2.0
/*
 * The provisioning message: what the owner's machine sends to a verified enclave, once, over the
 * TLS session that was verified. docs/provisioning.md has the byte tables.
 *
 *     magic "mse-prov" | version u16be | zero u16be
 *     fingerprint (32) | channel binding (32) | payload length u32be | payload
 *     Ed25519 signature (64) over PROVISION_SIGNATURE_DOMAIN and everything before it
 *
 *     payload: code key (32) | salt (32) | flags u8 | secrets length u32be | secrets
 *              | TLS private key length u32be | TLS private key (PEM)
 *     flags: bit 0: there is a secrets file (which may be empty); the other bits are zero
 *
 * This is the layout only; provision/ signs, checks and compares. Bytes of a payload are secret.
 */
#pragma once

#include "model/owner_signature.h"

#include <stdbool.h>

#define PROVISION_SIGNATURE_DOMAIN "mse provisioning, version 1"

enum {
    PROVISION_VERSION = 1,
    PROVISION_KEY_SIZE = 32,
    PROVISION_SECRETS_MAX = 1 << 20,
    PROVISION_TLS_KEY_MAX = 64 << 10,
    PROVISION_PAYLOAD_MAX = PROVISION_SECRETS_MAX + PROVISION_TLS_KEY_MAX + 128,
    PROVISION_MESSAGE_MAX = PROVISION_PAYLOAD_MAX + 256,
};

/* Views into what was decoded, or what is to be encoded. */
struct provision_payload {
    struct slice code_key; /* 32 bytes */
    struct slice salt;     /* 32 bytes */
    bool has_secrets;
    struct slice secrets;
    struct slice tls_private_key; /* empty with RA-TLS */
};

struct provision_message {
    struct owner_signature owner;
    struct slice payload;
};

/* Errors of both: INVALID for wrong sizes, TOO_LARGE. */
int provision_payload_encode(const struct provision_payload *payload, struct buf *out,
                             struct err *err) MUST_USE;
int provision_payload_decode(struct slice bytes, struct provision_payload *ret,
                             struct err *err) MUST_USE;

/* Everything up to the signature; sign it, then append the 64 bytes. */
int provision_message_encode(const struct provision_message *message, struct buf *out,
                             struct err *err) MUST_USE;
/* Errors: INVALID (truncated, trailing bytes, not a provisioning message), UNSUPPORTED (another
 * version), TOO_LARGE. The views point into `bytes`. */
int provision_message_decode(struct slice bytes, struct provision_message *ret,
                             struct err *err) MUST_USE;
