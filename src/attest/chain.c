// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates: parsing, the store, and the rules for a chain. What a chain must look like comes as
 * a table from the vendor's verifier; nothing here knows a vendor.
 */
#include "attest/chain_private.h"

#include "base/clock.h"
#include "base/text.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <time.h>

enum { CERTIFICATE_MAX_SIZE = 16 * 1024 };

void certificate_store_done(struct certificate_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        X509_free(store->certificates[i].x509);
    *store = (struct certificate_store){0};
}

int certificate_time(const ASN1_TIME *time, int64_t *ret, struct err *err)
{
    struct tm tm = {0};
    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1)
        return FAIL(err, ERR_INVALID, "a time that cannot be read");
    return civil_to_unix(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                         tm.tm_sec, ret, err);
}

static int fill(struct certificate *certificate, struct err *err)
{
    const uint8_t *at = certificate->der.data;
    certificate->x509 = d2i_X509(NULL, &at, (long)certificate->der.len);
    if (certificate->x509 == NULL)
        return FAIL(err, ERR_INVALID, "a certificate that is not X.509");
    if (at != certificate->der.data + certificate->der.len)
        return FAIL(err, ERR_INVALID, "a certificate with bytes behind it");
    certificate->key = X509_get0_pubkey(certificate->x509);
    if (certificate->key == NULL)
        return FAIL(err, ERR_INVALID, "a certificate with a key that cannot be used");
    if (certificate_time(X509_get0_notBefore(certificate->x509), &certificate->not_before, err) < 0)
        return -1;
    return certificate_time(X509_get0_notAfter(certificate->x509), &certificate->not_after, err);
}

static int parse_der(struct certificate_store *store, struct slice der, struct certificate **ret,
                     struct err *err)
{
    for (size_t i = 0; i < store->count; i++) {
        if (slice_equal(store->certificates[i].der, der)) {
            *ret = &store->certificates[i];
            return 0;
        }
    }
    if (store->count == CERTIFICATES_MAX || der.len > CERTIFICATE_MAX_SIZE)
        return FAIL(err, ERR_TOO_LARGE, "too many certificates, or one that is too large");
    struct certificate *certificate = &store->certificates[store->count];
    *certificate = (struct certificate){.der = der};
    if (fill(certificate, err) < 0) {
        X509_free(certificate->x509);
        *certificate = (struct certificate){0};
        return -1;
    }
    store->count++;
    *ret = certificate;
    return 0;
}

static const char pem_begin[] = "-----BEGIN CERTIFICATE-----";
static const char pem_end[] = "-----END CERTIFICATE-----";

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static struct slice trim_start(struct slice text)
{
    while (text.len > 0 && is_space(text.data[0]))
        text = slice_of(text.data + 1, text.len - 1);
    return text;
}

static bool starts_with(struct slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

static struct slice after(struct slice text, size_t count)
{
    return slice_of(text.data + count, text.len - count);
}

/* The base64 text between the markers without its line ends, decoded into the arena. */
static int decode_body(struct arena *arena, struct slice body, struct slice *ret, struct err *err)
{
    AUTO_BUF struct buf joined = BUF_INIT(2 * CERTIFICATE_MAX_SIZE);
    AUTO_BUF struct buf der = BUF_INIT(CERTIFICATE_MAX_SIZE);
    uint8_t *place = buf_reserve(&joined, body.len, err);
    if (place == NULL)
        return -1;
    for (size_t i = 0; i < body.len; i++) {
        if (!is_space(body.data[i]))
            place[joined.len++] = body.data[i];
    }
    if (base64_decode_append(&der, buf_slice(&joined), "a PEM certificate", err) < 0)
        return -1;
    *ret = arena_copy(arena, buf_slice(&der));
    return 0;
}

/* At the begin marker; *text moves behind the end marker. */
static int parse_pem_block(struct certificate_store *store, struct arena *arena, struct slice *text,
                           struct certificate **ret, struct err *err)
{
    if (!starts_with(*text, pem_begin))
        return FAIL(err, ERR_INVALID, "'%s' expected", pem_begin);
    struct slice body = after(*text, strlen(pem_begin));
    const uint8_t *end = memmem(body.data, body.len, pem_end, strlen(pem_end));
    if (end == NULL)
        return FAIL(err, ERR_INVALID, "a PEM certificate without its end");
    struct slice der;
    size_t len = (size_t)(end - body.data);
    if (decode_body(arena, slice_of(body.data, len), &der, err) < 0 ||
        parse_der(store, der, ret, err) < 0)
        return -1;
    *text = trim_start(after(body, len + strlen(pem_end)));
    return 0;
}

int certificate_parse(struct certificate_store *store, struct arena *arena, struct slice bytes,
                      struct certificate **ret, struct err *err)
{
    struct slice text = trim_start(bytes);
    if (!starts_with(text, pem_begin))
        return parse_der(store, bytes, ret, err);
    struct certificate *certificate;
    if (parse_pem_block(store, arena, &text, &certificate, err) < 0)
        return -1;
    if (!slice_is_zero(text))
        return FAIL(err, ERR_INVALID, "more than one certificate where one is expected");
    *ret = certificate;
    return 0;
}

int chain_parse(struct certificate_store *store, struct arena *arena, struct slice pem,
                struct chain *ret, struct err *err)
{
    struct chain chain = {0};
    struct slice text = trim_start(pem);
    while (text.len > 0 && !slice_is_zero(text)) {
        if (chain.count == CHAIN_MAX)
            return FAIL(err, ERR_TOO_LARGE, "more than %d certificates", CHAIN_MAX);
        if (parse_pem_block(store, arena, &text, &chain.certificates[chain.count], err) < 0)
            return -1;
        chain.count++;
    }
    if (chain.count == 0)
        return FAIL(err, ERR_INVALID, "no certificate");
    *ret = chain;
    return 0;
}

const char *certificate_common_name(struct verification *v, const struct certificate *certificate)
{
    const X509_NAME *name = X509_get_subject_name(certificate->x509);
    int first = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (first < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, first) >= 0)
        return "";
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, first));
    struct slice bytes = slice_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
    return arena_printable(v->arena, bytes, 64);
}

int certificate_find_extension(const struct certificate *certificate, const char *oid,
                               struct slice *ret, struct err *err)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    if (object == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    int first = X509_get_ext_by_OBJ(certificate->x509, object, -1);
    int second = first < 0 ? -1 : X509_get_ext_by_OBJ(certificate->x509, object, first);
    ASN1_OBJECT_free(object);
    if (first < 0)
        return FAIL(err, ERR_NOT_FOUND, "no extension %s in the certificate", oid);
    if (second >= 0)
        return FAIL(err, ERR_INVALID, "extension %s stands twice in the certificate", oid);
    const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(X509_get_ext(certificate->x509, first));
    *ret = slice_of(ASN1_STRING_get0_data(data), (size_t)ASN1_STRING_length(data));
    return 0;
}
