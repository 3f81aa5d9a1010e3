// SPDX-License-Identifier: Apache-2.0
/*
 * The bounded reader. Owns nothing; every length is compared with what is left before use.
 */
#include "base/reader.h"

struct reader reader_of(struct slice bytes, const char *what)
{
    return (struct reader){.bytes = bytes, .what = what};
}

size_t reader_left(const struct reader *in)
{
    return in->bytes.len - in->pos;
}

int reader_slice(struct reader *in, const char *field, size_t count, struct slice *ret,
                 struct err *err)
{
    if (count > reader_left(in))
        return FAIL(err, ERR_INVALID, "%s is truncated: %s needs %zu bytes at offset %zu, %zu left",
                    in->what, field, count, in->pos, reader_left(in));
    *ret = slice_of(count == 0 ? in->bytes.data : in->bytes.data + in->pos, count);
    in->pos += count;
    return 0;
}

static int read_integer(struct reader *in, const char *field, size_t size, bool big_endian,
                        uint64_t *ret, struct err *err)
{
    struct slice bytes;
    if (reader_slice(in, field, size, &bytes, err) < 0)
        return -1;
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes.data[big_endian ? i : size - 1 - i];
    *ret = value;
    return 0;
}

#define DEFINE_READ(name, type, size, big_endian)                                                  \
    int name(struct reader *in, const char *field, type *ret, struct err *err)                     \
    {                                                                                              \
        uint64_t value;                                                                            \
        if (read_integer(in, field, size, big_endian, &value, err) < 0)                            \
            return -1;                                                                             \
        *ret = (type)value;                                                                        \
        return 0;                                                                                  \
    }

DEFINE_READ(reader_u8, uint8_t, 1, true)
DEFINE_READ(reader_u16be, uint16_t, 2, true)
DEFINE_READ(reader_u24be, uint32_t, 3, true)
DEFINE_READ(reader_u32be, uint32_t, 4, true)
DEFINE_READ(reader_u64be, uint64_t, 8, true)
DEFINE_READ(reader_u16le, uint16_t, 2, false)
DEFINE_READ(reader_u32le, uint32_t, 4, false)
DEFINE_READ(reader_u64le, uint64_t, 8, false)

int reader_copy(struct reader *in, const char *field, void *to, size_t count, struct err *err)
{
    struct slice bytes;
    if (reader_slice(in, field, count, &bytes, err) < 0)
        return -1;
    if (count > 0)
        memcpy(to, bytes.data, count);
    return 0;
}

int reader_skip(struct reader *in, const char *field, size_t count, struct err *err)
{
    struct slice ignored;
    return reader_slice(in, field, count, &ignored, err);
}

int reader_end(const struct reader *in, struct err *err)
{
    if (reader_left(in) != 0)
        return FAIL(err, ERR_INVALID, "%s has %zu bytes more than expected at offset %zu", in->what,
                    reader_left(in), in->pos);
    return 0;
}
