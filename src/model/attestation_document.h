// SPDX-License-Identifier: Apache-2.0
/*
 * The answer to GET /.well-known/mse/attestation?nonce=HEX[&opening=N]: fresh evidence over
 * SHA-512(nonce || TLS public key || fingerprint || word of the storage), and what is needed to
 * judge it.
 *
 *     {"format": 2, "tee", "evidence": base64, "public_key": base64 (DER SubjectPublicKeyInfo),
 *      "manifest": the exact bytes as a string, "collateral": string | null,
 *      "storage": {"opening", "head": hex, "asked", "then": hex | null} | null}
 *
 * The word (model/storage_history.h) is empty where "storage" is null, as it is while the storage
 * is locked. Format 1, of older enclaves, has no "storage".
 *
 * All of it is claimed by whoever answers; attest/ finds out what is true.
 */
#pragma once

#include "model/manifest.h"
#include "model/storage_history.h"

enum {
    ATTESTATION_FORMAT = 2,
    ATTESTATION_NONCE_SIZE = 32,
    ATTESTATION_DOCUMENT_MAX = 1 << 20,
    ATTESTATION_EVIDENCE_MAX = 64 << 10,
    ATTESTATION_KEY_MAX = 1024,
    ATTESTATION_COLLATERAL_MAX = 256 << 10, /* what a node staples: Intel's is 20 KiB */
};

struct attestation_document {
    char tee[16];
    struct buf evidence;
    struct buf public_key;
    char *manifest;   /* owned */
    char *collateral; /* owned JSON text (docs/attestation.md), NULL: none */
    bool has_storage;
    struct storage_word storage;
};

void attestation_document_done(struct attestation_document *document);
#define AUTO_ATTESTATION_DOCUMENT __attribute__((cleanup(attestation_document_done)))

int attestation_document_encode(const struct attestation_document *document, struct buf *out,
                                struct err *err) MUST_USE;
int attestation_document_decode(struct slice text, struct attestation_document *ret,
                                struct err *err) MUST_USE;
