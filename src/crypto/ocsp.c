// SPDX-License-Identifier: Apache-2.0
/*
 * Judging an OCSP response (RFC 6960) with OpenSSL. Runs on the owner's machine before a deployment
 * and in the enclave, where the response comes from anybody.
 */
#include "crypto/ocsp.h"

#include "base/clock.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>

enum { CLOCK_SKEW_S = 300, CHAIN_MAX = 9 };

DEFINE_CLEANUP(response_cleanup, OCSP_RESPONSE *, OCSP_RESPONSE_free)
DEFINE_CLEANUP(basic_cleanup, OCSP_BASICRESP *, OCSP_BASICRESP_free)
DEFINE_CLEANUP(id_cleanup, OCSP_CERTID *, OCSP_CERTID_free)
DEFINE_CLEANUP(store_cleanup, X509_STORE *, X509_STORE_free)
DEFINE_CLEANUP(bio_cleanup, BIO *, BIO_free_all)

/* --- reading --- */

static int parse(struct slice der, OCSP_BASICRESP **ret, struct err *err)
{
    if (der.len > OCSP_RESPONSE_MAX)
        return FAIL(err, ERR_TOO_LARGE, "an OCSP response of %zu bytes, at most %d are taken",
                    der.len, OCSP_RESPONSE_MAX);
    const unsigned char *at = der.data;
    AUTO(response_cleanup)
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
    ERR_clear_error();
    if (response == NULL || at != der.data + der.len)
        return FAIL(err, ERR_INVALID, "this is no OCSP response in DER");
    int status = OCSP_response_status(response);
    if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return FAIL(err, ERR_INVALID, "the OCSP responder gave no answer but the error '%s'",
                    OCSP_response_status_str(status));
    *ret = OCSP_response_get1_basic(response);
    ERR_clear_error();
    return *ret != NULL ? 0 : FAIL(err, ERR_INVALID, "the OCSP response is of an unknown type");
}

/* The certificate's issuer, by name, key identifier and signature. */
static int find_issuer(X509 *certificate, struct slice pem, X509 **ret, struct err *err)
{
    AUTO(bio_cleanup) BIO *in = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (in == NULL)
        return FAIL_OPENSSL(err, "cannot read certificates");
    for (int i = 0; i < CHAIN_MAX; i++) {
        X509 *candidate = PEM_read_bio_X509(in, NULL, NULL, NULL);
        if (candidate == NULL)
            break;
        if (X509_check_issued(candidate, certificate) == X509_V_OK &&
            X509_verify(certificate, X509_get0_pubkey(candidate)) == 1) {
            *ret = candidate;
            return 0;
        }
        X509_free(candidate);
    }
    ERR_clear_error();
    return FAIL(err, ERR_INVALID,
                "the certificate's issuer is not in its file, so that nobody can tell whose OCSP "
                "response this is; expected the chain behind the certificate");
}

/* --- judging --- */

struct verdict {
    int status; /* V_OCSP_CERTSTATUS_… */
    ASN1_GENERALIZEDTIME *revoked;
    ASN1_GENERALIZEDTIME *this_update;
    ASN1_GENERALIZEDTIME *next_update;
};

/* RFC 6960 section 4.1.1: a certificate is named by hashes over its issuer; SHA-1 as a rule. */
static int find_verdict(OCSP_BASICRESP *basic, X509 *certificate, X509 *issuer, struct verdict *ret,
                        struct err *err)
{
    const EVP_MD *const digests[] = {EVP_sha1(), EVP_sha256()};
    for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
        AUTO(id_cleanup) OCSP_CERTID *id = OCSP_cert_to_id(digests[i], certificate, issuer);
        if (id == NULL)
            return FAIL_OPENSSL(err, "cannot name a certificate for OCSP");
        if (OCSP_resp_find_status(basic, id, &ret->status, NULL, &ret->revoked, &ret->this_update,
                                  &ret->next_update) == 1)
            return 0;
    }
    return FAIL(err, ERR_INVALID, "the OCSP response is about another certificate");
}

