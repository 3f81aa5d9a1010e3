// SPDX-License-Identifier: Apache-2.0
/*
 * Chunked bodies, whole and byte by byte: both ways must find the same body and the same end, and
 * what is accepted must hold nothing that ends a line for some parsers and not for others.
 */
#include "http/chunked.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum chunked_event event;
    size_t used;
    size_t bytes;
    uint64_t sum; /* of the body's bytes, each by its place */
    bool bare;    /* a CR or LF by itself outside of the body */
};

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void add(struct outcome *outcome, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        outcome->sum += (uint64_t)bytes.data[i] * ++outcome->bytes;
}

/* Gives the parser `step` bytes at a time. */
static struct outcome run(const uint8_t *data, size_t size, size_t step)
{
    struct chunked parser = {0};
    struct outcome outcome = {.event = CHUNKED_MORE};
    uint8_t last = '\n';
    while (outcome.used < size && outcome.event == CHUNKED_MORE) {
        size_t len = size - outcome.used < step ? size - outcome.used : step;
        struct slice rest = slice_of(data + outcome.used, len);
        struct slice bytes;
        bool body = parser.state == CHUNKED_DATA;
        outcome.event = chunked_next(&parser, &rest, &bytes);
        while (outcome.event == CHUNKED_BYTES) {
            add(&outcome, bytes);
            outcome.event = chunked_next(&parser, &rest, &bytes);
        }
        size_t used = len - rest.len;
        if (step == 1 && !body) {
            outcome.bare |= (data[outcome.used] == '\n') != (last == '\r');
            last = data[outcome.used];
        }
        outcome.used += used;
        must(outcome.event != CHUNKED_MORE || rest.len == 0);
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole = run(data, size, SIZE_MAX);
    struct outcome pieces = run(data, size, 1);
    must(whole.event == pieces.event && whole.used == pieces.used && whole.bytes == pieces.bytes &&
         whole.sum == pieces.sum);
    must(whole.bytes <= whole.used && (whole.event != CHUNKED_END || whole.used >= 5));
    must(whole.event == CHUNKED_WRONG || !pieces.bare);
    return 0;
}
