// SPDX-License-Identifier: Apache-2.0
/*
 * The bounded reader: the only way that bytes from outside are taken apart. A read past the end
 * fails with ERR_INVALID ("truncated: ..."), names the field and moves nothing.
 *
 *     struct reader in = reader_of(bytes, "quote");
 *     if (reader_u16le(&in, "version", &version, err) < 0)
 *         return -1;
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct reader {
    struct slice bytes;
    size_t pos;
    const char *what; /* names the whole in errors; a literal */
};

struct reader reader_of(struct slice bytes, const char *what);
size_t reader_left(const struct reader *in);
int reader_u8(struct reader *in, const char *field, uint8_t *ret, struct err *err) MUST_USE;
int reader_u16be(struct reader *in, const char *field, uint16_t *ret, struct err *err) MUST_USE;
int reader_u24be(struct reader *in, const char *field, uint32_t *ret, struct err *err) MUST_USE;
int reader_u32be(struct reader *in, const char *field, uint32_t *ret, struct err *err) MUST_USE;
int reader_u64be(struct reader *in, const char *field, uint64_t *ret, struct err *err) MUST_USE;
int reader_u16le(struct reader *in, const char *field, uint16_t *ret, struct err *err) MUST_USE;
int reader_u32le(struct reader *in, const char *field, uint32_t *ret, struct err *err) MUST_USE;
int reader_u64le(struct reader *in, const char *field, uint64_t *ret, struct err *err) MUST_USE;
/* A view of the next `count` bytes; it lives as long as the bytes given to reader_of. */
int reader_slice(struct reader *in, const char *field, size_t count, struct slice *ret,
                 struct err *err) MUST_USE;
/* Copies the next `count` bytes to `to`. */
int reader_copy(struct reader *in, const char *field, void *to, size_t count,
                struct err *err) MUST_USE;
int reader_skip(struct reader *in, const char *field, size_t count, struct err *err) MUST_USE;
/* Fails unless everything was read. */
int reader_end(const struct reader *in, struct err *err) MUST_USE;
