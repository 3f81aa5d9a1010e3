// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates: parsing, the store, and the rules for a chain. What a chain must look like comes as
 * a table from the vendor's verifier; nothing here knows a vendor.
 */
#include "attest/chain.h"

#include "format/der.h"

void certificate_store_done(struct certificate_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        certificate_done(&store->certificates[i]);
    store->count = 0;
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
    if (store->count == CERTIFICATES_MAX)
        return FAIL(err, ERR_TOO_LARGE, "more than %d different certificates", CERTIFICATES_MAX);
    struct certificate *certificate = &store->certificates[store->count];
    if (certificate_read(der, certificate, err) < 0)
        return -1;
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

/* RFC 4648 table 1, one more than the value; 0: not in the alphabet. */
static const uint8_t base64_values[256] = {
    ['A'] = 1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,         12,         13,
    14,         15, 16, 17, 18, 19, 20, 21, 22, 23, 24,         25,         26,
    ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37,         38,         39,
    40,         41, 42, 43, 44, 45, 46, 47, 48, 49, 50,         51,         52,
    ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['+'] = 63, ['/'] = 64,
};

/* RFC 7468: the base64 text between the markers, white space anywhere, canonical padding. */
static int decode_body(struct arena *arena, struct slice body, struct slice *ret, struct err *err)
{
    uint8_t *place = arena_alloc(arena, body.len / 4 * 3 + 3);
    size_t len = 0;
    size_t digits = 0;
    size_t padding = 0;
    uint32_t bits = 0;
    if (place == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < body.len; i++) {
        uint8_t c = body.data[i];
        if (is_space(c))
            continue;
        int value = c == '=' ? 0 : base64_values[c] - 1;
        padding += c == '=' ? 1 : 0;
        if (value < 0 || (padding > 0 && c != '=') || padding > 2)
            return FAIL(err, ERR_INVALID, "a PEM certificate that is not base64");
        bits = bits << 6 | (uint32_t)value;
        if (++digits % 4 != 0)
            continue;
        place[len++] = (uint8_t)(bits >> 16);
        place[len++] = (uint8_t)(bits >> 8);
        place[len++] = (uint8_t)bits;
    }
    uint32_t unused = padding == 2 ? bits & 0xffff : padding == 1 ? bits & 0xff : 0;
    if (digits % 4 != 0 || unused != 0)
        return FAIL(err, ERR_INVALID, "a PEM certificate that is not canonical base64");
    *ret = slice_of(place, len - padding);
    return 0;
}

/* The same certificate stands in several chains, mostly as the same text. */
static bool find_same_text(struct certificate_store *store, struct slice *text,
                           struct certificate **ret)
{
    for (size_t i = 0; i < store->count; i++) {
        struct slice pem = store->certificates[i].pem;
        if (pem.len == 0 || pem.len > text->len || memcmp(pem.data, text->data, pem.len) != 0)
            continue;
        *ret = &store->certificates[i];
        *text = trim_start(after(*text, pem.len));
        return true;
    }
    return false;
}

/* At the begin marker; *text moves behind the end marker. */
static int parse_pem_block(struct certificate_store *store, struct arena *arena, struct slice *text,
                           struct certificate **ret, struct err *err)
{
    if (!starts_with(*text, pem_begin))
        return FAIL(err, ERR_INVALID, "'%s' expected", pem_begin);
    if (find_same_text(store, text, ret))
        return 0;
    struct slice body = after(*text, strlen(pem_begin));
    const uint8_t *end = memmem(body.data, body.len, pem_end, strlen(pem_end));
    if (end == NULL)
        return FAIL(err, ERR_INVALID, "a PEM certificate without its end");
    struct slice der;
    size_t len = (size_t)(end - body.data);
    if (decode_body(arena, slice_of(body.data, len), &der, err) < 0 ||
        parse_der(store, der, ret, err) < 0)
        return -1;
    (*ret)->pem = slice_of(text->data, (size_t)(end - text->data) + strlen(pem_end));
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

/* The content of the one attribute 2.5.4.3 in a Name; false where there is none or another. */
static bool find_common_name(struct slice name, struct slice *ret)
{
    static const uint8_t oid_common_name[] = {0x55, 0x04, 0x03};
    struct reader whole = reader_of(name, "a name");
    struct slice sets;
    size_t count = 0;
    if (der_expect(&whole, "a name", DER_SEQUENCE, &sets, NULL) < 0)
        return false;
    struct reader in = reader_of(sets, "a name");
    while (reader_left(&in) > 0) {
        struct slice set;
        struct slice pair;
        struct slice oid;
        struct slice value;
        uint8_t tag;
        if (der_expect(&in, "a name", DER_SET, &set, NULL) < 0)
            return false;
        struct reader outer = reader_of(set, "a name");
        if (der_expect(&outer, "a name", DER_SEQUENCE, &pair, NULL) < 0)
            return false;
        struct reader inner = reader_of(pair, "a name");
        if (der_expect(&inner, "a name", DER_OID, &oid, NULL) < 0 ||
            der_next(&inner, "a name", &tag, &value, NULL) < 0)
            return false;
        if (!slice_equal(oid, slice_of(oid_common_name, sizeof(oid_common_name))))
            continue;
        *ret = value;
        count++;
    }
    return count == 1;
}

const char *certificate_common_name(struct verification *v, const struct certificate *certificate)
{
    struct slice name;
    return find_common_name(certificate->subject, &name) ? arena_printable(v->arena, name, 64) : "";
}
