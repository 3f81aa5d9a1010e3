// SPDX-License-Identifier: Apache-2.0
/*
 * The bare signature checks over P-256 and P-384, and keys from coordinates.
 */
#include "attest/certificate.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

#include <stdio.h>

static int der_signature(const uint8_t *r_and_s, size_t size, uint8_t **ret)
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(r_and_s, (int)size, NULL);
    BIGNUM *s = BN_bin2bn(r_and_s + size, (int)size, NULL);
    if (signature == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(signature, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(signature);
        return -1;
    }
    int len = i2d_ECDSA_SIG(signature, ret);
    ECDSA_SIG_free(signature);
    return len;
}

/* `size`: of the curve's numbers, which decides the digest too. */
static bool digest_verify(EVP_PKEY *key, size_t size, struct slice message, struct slice signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *digest = size == 48 ? EVP_sha384() : EVP_sha256();
    bool good =
        context != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
        (size_t)EVP_PKEY_get_bits(key) == 8 * size &&
        EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
        EVP_DigestVerify(context, signature.data, signature.len, message.data, message.len) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

bool ecdsa_verify(EVP_PKEY *key, struct slice message, const uint8_t *r_and_s, size_t size)
{
    uint8_t *der = NULL;
    int len = der_signature(r_and_s, size, &der);
    bool good = len >= 0 && digest_verify(key, size, message, slice_of(der, (size_t)len));
    OPENSSL_free(der);
    return good;
}

bool ecdsa_verify_der(EVP_PKEY *key, struct slice message, struct slice signature)
{
    return digest_verify(key, 32, message, signature);
}

EVP_PKEY *public_key_from(const char *algorithm, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
    EVP_PKEY *key = NULL;
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}

/* SEC 1, section 2.3.3: an uncompressed point, its first byte included. */
EVP_PKEY *ec_public_key(const char *group, struct slice point)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "%s", group);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point.data,
                                          point.len),
        OSSL_PARAM_construct_end(),
    };
    return public_key_from("EC", params);
}

EVP_PKEY *p256_public_key(const uint8_t x_and_y[static 64])
{
    uint8_t point[65] = {0x04};
    memcpy(point + 1, x_and_y, 64);
    return ec_public_key("P-256", slice_of(point, sizeof(point)));
}
