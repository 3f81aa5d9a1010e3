// SPDX-License-Identifier: Apache-2.0
/*
 * A minimal DER walker on the bounded reader. Owns nothing.
 */
#include "format/der.h"

#include "base/clock.h"

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

int der_whole(struct reader *in, const char *field, enum der_tag tag, struct slice *ret,
              struct slice *ret_whole, struct err *err)
{
    size_t start = in->pos;
    if (der_expect(in, field, tag, ret, err) < 0)
        return -1;
    *ret_whole = slice_of(in->bytes.data + start, in->pos - start);
    return 0;
}

bool der_next_is(const struct reader *in, enum der_tag tag)
{
    return reader_left(in) > 0 && in->bytes.data[in->pos] == (uint8_t)tag;
}

int der_boolean(struct slice content, const char *field, bool *ret, struct err *err)
{
    if (content.len != 1 || (content.data[0] != 0x00 && content.data[0] != 0xff))
        return FAIL(err, ERR_INVALID, "%s is no DER boolean", field);
    *ret = content.data[0] != 0;
    return 0;
}

/* Two digits at `at`, or -1. */
static int two_digits(struct slice text, size_t at)
{
    uint8_t high = text.data[at];
    uint8_t low = text.data[at + 1];
    if (high < '0' || high > '9' || low < '0' || low > '9')
        return -1;
    return (high - '0') * 10 + (low - '0');
}

int der_time(struct reader *in, const char *field, int64_t *ret, struct err *err)
{
    uint8_t tag;
    struct slice text;
    if (der_next(in, field, &tag, &text, err) < 0)
        return -1;
    size_t year_len = tag == DER_UTC_TIME ? 2 : 4;
    if ((tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME) || text.len != year_len + 11 ||
        text.data[text.len - 1] != 'Z')
        return FAIL(err, ERR_INVALID, "%s is no time", field);
    int parts[7] = {0};
    for (size_t i = 0; i < year_len / 2 + 5; i++) {
        parts[i] = two_digits(text, 2 * i);
        if (parts[i] < 0)
            return FAIL(err, ERR_INVALID, "%s is no time", field);
    }
    const int *rest = parts + year_len / 2;
    if (rest[4] > 59) /* X.680 46 and 47: 00 to 59, no leap second */
        return FAIL(err, ERR_INVALID, "%s is no time", field);
    int year = tag == DER_GENERALIZED_TIME ? parts[0] * 100 + parts[1]
               : parts[0] >= 50            ? 1900 + parts[0]
                                           : 2000 + parts[0];
    return civil_to_unix(year, rest[0], rest[1], rest[2], rest[3], rest[4], ret, err);
}
