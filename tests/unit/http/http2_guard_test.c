// SPDX-License-Identifier: Apache-2.0
/*
 * What an HTTP/2 client may do how often, and on which streams: frames made by hand, a clock made
 * by hand. Section numbers are RFC 9113's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "http/http2_guard.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <string.h>

enum { END_STREAM = NGHTTP2_FLAG_END_STREAM, SECOND_US = 1000 * 1000 };

static struct http2_guard guard;
static int64_t now_us;

static int begin(void **state)
{
    (void)state;
    now_us = SECOND_US;
    http2_guard_init(&guard);
    assert_int_equal(http2_guard_input(&guard, (const uint8_t *)NGHTTP2_CLIENT_MAGIC,
                                       NGHTTP2_CLIENT_MAGIC_LEN, now_us),
                     0);
    return 0;
}

/* One frame, with a payload of that many zeros, given in pieces of `piece` bytes. */
static uint32_t frame_in(size_t piece, uint8_t type, uint8_t flags, uint32_t stream, uint16_t len)
{
    uint8_t bytes[HTTP2_FRAME_HEAD_SIZE + UINT16_MAX] = {0, (uint8_t)(len >> 8), (uint8_t)len, type,
                                                         flags};
    for (int i = 0; i < 4; i++)
        bytes[5 + i] = (uint8_t)(stream >> (24 - 8 * i));
    uint32_t error = 0;
    size_t size = HTTP2_FRAME_HEAD_SIZE + (size_t)len;
    for (size_t at = 0; at < size && error == 0; at += piece)
        error =
            http2_guard_input(&guard, bytes + at, size - at < piece ? size - at : piece, now_us);
    return error;
}

static uint32_t frame(uint8_t type, uint8_t flags, uint32_t stream, uint16_t len)
{
    return frame_in(SIZE_MAX, type, flags, stream, len);
}

static const struct {
    const char *what;
    uint8_t type;
    uint16_t len;
    int allowed; /* in the time of one window */
} floods[] = {
    {"CVE-2023-44487 rapid reset", NGHTTP2_RST_STREAM, 4, HTTP2_FLOOD_RESETS},
    {"CVE-2019-9515 SETTINGS", NGHTTP2_SETTINGS, 6, HTTP2_FLOOD_CONTROL},
    {"CVE-2019-9512 PING", NGHTTP2_PING, 8, HTTP2_FLOOD_CONTROL},
    {"CVE-2019-9513 PRIORITY", NGHTTP2_PRIORITY, 5, HTTP2_FLOOD_CONTROL},
    {"PRIORITY_UPDATE", NGHTTP2_PRIORITY_UPDATE, 5, HTTP2_FLOOD_CONTROL},
    {"CVE-2019-9518 empty DATA", NGHTTP2_DATA, 0, HTTP2_FLOOD_CONTROL},
    {"GOAWAY", NGHTTP2_GOAWAY, 8, HTTP2_FLOOD_CONTROL},
    {"a type that nobody knows", 0xee, 1, HTTP2_FLOOD_CONTROL},
    {"CVE-2024-27316 CONTINUATION", NGHTTP2_CONTINUATION, 1, HTTP2_CONTINUATIONS},
};

static void floods_end_where_the_limit_says(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
        (void)begin(state);
        assert_int_equal(frame(NGHTTP2_HEADERS, 0, 1, 1), 0);
        int passed = 0;
        while (passed <= floods[i].allowed && frame(floods[i].type, 0, 1, floods[i].len) == 0)
            passed++;
        if (passed != floods[i].allowed)
            fail_msg("%s: %d passed, expected %d", floods[i].what, passed, floods[i].allowed);
    }
}

static void counts_are_for_a_time(void **state)
{
    (void)state;
    for (int i = 0; i < HTTP2_FLOOD_CONTROL; i++)
        assert_int_equal(frame(NGHTTP2_PING, 0, 0, 8), 0);
    now_us += (int64_t)HTTP2_FLOOD_WINDOW_MS * 1000 + 1;
    for (int i = 0; i < HTTP2_FLOOD_CONTROL; i++)
        assert_int_equal(frame(NGHTTP2_PING, 0, 0, 8), 0);
    assert_int_equal(frame(NGHTTP2_PING, 0, 0, 8), NGHTTP2_ENHANCE_YOUR_CALM);
}

static void what_a_transfer_needs_is_never_a_flood(void **state)
{
    (void)state;
    assert_int_equal(frame(NGHTTP2_HEADERS, 0, 1, 1), 0);
    for (int i = 0; i < 10 * HTTP2_FLOOD_CONTROL; i++) {
        assert_int_equal(frame(NGHTTP2_DATA, 0, 1, 1), 0);
        assert_int_equal(frame(NGHTTP2_WINDOW_UPDATE, 0, 1, 4), 0);
    }
    for (uint32_t stream = 3; stream < 100000; stream += 2)
        assert_int_equal(frame(NGHTTP2_HEADERS, END_STREAM, stream, 1), 0);
}

/* CVE-2025-8671: frames that are wrong, so that we reset. */
static void resets_that_the_client_makes_us_send_count(void **state)
{
    (void)state;
    for (int i = 0; i < HTTP2_FLOOD_RESETS; i++)
        assert_int_equal(http2_guard_made_reset(&guard), 0);
    assert_int_equal(http2_guard_made_reset(&guard), NGHTTP2_ENHANCE_YOUR_CALM);
    (void)begin(state);
    for (int i = 0; i < HTTP2_FLOOD_CONTROL; i++)
        assert_int_equal(http2_guard_refused(&guard), 0);
    assert_int_equal(http2_guard_refused(&guard), NGHTTP2_ENHANCE_YOUR_CALM);
}

