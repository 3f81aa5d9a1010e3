// SPDX-License-Identifier: Apache-2.0
/*
 * A signed record of one verification, for a third party that was not there. One canonical JSON
 * object (RFC 8785):
 *
 *     {"public_key": hex, "signature": hex, "receipt": {
 *        "format": 1, "made_at": unix seconds, "at": the time judged at,
 *        "evidence": SHA-256 hex, "policy": SHA-256 hex | null (the strict one),
 *        "collateral": {"bundle": SHA-256 hex, and one of each of its members' text} | null,
 *        "verdict": the verdict as `mse verify --json` prints it}}
 *
 * The signature is Ed25519 over RECEIPT_SIGNING_PREFIX and the canonical bytes of "receipt". It
 * says that the holder of that key saw this verdict; it proves nothing to who does not trust it.
 */
#pragma once

#include "crypto/crypto.h"

#include "mse/verdict.h"

#define RECEIPT_SIGNING_PREFIX "mse verification receipt, version 1\n"

enum { RECEIPT_FORMAT = 1, RECEIPT_MAX = 1 << 20, RECEIPT_WORD_SIZE = 64 };

struct receipt_input {
    struct slice evidence;
    struct slice collateral; /* empty: none */
    struct slice policy;     /* its text; empty: the strict one */
    int64_t at;              /* the time judged at */
    int64_t made_at;         /* now */
    const struct mse_verdict *verdict;
};

/* Appends the signed receipt. Errors: CRYPTO, MEMORY, TOO_LARGE. */
int receipt_make(const struct receipt_input *input, const uint8_t public_key[static 32],
                 const struct secret *secret, struct buf *out, struct err *err) MUST_USE;

struct receipt {
    uint8_t public_key[ED25519_PUBLIC_SIZE]; /* the verifier's */
    int64_t made_at;
    int64_t at;
    uint8_t evidence[SHA256_SIZE];
    bool has_collateral;
    uint8_t collateral[SHA256_SIZE]; /* of the bundle */
    bool has_policy;
    uint8_t policy[SHA256_SIZE];
    bool accepted;
    char tee[RECEIPT_WORD_SIZE];    /* "" where the verdict has none */
    char status[RECEIPT_WORD_SIZE]; /* likewise */
};

/* Reads a receipt and checks its signature. A receipt has one spelling: any other is refused.
 * Errors: INVALID (not a receipt), REJECTED (the signature is wrong). */
int receipt_check(struct slice text, struct receipt *ret, struct err *err) MUST_USE;
