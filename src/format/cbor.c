// SPDX-License-Identifier: Apache-2.0
/*
 * Bounded CBOR. Reads bytes of strangers (certificates of servers that are not verified yet).
 */
#include "format/cbor.h"

#include "base/text.h"

/* RFC 8949 section 3.1. */
enum major { UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };

static const char *const major_names[] = {"a number", "a negative number", "a byte string",
                                          "a text",   "an array",          "a map",
                                          "a tag",    "a simple value"};

/* The argument that follows the initial byte; a longer head than needed is refused. */
static int read_argument(struct reader *in, const char *field, uint8_t low, uint64_t *ret,
                         struct err *err)
{
    if (low < 24) {
        *ret = low;
        return 0;
    }
    if (low > 27)
        return FAIL(err, ERR_INVALID, "%s: %s: CBOR with indefinite length or a reserved head",
                    in->what, field);
    size_t size = (size_t)1 << (low - 24);
    struct slice bytes;
    if (reader_slice(in, field, size, &bytes, err) < 0)
        return -1;
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes.data[i];
    uint64_t least = size == 1 ? 24 : UINT64_C(1) << (4 * size);
    if (value < least)
        return FAIL(err, ERR_INVALID, "%s: %s: CBOR head longer than needed", in->what, field);
    *ret = value;
    return 0;
}

static int read_head(struct reader *in, const char *field, enum major *ret_major, uint64_t *ret,
                     struct err *err)
{
    uint8_t first;
    if (reader_u8(in, field, &first, err) < 0 ||
        read_argument(in, field, first & 0x1f, ret, err) < 0)
        return -1;
    *ret_major = (enum major)(first >> 5);
    return 0;
}

static int expect_head(struct reader *in, const char *field, enum major expected, uint64_t max,
                       uint64_t *ret, struct err *err)
{
    enum major found;
    uint64_t value;
    if (read_head(in, field, &found, &value, err) < 0)
        return -1;
    if (found != expected)
        return FAIL(err, ERR_INVALID, "%s: %s must be %s, found %s", in->what, field,
                    major_names[expected], major_names[found]);
    if (value > max)
        return FAIL(err, ERR_TOO_LARGE, "%s: %s is %llu, the limit is %llu", in->what, field,
                    (unsigned long long)value, (unsigned long long)max);
    *ret = value;
    return 0;
}

int cbor_read_uint(struct reader *in, const char *field, uint64_t *ret, struct err *err)
{
    return expect_head(in, field, UINT, UINT64_MAX, ret, err);
}

static int read_string(struct reader *in, const char *field, enum major major, size_t max_len,
                       struct slice *ret, struct err *err)
{
    uint64_t len;
    if (expect_head(in, field, major, max_len, &len, err) < 0)
        return -1;
    return reader_slice(in, field, (size_t)len, ret, err);
}

int cbor_read_bytes(struct reader *in, const char *field, size_t max_len, struct slice *ret,
                    struct err *err)
{
    return read_string(in, field, BYTES, max_len, ret, err);
}

int cbor_read_text(struct reader *in, const char *field, size_t max_len, struct slice *ret,
                   struct err *err)
{
    struct slice text;
    if (read_string(in, field, TEXT, max_len, &text, err) < 0)
        return -1;
    if (!utf8_valid(text))
        return FAIL(err, ERR_INVALID, "%s: %s is not UTF-8", in->what, field);
    *ret = text;
    return 0;
}

int cbor_read_array(struct reader *in, const char *field, uint64_t max_count, uint64_t *ret,
                    struct err *err)
{
    return expect_head(in, field, ARRAY, max_count, ret, err);
}

int cbor_read_map(struct reader *in, const char *field, uint64_t max_count, uint64_t *ret,
                  struct err *err)
{
    return expect_head(in, field, MAP, max_count, ret, err);
}

int cbor_read_tag(struct reader *in, const char *field, uint64_t *ret, struct err *err)
{
    return expect_head(in, field, TAG, UINT64_MAX, ret, err);
}

static int skip(struct reader *in, const char *field, size_t depth, struct err *err)
{
    if (depth > CBOR_DEPTH_MAX)
        return FAIL(err, ERR_INVALID, "%s: %s: CBOR nested deeper than %d levels", in->what, field,
                    CBOR_DEPTH_MAX);
    enum major major;
    uint64_t value;
    if (read_head(in, field, &major, &value, err) < 0)
        return -1;
    if (major == UINT || major == NEGATIVE || major == SIMPLE)
        return 0;
    /* What is inside takes at least one byte for each byte, item or half pair. */
    if (major != TAG && value > reader_left(in))
        return FAIL(err, ERR_INVALID, "%s is truncated: %s announces %llu, %zu bytes left",
                    in->what, field, (unsigned long long)value, reader_left(in));
    if (major == BYTES || major == TEXT)
        return reader_skip(in, field, (size_t)value, err);
    uint64_t items = major == TAG ? 1 : major == MAP ? 2 * value : value;
    for (uint64_t i = 0; i < items; i++) {
        if (skip(in, field, depth + 1, err) < 0)
            return -1;
    }
    return 0;
}

int cbor_skip(struct reader *in, const char *field, struct err *err)
{
    return skip(in, field, 0, err);
}

static int put_head(struct buf *out, enum major major, uint64_t value, struct err *err)
{
    uint8_t high = (uint8_t)(major << 5);
    if (value < 24)
        return buf_u8(out, high | (uint8_t)value, err);
    size_t exponent = value <= UINT8_MAX    ? 0
                      : value <= UINT16_MAX ? 1
                      : value <= UINT32_MAX ? 2
                                            : 3;
    if (buf_u8(out, (uint8_t)(high | (24 + exponent)), err) < 0)
        return -1;
    switch (exponent) {
    case 0:
        return buf_u8(out, (uint8_t)value, err);
    case 1:
        return buf_u16be(out, (uint16_t)value, err);
    case 2:
        return buf_u32be(out, (uint32_t)value, err);
    default:
        return buf_u64be(out, value, err);
    }
}

int cbor_put_uint(struct buf *out, uint64_t value, struct err *err)
{
    return put_head(out, UINT, value, err);
}

int cbor_put_bytes(struct buf *out, struct slice bytes, struct err *err)
{
    return put_head(out, BYTES, bytes.len, err) < 0 ? -1 : buf_bytes(out, bytes, err);
}

int cbor_put_text(struct buf *out, const char *text, struct err *err)
{
    return put_head(out, TEXT, strlen(text), err) < 0 ? -1 : buf_str(out, text, err);
}

int cbor_put_array(struct buf *out, uint64_t count, struct err *err)
{
    return put_head(out, ARRAY, count, err);
}

int cbor_put_map(struct buf *out, uint64_t pairs, struct err *err)
{
    return put_head(out, MAP, pairs, err);
}

int cbor_put_tag(struct buf *out, uint64_t tag, struct err *err)
{
    return put_head(out, TAG, tag, err);
}
