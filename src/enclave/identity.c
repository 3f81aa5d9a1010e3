// SPDX-License-Identifier: Apache-2.0
/*
 * The enclave's TLS identity: a P-256 key made inside, a certificate that carries the evidence
 * (RA-TLS), or the owner's certificate once its key has been provisioned; and attestation on
 * demand. The RA-TLS key and certificate are kept in the sealed state, so a restart changes
 * neither; what comes out of it serves only when it is what this enclave would make now.
 */
#include "base/lock.h"
#include "enclave/enclave.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "model/attestation_document.h"
#include "model/ratls.h"

#include <stdio.h>

enum { CLOCK_SKEW_S = 300 };

/* --- making it --- */

/* What the TEE says now about a key: the claims, and its evidence over them. */
struct vouched {
    struct buf claims;
    struct buf evidence;
};

#define VOUCHED_INIT                                                                               \
    ((struct vouched){.claims = BUF_INIT(RATLS_CLAIMS_MAX), .evidence = BUF_INIT(TEE_EVIDENCE_MAX)})

static void vouched_done(struct vouched *vouched)
{
    buf_done(&vouched->claims);
    buf_done(&vouched->evidence);
}

static int vouch(struct enclave *enclave, EVP_PKEY *key, struct vouched *ret, struct err *err)
{
    AUTO_BUF struct buf public_key = BUF_INIT(4096);
    uint8_t key_digest[SHA256_SIZE];
    uint8_t report_data[TEE_REPORT_DATA_SIZE] = {0}; /* SHA-256 of the claims, then zero */
    if (public_key_der(key, &public_key, err) < 0 ||
        sha256(buf_slice(&public_key), key_digest, err) < 0 ||
        ratls_claims_encode(key_digest, enclave->fingerprint, &ret->claims, err) < 0 ||
        sha256(buf_slice(&ret->claims), report_data, err) < 0 ||
        enclave->tee->evidence(report_data, &ret->evidence, err) < 0)
        return FAIL_CONTEXT(err, "evidence for the certificate");
    return 0;
}

/* The extension turns a certificate into evidence about its own key. */
static int make_certificate(struct enclave *enclave, EVP_PKEY *key, const struct vouched *vouched,
                            X509 **ret, struct err *err)
{
    AUTO_BUF struct buf extension = BUF_INIT(TEE_EVIDENCE_MAX + RATLS_CLAIMS_MAX);
    if (ratls_extension_encode(enclave->tee->evidence_format, buf_slice(&vouched->evidence),
                               buf_slice(&vouched->claims), &extension, err) < 0)
        return -1;
    const struct manifest *manifest = &enclave->manifest;
    const char *names[] = {manifest->tls_host_name};
    const struct certificate_extension extensions[] = {{RATLS_OID, buf_slice(&extension)}};
    int64_t now = clock_unix();
    struct certificate_spec spec = {
        .common_name = manifest->name, /* a host name may be too long for one */
        .dns_names = names,
        .dns_name_count = ARRAY_LEN(names),
        .not_before = now - CLOCK_SKEW_S,
        .not_after = manifest->tls_mode == MANIFEST_TLS_RA ? manifest->tls_not_after
                                                           : now + ENCLAVE_WAITING_CERTIFICATE_S,
        .extensions = extensions,
        .extension_count = ARRAY_LEN(extensions),
    };
    if (spec.not_after <= now)
        return FAIL(err, ERR_INVALID, "the certificate's end in the manifest has passed");
    return certificate_new(key, &spec, NULL, NULL, ret, err);
}

static int save_identity(struct enclave *enclave, EVP_PKEY *key, X509 *certificate, struct err *err)
{
    AUTO_BUF struct buf pem = BUF_INIT(PEM_MAX);
    if (enclave->state_folder < 0)
        return 0;
    if (private_key_to_pem(key, &pem, err) < 0 || certificate_to_pem(certificate, &pem, err) < 0)
        return -1;
    return state_write(enclave, STATE_IDENTITY, buf_slice(&pem), err);
}

