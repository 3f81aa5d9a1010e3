// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL and libsodium under our names and our errors: hashing, HMAC, HKDF, random bytes,
 * constant-time comparison, secrets, Ed25519, the secretstream, P-256 keys and certificates.
 * Which library does what: OpenSSL hashes (its SHA-256 uses the CPU's instructions), TLS and X.509;
 * libsodium: secretstream, Ed25519, locked memory.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

enum {
    SHA1_SIZE = 20,
    SHA256_SIZE = 32,
    SHA384_SIZE = 48,
    SHA512_SIZE = 64,
    HMAC_SIZE = 32,
    ED25519_PUBLIC_SIZE = 32,
    ED25519_SECRET_SIZE = 64,
    ED25519_SEED_SIZE = 32,
    ED25519_SIGNATURE_SIZE = 64,
};

/* Call once at the start of a program, before anything else here. */
int crypto_init(struct err *err) MUST_USE;

int random_bytes(void *to, size_t size, struct err *err) MUST_USE;
/* "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx", RFC 9562 version 4. */
enum { UUID_SIZE = 37 };
int uuid_new(char ret[static UUID_SIZE], struct err *err) MUST_USE;
/* Lower-case canonical form only. */
bool uuid_valid(const char *text);

/* Constant-time over len. */
bool crypto_equal(const void *a, const void *b, size_t len);

int sha256(struct slice bytes, uint8_t ret[static SHA256_SIZE], struct err *err) MUST_USE;
/* For WebSocket's handshake alone (RFC 6455), where it protects nothing. */
int sha1(struct slice bytes, uint8_t ret[static SHA1_SIZE], struct err *err) MUST_USE;
int sha384(struct slice bytes, uint8_t ret[static SHA384_SIZE], struct err *err) MUST_USE;
int sha512(struct slice bytes, uint8_t ret[static SHA512_SIZE], struct err *err) MUST_USE;
/* SHA-512 over the parts one after another, without lengths: for fixed-size parts only. */
int sha512_parts(const struct slice *parts, size_t count, uint8_t ret[static SHA512_SIZE],
                 struct err *err) MUST_USE;
/* SHA-256 of a file's bytes, read in pieces. */
int sha256_file(const char *path, uint8_t ret[static SHA256_SIZE], struct err *err) MUST_USE;

/* Incremental SHA-256, SHA-384, HMAC-SHA-256. */
struct digest;
int digest_new_sha256(struct digest **ret, struct err *err) MUST_USE;
int digest_new_sha384(struct digest **ret, struct err *err) MUST_USE;
int digest_new_hmac_sha256(struct slice key, struct digest **ret, struct err *err) MUST_USE;
int digest_update(struct digest *digest, struct slice bytes, struct err *err) MUST_USE;
int digest_final(struct digest *digest, uint8_t ret[static 32], struct err *err) MUST_USE;
/* Of one made by digest_new_sha384. */
int digest_final_sha384(struct digest *digest, uint8_t ret[static SHA384_SIZE],
                        struct err *err) MUST_USE;
void digest_free(struct digest *digest);
DEFINE_CLEANUP(digest_cleanup, struct digest *, digest_free)
#define AUTO_DIGEST __attribute__((cleanup(digest_cleanup)))

/* RFC 5869 with SHA-256. */
int hkdf_sha256(struct slice key, struct slice salt, struct slice info, uint8_t *ret, size_t size,
                struct err *err) MUST_USE;

/* A secret in locked, guarded memory, excluded from core dumps, wiped when freed. */
struct secret {
    uint8_t *data;
    size_t len;
};
#define SECRET_INIT ((struct secret){0})
#define AUTO_SECRET __attribute__((cleanup(secret_done)))
int secret_init(struct secret *ret, size_t size, struct err *err) MUST_USE; /* zeroed */
int secret_random(struct secret *ret, size_t size, struct err *err) MUST_USE;
int secret_copy(struct secret *ret, struct slice bytes, struct err *err) MUST_USE;
void secret_done(struct secret *secret);
static inline struct slice secret_slice(const struct secret *secret)
{
    return slice_of(secret->data, secret->len);
}

/* Ed25519 (RFC 8032). The secret key is seed and public key, 64 bytes, as libsodium keeps it. */
int ed25519_keypair(uint8_t ret_public[static ED25519_PUBLIC_SIZE], struct secret *ret_secret,
                    struct err *err) MUST_USE;
int ed25519_keypair_from_seed(const uint8_t seed[static ED25519_SEED_SIZE],
                              uint8_t ret_public[static ED25519_PUBLIC_SIZE],
                              struct secret *ret_secret, struct err *err) MUST_USE;
int ed25519_sign(const struct secret *secret, struct slice message,
                 uint8_t ret[static ED25519_SIGNATURE_SIZE], struct err *err) MUST_USE;
bool ed25519_verify(const uint8_t public_key[static ED25519_PUBLIC_SIZE], struct slice message,
                    const uint8_t signature[static ED25519_SIGNATURE_SIZE]);

/* libsodium's secretstream (XChaCha20-Poly1305): a header, then messages in order, the last one
 * tagged FINAL. Each message grows by STREAM_OVERHEAD bytes. */
enum { STREAM_KEY_SIZE = 32, STREAM_HEADER_SIZE = 24, STREAM_OVERHEAD = 17 };
struct stream;
/* `header` is chosen by the caller (not at random) so that equal inputs give equal bytes; a key
 * must never meet two different plain texts. */
int stream_encrypt_new(const uint8_t key[static STREAM_KEY_SIZE],
                       const uint8_t header[static STREAM_HEADER_SIZE], struct stream **ret,
                       struct err *err) MUST_USE;
int stream_decrypt_new(const uint8_t key[static STREAM_KEY_SIZE],
                       const uint8_t header[static STREAM_HEADER_SIZE], struct stream **ret,
                       struct err *err) MUST_USE;
/* `to` has room for plain.len + STREAM_OVERHEAD. */
int stream_encrypt(struct stream *stream, struct slice plain, struct slice additional, bool final,
                   uint8_t *to, struct err *err) MUST_USE;
/* `to` has room for cipher.len - STREAM_OVERHEAD. A wrong tag is ERR_CRYPTO. */
int stream_decrypt(struct stream *stream, struct slice cipher, struct slice additional, uint8_t *to,
                   bool *ret_final, struct err *err) MUST_USE;
void stream_free(struct stream *stream);
DEFINE_CLEANUP(stream_cleanup, struct stream *, stream_free)
#define AUTO_STREAM __attribute__((cleanup(stream_cleanup)))

/* One message under a key: XChaCha20-Poly1305 with a random nonce in front (sealed state). */
enum { BOX_KEY_SIZE = 32, BOX_OVERHEAD = 24 + 16 };
int box_seal(const uint8_t key[static BOX_KEY_SIZE], struct slice plain, struct slice additional,
             struct buf *out, struct err *err) MUST_USE;
/* Appends the plain text; a wrong key or a changed byte is ERR_CRYPTO. */
int box_unseal(const uint8_t key[static BOX_KEY_SIZE], struct slice sealed, struct slice additional,
               struct buf *out, struct err *err) MUST_USE;
