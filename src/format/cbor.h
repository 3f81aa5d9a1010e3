// SPDX-License-Identifier: Apache-2.0
/*
 * As much CBOR (RFC 8949) as evidence in certificates needs: whole numbers, byte and text strings,
 * arrays, maps, tags; definite lengths and shortest heads only (section 4.2.1), so that nothing has
 * two spellings. No allocation: strings are views, counts are checked against what the caller
 * allows and never reserve memory.
 */
#pragma once

#include "base/buf.h"
#include "base/reader.h"

/* Items inside one another that cbor_skip follows. */
enum { CBOR_DEPTH_MAX = 8 };

/* Each reads one item's head (or the whole item), names `field` in errors and fails with
 * ERR_INVALID where another type stands there. */
int cbor_read_uint(struct reader *in, const char *field, uint64_t *ret, struct err *err) MUST_USE;
int cbor_read_bytes(struct reader *in, const char *field, size_t max_len, struct slice *ret,
                    struct err *err) MUST_USE;
/* Well-formed UTF-8. */
int cbor_read_text(struct reader *in, const char *field, size_t max_len, struct slice *ret,
                   struct err *err) MUST_USE;
/* The number of items (of pairs in a map) that follow. */
int cbor_read_array(struct reader *in, const char *field, uint64_t max_count, uint64_t *ret,
                    struct err *err) MUST_USE;
int cbor_read_map(struct reader *in, const char *field, uint64_t max_count, uint64_t *ret,
                  struct err *err) MUST_USE;
/* The tagged item follows. */
int cbor_read_tag(struct reader *in, const char *field, uint64_t *ret, struct err *err) MUST_USE;
/* Passes over one item of any type that this reader knows, with what is inside it. */
int cbor_skip(struct reader *in, const char *field, struct err *err) MUST_USE;

/* Append one item, or the head of one whose contents follow. */
int cbor_put_uint(struct buf *out, uint64_t value, struct err *err) MUST_USE;
int cbor_put_bytes(struct buf *out, struct slice bytes, struct err *err) MUST_USE;
int cbor_put_text(struct buf *out, const char *text, struct err *err) MUST_USE;
int cbor_put_array(struct buf *out, uint64_t count, struct err *err) MUST_USE;
int cbor_put_map(struct buf *out, uint64_t pairs, struct err *err) MUST_USE;
int cbor_put_tag(struct buf *out, uint64_t tag, struct err *err) MUST_USE;
