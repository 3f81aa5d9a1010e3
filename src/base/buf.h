// SPDX-License-Identifier: Apache-2.0
/*
 * The bounded writer: a growing buffer that has a maximum from birth.
 *
 *     AUTO_BUF struct buf out = BUF_INIT(64 * 1024);
 *     if (buf_u32be(&out, count, err) < 0 || buf_bytes(&out, body, err) < 0)
 *         return -1;
 *
 * Past the maximum: ERR_TOO_LARGE, and the buffer is as it was. The bytes before `len` are always
 * followed by a zero byte once anything was written, so text can be used as a C string.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
};

#define BUF_INIT(max_size) ((struct buf){.max = (max_size)})
#define AUTO_BUF __attribute__((cleanup(buf_done)))

/* Wipes what it held before freeing it: buffers often carry secrets for a while. */
void buf_done(struct buf *buf);
/* Empties without freeing (wiped). */
void buf_clear(struct buf *buf);
/* Makes room for `more` bytes behind len; returns where they start, or NULL. */
uint8_t *buf_reserve(struct buf *buf, size_t more, struct err *err) MUST_USE;
int buf_bytes(struct buf *buf, struct slice bytes, struct err *err) MUST_USE;
int buf_str(struct buf *buf, const char *text, struct err *err) MUST_USE;
int buf_printf(struct buf *buf, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4) MUST_USE;
int buf_u8(struct buf *buf, uint8_t value, struct err *err) MUST_USE;
int buf_u16be(struct buf *buf, uint16_t value, struct err *err) MUST_USE;
int buf_u32be(struct buf *buf, uint32_t value, struct err *err) MUST_USE;
int buf_u64be(struct buf *buf, uint64_t value, struct err *err) MUST_USE;
int buf_u16le(struct buf *buf, uint16_t value, struct err *err) MUST_USE;
int buf_u32le(struct buf *buf, uint32_t value, struct err *err) MUST_USE;
int buf_u64le(struct buf *buf, uint64_t value, struct err *err) MUST_USE;
/* Drops the first `count` bytes (at most len). */
void buf_consume(struct buf *buf, size_t count);

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_of(buf->data, buf->len);
}

/* The contents as a C string; "" when nothing was written. */
const char *buf_text(const struct buf *buf);
/* Gives the memory to the caller (free()), leaves the buffer empty. NULL only out of memory. */
char *buf_steal_text(struct buf *buf, struct err *err) MUST_USE;