/* Signed by the issuer, or by a responder that the issuer has made for it (section 4.2.2.2). */
static int check_signature(OCSP_BASICRESP *basic, X509 *issuer, int64_t now, struct err *err)
{
    AUTO(store_cleanup) X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *signers = sk_X509_new_null();
    int result = -1;
    if (store != NULL && signers != NULL && sk_X509_push(signers, issuer) > 0 &&
        X509_STORE_add_cert(store, issuer) == 1) {
        X509_VERIFY_PARAM *parameters = X509_STORE_get0_param(store);
        X509_VERIFY_PARAM_set_time(parameters, (time_t)now);
        X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
        result = OCSP_basic_verify(basic, signers, store, 0);
    }
    sk_X509_free(signers);
    if (result == 1) {
        ERR_clear_error();
        return 0;
    }
    const char *detail = "";
    int flags = 0;
    unsigned long code = ERR_peek_last_error_data(&detail, &flags);
    const char *reason = ERR_reason_error_string(code);
    (void)FAIL(err, ERR_INVALID,
               "the OCSP response is not signed by the certificate's issuer or a responder that "
               "the issuer made (%s%s%s)",
               reason != NULL ? reason : "no reason given", detail[0] != '\0' ? ": " : "", detail);
    ERR_clear_error();
    return -1;
}

static int read_time(const ASN1_GENERALIZEDTIME *time, int64_t *ret, struct err *err)
{
    struct tm civil;
    if (time == NULL || ASN1_TIME_to_tm(time, &civil) != 1)
        return FAIL(err, ERR_INVALID, "the OCSP response has no date where one must be");
    return civil_to_unix(civil.tm_year + 1900, civil.tm_mon + 1, civil.tm_mday, civil.tm_hour,
                         civil.tm_min, civil.tm_sec, ret, err);
}

static int check_times(const struct verdict *verdict, int64_t now, struct ocsp_validity *ret,
                       struct err *err)
{
    char text[RFC3339_SIZE];
    if (verdict->next_update == NULL)
        return FAIL(err, ERR_INVALID, "the OCSP response does not say until when it holds");
    if (read_time(verdict->this_update, &ret->this_update, err) < 0 ||
        read_time(verdict->next_update, &ret->next_update, err) < 0)
        return -1;
    if (ret->next_update <= now) {
        rfc3339_format(ret->next_update, text);
        return FAIL(err, ERR_INVALID, "the OCSP response has expired: it held until %s", text);
    }
    if (ret->this_update > now + CLOCK_SKEW_S) {
        rfc3339_format(ret->this_update, text);
        return FAIL(err, ERR_INVALID, "the OCSP response holds from %s on only", text);
    }
    return 0;
}

static int check_good(const struct verdict *verdict, struct err *err)
{
    char text[RFC3339_SIZE] = "an unknown time";
    int64_t since;
    if (verdict->status == V_OCSP_CERTSTATUS_GOOD)
        return 0;
    if (verdict->status != V_OCSP_CERTSTATUS_REVOKED)
        return FAIL(err, ERR_INVALID, "the OCSP responder does not know the certificate");
    if (read_time(verdict->revoked, &since, err) == 0)
        rfc3339_format(since, text);
    return FAIL(err, ERR_INVALID, "the certificate has been revoked, since %s", text);
}

int ocsp_check(struct slice response, X509 *certificate, struct slice chain_pem, int64_t now,
               struct ocsp_validity *ret, struct err *err)
{
    AUTO(basic_cleanup) OCSP_BASICRESP *basic = NULL;
    AUTO_X509 X509 *issuer = NULL;
    struct verdict verdict = {0};
    struct ocsp_validity validity;
    if (parse(response, &basic, err) < 0 || find_issuer(certificate, chain_pem, &issuer, err) < 0 ||
        find_verdict(basic, certificate, issuer, &verdict, err) < 0 ||
        check_signature(basic, issuer, now, err) < 0 || check_good(&verdict, err) < 0 ||
        check_times(&verdict, now, &validity, err) < 0)
        return -1;
    *ret = validity;
    return 0;
}
