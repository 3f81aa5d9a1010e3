// SPDX-License-Identifier: Apache-2.0
/*
 * Certificate revocation lists (RFC 5280 section 5), and the bare signature checks over P-256 and
 * P-384.
 */
#include "attest/chain_private.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>

DEFINE_CLEANUP(x509_crl_cleanup, X509_CRL *, X509_CRL_free)
#define AUTO_CRL __attribute__((cleanup(x509_crl_cleanup)))

static const char *named(struct verification *v, const struct crl_rules *rules, const char *what)
{
    return say(v, "%s.%s", rules->name, what);
}

static X509_CRL *parse(struct slice der)
{
    const uint8_t *at = der.data;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)der.len);
    if (crl != NULL && at == der.data + der.len)
        return crl;
    X509_CRL_free(crl);
    return NULL;
}

/* A critical extension of the list or an entry (delta lists, indirect lists, RFC 5280 5.2 and 5.3)
 * would change what the list means; the vendors' lists have none. */
static bool has_critical_extension(X509_CRL *crl)
{
    if (X509_CRL_get_ext_by_critical(crl, 1, -1) >= 0)
        return true;
    STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(crl);
    for (int i = 0; i < sk_X509_REVOKED_num(revoked); i++) {
        if (X509_REVOKED_get_ext_by_critical(sk_X509_REVOKED_value(revoked, i), 1, -1) >= 0)
            return true;
    }
    return false;
}

static bool revokes(X509_CRL *crl, const struct certificate *certificate)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate->x509);
    STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(crl);
    for (int i = 0; i < sk_X509_REVOKED_num(revoked); i++) {
        const X509_REVOKED *entry = sk_X509_REVOKED_value(revoked, i);
        if (ASN1_INTEGER_cmp(X509_REVOKED_get0_serialNumber(entry), serial) == 0)
            return true;
    }
    return false;
}

static void judge_window(struct verification *v, const struct crl_rules *rules, X509_CRL *crl)
{
    int64_t from;
    int64_t until;
    struct err err = ERR_INIT;
    if (certificate_time(X509_CRL_get0_lastUpdate(crl), &from, &err) < 0 ||
        certificate_time(X509_CRL_get0_nextUpdate(crl), &until, &err) < 0) {
        check_fail(v, named(v, rules, "validity"), "no window", "last update and next update",
                   rules->hint);
        return;
    }
    (void)check_window(v, named(v, rules, "validity"), from, until, false, rules->hint);
}

static void judge_revocation(struct verification *v, const struct crl_rules *rules, X509_CRL *crl,
                             const struct certificate *const *certificates, size_t count)
{
    const char *check = named(v, rules, "revocation");
    for (size_t i = 0; i < count; i++) {
        if (certificates[i] == NULL || !revokes(crl, certificates[i]))
            continue;
        check_fail(v, check, say(v, "'%s' is revoked", certificate_common_name(v, certificates[i])),
                   "not revoked", "the vendor withdrew this key: do not trust what it signs");
        note_trouble(v, TROUBLE_REVOKED);
        return;
    }
    check_pass(v, check, "not revoked", "");
}

static bool judge_issuer(struct verification *v, const struct crl_rules *rules, X509_CRL *crl,
                         const struct certificate *issuer)
{
    bool named_right =
        X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer->x509)) == 0;
    bool may_sign = (X509_get_key_usage(issuer->x509) & KU_CRL_SIGN) != 0;
    return check_that(v, named_right && may_sign, named(v, rules, "issuer"),
                      !named_right ? "another issuer"
                      : !may_sign  ? "an issuer whose key may not sign CRLs"
                                   : certificate_common_name(v, issuer),
                      certificate_common_name(v, issuer), rules->hint);
}

void crl_judge(struct verification *v, const struct crl_rules *rules, struct slice der,
               const struct certificate *issuer, const struct certificate *const *certificates,
               size_t count)
{
    const char *present = named(v, rules, "present");
    if (der.len == 0) {
        if (rules->required)
            check_fail(v, present, "no CRL in the collateral", "required by the policy",
                       rules->hint);
        else
            check_skip(v, present, "no CRL in the collateral, none required");
        return;
    }
    AUTO_CRL X509_CRL *crl = parse(der);
    bool readable = crl != NULL && !has_critical_extension(crl);
    if (!check_that(v, readable, named(v, rules, "form"),
                    crl == NULL ? "not a CRL"
                    : readable  ? "CRL"
                                : "a CRL with a critical extension",
                    "a complete DER CRL", rules->hint))
        return;
    if (!judge_issuer(v, rules, crl, issuer))
        return;
    bool good = X509_CRL_verify(crl, issuer->key) == 1;
    if (!check_that(v, good, named(v, rules, "signature"), good ? "good" : "wrong",
                    say(v, "signed by '%s'", certificate_common_name(v, issuer)),
                    "the CRL was altered: fetch it again")) {
        note_trouble(v, TROUBLE_BAD_SIGNATURE);
        return;
    }
    judge_window(v, rules, crl);
    judge_revocation(v, rules, crl, certificates, count);
}

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

bool ecdsa_verify(EVP_PKEY *key, struct slice message, const uint8_t *r_and_s, size_t size)
{
    uint8_t *der = NULL;
    int len = der_signature(r_and_s, size, &der);
    EVP_MD_CTX *context = len < 0 ? NULL : EVP_MD_CTX_new();
    const EVP_MD *digest = size == 48 ? EVP_sha384() : EVP_sha256();
    bool good = context != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
                (size_t)EVP_PKEY_get_bits(key) == 8 * size &&
                EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
                EVP_DigestVerify(context, der, (size_t)len, message.data, message.len) == 1;
    EVP_MD_CTX_free(context);
    OPENSSL_free(der);
    return good;
}

EVP_PKEY *p256_public_key(const uint8_t x_and_y[static 64])
{
    uint8_t point[65] = {0x04}; /* SEC 1 section 2.3.3: uncompressed */
    memcpy(point + 1, x_and_y, 64);
    char group[] = "P-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}
