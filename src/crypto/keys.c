// SPDX-License-Identifier: Apache-2.0
/*
 * Start-up, random bytes, identifiers, constant-time comparison and Ed25519, by libsodium. Owns
 * nothing; runs in every process.
 */
#include "crypto/crypto.h"

#include "base/text.h"

#include <assert.h>

#include <openssl/crypto.h>
#include <sodium.h>

static_assert(ED25519_PUBLIC_SIZE == crypto_sign_PUBLICKEYBYTES, "Ed25519 public key");
static_assert(ED25519_SECRET_SIZE == crypto_sign_SECRETKEYBYTES, "Ed25519 secret key");
static_assert(ED25519_SEED_SIZE == crypto_sign_SEEDBYTES, "Ed25519 seed");
static_assert(ED25519_SIGNATURE_SIZE == crypto_sign_BYTES, "Ed25519 signature");

int crypto_init(struct err *err)
{
    if (sodium_init() < 0)
        return FAIL(err, ERR_CRYPTO, "cannot start libsodium");
    if (OPENSSL_init_crypto(0, NULL) != 1)
        return FAIL(err, ERR_CRYPTO, "cannot start OpenSSL");
    return 0;
}

int random_bytes(void *to, size_t size, struct err *err)
{
    if (size > 0) /* the kernel's generator; ends the process where there is none */
        randombytes_buf(to, size);
    return 0;
}

int uuid_new(char ret[static UUID_SIZE], struct err *err)
{
    uint8_t bytes[16];
    if (random_bytes(bytes, sizeof(bytes), err) < 0)
        return -1;
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* version 4, RFC 9562 section 5.4 */
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80); /* variant, section 4.1 */
    char digits[2 * sizeof(bytes) + 1];
    hex_encode(slice_of(bytes, sizeof(bytes)), digits);
    size_t at = 0;
    for (size_t i = 0; i < 2 * sizeof(bytes); i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            ret[at++] = '-';
        ret[at++] = digits[i];
    }
    ret[at] = '\0';
    return 0;
}

bool uuid_valid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        const char *allowed = form[i] == 'x' ? "0123456789abcdef" : "89ab";
        bool ok = form[i] == 'x' || form[i] == 'y'
                      ? text[i] != '\0' && strchr(allowed, text[i]) != NULL
                      : text[i] == form[i];
        if (!ok)
            return false;
    }
    return text[sizeof(form) - 1] == '\0';
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || sodium_memcmp(a, b, len) == 0;
}

int ed25519_keypair(uint8_t ret_public[static ED25519_PUBLIC_SIZE], struct secret *ret_secret,
                    struct err *err)
{
    AUTO_SECRET struct secret seed = SECRET_INIT;
    if (secret_random(&seed, ED25519_SEED_SIZE, err) < 0)
        return -1;
    return ed25519_keypair_from_seed(seed.data, ret_public, ret_secret, err);
}

int ed25519_keypair_from_seed(const uint8_t seed[static ED25519_SEED_SIZE],
                              uint8_t ret_public[static ED25519_PUBLIC_SIZE],
                              struct secret *ret_secret, struct err *err)
{
    struct secret secret = SECRET_INIT;
    if (secret_init(&secret, ED25519_SECRET_SIZE, err) < 0)
        return -1;
    if (crypto_sign_seed_keypair(ret_public, secret.data, seed) != 0) {
        secret_done(&secret);
        return FAIL(err, ERR_CRYPTO, "cannot make an Ed25519 key");
    }
    *ret_secret = secret;
    return 0;
}

int ed25519_sign(const struct secret *secret, struct slice message,
                 uint8_t ret[static ED25519_SIGNATURE_SIZE], struct err *err)
{
    if (secret->len != ED25519_SECRET_SIZE)
        return FAIL(err, ERR_INTERNAL, "an Ed25519 secret key of %zu bytes, expected %d",
                    secret->len, ED25519_SECRET_SIZE);
    if (crypto_sign_detached(ret, NULL, message.data, message.len, secret->data) != 0)
        return FAIL(err, ERR_CRYPTO, "cannot sign with Ed25519");
    return 0;
}

bool ed25519_verify(const uint8_t public_key[static ED25519_PUBLIC_SIZE], struct slice message,
                    const uint8_t signature[static ED25519_SIGNATURE_SIZE])
{
    return crypto_sign_verify_detached(signature, message.data, message.len, public_key) == 0;
}
