// SPDX-License-Identifier: Apache-2.0
/*
 * Secrets in libsodium's guarded memory: locked where the limit on locked memory allows, left out
 * of core dumps, between guard pages, wiped when freed. Owns what it allocates; runs wherever keys
 * are.
 */
#include "crypto/crypto.h"

#include <sodium.h>

int secret_init(struct secret *ret, size_t size, struct err *err)
{
    uint8_t *data = sodium_malloc(size == 0 ? 1 : size);
    if (data == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory (%zu bytes for a secret)", size);
    sodium_memzero(data, size == 0 ? 1 : size);
    *ret = (struct secret){.data = data, .len = size};
    return 0;
}

int secret_random(struct secret *ret, size_t size, struct err *err)
{
    AUTO_SECRET struct secret secret = SECRET_INIT;
    if (secret_init(&secret, size, err) < 0 || random_bytes(secret.data, size, err) < 0)
        return -1;
    *ret = secret;
    secret = SECRET_INIT;
    return 0;
}

int secret_copy(struct secret *ret, struct slice bytes, struct err *err)
{
    struct secret secret = SECRET_INIT;
    if (secret_init(&secret, bytes.len, err) < 0)
        return -1;
    if (bytes.len > 0)
        memcpy(secret.data, bytes.data, bytes.len);
    *ret = secret;
    return 0;
}

void secret_done(struct secret *secret)
{
    if (secret->data != NULL)
        sodium_free(secret->data); /* wipes */
    *secret = SECRET_INIT;
}
