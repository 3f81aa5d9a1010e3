// SPDX-License-Identifier: Apache-2.0
/*
 * A minimal DER walker on the bounded reader. Owns nothing.
 */
#include "attest/der.h"

static int read_length(struct reader *in, const char *field, size_t *ret, struct err *err)
{
    uint8_t first;
    if (reader_u8(in, field, &first, err) < 0)
        return -1;
    if (first < 0x80) {
        *ret = first;
        return 0;
    }
    size_t count = first & 0x7f;
    struct slice bytes;
    if (count == 0 || count > 3)
        return FAIL(err, ERR_INVALID, "%s: a DER length that is indefinite or too long", field);
    if (reader_slice(in, field, count, &bytes, err) < 0)
        return -1;
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length = length << 8 | bytes.data[i];
    /* X.690 10.1: the shortest form */
    if (bytes.data[0] == 0 || length < 0x80)
        return FAIL(err, ERR_INVALID, "%s: a DER length that is not in its shortest form", field);
    *ret = length;
    return 0;
}

int der_next(struct reader *in, const char *field, uint8_t *ret_tag, struct slice *ret,
             struct err *err)
{
    uint8_t tag;
    size_t length;
    if (reader_u8(in, field, &tag, err) < 0)
        return -1;
    if ((tag & 0x1f) == 0x1f)
        return FAIL(err, ERR_INVALID, "%s: a DER tag of more than one byte", field);
    if (read_length(in, field, &length, err) < 0)
        return -1;
    if (reader_slice(in, field, length, ret, err) < 0)
        return -1;
    *ret_tag = tag;
    return 0;
}

int der_expect(struct reader *in, const char *field, enum der_tag tag, struct slice *ret,
               struct err *err)
{
    uint8_t found;
    if (der_next(in, field, &found, ret, err) < 0)
        return -1;
    if (found != tag)
        return FAIL(err, ERR_INVALID, "%s has DER tag 0x%02x, not 0x%02x", field, found,
                    (unsigned)tag);
    return 0;
}

int der_number(struct slice content, const char *field, uint64_t max, uint64_t *ret,
               struct err *err)
{
    bool negative = content.len > 0 && (content.data[0] & 0x80) != 0;
    bool padded = content.len > 1 && content.data[0] == 0 && (content.data[1] & 0x80) == 0;
    if (content.len == 0 || content.len > 9 || negative || padded)
        return FAIL(err, ERR_INVALID, "%s is not a small whole number", field);
    uint64_t value = 0;
    for (size_t i = 0; i < content.len; i++)
        value = value << 8 | content.data[i];
    if ((content.len == 9 && content.data[0] != 0) || value > max)
        return FAIL(err, ERR_INVALID, "%s is larger than %llu", field, (unsigned long long)max);
    *ret = value;
    return 0;
}
