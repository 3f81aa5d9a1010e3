// SPDX-License-Identifier: Apache-2.0
/*
 * SHA-2, HMAC and HKDF by OpenSSL (its SHA-256 uses the CPU's instructions), in one piece, in parts
 * and over files. A struct digest owns its OpenSSL context; runs in every process.
 */
#include "crypto/crypto.h"

#include "base/fd.h"
#include "crypto/x509.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

enum { FILE_PIECE = 64 * 1024, HKDF_MAX = 255 * SHA256_SIZE };

/* Exactly one of the two is set. */
struct digest {
    EVP_MD_CTX *hash;
    EVP_MAC_CTX *mac;
};

DEFINE_CLEANUP(hash_cleanup, EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(kdf_cleanup, EVP_KDF *, EVP_KDF_free)
DEFINE_CLEANUP(kdf_context_cleanup, EVP_KDF_CTX *, EVP_KDF_CTX_free)
DEFINE_CLEANUP(mac_cleanup, EVP_MAC *, EVP_MAC_free)

static int hash_parts(const EVP_MD *type, const struct slice *parts, size_t count, uint8_t *ret,
                      struct err *err)
{
    AUTO(hash_cleanup) EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestInit_ex(context, type, NULL) != 1)
        return FAIL_OPENSSL(err, "cannot start a hash");
    for (size_t i = 0; i < count; i++) {
        if (EVP_DigestUpdate(context, parts[i].data, parts[i].len) != 1)
            return FAIL_OPENSSL(err, "cannot hash");
    }
    if (EVP_DigestFinal_ex(context, ret, NULL) != 1)
        return FAIL_OPENSSL(err, "cannot finish a hash");
    return 0;
}

int sha256(struct slice bytes, uint8_t ret[static SHA256_SIZE], struct err *err)
{
    return hash_parts(EVP_sha256(), &bytes, 1, ret, err);
}

int sha1(struct slice bytes, uint8_t ret[static SHA1_SIZE], struct err *err)
{
    return hash_parts(EVP_sha1(), &bytes, 1, ret, err);
}

int sha384(struct slice bytes, uint8_t ret[static SHA384_SIZE], struct err *err)
{
    return hash_parts(EVP_sha384(), &bytes, 1, ret, err);
}

int sha512(struct slice bytes, uint8_t ret[static SHA512_SIZE], struct err *err)
{
    return hash_parts(EVP_sha512(), &bytes, 1, ret, err);
}

int sha512_parts(const struct slice *parts, size_t count, uint8_t ret[static SHA512_SIZE],
                 struct err *err)
{
    return hash_parts(EVP_sha512(), parts, count, ret, err);
}

static int hash_descriptor(int fd, struct digest *digest, struct err *err)
{
    AUTO_FREE uint8_t *piece = mem_alloc(FILE_PIECE, err);
    if (piece == NULL)
        return -1;
    for (;;) {
        size_t len = 0;
        if (fd_read_full(fd, piece, FILE_PIECE, &len, err) < 0 ||
            digest_update(digest, slice_of(piece, len), err) < 0)
            return -1;
        if (len < FILE_PIECE)
            return 0;
    }
}

