// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes on their way, for the server's hot path: grows like a buf, but is neither zeroed nor,
 * unless it is marked, wiped (it holds what goes over the wire), keeps its memory for the next use,
 * and is consumed from the front without moving the rest.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

struct output {
    uint8_t *data;
    size_t pos; /* consumed */
    size_t len; /* written */
    size_t cap;
    bool secret; /* wiped before its memory is used for anything else */
};

static inline size_t output_left(const struct output *output)
{
    return output->len - output->pos;
}

/* Room for `more` bytes; the caller adds what it used to len. NULL: out of memory. */
uint8_t *output_reserve(struct output *output, size_t more, struct err *err) MUST_USE;
int output_bytes(struct output *output, const void *data, size_t len, struct err *err) MUST_USE;
void output_consume(struct output *output, size_t count);
/* Empties, and takes the mark away; frees the memory when it is larger than `keep`. */
void output_reset(struct output *output, size_t keep);
