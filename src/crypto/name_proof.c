// SPDX-License-Identifier: Apache-2.0
/*
 * What a certificate says about a name, by OpenSSL. The signed message is made like those of
 * TLS 1.3 (RFC 8446 section 4.4.3), with a context of its own, so that no handshake's signature
 * fits here and none made here fits a handshake. Signed by mse, checked by msed on bytes from
 * owners.
 */
#include "crypto/name_proof.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

enum { PADDING = 64, CHAIN_MAX = 16, DEPTH_MAX = 8, SECURITY_LEVEL = 1 /* 80 bits, as in TLS */ };

static const char context[] = "mse, name of an app, 1"; /* its zero byte is in the message */

DEFINE_CLEANUP(md_context_cleanup, EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(store_cleanup, X509_STORE *, X509_STORE_free)
DEFINE_CLEANUP(store_context_cleanup, X509_STORE_CTX *, X509_STORE_CTX_free)
DEFINE_CLEANUP(bio_cleanup, BIO *, BIO_free_all)

static void free_chain(STACK_OF(X509) * *chain)
{
    sk_X509_pop_free(*chain, X509_free);
}

static int make_message(const uint8_t *subject, struct buf *out, struct err *err)
{
    for (int i = 0; i < PADDING; i++) {
        if (buf_u8(out, ' ', err) < 0)
            return -1;
    }
    if (buf_bytes(out, slice_of(context, sizeof(context)), err) < 0)
        return -1;
    return buf_bytes(out, slice_of(subject, NAME_PROOF_SUBJECT_SIZE), err);
}

static const EVP_MD *digest_for(EVP_PKEY *key)
{
    bool own = EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448");
    return own ? NULL : EVP_sha256();
}

int name_proof_sign(EVP_PKEY *key, const uint8_t subject[static NAME_PROOF_SUBJECT_SIZE],
                    struct buf *out, struct err *err)
{
    AUTO_BUF struct buf message = BUF_INIT(256);
    AUTO(md_context_cleanup) EVP_MD_CTX *signer = EVP_MD_CTX_new();
    uint8_t signature[NAME_PROOF_SIGNATURE_MAX];
    size_t len = sizeof(signature);
    if (make_message(subject, &message, err) < 0)
        return -1;
    if (signer == NULL || EVP_DigestSignInit(signer, NULL, digest_for(key), NULL, key) != 1 ||
        EVP_DigestSign(signer, signature, &len, message.data, message.len) != 1)
        return FAIL_OPENSSL(err, "cannot sign with the certificate's key");
    return buf_bytes(out, slice_of(signature, len), err);
}

int name_proof_verify(X509 *certificate, const uint8_t subject[static NAME_PROOF_SUBJECT_SIZE],
                      struct slice signature, struct err *err)
{
    AUTO_BUF struct buf message = BUF_INIT(256);
    AUTO(md_context_cleanup) EVP_MD_CTX *verifier = EVP_MD_CTX_new();
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    if (make_message(subject, &message, err) < 0)
        return -1;
    bool good =
        verifier != NULL && key != NULL && signature.len > 0 &&
        EVP_DigestVerifyInit(verifier, NULL, digest_for(key), NULL, key) == 1 &&
        EVP_DigestVerify(verifier, signature.data, signature.len, message.data, message.len) == 1;
    ERR_clear_error();
    if (good)
        return 0;
    return FAIL(err, ERR_REJECTED, "the certificate's key has not signed for this app");
}

static int read_chain(struct slice pem, STACK_OF(X509) * chain, struct err *err)
{
    AUTO(bio_cleanup)
    BIO *bio = BIO_new_mem_buf(pem.data, pem.len > INT_MAX ? 0 : (int)pem.len);
    if (bio == NULL)
        return FAIL_OPENSSL(err, "cannot read a chain of certificates");
    for (int i = 0; i < CHAIN_MAX; i++) {
        X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (certificate == NULL)
            break;
        if (sk_X509_push(chain, certificate) <= 0) {
            X509_free(certificate);
            return FAIL_OPENSSL(err, "cannot keep a certificate");
        }
    }
    ERR_clear_error();
    if (sk_X509_num(chain) == 0)
        return FAIL(err, ERR_INVALID, "no certificate in PEM");
    return 0;
}

static int open_authorities(X509_STORE *store, const char *authorities, struct err *err)
{
    bool good = authorities != NULL ? X509_STORE_load_file(store, authorities) == 1
                                    : X509_STORE_set_default_paths(store) == 1;
    ERR_clear_error();
    if (good)
        return 0;
    return FAIL(err, ERR_IO, "cannot read the authorities in '%s'",
                authorities != NULL ? authorities : "the system's store");
}

static int set_terms(X509_STORE_CTX *check, const char *name, int64_t now, struct err *err)
{
    X509_VERIFY_PARAM *terms = X509_STORE_CTX_get0_param(check);
    X509_VERIFY_PARAM_set_hostflags(terms, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    X509_VERIFY_PARAM_set_time(terms, (time_t)now);
    X509_VERIFY_PARAM_set_depth(terms, DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(terms, SECURITY_LEVEL);
    if (X509_VERIFY_PARAM_set_purpose(terms, X509_PURPOSE_SSL_SERVER) != 1 ||
        X509_VERIFY_PARAM_set1_host(terms, name, strlen(name)) != 1)
        return FAIL_OPENSSL(err, "cannot say what a certificate must be good for");
    return 0;
}

int name_proof_chain(struct slice pem, const char *name, const char *authorities, int64_t now,
                     struct err *err)
{
    AUTO(free_chain) STACK_OF(X509) *chain = sk_X509_new_null();
    AUTO(store_cleanup) X509_STORE *store = X509_STORE_new();
    AUTO(store_context_cleanup) X509_STORE_CTX *check = X509_STORE_CTX_new();
    if (chain == NULL || store == NULL || check == NULL)
        return FAIL_OPENSSL(err, "cannot check a chain of certificates");
    if (read_chain(pem, chain, err) < 0 || open_authorities(store, authorities, err) < 0)
        return -1;
    if (X509_STORE_CTX_init(check, store, sk_X509_value(chain, 0), chain) != 1)
        return FAIL_OPENSSL(err, "cannot check a chain of certificates");
    if (set_terms(check, name, now, err) < 0)
        return -1;
    bool good = X509_verify_cert(check) == 1;
    ERR_clear_error();
    if (good)
        return 0;
    return FAIL(err, ERR_REJECTED, "the certificate leads to no authority that counts here (%s)",
                X509_verify_cert_error_string(X509_STORE_CTX_get_error(check)));
}