int sha256_file(const char *path, uint8_t ret[static SHA256_SIZE], struct err *err)
{
    AUTO_CLOSE int fd = -1;
    AUTO_DIGEST struct digest *digest = NULL;
    if (fd_open(path, O_RDONLY | O_NOCTTY, 0, &fd, err) < 0 || digest_new_sha256(&digest, err) < 0)
        return -1;
    if (hash_descriptor(fd, digest, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", path);
    return digest_final(digest, ret, err);
}

static int new_hash(const EVP_MD *type, struct digest **ret, struct err *err)
{
    AUTO_DIGEST struct digest *digest = mem_alloc(sizeof(*digest), err);
    if (digest == NULL)
        return -1;
    digest->hash = EVP_MD_CTX_new();
    if (digest->hash == NULL || EVP_DigestInit_ex(digest->hash, type, NULL) != 1)
        return FAIL_OPENSSL(err, "cannot start a hash");
    *ret = STEAL(digest);
    return 0;
}

int digest_new_sha256(struct digest **ret, struct err *err)
{
    return new_hash(EVP_sha256(), ret, err);
}

int digest_new_sha384(struct digest **ret, struct err *err)
{
    return new_hash(EVP_sha384(), ret, err);
}

int digest_new_hmac_sha256(struct slice key, struct digest **ret, struct err *err)
{
    AUTO_DIGEST struct digest *digest = mem_alloc(sizeof(*digest), err);
    if (digest == NULL)
        return -1;
    AUTO(mac_cleanup) EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    digest->mac = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    char name[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                           OSSL_PARAM_construct_end()};
    static const uint8_t no_key[1]; /* OpenSSL takes NULL for "the key is set later" */
    const uint8_t *key_data = key.len == 0 ? no_key : key.data;
    if (digest->mac == NULL || EVP_MAC_init(digest->mac, key_data, key.len, params) != 1)
        return FAIL_OPENSSL(err, "cannot start an HMAC");
    *ret = STEAL(digest);
    return 0;
}

int digest_update(struct digest *digest, struct slice bytes, struct err *err)
{
    if (bytes.len == 0)
        return 0;
    int result = digest->mac != NULL ? EVP_MAC_update(digest->mac, bytes.data, bytes.len)
                                     : EVP_DigestUpdate(digest->hash, bytes.data, bytes.len);
    if (result != 1)
        return FAIL_OPENSSL(err, "cannot hash");
    return 0;
}

/* The caller's array has room for one size: a digest of the other kind would not fit. */
static int check_size(const struct digest *digest, int size, struct err *err)
{
    if (digest->hash != NULL && EVP_MD_CTX_get_size(digest->hash) != size)
        return FAIL(err, ERR_INTERNAL, "a hash of %d bytes is finished as one of %d",
                    EVP_MD_CTX_get_size(digest->hash), size);
    return 0;
}

int digest_final(struct digest *digest, uint8_t ret[static 32], struct err *err)
{
    size_t len = 0;
    if (check_size(digest, SHA256_SIZE, err) < 0)
        return -1;
    int result = digest->mac != NULL ? EVP_MAC_final(digest->mac, ret, &len, HMAC_SIZE)
                                     : EVP_DigestFinal_ex(digest->hash, ret, NULL);
    if (result != 1)
        return FAIL_OPENSSL(err, "cannot finish a hash");
    return 0;
}

int digest_final_sha384(struct digest *digest, uint8_t ret[static SHA384_SIZE], struct err *err)
{
    if (digest->hash == NULL)
        return FAIL(err, ERR_INTERNAL, "an HMAC is finished as SHA-384");
    if (check_size(digest, SHA384_SIZE, err) < 0)
        return -1;
    if (EVP_DigestFinal_ex(digest->hash, ret, NULL) != 1)
        return FAIL_OPENSSL(err, "cannot finish a hash");
    return 0;
}

void digest_free(struct digest *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->hash);
    EVP_MAC_CTX_free(digest->mac);
    free(digest);
}

int hkdf_sha256(struct slice key, struct slice salt, struct slice info, uint8_t *ret, size_t size,
                struct err *err)
{
    if (key.len == 0 || size == 0 || size > HKDF_MAX)
        return FAIL(err, ERR_INTERNAL, "HKDF of %zu bytes from a key of %zu bytes", size, key.len);
    AUTO(kdf_cleanup) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    AUTO(kdf_context_cleanup) EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    if (context == NULL)
        return FAIL_OPENSSL(err, "cannot start HKDF");
    char name[] = "SHA256";
    OSSL_PARAM params[5];
    size_t count = 0;
    params[count++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0);
    params[count++] =
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key.data, key.len);
    if (salt.len > 0) /* none means as many zero bytes as the hash has, RFC 5869 section 2.2 */
        params[count++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
                                                            (void *)(uintptr_t)salt.data, salt.len);
    if (info.len > 0)
        params[count++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
                                                            (void *)(uintptr_t)info.data, info.len);
    params[count] = OSSL_PARAM_construct_end();
    if (EVP_KDF_derive(context, ret, size, params) != 1)
        return FAIL_OPENSSL(err, "cannot derive a key");
    return 0;
}
