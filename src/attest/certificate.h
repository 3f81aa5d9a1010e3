// SPDX-License-Identifier: Apache-2.0
/*
 * An X.509 certificate, version 3 (RFC 5280 section 4), read strictly as DER: every field is a view
 * of the bytes, nothing is decoded twice, and what is not understood is refused.
 *
 * OpenSSL reads certificates too, but decodes every public key through its generic machinery at a
 * cost of one and a half signature checks each; a verification reads four certificates. What is not
 * ECDSA over P-256 goes through OpenSSL all the same (certificate_x509).
 */
#pragma once

#include "format/arena.h"

#include "base/err.h"

#include <openssl/x509.h>

enum {
    CERTIFICATE_MAX_SIZE = 16 * 1024,
    CERTIFICATE_EXTENSIONS_MAX = 32,
    /* bits of key usage, RFC 5280 4.2.1.3, first byte of the bit string */
    USAGE_DIGITAL_SIGNATURE = 0x80,
    USAGE_CERT_SIGN = 0x04,
    USAGE_CRL_SIGN = 0x02,
};

struct certificate_part {
    struct slice oid;
    struct slice value; /* content of the OCTET STRING */
};

struct certificate {
    struct slice der;
    struct slice pem; /* the text that it came from, markers included; empty: none */
    struct slice to_be_signed;
    struct slice algorithm; /* of the signature: AlgorithmIdentifier */
    struct slice signature; /* content of the bit string without its first byte */
    struct slice serial;    /* content of the INTEGER */
    struct slice issuer;    /* Name, compared byte by byte */
    struct slice subject;
    struct slice public_key; /* SubjectPublicKeyInfo */
    int64_t not_before;
    int64_t not_after;
    bool has_constraints;
    bool is_ca;
    int path_length; /* -1: none */
    bool has_usage;
    uint8_t usage;
    bool has_unknown_critical;
    struct certificate_part extensions[CERTIFICATE_EXTENSIONS_MAX];
    size_t extension_count;
    /* Made at first use, owned: certificate_done */
    EVP_PKEY *key;
    X509 *x509;
    /* Whose key was found to have signed it; NULL: not looked at yet. */
    const struct certificate *signed_by;
};

/* Reads the structure. The views live as long as `der`. Errors: INVALID, TOO_LARGE. */
int certificate_read(struct slice der, struct certificate *ret, struct err *err) MUST_USE;
void certificate_done(struct certificate *certificate);

/* The public key, made once; NULL where it cannot be used. The certificate owns it. */
EVP_PKEY *certificate_key(struct certificate *certificate);
/* The same certificate as OpenSSL reads it, or NULL. The certificate owns it. */
X509 *certificate_x509(struct certificate *certificate);

/* Is this AlgorithmIdentifier ecdsa-with-SHA256? */
bool algorithm_is_ecdsa_sha256(struct slice algorithm);
/* Is it RSASSA-PSS as pss_sha384_verify has it? */
bool algorithm_is_pss_sha384(struct slice algorithm);
/* Digest and key algorithm of the certificate's signature, as X509_get_signature_info names them.
 */
bool certificate_signature_info(struct certificate *certificate, int *ret_digest_nid,
                                int *ret_key_nid);
/* Did this issuer's key sign it? The names are not compared. */
bool certificate_signed_by(struct certificate *certificate, struct certificate *issuer);

/* Content of the extension's OCTET STRING, a view; ERR_NOT_FOUND. */
int certificate_find_extension(const struct certificate *certificate, const char *oid,
                               struct slice *ret, struct err *err) MUST_USE;

/* ECDSA over P-256 with SHA-256, or over P-384 with SHA-384 where size is 48: r and s big-endian,
 * `size` bytes each. */
bool ecdsa_verify(EVP_PKEY *key, struct slice message, const uint8_t *r_and_s, size_t size);
/* The same for a DER signature over P-256. */
bool ecdsa_verify_der(EVP_PKEY *key, struct slice message, struct slice signature);
/* RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes. */
bool pss_sha384_verify(EVP_PKEY *key, struct slice message, struct slice signature);

/* The public key of these parameters (provider-keymgmt(7)) of "EC" or "RSA"; NULL where they are
 * none. The caller frees. */
EVP_PKEY *public_key_from(const char *algorithm, OSSL_PARAM *params);
/* The public key with these affine coordinates (big-endian, 32 bytes each); NULL where they are
 * not a point of P-256. The caller frees. */
EVP_PKEY *p256_public_key(const uint8_t x_and_y[static 64]);
/* The same from an uncompressed point on "P-256" or "P-384". */
EVP_PKEY *ec_public_key(const char *group, struct slice point);
/* The RSA key in a SubjectPublicKeyInfo; NULL where it holds something else. The caller frees. */
EVP_PKEY *rsa_public_key(struct slice info);
