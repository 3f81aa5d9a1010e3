// SPDX-License-Identifier: Apache-2.0
/*
 * Reads certificate revocation lists through the bounded reader. Judges nothing.
 */
#include "attest/crl.h"

#include "format/der.h"

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

int crl_next_entry(struct reader *in, struct crl *crl, struct slice *ret_serial, struct err *err)
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
        if (crl_next_entry(&in, crl, &serial, err) < 0)
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

int crl_read(struct slice der, struct crl *ret, struct err *err)
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
