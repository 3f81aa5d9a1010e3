// SPDX-License-Identifier: Apache-2.0
/*
 * A raw HTTP/2 client for http2_test.c, beside server_fixture.h: frames made by hand over TLS.
 */
#pragma once

#include "server_fixture.h"

static struct tls_client *trust; /* made by the test */

struct raw {
    int fd;
    SSL *ssl;
    struct err failure;
};

static void open_raw(struct raw *raw)
{
    raw->fd = connect_client();
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    (void)setsockopt(raw->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(raw->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    assert_int_equal(tls_client_session(trust, "a", &raw->failure, &raw->ssl, &err), 0);
    assert_int_equal(SSL_set_alpn_protos(raw->ssl, (const unsigned char *)"\x02h2", 3), 0);
    assert_int_equal(tls_attach(raw->ssl, raw->fd, &err), 0);
    assert_int_equal(SSL_do_handshake(raw->ssl), 1);
}

static void close_raw(struct raw *raw)
{
    SSL_free(raw->ssl);
    fd_close(raw->fd);
}

static bool write_raw(struct raw *raw, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len > 0) {
        size_t written;
        if (SSL_write_ex(raw->ssl, at, len, &written) != 1)
            return false;
        at += written;
        len -= written;
    }
    return true;
}

static bool write_frame(struct raw *raw, uint8_t type, uint8_t flags, uint32_t stream,
                        struct slice payload)
{
    AUTO_BUF struct buf frame = BUF_INIT(65536);
    assert_int_equal(buf_u8(&frame, (uint8_t)(payload.len >> 16), &err), 0);
    assert_int_equal(buf_u16be(&frame, (uint16_t)payload.len, &err), 0);
    assert_int_equal(buf_u8(&frame, type, &err), 0);
    assert_int_equal(buf_u8(&frame, flags, &err), 0);
    assert_int_equal(buf_u32be(&frame, stream, &err), 0);
    assert_int_equal(buf_bytes(&frame, payload, &err), 0);
    return write_raw(raw, frame.data, frame.len);
}

enum {
    DATA = 0,
    HEADERS = 1,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    WINDOW_UPDATE = 8,
    CONTINUATION = 9,
    ANY_FRAME = 0xff,
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, CANCEL = 8, ENHANCE_YOUR_CALM = 11 };

/* GET https://a/hold: static table entries, and literals without indexing */
static const char held_request[] = "\x82\x87\x01\x01"
                                   "a"
                                   "\x04\x05/hold";
static const char plain_request[] = "\x82\x87\x84\x01\x01"
                                    "a";

static void greet(struct raw *raw)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    open_raw(raw);
    assert_true(write_raw(raw, preface, sizeof(preface) - 1));
    assert_true(write_frame(raw, SETTINGS, 0, 0, slice_of(NULL, 0)));
}

static bool read_exactly(struct raw *raw, uint8_t *to, size_t size)
{
    while (size > 0) {
        size_t got;
        if (SSL_read_ex(raw->ssl, to, size, &got) != 1)
            return false;
        to += got;
        size -= got;
    }
    return true;
}

/* Reads frames until one of this type (on this stream, unless 0); false at the end. */
static bool read_until(struct raw *raw, uint8_t type, uint32_t stream, struct buf *payload)
{
    uint8_t head[9];
    while (read_exactly(raw, head, sizeof(head))) {
        size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        uint32_t at =
            (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
        buf_clear(payload);
        uint8_t *place = buf_reserve(payload, len, &err);
        assert_non_null(place);
        if (!read_exactly(raw, place, len))
            return false;
        payload->len = len;
        if ((head[3] == type || type == ANY_FRAME) && (stream == 0 || at == stream))
            return true;
    }
    return false;
}

static void expect_goaway(struct raw *raw, int code)
{
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    if (!read_until(raw, GOAWAY, 0, &payload))
        fail_msg("no GOAWAY");
    assert_true(payload.len >= 8);
    assert_int_equal(payload.data[7], code);
}