/* A field of 4 KiB costs one byte once it is in the table. */
static void a_header_block_has_a_size_whatever_its_bytes(void **state)
{
    (void)state;
    enum { FIELD = 4096 };
    int fields = 0;
    while (fields < 1000 && http2_guard_field(&guard, 1, FIELD - 1 - 32) == 0)
        fields++;
    assert_int_equal(fields, HTTP2_HEADER_BLOCK / FIELD);
    (void)begin(state);
    for (uint32_t stream = 1; stream < 2000; stream += 2) { /* each block by itself */
        assert_int_equal(frame(NGHTTP2_HEADERS, END_STREAM, stream, 1), 0);
        for (int i = 0; i < 20; i++)
            assert_int_equal(http2_guard_field(&guard, 10, 1000), 0);
    }
}

static void closed_streams_stay_closed(void **state)
{
    static const struct {
        uint8_t how, flags, again;
    } rows[] = {
        {NGHTTP2_DATA, END_STREAM, NGHTTP2_DATA},    {NGHTTP2_DATA, END_STREAM, NGHTTP2_HEADERS},
        {NGHTTP2_HEADERS, END_STREAM, NGHTTP2_DATA}, {NGHTTP2_HEADERS, END_STREAM, NGHTTP2_HEADERS},
        {NGHTTP2_RST_STREAM, 0, NGHTTP2_DATA},       {NGHTTP2_RST_STREAM, 0, NGHTTP2_HEADERS},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (uint32_t later = 0; later < 63; later++) {
            (void)begin(state);
            assert_int_equal(frame(NGHTTP2_HEADERS, 0, 1, 1), 0);
            assert_int_equal(frame(rows[i].how, rows[i].flags, 1, 1), 0);
            for (uint32_t k = 1; k <= later; k++)
                assert_int_equal(frame(NGHTTP2_HEADERS, END_STREAM, 2 * k + 1, 1), 0);
            assert_int_equal(frame(rows[i].again, 0, 1, 1), NGHTTP2_STREAM_CLOSED);
        }
    }
}

static void streams_that_were_passed_over_cannot_begin(void **state)
{
    (void)state;
    assert_int_equal(frame(NGHTTP2_HEADERS, END_STREAM, 5, 1), 0);
    assert_int_equal(frame(NGHTTP2_HEADERS, END_STREAM, 3, 1), NGHTTP2_PROTOCOL_ERROR);
    (void)begin(state);
    assert_int_equal(frame(NGHTTP2_HEADERS, END_STREAM, 1, 1), 0);
    assert_int_equal(frame(NGHTTP2_HEADERS, END_STREAM, 0x7fffffff, 1), 0);
    assert_int_equal(frame(NGHTTP2_DATA, 0, 0x7ffffffd, 1), NGHTTP2_PROTOCOL_ERROR);
}

static void a_stream_that_we_may_have_reset_is_let_pass(void **state)
{
    (void)state;
    assert_int_equal(frame(NGHTTP2_HEADERS, 0, 1, 1), 0);
    assert_int_equal(frame(NGHTTP2_HEADERS, END_STREAM, 3, 1), 0);
    assert_int_equal(frame(NGHTTP2_DATA, 0, 1, 1), 0);
    assert_int_equal(frame(NGHTTP2_HEADERS, END_STREAM, 1, 1), 0); /* trailers */
    (void)begin(state);
    assert_int_equal(frame(NGHTTP2_HEADERS, END_STREAM, 1, 1), 0);
    assert_int_equal(frame(NGHTTP2_HEADERS, END_STREAM, 1 + 2 * 64, 1), 0);
    assert_int_equal(frame(NGHTTP2_DATA, 0, 1, 1), 0); /* too long ago to tell */
}

static void pieces_make_no_difference(void **state)
{
    for (size_t piece = 1; piece < 40; piece++) {
        (void)begin(state);
        assert_int_equal(frame_in(piece, NGHTTP2_HEADERS, 0, 1, 30), 0);
        assert_int_equal(frame_in(piece, NGHTTP2_DATA, END_STREAM, 1, 300), 0);
        assert_int_equal(frame_in(piece, NGHTTP2_PING, 0, 0, 8), 0);
        assert_int_equal(guard.control, 1);
        assert_int_equal(frame_in(piece, NGHTTP2_DATA, 0, 1, 3), NGHTTP2_STREAM_CLOSED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floods_end_where_the_limit_says),
        cmocka_unit_test_setup(counts_are_for_a_time, begin),
        cmocka_unit_test_setup(what_a_transfer_needs_is_never_a_flood, begin),
        cmocka_unit_test_setup(resets_that_the_client_makes_us_send_count, begin),
        cmocka_unit_test_setup(a_header_block_has_a_size_whatever_its_bytes, begin),
        cmocka_unit_test(closed_streams_stay_closed),
        cmocka_unit_test_setup(streams_that_were_passed_over_cannot_begin, begin),
        cmocka_unit_test_setup(a_stream_that_we_may_have_reset_is_let_pass, begin),
        cmocka_unit_test(pieces_make_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
