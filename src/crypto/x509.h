// SPDX-License-Identifier: Apache-2.0
/*
 * Keys and certificates for TLS (OpenSSL's EVP_PKEY and X509 under our errors). Verification of the
 * TEE vendors' chains is in attest/; this is what the programs need for their own certificates.
 */
#pragma once

#include "crypto/crypto.h"

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

DEFINE_CLEANUP(evp_pkey_cleanup, EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(x509_cleanup, X509 *, X509_free)
#define AUTO_PKEY __attribute__((cleanup(evp_pkey_cleanup)))
#define AUTO_X509 __attribute__((cleanup(x509_cleanup)))

/* Takes OpenSSL's oldest queued error, clears the queue, and fails with ERR_CRYPTO. */
int crypto_fail(struct err *err, const char *what);
#define FAIL_OPENSSL(err, what) (crypto_fail((err), (what)), -1)

int p256_key_new(EVP_PKEY **ret, struct err *err) MUST_USE;
/* DER SubjectPublicKeyInfo, appended. */
int public_key_der(EVP_PKEY *key, struct buf *out, struct err *err) MUST_USE;
int private_key_to_pem(EVP_PKEY *key, struct buf *out, struct err *err) MUST_USE;
int private_key_from_pem(struct slice pem, EVP_PKEY **ret, struct err *err) MUST_USE;

struct certificate_extension {
    const char *oid;    /* dotted */
    struct slice value; /* DER content of the extension's OCTET STRING */
};

struct certificate_spec {
    const char *common_name;
    const char *const *dns_names; /* SAN; an IP address in text form becomes an IP SAN */
    size_t dns_name_count;
    int64_t not_before; /* unix seconds */
    int64_t not_after;
    bool is_ca;
    const struct certificate_extension *extensions;
    size_t extension_count;
};

/* Self-signed (issuer_key NULL) or issued; random 127-bit serial number. */
int certificate_new(EVP_PKEY *key, const struct certificate_spec *spec, X509 *issuer,
                    EVP_PKEY *issuer_key, X509 **ret, struct err *err) MUST_USE;
int certificate_to_der(X509 *certificate, struct buf *out, struct err *err) MUST_USE;
int certificate_to_pem(X509 *certificate, struct buf *out, struct err *err) MUST_USE;
int certificate_from_der(struct slice der, X509 **ret, struct err *err) MUST_USE;
/* The first certificate of a PEM text. */
int certificate_from_pem(struct slice pem, X509 **ret, struct err *err) MUST_USE;
/* Appends the extension's content; ERR_NOT_FOUND where there is none, ERR_INVALID where twice. */
int certificate_extension_get(X509 *certificate, const char *oid, struct buf *out,
                              struct err *err) MUST_USE;
int certificate_validity(X509 *certificate, int64_t *ret_not_before, int64_t *ret_not_after,
                         struct err *err) MUST_USE;
bool certificate_matches_key(X509 *certificate, EVP_PKEY *key);
/* Does it cover this DNS name (wildcards as RFC 6125 has them) or IP address? */
bool certificate_covers(X509 *certificate, const char *name);
/* Each DNS name among the subject alternative names, and each common name. ERR_INVALID: one holds a
 * zero byte, or the names cannot be read. -1 of `fn` ends it with that error. */
typedef int (*certificate_name_fn)(void *context, const char *name, struct err *err);
int certificate_names(X509 *certificate, certificate_name_fn fn, void *context,
                      struct err *err) MUST_USE;
