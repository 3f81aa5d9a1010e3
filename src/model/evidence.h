// SPDX-License-Identifier: Apache-2.0
/*
 * Evidence of the simulated TEE: what a node's software root signs in place of hardware. It proves
 * nothing against the operator, who holds that root.
 *
 * Layout, integers big-endian, EVIDENCE_SIZE bytes exactly:
 *
 *     offset  size  field
 *          0     8  magic "MSESIMEV"
 *          8     4  version, 1
 *         12     4  flags: bit 0 debug; all others must be zero
 *         16    32  fingerprint of the app
 *         48    64  report data, chosen by the enclave
 *        112    32  public key of the node's simulation root (Ed25519)
 *        144    64  Ed25519 signature by that root
 *
 * The signature covers EVIDENCE_SIGNING_PREFIX followed by bytes 0 to 143, so that a signature made
 * for anything else under the same root is never one over evidence. model/ neither signs nor
 * verifies: tee/ signs, attest/ verifies.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    EVIDENCE_VERSION = 1,
    EVIDENCE_FINGERPRINT_SIZE = 32,
    EVIDENCE_REPORT_DATA_SIZE = 64,
    EVIDENCE_PUBLIC_KEY_SIZE = 32,
    EVIDENCE_SIGNATURE_SIZE = 64,
    EVIDENCE_TBS_SIZE = 144, /* what comes before the signature */
    EVIDENCE_SIZE = 208,
    EVIDENCE_FLAG_DEBUG = 1 << 0,
};

#define EVIDENCE_MAGIC "MSESIMEV"
#define EVIDENCE_SIGNING_PREFIX "mse simulation evidence, version 1\n"

struct evidence {
    uint32_t flags; /* EVIDENCE_FLAG_* */
    uint8_t fingerprint[EVIDENCE_FINGERPRINT_SIZE];
    uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE];
    uint8_t root_public_key[EVIDENCE_PUBLIC_KEY_SIZE];
    uint8_t signature[EVIDENCE_SIGNATURE_SIZE];
};

/* Do these bytes begin as simulation evidence does? Decides which verifier is asked, nothing more.
 */
bool evidence_recognise(struct slice bytes);
/* Appends the message that is signed: prefix, then everything before the signature (layout above).
 * The field `signature` is not looked at. Errors: TOO_LARGE, MEMORY. */
int evidence_encode_tbs(const struct evidence *evidence, struct buf *out, struct err *err) MUST_USE;
/* Appends the whole evidence, EVIDENCE_SIZE bytes. Errors: INVALID (unknown flag), TOO_LARGE,
 * MEMORY. */
int evidence_encode(const struct evidence *evidence, struct buf *out, struct err *err) MUST_USE;
/* Takes exactly EVIDENCE_SIZE bytes apart. Nothing is verified. Errors: INVALID with the field. */
int evidence_decode(struct slice bytes, struct evidence *ret, struct err *err) MUST_USE;
