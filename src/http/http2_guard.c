// SPDX-License-Identifier: Apache-2.0
/*
 * Walks along the frames of an HTTP/2 client, from header to header, counts those that only keep us
 * busy, and remembers which of its last streams it has ended. Pure; runs on the I/O threads of node
 * and enclave, ahead of nghttp2. Section numbers are RFC 9113's.
 */
#include "http/http2_guard.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <string.h>

enum { REMEMBERED = 64, FIELD_OVERHEAD = 32, HEAD_SIZE = HTTP2_FRAME_HEAD_SIZE };

struct http2_frame_head {
    uint32_t length;
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
};

static uint32_t judge(const struct http2_guard *guard)
{
    bool flood = guard->resets > HTTP2_FLOOD_RESETS || guard->control > HTTP2_FLOOD_CONTROL ||
                 guard->continuations > HTTP2_CONTINUATIONS ||
                 guard->block_bytes > HTTP2_HEADER_BLOCK;
    return flood ? NGHTTP2_ENHANCE_YOUR_CALM : 0;
}

static void count_frame(struct http2_guard *guard, const struct http2_frame_head *frame)
{
    switch (frame->type) {
    case NGHTTP2_RST_STREAM: /* rapid reset, CVE-2023-44487 */
        guard->resets++;
        break;
    case NGHTTP2_DATA:
        guard->control += frame->length == 0 && (frame->flags & NGHTTP2_FLAG_END_STREAM) == 0;
        break;
    case NGHTTP2_HEADERS:
        guard->continuations = 0;
        guard->block_bytes = 0;
        break;
    case NGHTTP2_CONTINUATION: /* CVE-2024-27316 and the like */
        guard->continuations++;
        guard->control++;
        break;
    case NGHTTP2_WINDOW_UPDATE: /* who downloads much sends many; they are not answered */
        break;
    default: /* SETTINGS, PING, PRIORITY, GOAWAY and the unknown: CVE-2019-9512, -9513, -9515 */
        guard->control++;
        break;
    }
}

static void open_stream(struct http2_guard *guard, uint32_t stream)
{
    uint32_t steps = (stream - guard->last) / 2;
    if (guard->last == 0 || steps >= REMEMBERED) {
        guard->opened = guard->ended = 0;
    } else {
        guard->opened <<= steps;
        guard->ended <<= steps;
    }
    guard->opened |= 1;
    guard->last = stream;
}

/* DATA or HEADERS on one of the last streams: the client may neither go on with what it has ended
 * nor begin what it has passed over (sections 5.1 and 5.1.1). nghttp2 ignores both once it has
 * forgotten the stream, because those that we have reset look the same to it. */
static uint32_t judge_stream(const struct http2_guard *guard, uint64_t bit)
{
    if ((guard->opened & bit) == 0)
        return NGHTTP2_PROTOCOL_ERROR;
    return (guard->ended & bit) != 0 ? NGHTTP2_STREAM_CLOSED : 0;
}

/* Even stream numbers and frames on idle streams are nghttp2's to refuse. */
static uint32_t follow_stream(struct http2_guard *guard, const struct http2_frame_head *frame)
{
    bool message = frame->type == NGHTTP2_HEADERS || frame->type == NGHTTP2_DATA;
    bool reset = frame->type == NGHTTP2_RST_STREAM;
    if (frame->stream % 2 == 0 || (!message && !reset))
        return 0;
    uint32_t error = 0;
    if (frame->stream > guard->last && frame->type == NGHTTP2_HEADERS)
        open_stream(guard, frame->stream);
    else if (frame->stream > guard->last || (guard->last - frame->stream) / 2 >= REMEMBERED)
        return 0; /* idle, or too long ago to tell */
    else if (message)
        error = judge_stream(guard, (uint64_t)1 << (guard->last - frame->stream) / 2);
    if (reset || (frame->flags & NGHTTP2_FLAG_END_STREAM) != 0)
        guard->ended |= (uint64_t)1 << (guard->last - frame->stream) / 2;
    return error;
}

static uint32_t take_frame(struct http2_guard *guard, const struct http2_frame_head *frame)
{
    count_frame(guard, frame);
    uint32_t error = judge(guard);
    return error != 0 ? error : follow_stream(guard, frame);
}

/* Section 4.1 */
static struct http2_frame_head parse_head(const uint8_t bytes[static HEAD_SIZE])
{
    return (struct http2_frame_head){
        .length = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2],
        .type = bytes[3],
        .flags = bytes[4],
        .stream = (uint32_t)(bytes[5] & 0x7f) << 24 | (uint32_t)bytes[6] << 16 |
                  (uint32_t)bytes[7] << 8 | bytes[8],
    };
}

void http2_guard_init(struct http2_guard *guard)
{
    *guard = (struct http2_guard){.skip = NGHTTP2_CLIENT_MAGIC_LEN};
}

uint32_t http2_guard_input(struct http2_guard *guard, const uint8_t *data, size_t len,
                           int64_t now_us)
{
    if (now_us - guard->since_us > (int64_t)HTTP2_FLOOD_WINDOW_MS * 1000) {
        guard->since_us = now_us;
        guard->resets = guard->control = 0;
    }
    uint32_t error = 0;
    while (len > 0 && error == 0) {
        bool payload = guard->skip > 0;
        size_t want = payload ? guard->skip : HEAD_SIZE - guard->head_len;
        size_t take = want < len ? want : len;
        if (payload) {
            guard->skip -= take;
        } else {
            memcpy(guard->head + guard->head_len, data, take);
            guard->head_len += take;
        }
        data += take;
        len -= take;
        if (guard->head_len == HEAD_SIZE) {
            struct http2_frame_head frame = parse_head(guard->head);
            guard->head_len = 0;
            guard->skip = frame.length;
            error = take_frame(guard, &frame);
        }
    }
    return error;
}

uint32_t http2_guard_field(struct http2_guard *guard, size_t name_len, size_t value_len)
{
    guard->block_bytes += name_len + value_len + FIELD_OVERHEAD;
    return judge(guard);
}

uint32_t http2_guard_refused(struct http2_guard *guard)
{
    guard->control++;
    return judge(guard);
}

uint32_t http2_guard_made_reset(struct http2_guard *guard)
{
    guard->resets++;
    return judge(guard);
}
