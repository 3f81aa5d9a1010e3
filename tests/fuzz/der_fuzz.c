// SPDX-License-Identifier: Apache-2.0
/*
 * DER, held against OpenSSL element by element: what is read here has there the same tag, the same
 * length and the same value, and what is refused here is refused there too or is not DER (OpenSSL
 * reads BER).
 */
#include "format/der.h"

#include <openssl/asn1.h>
#include <openssl/err.h>

#include <stdlib.h>
#include <time.h>

enum { DEPTH_MAX = 16, LENGTH_BYTES_MAX = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Is it BER that is not DER, or DER that is not ours: tags of more bytes, lengths of more than
 * three? */
static bool is_more_than_ours(struct slice in)
{
    if ((in.data[0] & 0x1f) == 0x1f)
        return true;
    if (in.len < 2 || in.data[1] < 0x80)
        return false;
    size_t count = in.data[1] & 0x7f;
    return count == 0 || count > LENGTH_BYTES_MAX || in.len < 2 + count || in.data[2] == 0 ||
           (count == 1 && in.data[2] < 0x80);
}

static void compare_number(struct slice content, struct slice whole)
{
    const uint8_t *at = whole.data;
    uint64_t ours = 0;
    uint64_t theirs = 0;
    bool we = der_number(content, "number", UINT64_MAX, &ours, NULL) == 0;
    ASN1_INTEGER *number = d2i_ASN1_INTEGER(NULL, &at, (long)whole.len);
    bool they = number != NULL && ASN1_INTEGER_get_uint64(&theirs, number) == 1;
    ASN1_INTEGER_free(number);
    must(we == they && ours == theirs);
}

static void compare_boolean(struct slice content, struct slice whole)
{
    const uint8_t *at = whole.data;
    bool ours;
    if (der_boolean(content, "boolean", &ours, NULL) < 0)
        return;
    ASN1_TYPE *theirs = d2i_ASN1_TYPE(NULL, &at, (long)whole.len);
    must(theirs != NULL && theirs->type == V_ASN1_BOOLEAN && (theirs->value.boolean != 0) == ours);
    ASN1_TYPE_free(theirs);
}

/* OpenSSL takes more forms of a time than RFC 5280 allows. */
static void compare_time(struct slice whole)
{
    struct reader in = reader_of(whole, "time");
    const uint8_t *at = whole.data;
    struct tm parts = {0};
    int64_t ours;
    if (der_time(&in, "time", &ours, NULL) < 0)
        return;
    ASN1_TIME *theirs = d2i_ASN1_TIME(NULL, &at, (long)whole.len);
    must(theirs != NULL && ASN1_TIME_to_tm(theirs, &parts) == 1 && timegm(&parts) == ours);
    ASN1_TIME_free(theirs);
}

static void compare_value(uint8_t tag, struct slice content, struct slice whole)
{
    if (tag == DER_INTEGER)
        compare_number(content, whole);
    if (tag == DER_BOOLEAN)
        compare_boolean(content, whole);
    if (tag == DER_UTC_TIME || tag == DER_GENERALIZED_TIME)
        compare_time(whole);
}

/* Every element of a text, and those in them. */
static void walk(struct slice bytes, int depth)
{
    struct reader in = reader_of(bytes, "input");
    while (reader_left(&in) > 0) {
        struct slice rest = slice_of(bytes.data + (bytes.len - reader_left(&in)), reader_left(&in));
        struct slice content;
        uint8_t tag = 0;
        const uint8_t *at = rest.data;
        long length = 0;
        int number = 0;
        int class = 0;
        int form = ASN1_get_object(&at, &length, &number, &class, (long)rest.len);
        if (der_next(&in, "element", &tag, &content, NULL) < 0) {
            must((form & 0x80) != 0 || is_more_than_ours(rest));
            return;
        }
        must((form & 0x81) == 0 && (size_t)length == content.len);
        must(length == 0 || at == content.data);
        must((tag & 0x1f) == number && (tag & 0xc0) == class && (tag & 0x20) == (form & 0x20));
        struct slice whole = slice_of(rest.data, (size_t)(at - rest.data) + content.len);
        compare_value(tag, content, whole);
        if ((tag & 0x20) != 0 && depth < DEPTH_MAX)
            walk(content, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk(slice_of(data, size), 0);
    ERR_clear_error();
    return 0;
}
