// SPDX-License-Identifier: Apache-2.0
/*
 * Authenticated encryption by libsodium: the secretstream for long contents and a box for one
 * message. The header of a secretstream is chosen by the caller here. libsodium's init_push draws
 * one at random and has no other form; init_pull sets up the very same state from a given header
 * (libsodium, crypto_secretstream/xchacha20poly1305), so it begins both directions, and the unit
 * tests read what was written with plain libsodium. A struct stream owns its state in guarded
 * memory; runs in the owner's mse and in the enclave.
 */
#include "crypto/crypto.h"

#include <assert.h>

#include <sodium.h>

static_assert(STREAM_KEY_SIZE == crypto_secretstream_xchacha20poly1305_KEYBYTES, "stream key");
static_assert(STREAM_HEADER_SIZE == crypto_secretstream_xchacha20poly1305_HEADERBYTES, "header");
static_assert(STREAM_OVERHEAD == crypto_secretstream_xchacha20poly1305_ABYTES, "overhead");
static_assert(BOX_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "box key");
static_assert(BOX_OVERHEAD == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
                                  crypto_aead_xchacha20poly1305_ietf_ABYTES,
              "box overhead");

enum { BOX_NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES };

struct stream {
    crypto_secretstream_xchacha20poly1305_state state;
    bool ended; /* the final message went through */
};

/* sodium_malloc puts memory at the end of a page: only aligned as its size is. */
static_assert(_Alignof(struct stream) == 1, "struct stream needs no alignment");

static int stream_new(const uint8_t *key, const uint8_t *header, struct stream **ret,
                      struct err *err)
{
    AUTO_STREAM struct stream *stream = sodium_malloc(sizeof(*stream));
    if (stream == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory for a stream");
    stream->ended = false;
    if (crypto_secretstream_xchacha20poly1305_init_pull(&stream->state, header, key) != 0)
        return FAIL(err, ERR_CRYPTO, "cannot start a stream");
    *ret = STEAL(stream);
    return 0;
}

int stream_encrypt_new(const uint8_t key[static STREAM_KEY_SIZE],
                       const uint8_t header[static STREAM_HEADER_SIZE], struct stream **ret,
                       struct err *err)
{
    return stream_new(key, header, ret, err);
}

int stream_decrypt_new(const uint8_t key[static STREAM_KEY_SIZE],
                       const uint8_t header[static STREAM_HEADER_SIZE], struct stream **ret,
                       struct err *err)
{
    return stream_new(key, header, ret, err);
}

int stream_encrypt(struct stream *stream, struct slice plain, struct slice additional, bool final,
                   uint8_t *to, struct err *err)
{
    if (stream->ended)
        return FAIL(err, ERR_INTERNAL, "a message after the final one of a stream");
    uint8_t tag = final ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                        : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
    if (plain.len > crypto_secretstream_xchacha20poly1305_messagebytes_max() ||
        crypto_secretstream_xchacha20poly1305_push(&stream->state, to, NULL, plain.data, plain.len,
                                                   additional.data, additional.len, tag) != 0)
        return FAIL(err, ERR_CRYPTO, "cannot encrypt a message of %zu bytes", plain.len);
    stream->ended = final;
    return 0;
}

int stream_decrypt(struct stream *stream, struct slice cipher, struct slice additional, uint8_t *to,
                   bool *ret_final, struct err *err)
{
    if (stream->ended)
        return FAIL(err, ERR_CRYPTO, "encrypted data goes on after its final message");
    if (cipher.len < STREAM_OVERHEAD)
        return FAIL(err, ERR_CRYPTO, "encrypted message of %zu bytes, at least %d expected",
                    cipher.len, STREAM_OVERHEAD);
    uint8_t tag = 0;
    if (crypto_secretstream_xchacha20poly1305_pull(&stream->state, to, NULL, &tag, cipher.data,
                                                   cipher.len, additional.data,
                                                   additional.len) != 0)
        return FAIL(err, ERR_CRYPTO, "cannot decrypt: wrong key or changed data");
    bool final = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
    if (!final && tag != crypto_secretstream_xchacha20poly1305_TAG_MESSAGE)
        return FAIL(err, ERR_CRYPTO, "encrypted message with unexpected tag %u", (unsigned)tag);
    stream->ended = final;
    *ret_final = final;
    return 0;
}

void stream_free(struct stream *stream)
{
    sodium_free(stream); /* wipes; NULL is fine */
}

int box_seal(const uint8_t key[static BOX_KEY_SIZE], struct slice plain, struct slice additional,
             struct buf *out, struct err *err)
{
    if (plain.len > SIZE_MAX - BOX_OVERHEAD)
        return FAIL(err, ERR_TOO_LARGE, "larger than the limit of %zu bytes", out->max);
    uint8_t *nonce = buf_reserve(out, plain.len + BOX_OVERHEAD, err);
    if (nonce == NULL || random_bytes(nonce, BOX_NONCE_SIZE, err) < 0)
        return -1;
    if (crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + BOX_NONCE_SIZE, NULL, plain.data,
                                                   plain.len, additional.data, additional.len, NULL,
                                                   nonce, key) != 0)
        return FAIL(err, ERR_CRYPTO, "cannot encrypt %zu bytes", plain.len);
    nonce[plain.len + BOX_OVERHEAD] = '\0';
    out->len += plain.len + BOX_OVERHEAD;
    return 0;
}

int box_unseal(const uint8_t key[static BOX_KEY_SIZE], struct slice sealed, struct slice additional,
               struct buf *out, struct err *err)
{
    if (sealed.len < BOX_OVERHEAD)
        return FAIL(err, ERR_CRYPTO, "sealed data of %zu bytes, at least %d expected", sealed.len,
                    BOX_OVERHEAD);
    size_t len = sealed.len - BOX_OVERHEAD;
    uint8_t *place = buf_reserve(out, len, err);
    if (place == NULL)
        return -1;
    int result = crypto_aead_xchacha20poly1305_ietf_decrypt(
        place, NULL, NULL, sealed.data + BOX_NONCE_SIZE, sealed.len - BOX_NONCE_SIZE,
        additional.data, additional.len, sealed.data, key);
    if (result != 0) {
        place[0] = '\0';
        return FAIL(err, ERR_CRYPTO, "cannot unseal: wrong key or changed data");
    }
    place[len] = '\0';
    out->len += len;
    return 0;
}