/* 0 with *ret_key NULL: there is none yet. */
static int load_identity(struct enclave *enclave, EVP_PKEY **ret_key, X509 **ret_certificate,
                         struct err *err)
{
    AUTO_BUF struct buf pem = BUF_INIT(PEM_MAX);
    *ret_key = NULL;
    if (enclave->state_folder < 0)
        return 0; /* locked */
    if (state_read(enclave, STATE_IDENTITY, &pem, err) < 0) {
        if (err->kind != ERR_NOT_FOUND)
            return -1;
        if (state_has(enclave, STATE_PROVISIONED)) {
            (void)FAIL(err, ERR_REJECTED,
                       "this enclave was provisioned, but its TLS identity was "
                       "deleted from the sealed state");
            err_hint(err, "stop the app, which destroys its storage, and deploy it again");
            return -1;
        }
        err_clear(err);
        return 0;
    }
    AUTO_PKEY EVP_PKEY *key = NULL;
    if (private_key_from_pem(buf_slice(&pem), &key, err) < 0 ||
        certificate_from_pem(buf_slice(&pem), ret_certificate, err) < 0)
        return FAIL_CONTEXT(err, "sealed TLS identity");
    *ret_key = STEAL(key);
    return 0;
}

/* What serves from now on; takes key and certificate over. */
static int use(struct enclave *enclave, EVP_PKEY *key, X509 *certificate, struct slice chain,
               struct err *err)
{
    AUTO_BUF struct buf public_key = BUF_INIT(4096);
    const struct tls_server_config config = {
        .key = key,
        .certificate = certificate,
        .chain = chain,
        .allow_tls12 = enclave->manifest.tls_mode == MANIFEST_TLS_OWNER,
        .http2 = enclave->manifest.server.http_version != 1,
        .require_pq = enclave->manifest.server.require_pq != 0,
    };
    if (public_key_der(key, &public_key, err) < 0)
        return -1;
    int status = enclave->tls == NULL ? tls_server_new(&config, &enclave->tls, err)
                                      : tls_server_replace(enclave->tls, &config, err);
    if (status < 0)
        return -1;
    lock_acquire(&enclave->identity_lock);
    EVP_PKEY_free(enclave->key);
    X509_free(enclave->certificate);
    enclave->key = key;
    enclave->certificate = certificate;
    buf_clear(&enclave->public_key);
    status = buf_bytes(&enclave->public_key, buf_slice(&public_key), err);
    lock_release(&enclave->identity_lock);
    return status;
}

/* Is this certificate about this key, with the claims that the TEE vouches for now, and does its
 * evidence say of the TEE what the TEE says now (another firmware, say, is another answer)? */
static bool still_true(const struct enclave *enclave, EVP_PKEY *key, X509 *certificate,
                       const struct vouched *vouched)
{
    AUTO_BUF struct buf content = BUF_INIT(RATLS_EXTENSION_MAX);
    struct ratls_extension extension;
    struct err ignored = ERR_INIT;
    int64_t not_before;
    int64_t not_after;
    return certificate_matches_key(certificate, key) &&
           certificate_extension_get(certificate, RATLS_OID, &content, &ignored) == 0 &&
           ratls_extension_decode(buf_slice(&content), &extension, &ignored) == 0 &&
           extension.format == enclave->tee->evidence_format &&
           slice_equal(extension.claims_bytes, buf_slice(&vouched->claims)) &&
           tee_evidence_same(enclave->tee, extension.evidence, buf_slice(&vouched->evidence)) &&
           certificate_validity(certificate, &not_before, &not_after, &ignored) == 0 &&
           (enclave->manifest.tls_mode == MANIFEST_TLS_RA
                ? not_after == enclave->manifest.tls_not_after
                : not_after > clock_unix());
}

/* The key is kept, so that who pinned it goes on; the evidence is asked for anew at each start, and
 * where the certificate of before does not fit it any more there is a new one. */
