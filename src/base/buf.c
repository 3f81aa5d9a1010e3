// SPDX-License-Identifier: Apache-2.0
/*
 * The bounded writer. Growth doubles up to the maximum given at birth; old memory is wiped.
 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void buf_done(struct buf *buf)
{
    if (buf->data != NULL)
        mem_wipe(buf->data, buf->cap);
    free(buf->data);
    *buf = BUF_INIT(buf->max);
}

void buf_clear(struct buf *buf)
{
    if (buf->data != NULL)
        mem_wipe(buf->data, buf->cap);
    buf->len = 0;
}

static int grow(struct buf *buf, size_t need, struct err *err)
{
    size_t cap = buf->cap < 64 ? 64 : buf->cap;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap - 1 > buf->max) /* need is at most one more than the maximum */
        cap = buf->max + 1;
    uint8_t *data = mem_alloc(cap, err);
    if (data == NULL)
        return -1;
    if (buf->data != NULL) {
        memcpy(data, buf->data, buf->len);
        mem_wipe(buf->data, buf->cap);
    }
    free(buf->data);
    buf->data = data;
    buf->cap = cap;
    return 0;
}

uint8_t *buf_reserve(struct buf *buf, size_t more, struct err *err)
{
    if (more > buf->max || buf->len > buf->max - more) {
        (void)FAIL(err, ERR_TOO_LARGE, "larger than the limit of %zu bytes", buf->max);
        return NULL;
    }
    size_t need = buf->len + more + 1; /* the zero byte */
    if (need > buf->cap && grow(buf, need, err) < 0)
        return NULL;
    return buf->data + buf->len;
}

int buf_bytes(struct buf *buf, struct slice bytes, struct err *err)
{
    uint8_t *place = buf_reserve(buf, bytes.len, err);
    if (place == NULL)
        return -1;
    if (bytes.len > 0)
        memcpy(place, bytes.data, bytes.len);
    place[bytes.len] = '\0';
    buf->len += bytes.len;
    return 0;
}

int buf_str(struct buf *buf, const char *text, struct err *err)
{
    return buf_bytes(buf, slice_str(text), err);
}

int buf_printf(struct buf *buf, struct err *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    uint8_t *place = len < 0 ? NULL : buf_reserve(buf, (size_t)len, err);
    if (place != NULL) {
        (void)vsnprintf((char *)place, (size_t)len + 1, fmt, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    if (len < 0)
        return FAIL(err, ERR_INTERNAL, "cannot format a text");
    return place == NULL ? -1 : 0;
}

static int append_integer(struct buf *buf, uint64_t value, size_t size, int big_endian,
                          struct err *err)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++) {
        size_t place = big_endian ? size - 1 - i : i;
        bytes[place] = (uint8_t)(value >> (8 * i));
    }
    return buf_bytes(buf, slice_of(bytes, size), err);
}

int buf_u8(struct buf *buf, uint8_t value, struct err *err)
{
    return append_integer(buf, value, 1, 1, err);
}

int buf_u16be(struct buf *buf, uint16_t value, struct err *err)
{
    return append_integer(buf, value, 2, 1, err);
}

int buf_u32be(struct buf *buf, uint32_t value, struct err *err)
{
    return append_integer(buf, value, 4, 1, err);
}

int buf_u64be(struct buf *buf, uint64_t value, struct err *err)
{
    return append_integer(buf, value, 8, 1, err);
}

int buf_u16le(struct buf *buf, uint16_t value, struct err *err)
{
    return append_integer(buf, value, 2, 0, err);
}

int buf_u32le(struct buf *buf, uint32_t value, struct err *err)
{
    return append_integer(buf, value, 4, 0, err);
}

int buf_u64le(struct buf *buf, uint64_t value, struct err *err)
{
    return append_integer(buf, value, 8, 0, err);
}

void buf_consume(struct buf *buf, size_t count)
{
    if (count > buf->len)
        count = buf->len;
    if (count == 0)
        return;
    memmove(buf->data, buf->data + count, buf->len - count);
    buf->len -= count;
    buf->data[buf->len] = '\0';
}

const char *buf_text(const struct buf *buf)
{
    return buf->data == NULL ? "" : (const char *)buf->data;
}

char *buf_steal_text(struct buf *buf, struct err *err)
{
    if (buf->data == NULL && buf_str(buf, "", err) < 0)
        return NULL;
    char *text = (char *)buf->data;
    *buf = BUF_INIT(buf->max);
    return text;
}
