// SPDX-License-Identifier: Apache-2.0
/*
 * RSASSA-PSS with SHA-384 as AMD signs its certificates (RFC 8017, RFC 4055), and RSA keys from
 * their numbers.
 */
#include "attest/certificate.h"

#include "format/der.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

enum { SALT_SIZE = 48, MODULUS_MAX = 1024 };

/* AlgorithmIdentifier: RSASSA-PSS, SHA-384, MGF1 with SHA-384, salt of 48 bytes; the two spellings
 * that AMD has, with the trailer field's default written out and left out. */
static const uint8_t pss_sha384[] = {
    0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30,
    0x34, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
    0x02, 0x02, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
    0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
    0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x30};
static const uint8_t pss_sha384_trailer[] = {
    0x30, 0x46, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x39,
    0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
    0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
    0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
    0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x30, 0xa3, 0x03, 0x02, 0x01, 0x01};

/* 1.2.840.113549.1.1.1, NULL */
static const uint8_t rsa_encryption[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                         0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

bool algorithm_is_pss_sha384(struct slice algorithm)
{
    return slice_equal(algorithm, slice_of(pss_sha384, sizeof(pss_sha384))) ||
           slice_equal(algorithm, slice_of(pss_sha384_trailer, sizeof(pss_sha384_trailer)));
}

/* RFC 8017 A.1.1, inside RFC 5280's SubjectPublicKeyInfo. */
static bool read_numbers(struct slice info, struct slice *ret_modulus, struct slice *ret_exponent)
{
    struct reader whole = reader_of(info, "a public key");
    struct slice content;
    struct slice algorithm;
    struct slice bits;
    if (der_expect(&whole, "key", DER_SEQUENCE, &content, NULL) < 0 || reader_end(&whole, NULL) < 0)
        return false;
    struct reader in = reader_of(content, "a public key");
    if (der_expect(&in, "algorithm", DER_SEQUENCE, &algorithm, NULL) < 0 ||
        der_expect(&in, "key", DER_BIT_STRING, &bits, NULL) < 0 || reader_end(&in, NULL) < 0 ||
        !slice_equal(algorithm, slice_of(rsa_encryption, sizeof(rsa_encryption))) || bits.len < 1 ||
        bits.data[0] != 0)
        return false;
    struct reader outer = reader_of(slice_of(bits.data + 1, bits.len - 1), "an RSA key");
    if (der_expect(&outer, "key", DER_SEQUENCE, &content, NULL) < 0 || reader_end(&outer, NULL) < 0)
        return false;
    struct reader numbers = reader_of(content, "an RSA key");
    return der_expect(&numbers, "modulus", DER_INTEGER, ret_modulus, NULL) == 0 &&
           der_expect(&numbers, "exponent", DER_INTEGER, ret_exponent, NULL) == 0 &&
           reader_end(&numbers, NULL) == 0 && ret_modulus->len > 0 &&
           ret_modulus->len <= MODULUS_MAX && (ret_modulus->data[0] & 0x80) == 0 &&
           ret_exponent->len > 0 && ret_exponent->len <= 8 && (ret_exponent->data[0] & 0x80) == 0;
}

EVP_PKEY *rsa_public_key(struct slice info)
{
    struct slice modulus;
    struct slice exponent;
    if (!read_numbers(info, &modulus, &exponent))
        return NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_bin2bn(modulus.data, (int)modulus.len, NULL);
    BIGNUM *e = BN_bin2bn(exponent.data, (int)exponent.len, NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;
    if (builder != NULL && n != NULL && e != NULL &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        params = OSSL_PARAM_BLD_to_param(builder);
    if (params != NULL)
        key = public_key_from("RSA", params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key;
}

bool pss_sha384_verify(EVP_PKEY *key, struct slice message, struct slice signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters = NULL; /* the context's */
    bool good =
        context != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
        EVP_DigestVerifyInit(context, &parameters, EVP_sha384(), NULL, key) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
        EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, EVP_sha384()) == 1 &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, SALT_SIZE) == 1 &&
        EVP_DigestVerify(context, signature.data, signature.len, message.data, message.len) == 1;
    EVP_MD_CTX_free(context);
    return good;
}
