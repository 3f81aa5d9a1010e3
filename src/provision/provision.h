// SPDX-License-Identifier: Apache-2.0
/*
 * Delivering secrets to a verified enclave, and receiving them. The sender has verified the enclave
 * over the very TLS session that `channel_binding` (RFC 9266, tls-exporter) names; the receiver
 * accepts only what the owner's key signed for this session and this fingerprint. Neither the
 * operator nor who saw an earlier message can provision an enclave.
 */
#pragma once

#include "crypto/crypto.h"
#include "model/owner_request.h"

enum { PROVISION_BINDING_SIZE = 32, PROVISION_FINGERPRINT_SIZE = 32 };

/* What an enclave needs to open its app. */
struct provisioned {
    struct secret code_key; /* 32 bytes */
    struct secret salt;     /* 32 bytes: checks the code commitment */
    bool has_secrets;
    struct secret secrets;         /* contents of secrets.json; len 0 with has_secrets: empty */
    struct secret tls_private_key; /* PEM; len 0 with RA-TLS */
};

void provisioned_done(struct provisioned *provisioned);
#define AUTO_PROVISIONED __attribute__((cleanup(provisioned_done)))

/* To whom the secrets go. */
struct provision_target {
    uint8_t fingerprint[PROVISION_FINGERPRINT_SIZE];
    uint8_t channel_binding[PROVISION_BINDING_SIZE];
};

/* Appends the signed message for exactly this target. Errors: INVALID, TOO_LARGE, CRYPTO. */
int provision_build(const struct provisioned *provisioned, const struct provision_target *target,
                    const struct secret *owner_secret, struct buf *out, struct err *err) MUST_USE;

/* Checks, in this order: layout, owner's signature, channel binding, fingerprint; then takes the
 * secrets into locked memory. `target` is the receiver's own view. Errors: INVALID and TOO_LARGE
 * (layout), UNAUTHORIZED (signature), FORBIDDEN (another session, another fingerprint). */
int provision_open(struct slice message, const uint8_t owner_key[static ED25519_PUBLIC_SIZE],
                   const struct provision_target *target, struct provisioned *ret,
                   struct err *err) MUST_USE;

/* The same for a message that provision_open has accepted once and the receiver has kept since,
 * sealed: everything but the channel binding, whose session has ended. That the message came over
 * the session it names is what the receiver's own seal on it vouches for. */
int provision_reopen(struct slice message, const uint8_t owner_key[static ED25519_PUBLIC_SIZE],
                     const uint8_t fingerprint[static PROVISION_FINGERPRINT_SIZE],
                     struct provisioned *ret, struct err *err) MUST_USE;

/* --- the volume key of a locked enclave --- */

/* Appends the signed message for exactly this target. Errors: INVALID, CRYPTO, TOO_LARGE. */
int unlock_build(const struct secret *volume_key, const struct provision_target *target,
                 const struct secret *owner_secret, struct buf *out, struct err *err) MUST_USE;
/* Checks as provision_open does. */
int unlock_open(struct slice message, const uint8_t owner_key[static ED25519_PUBLIC_SIZE],
                const struct provision_target *target, struct secret *ret,
                struct err *err) MUST_USE;

/* --- what the owner asks later, of a provisioned enclave --- */

/* Appends the signed request for exactly this target. Errors: CRYPTO, TOO_LARGE. */
int owner_ask(enum owner_action action, uint64_t argument, const struct provision_target *target,
              const struct secret *owner_secret, struct buf *out, struct err *err) MUST_USE;
/* Does the owner ask for this action, in this session? Errors as with provision_open. */
int owner_asks(struct slice request, enum owner_action action,
               const uint8_t owner_key[static ED25519_PUBLIC_SIZE],
               const struct provision_target *target, uint64_t *ret_argument,
               struct err *err) MUST_USE;
