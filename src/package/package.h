// SPDX-License-Identifier: Apache-2.0
/*
 * From a code folder to its encrypted archive, and back inside the enclave.
 *
 *     owner:    tree_scan -> package_write -> commitment into the manifest, bytes into the package
 *     anybody:  tree_scan -> package_commit, compared with a manifest's code_commitment
 *     enclave:  package_unpack, with the key and salt that were provisioned
 *
 * Encrypted archive: the plain archive in pieces of PACKAGE_CHUNK_SIZE bytes (the last one may be
 * shorter), each one secretstream message, the last one tagged FINAL. Stream key and header come
 * from HKDF-SHA-256(key, salt, "mse code archive 1"), so that equal code under equal key and salt
 * gives equal bytes. Commitment: HMAC-SHA-256(salt, plain archive with its padding).
 */
#pragma once

#include "crypto/crypto.h"
#include "package/tree.h"

enum {
    PACKAGE_KEY_SIZE = 32,
    PACKAGE_SALT_SIZE = 32,
    PACKAGE_COMMITMENT_SIZE = 32,
    PACKAGE_CHUNK_SIZE = 256 * 1024,
};

/* A key must never meet two different archives under one salt. */
struct package_keys {
    struct slice key;  /* PACKAGE_KEY_SIZE */
    struct slice salt; /* PACKAGE_SALT_SIZE */
    /* Of keys that were derived from an archive's digest: what package_commit gave for it under
     * `digest_key`. Another archive is refused by package_write. NULL: they are fresh. */
    struct slice digest_key;
    const uint8_t *digest; /* PACKAGE_COMMITMENT_SIZE */
};

/* Bytes of the encrypted archive for a plain one of this size (as in tree->totals). */
uint64_t package_encrypted_size(uint64_t archive_bytes);

/* Takes the encrypted archive piece by piece, on the thread that called package_write. */
typedef int package_sink(void *context, struct slice bytes, struct err *err);
/* A sink for a file descriptor: `context` is a `const int *`. */
int package_sink_fd(void *context, struct slice bytes, struct err *err) MUST_USE;

/* Archives, commits and encrypts in one pass. Memory does not depend on the size. What the sink got
 * before a failure is worthless. Errors: IO, CONFLICT (a file changed, now or since the
 * digest was made), what the sink returns. */
int package_write(const struct tree *tree, const struct package_keys *keys, package_sink *sink,
                  void *context, uint8_t ret_commitment[static PACKAGE_COMMITMENT_SIZE],
                  struct err *err) MUST_USE;

/* The commitment alone. */
int package_commit(const struct tree *tree, struct slice salt,
                   uint8_t ret_commitment[static PACKAGE_COMMITMENT_SIZE],
                   struct err *err) MUST_USE;

/* Reads the encrypted archive from fd up to its end, checks it against the commitment and leaves
 * the code in `folder`, which must not exist or be empty; its parent must exist. Everything is
 * written to "<folder>.partial" (removed first if it is there) and renamed once all is verified: on
 * failure nothing is left. `limits` bound what is written. Errors: CRYPTO (wrong key or salt, a
 * changed, missing or moved piece), INVALID (what it opens to is no archive), REJECTED (another
 * commitment), TOO_LARGE, EXISTS, IO. */
int package_unpack(int fd, const struct package_keys *keys,
                   const uint8_t commitment[static PACKAGE_COMMITMENT_SIZE],
                   const struct archive_limits *limits, const char *folder,
                   struct err *err) MUST_USE;