int boot_identity(struct enclave *enclave, struct err *err)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    __attribute__((cleanup(vouched_done))) struct vouched vouched = VOUCHED_INIT;
    if (load_identity(enclave, &key, &certificate, err) < 0 ||
        (key == NULL && p256_key_new(&key, err) < 0) || vouch(enclave, key, &vouched, err) < 0)
        return -1;
    if (certificate != NULL && !still_true(enclave, key, certificate, &vouched)) {
        log_info("a new certificate for the same key: the evidence in the old one has aged");
        X509_free(STEAL(certificate));
    }
    if (certificate == NULL && (make_certificate(enclave, key, &vouched, &certificate, err) < 0 ||
                                save_identity(enclave, key, certificate, err) < 0))
        return -1;
    if (use(enclave, key, certificate, slice_of(NULL, 0), err) < 0)
        return -1;
    key = NULL;
    certificate = NULL;
    return 0;
}

void identity_forget(struct enclave *enclave)
{
    tls_server_free(STEAL(enclave->tls));
    lock_acquire(&enclave->identity_lock);
    EVP_PKEY_free(STEAL(enclave->key));
    X509_free(STEAL(enclave->certificate));
    buf_clear(&enclave->public_key);
    lock_release(&enclave->identity_lock);
}

/* --- OCSP stapling --- */

/* Under the lock. */
static int staple_locked(struct enclave *enclave, struct slice response, struct ocsp_validity *ret,
                         struct err *err)
{
    int64_t now = clock_unix();
    if (enclave->chain.len == 0)
        return FAIL(err, ERR_CONFLICT, "no certificate of an owner's is served here (yet)");
    if (ocsp_check(response, enclave->certificate, buf_slice(&enclave->chain), now, ret, err) < 0)
        return -1;
    if (ret->this_update < enclave->stapled.this_update && enclave->stapled.next_update > now)
        return FAIL(err, ERR_CONFLICT, "a newer OCSP response is shown already");
    if (tls_server_staple(enclave->tls, response, ret->next_update, err) < 0)
        return -1;
    enclave->stapled = *ret;
    return 0;
}

static int staple(struct enclave *enclave, struct slice response, struct ocsp_validity *ret,
                  struct err *err)
{
    lock_acquire(&enclave->identity_lock);
    int status = staple_locked(enclave, response, ret, err);
    lock_release(&enclave->identity_lock);
    return status;
}

int identity_staple(struct enclave *enclave, struct slice response, struct ocsp_validity *ret,
                    struct err *err)
{
    if (staple(enclave, response, ret, err) < 0)
        return -1;
    if (folder_create_all(ENCLAVE_CACHE, 0700, err) < 0 ||
        file_write_atomic(ENCLAVE_OCSP, response, 0600, err) < 0)
        return FAIL_CONTEXT(err, "it is shown, but cannot be kept for a restart");
    return 0;
}

/* What was kept may have been changed by the app, or have ended: it is checked like any other. */
static void staple_kept(struct enclave *enclave)
{
    AUTO_BUF struct buf response = BUF_INIT(OCSP_RESPONSE_MAX);
    struct err err = ERR_INIT;
    struct ocsp_validity validity;
    if (!file_exists(ENCLAVE_OCSP))
        return;
    if (file_read(ENCLAVE_OCSP, &response, &err) < 0 ||
        staple(enclave, buf_slice(&response), &validity, &err) < 0)
        log_warning("the OCSP response of before is not shown: %s", err.message);
}

/* --- the owner's certificate --- */

/* The node may have changed the file since it was checked at the start. */
static int read_owner_certificate(struct enclave *enclave, struct buf *pem, struct err *err)
{
    uint8_t digest[SHA256_SIZE];
    if (file_read(SANDBOX_PACKAGE "/certificate.pem", pem, err) < 0 ||
        sha256(buf_slice(pem), digest, err) < 0)
        return -1;
    if (!crypto_equal(digest, enclave->manifest.tls_certificate_digest, sizeof(digest)))
        return FAIL(err, ERR_INVALID, "it is not the one of the manifest");
    return 0;
}

