// SPDX-License-Identifier: Apache-2.0
/*
 * The rules for a certificate revocation list (RFC 5280 sections 5 and 6.3).
 */
#include "attest/chain.h"
#include "attest/crl.h"

static bool signature_good(const struct crl *crl, struct certificate *issuer)
{
    EVP_PKEY *key = certificate_key(issuer);
    if (key == NULL)
        return false;
    if (algorithm_is_ecdsa_sha256(crl->algorithm))
        return ecdsa_verify_der(key, crl->to_be_signed, crl->signature);
    const uint8_t *at = crl->der.data;
    X509_CRL *same = d2i_X509_CRL(NULL, &at, (long)crl->der.len);
    bool good = same != NULL && X509_CRL_verify(same, key) == 1;
    X509_CRL_free(same);
    return good;
}

static bool revokes(struct crl *crl, const struct certificate *certificate)
{
    struct reader in = reader_of(crl->entries, "a CRL's entries");
    struct slice serial;
    while (reader_left(&in) > 0 && crl_next_entry(&in, crl, &serial, NULL) == 0) {
        if (slice_equal(serial, certificate->serial))
            return true;
    }
    return false;
}

static const char *named(struct verification *v, const struct crl_rules *rules, const char *what)
{
    return say(v, "%s.%s", rules->name, what);
}

static void judge_revocation(struct verification *v, const struct crl_rules *rules, struct crl *crl,
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

static bool judge_issuer(struct verification *v, const struct crl_rules *rules,
                         const struct crl *crl, const struct certificate *issuer)
{
    bool named_right = slice_equal(crl->issuer, issuer->subject);
    bool may_sign = (issuer->usage & USAGE_CRL_SIGN) != 0;
    return check_that(v, named_right && may_sign, named(v, rules, "issuer"),
                      !named_right ? "another issuer"
                      : !may_sign  ? "an issuer whose key may not sign CRLs"
                                   : certificate_common_name(v, issuer),
                      certificate_common_name(v, issuer), rules->hint);
}

static bool judge_form(struct verification *v, const struct crl_rules *rules, struct slice der,
                       struct crl *ret)
{
    struct err err = ERR_INIT;
    bool readable = crl_read(der, ret, &err) == 0;
    bool plain = readable && !ret->has_critical;
    return check_that(v, plain, named(v, rules, "form"),
                      plain      ? "CRL"
                      : readable ? "a CRL with a critical extension"
                                 : say(v, "%s", err.message),
                      "a complete DER CRL", rules->hint);
}

void crl_judge(struct verification *v, const struct crl_rules *rules, struct slice der,
               struct certificate *issuer, const struct certificate *const *certificates,
               size_t count)
{
    const char *present = named(v, rules, "present");
    struct crl crl;
    if (der.len == 0 && rules->required) {
        check_fail(v, present, "no CRL in the collateral", "required by the policy", rules->hint);
        return;
    }
    if (der.len == 0) {
        check_skip(v, present, "no CRL in the collateral, none required");
        return;
    }
    if (!judge_form(v, rules, der, &crl) || !judge_issuer(v, rules, &crl, issuer))
        return;
    bool good = signature_good(&crl, issuer);
    if (!check_that(v, good, named(v, rules, "signature"), good ? "good" : "wrong",
                    say(v, "signed by '%s'", certificate_common_name(v, issuer)),
                    "the CRL was altered: fetch it again")) {
        note_trouble(v, TROUBLE_BAD_SIGNATURE);
        return;
    }
    (void)check_window(v, named(v, rules, "validity"), crl.from, crl.until, false, rules->hint);
    judge_revocation(v, rules, &crl, certificates, count);
}
