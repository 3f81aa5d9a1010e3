// SPDX-License-Identifier: Apache-2.0
/*
 * Evidence inside a TLS certificate (RA-TLS), in the form that the Confidential Computing
 * Consortium's attestation group agreed on ("Interoperable RA-TLS"), over the TCG DICE
 * tagged-evidence extension. docs/ra-tls.md has the layout byte by byte.
 *
 *     extension 2.23.133.5.4.9, not critical; its OCTET STRING holds
 *         tag(evidence format) [ evidence: bytes, claims: bytes ]
 *     claims, themselves CBOR:
 *         { "pubkey-hash": bytes([ hash algorithm, hash of the SubjectPublicKeyInfo ]),
 *           "nonce": bytes (optional), "mse-fingerprint": bytes (ours; 32) }
 *
 * The evidence's report data is SHA-256(claims) followed by 32 zero bytes. model/ does not hash:
 * callers hash the very claims bytes that stand here.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

#define RATLS_OID "2.23.133.5.4.9" /* tcg-dice-TaggedEvidence */
/* Gramine before interoperable RA-TLS, and still beside it: the content is the raw SGX quote, its
 * report data SHA-256 of the public key (DER SubjectPublicKeyInfo) followed by 32 zero bytes. */
#define RATLS_GRAMINE_OID "1.2.840.113741.1337.6"

enum {
    RATLS_FINGERPRINT_SIZE = 32,
    RATLS_HASH_MAX = 64,
    RATLS_EVIDENCE_MAX = 64 << 10,
    RATLS_CLAIMS_MAX = 4096,
    RATLS_EXTENSION_MAX = RATLS_EVIDENCE_MAX + RATLS_CLAIMS_MAX + 64,
    RATLS_CLAIMS_COUNT_MAX = 16,
};

/* The format of the evidence, by its CBOR tag. */
enum ratls_evidence {
    RATLS_INTEL_QUOTE, /* 60000 (IANA): an SGX or TDX quote; its header says which */
    RATLS_SNP_REPORT,  /* 0x1a7504, as librats has it */
    RATLS_SIMULATION,  /* 0x6d736501, ours: model/evidence.h */
};

/* IANA "Named Information Hash Algorithm Registry". */
enum ratls_hash { RATLS_SHA256 = 1, RATLS_SHA384 = 7, RATLS_SHA512 = 8 };

struct ratls_claims {
    enum ratls_hash hash; /* of the TLS public key, DER SubjectPublicKeyInfo */
    uint8_t public_key_hash[RATLS_HASH_MAX];
    size_t public_key_hash_len; /* 32, 48 or 64, as the algorithm has it */
    bool has_fingerprint;
    uint8_t fingerprint[RATLS_FINGERPRINT_SIZE];
    struct slice nonce; /* a view; empty where there is none */
};

struct ratls_extension {
    enum ratls_evidence format;
    struct slice evidence;     /* views into what was decoded */
    struct slice claims_bytes; /* hash these for the report data */
    struct ratls_claims claims;
};

/* Appends the claims for a key and, unless NULL, a fingerprint (RATLS_FINGERPRINT_SIZE bytes). */
int ratls_claims_encode(const uint8_t spki_sha256[static 32], const uint8_t *fingerprint,
                        struct buf *out, struct err *err) MUST_USE;
/* Appends the extension's content. `claims` are encoded ones. */
int ratls_extension_encode(enum ratls_evidence format, struct slice evidence, struct slice claims,
                           struct buf *out, struct err *err) MUST_USE;
/* Takes the content of the extension's OCTET STRING apart. Claims that are not ours are passed
 * over, as the format asks; a claim that is there twice is refused, like everything that has a
 * shorter spelling. Errors: INVALID, TOO_LARGE, UNSUPPORTED (an evidence format that is not in the
 * list). */
int ratls_extension_decode(struct slice content, struct ratls_extension *ret,
                           struct err *err) MUST_USE;
