// SPDX-License-Identifier: Apache-2.0
/*
 * Certificate revocation lists (RFC 5280 section 5), read strictly as DER like the certificates,
 * and the rules for them.
 */
#include "attest/chain.h"
#include "attest/der.h"

struct crl {
    struct slice der;
    struct slice to_be_signed;
    struct slice algorithm;
    struct slice signature;
    struct slice issuer;
    struct slice entries; /* content of revokedCertificates */
    int64_t from, until;
    bool has_critical; /* of the list or of an entry */
};

/* An entry or the list has a critical extension? (Delta lists, indirect lists, RFC 5280 5.2 and
 * 5.3: it would change what the list means; the vendors' lists have none.) */
static int read_extensions(struct slice list, struct crl *crl, struct err *err)
{
    struct reader in = reader_of(list, "a CRL's extensions");
    while (reader_left(&in) > 0) {
        struct slice content;
        struct slice element;
        bool critical = false;
        if (der_expect(&in, "extension", DER_SEQUENCE, &content, err) < 0)
            return -1;
        struct reader one = reader_of(content, "a CRL's extension");
        if (der_expect(&one, "extension", DER_OID, &element, err) < 0)
            return -1;
        if (der_next_is(&one, DER_BOOLEAN) &&
            (der_expect(&one, "critical", DER_BOOLEAN, &element, err) < 0 ||
             der_boolean(element, "critical", &critical, err) < 0))
            return -1;
        if (der_expect(&one, "extension value", DER_OCTET_STRING, &element, err) < 0 ||
            reader_end(&one, err) < 0)
            return -1;
        crl->has_critical = crl->has_critical || critical;
    }
    return 0;
}

/* The next entry's serial number. */
static int next_entry(struct reader *in, struct crl *crl, struct slice *ret_serial, struct err *err)
{
    struct slice content;
    struct slice extensions;
    int64_t date;
    if (der_expect(in, "entry", DER_SEQUENCE, &content, err) < 0)
        return -1;
    struct reader entry = reader_of(content, "a CRL's entry");
    if (der_expect(&entry, "serial number", DER_INTEGER, ret_serial, err) < 0 ||
        der_time(&entry, "revocation date", &date, err) < 0)
        return -1;
    if (reader_left(&entry) == 0)
        return 0;
    if (der_expect(&entry, "extensions", DER_SEQUENCE, &extensions, err) < 0 ||
        reader_end(&entry, err) < 0)
        return -1;
    return read_extensions(extensions, crl, err);
}

static int read_entries(struct reader *outer, struct crl *crl, struct err *err)
{
    struct slice serial;
    if (!der_next_is(outer, DER_SEQUENCE))
        return 0;
    if (der_expect(outer, "entries", DER_SEQUENCE, &crl->entries, err) < 0)
        return -1;
    struct reader in = reader_of(crl->entries, "a CRL's entries");
    while (reader_left(&in) > 0) {
        if (next_entry(&in, crl, &serial, err) < 0)
            return -1;
    }
    return 0;
}

static int read_list_extensions(struct reader *outer, struct crl *crl, struct err *err)
{
    struct slice context;
    struct slice list;
    if (reader_left(outer) == 0)
        return 0;
    if (der_expect(outer, "extensions", DER_CONTEXT_0, &context, err) < 0)
        return -1;
    struct reader in = reader_of(context, "a CRL's extensions");
    if (der_expect(&in, "extensions", DER_SEQUENCE, &list, err) < 0 || reader_end(&in, err) < 0)
        return -1;
    return read_extensions(list, crl, err);
}

/* RFC 5280 5.1.2: version 2, and with both times (a profile of 5.1.2.5). */
static int read_to_be_signed(struct slice content, struct crl *crl, struct err *err)
{
    struct reader in = reader_of(content, "a CRL");
    struct slice element;
    struct slice algorithm;
    uint64_t version;
    if (der_expect(&in, "version", DER_INTEGER, &element, err) < 0 ||
        der_number(element, "version", 255, &version, err) < 0)
        return -1;
    if (version != 1)
        return FAIL(err, ERR_INVALID, "a CRL that is not of version 2");
    if (der_whole(&in, "algorithm", DER_SEQUENCE, &element, &algorithm, err) < 0 ||
        der_whole(&in, "issuer", DER_SEQUENCE, &element, &crl->issuer, err) < 0 ||
        der_time(&in, "last update", &crl->from, err) < 0 ||
        der_time(&in, "next update", &crl->until, err) < 0 || read_entries(&in, crl, err) < 0 ||
        read_list_extensions(&in, crl, err) < 0 || reader_end(&in, err) < 0)
        return -1;
    if (!slice_equal(algorithm, crl->algorithm))
        return FAIL(err, ERR_INVALID, "a CRL with two signature algorithms");
    return 0;
}

static int read_crl(struct slice der, struct crl *ret, struct err *err)
{
    struct crl crl = {.der = der};
    struct slice content;
    struct slice element;
    struct slice tbs;
    struct reader whole = reader_of(der, "a CRL");
    if (der_expect(&whole, "CRL", DER_SEQUENCE, &content, err) < 0 || reader_end(&whole, err) < 0)
        return -1;
    struct reader in = reader_of(content, "a CRL");
    if (der_whole(&in, "signed part", DER_SEQUENCE, &tbs, &crl.to_be_signed, err) < 0 ||
        der_whole(&in, "algorithm", DER_SEQUENCE, &element, &crl.algorithm, err) < 0 ||
        der_expect(&in, "signature", DER_BIT_STRING, &element, err) < 0 ||
        reader_end(&in, err) < 0 || read_to_be_signed(tbs, &crl, err) < 0)
        return -1;
    if (element.len < 1 || element.data[0] != 0)
        return FAIL(err, ERR_INVALID, "a CRL whose signature is not whole bytes");
    crl.signature = slice_of(element.data + 1, element.len - 1);
    *ret = crl;
    return 0;
}

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
    while (reader_left(&in) > 0 && next_entry(&in, crl, &serial, NULL) == 0) {
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
    bool readable = read_crl(der, ret, &err) == 0;
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
