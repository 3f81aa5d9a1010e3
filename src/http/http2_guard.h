// SPDX-License-Identifier: Apache-2.0
/*
 * What a client does on an HTTP/2 connection that nghttp2 allows and we do not: frames that cost us
 * more than the client, and frames on streams that the client itself has ended. Bytes in, an error
 * code out: no session, no clock of its own. Section numbers are RFC 9113's. Belongs to the
 * connection's I/O thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    HTTP2_FLOOD_WINDOW_MS = 10 * 1000, /* the counts below are for so long */
    HTTP2_FLOOD_RESETS = 200,          /* streams that the client resets or makes us reset */
    HTTP2_FLOOD_CONTROL = 1000,        /* frames that ask for nothing but attention */
    HTTP2_CONTINUATIONS = 8,           /* of one header block */
    HTTP2_HEADER_BLOCK = 256 * 1024,   /* decoded bytes of one, 32 for each field (section 6.5.2) */
};

enum { HTTP2_FRAME_HEAD_SIZE = 9 };

struct http2_guard {
    uint8_t head[HTTP2_FRAME_HEAD_SIZE];
    size_t head_len;
    size_t skip; /* bytes until the next frame's header */
    int64_t since_us;
    unsigned resets;
    unsigned control;
    unsigned continuations;
    size_t block_bytes;
    /* The client's last 64 stream numbers: bit i stands for last - 2 i. */
    uint32_t last;
    uint64_t opened;
    uint64_t ended; /* by the client: END_STREAM or RST_STREAM */
};

void http2_guard_init(struct http2_guard *guard);
/* Looks at what arrives, from the connection preface on. The error code to end the connection with
 * (section 7), 0: fine. */
uint32_t http2_guard_input(struct http2_guard *guard, const uint8_t *data, size_t len,
                           int64_t now_us);
/* One more field of the header block that is coming in. */
uint32_t http2_guard_field(struct http2_guard *guard, size_t name_len, size_t value_len);
/* nghttp2 has refused a frame. */
uint32_t http2_guard_refused(struct http2_guard *guard);
/* We have reset a stream for what the client did ("made you reset", CVE-2025-8671). */
uint32_t http2_guard_made_reset(struct http2_guard *guard);
