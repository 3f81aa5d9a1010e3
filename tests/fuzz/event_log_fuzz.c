// SPDX-License-Identifier: Apache-2.0
/*
 * Event logs of guests that nobody has judged: no event lies outside the log, and reading one by
 * one accepts what folding accepts.
 */
#include "measure/event_log.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct slice part, const uint8_t *data, size_t size)
{
    return part.len == 0 ||
           (part.data >= data && part.len <= size && (size_t)(part.data - data) <= size - part.len);
}

static int walk(const uint8_t *data, size_t size)
{
    struct event_log log;
    bool more = true;
    if (event_log_open(slice_of(data, size), &log, NULL) < 0)
        return -1;
    while (more) {
        struct event event;
        if (event_log_next(&log, &event, &more, NULL) < 0)
            return -1;
        if (more && (event.rtmr >= TDX_RTMR_COUNT || event.digest.len != TDX_DIGEST_SIZE ||
                     !is_inside(event.digest, data, size) || !is_inside(event.data, data, size)))
            abort();
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t rtmrs[TDX_RTMR_COUNT][TDX_DIGEST_SIZE];
    if (walk(data, size) != event_log_replay(slice_of(data, size), rtmrs, NULL))
        abort();
    return 0;
}