int identity_use_owner_certificate(struct enclave *enclave, struct err *err)
{
    AUTO_BUF struct buf pem = BUF_INIT(PEM_MAX);
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    if (read_owner_certificate(enclave, &pem, err) < 0 ||
        certificate_from_pem(buf_slice(&pem), &certificate, err) < 0 ||
        private_key_from_pem(secret_slice(&enclave->provisioned.tls_private_key), &key, err) < 0)
        return FAIL_CONTEXT(err, "the owner's certificate");
    if (!certificate_matches_key(certificate, key))
        return FAIL(err, ERR_INVALID, "the owner's TLS key does not belong to the certificate");
    if (use(enclave, key, certificate, buf_slice(&pem), err) < 0)
        return FAIL_CONTEXT(err, "the owner's certificate");
    key = NULL;
    certificate = NULL;
    lock_acquire(&enclave->identity_lock);
    int status = buf_bytes(&enclave->chain, buf_slice(&pem), err);
    lock_release(&enclave->identity_lock);
    if (status == 0)
        staple_kept(enclave);
    return status;
}

/* --- attestation on demand --- */

int identity_staple_collateral(struct enclave *enclave, struct slice bundle, struct err *err)
{
    for (size_t i = 0; i < bundle.len; i++) {
        uint8_t c = bundle.data[i];
        if (c >= 0x7f || (c < ' ' && c != '\n'))
            return FAIL(err, ERR_INVALID, "collateral is plain text, found the byte 0x%02x", c);
    }
    lock_acquire(&enclave->identity_lock);
    enclave->collateral.max = ATTESTATION_COLLATERAL_MAX;
    buf_clear(&enclave->collateral);
    int status = buf_bytes(&enclave->collateral, bundle, err);
    lock_release(&enclave->identity_lock);
    return status;
}

/* The history does not change once the storage is open. */
static int say_storage(const struct enclave *enclave, uint64_t asked,
                       struct attestation_document *document, struct buf *message, struct err *err)
{
    document->has_storage = enclave->history.openings > 0;
    if (!document->has_storage)
        return 0;
    storage_history_say(&enclave->history, asked, &document->storage);
    return storage_word_message(&document->storage, message, err);
}

static int fill_document(struct enclave *enclave, const uint8_t nonce[static 32], uint64_t asked,
                         struct attestation_document *document, struct err *err)
{
    AUTO_BUF struct buf word = BUF_INIT(STORAGE_WORD_SIZE);
    lock_acquire(&enclave->identity_lock);
    int status = buf_bytes(&document->public_key, buf_slice(&enclave->public_key), err);
    if (status == 0 && enclave->collateral.len > 0) {
        document->collateral = str_copy(buf_text(&enclave->collateral), err);
        status = document->collateral == NULL ? -1 : 0;
    }
    lock_release(&enclave->identity_lock);
    if (status < 0 || say_storage(enclave, asked, document, &word, err) < 0)
        return -1;
    const struct slice parts[] = {slice_of(nonce, ATTESTATION_NONCE_SIZE),
                                  buf_slice(&document->public_key),
                                  slice_of(enclave->fingerprint, SHA256_SIZE), buf_slice(&word)};
    uint8_t report_data[SHA512_SIZE];
    if (sha512_parts(parts, ARRAY_LEN(parts), report_data, err) < 0 ||
        enclave->tee->evidence(report_data, &document->evidence, err) < 0)
        return -1;
    document->manifest = str_copy(buf_text(&enclave->manifest_bytes), err);
    return document->manifest == NULL ? -1 : 0;
}

int identity_attest(struct enclave *enclave, const uint8_t nonce[static 32], uint64_t asked,
                    struct buf *out, struct err *err)
{
    AUTO_ATTESTATION_DOCUMENT struct attestation_document document = {
        .evidence = BUF_INIT(ATTESTATION_EVIDENCE_MAX),
        .public_key = BUF_INIT(ATTESTATION_KEY_MAX),
    };
    (void)snprintf(document.tee, sizeof(document.tee), "%s", enclave->tee->name);
    if (fill_document(enclave, nonce, asked, &document, err) < 0)
        return FAIL_CONTEXT(err, "attestation");
    return attestation_document_encode(&document, out, err);
}
