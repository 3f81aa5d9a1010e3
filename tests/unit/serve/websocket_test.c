// SPDX-License-Identifier: Apache-2.0
/*
 * WebSocket framing against RFC 6455: its own examples, every way to cut the bytes, every rule that
 * a client can break.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "serve/websocket.h"

static void test_accept_key(void **state)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];
    /* Section 1.3. */
    assert_int_equal(websocket_accept_key(slice_str("dGhlIHNhbXBsZSBub25jZQ=="), accept, NULL), 0);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    static const char *const bad[] = {"", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=!",
                                      "dGhlIHNhbXBsZSBub25jZQ==x", "AAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = ERR_INIT;
        assert_int_equal(websocket_accept_key(slice_str(bad[i]), accept, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

static void test_heads_of_what_is_sent(void **state)
{
    uint8_t head[WEBSOCKET_HEAD_MAX];
    assert_int_equal(websocket_head(head, WEBSOCKET_TEXT, 5), 2);
    assert_memory_equal(head, "\x81\x05", 2);
    assert_int_equal(websocket_head(head, WEBSOCKET_BINARY, 126), 4);
    assert_memory_equal(head, "\x82\x7e\x00\x7e", 4);
    assert_int_equal(websocket_head(head, WEBSOCKET_BINARY, 65536), 10);
    assert_memory_equal(head, "\x82\x7f\0\0\0\0\0\1\0\0", 10);
}

struct expected {
    enum websocket_opcode opcode;
    const char *payload;
    int code;
};

/* Feeds the bytes in steps of `step`; what comes out must be exactly the events, then `last`. */
static void expect_events(struct slice bytes, size_t step, const struct expected *events,
                          size_t count, int last_code)
{
    struct websocket_parser parser;
    websocket_parser_init(&parser, 1000);
    size_t found = 0;
    int result = 0;
    int code = 0;
    for (size_t at = 0; at < bytes.len && result >= 0; at += step) {
        size_t len = bytes.len - at < step ? bytes.len - at : step;
        struct slice some = slice_of(bytes.data + at, len);
        struct websocket_event event;
        for (;;) {
            result = websocket_parse(&parser, &some, &event, &code, NULL);
            if (result <= 0)
                break;
            assert_true(found < count);
            assert_int_equal(event.opcode, events[found].opcode);
            assert_true(slice_is_str(event.payload, events[found].payload));
            if (event.opcode == WEBSOCKET_CLOSE)
                assert_int_equal(event.code, events[found].code);
            found++;
        }
    }
    assert_int_equal(found, count);
    assert_int_equal(result < 0 ? code : 0, last_code);
    websocket_parser_done(&parser);
}

#define BYTES(text) slice_of((text), sizeof(text) - 1)

static void test_messages(void **state)
{
    /* Section 5.7: a masked "Hello"; then fragments with a ping between them; a close. */
    static const char bytes[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
                                "\x01\x83\0\0\0\0Hel"
                                "\x89\x82\0\0\0\0hi"
                                "\x80\x82\0\0\0\0lo"
                                "\x82\x80\1\2\3\4"
                                "\x8a\x80\0\0\0\0"
                                "\x88\x85\0\0\0\0\x03\xe8"
                                "bye";
    static const struct expected events[] = {
        {WEBSOCKET_TEXT, "Hello", 0}, {WEBSOCKET_PING, "hi", 0}, {WEBSOCKET_TEXT, "Hello", 0},
        {WEBSOCKET_BINARY, "", 0},    {WEBSOCKET_PONG, "", 0},   {WEBSOCKET_CLOSE, "bye", 1000},
    };
    for (size_t step = 1; step <= sizeof(bytes); step++)
        expect_events(BYTES(bytes), step, events, ARRAY_LEN(events), 0);
    static const struct expected close[] = {{WEBSOCKET_CLOSE, "", WEBSOCKET_NO_CODE}};
    expect_events(BYTES("\x88\x80\0\0\0\0"), 1, close, 1, 0);
}

static void test_longer_lengths(void **state)
{
    uint8_t bytes[8 + 900] = {0x82, 0xfe, 900 >> 8, 900 & 0xff};
    struct websocket_parser parser;
    websocket_parser_init(&parser, 1000);
    struct slice some = slice_of(bytes, sizeof(bytes));
    struct websocket_event event;
    int code = 0;
    assert_int_equal(websocket_parse(&parser, &some, &event, &code, NULL), 1);
    assert_int_equal(event.payload.len, 900);
    assert_true(slice_is_zero(event.payload));
    assert_int_equal(websocket_parse(&parser, &some, &event, &code, NULL), 0);
    websocket_parser_done(&parser);
}

/* Section 8.1: what cannot become UTF-8 is refused before its frame is complete. */
static void test_text_is_refused_at_once(void **state)
{
    const struct {
        struct slice bytes;
        int code;
    } cases[] = {
        {BYTES("\x01\x8a\0\0\0\0ab\xf4"), 0},
        {BYTES("\x01\x8a\0\0\0\0ab\xf4\x90"), 1007},
        {BYTES("\x01\x83\0\0\0\0ab\xe2\x00\x82\0\0\0\0\x82"), 0},
        {BYTES("\x01\x83\0\0\0\0ab\xe2\x00\x82\0\0\0\0\xc3"), 1007},
        {BYTES("\x01\x81\0\0\0\0\xe2\x89\x81\0\0\0\0\xff\x00\x82\0\0\0\0\x82"), 0},
        {BYTES("\x01\x81\0\0\0\0\xe2\x80\x80\0\0\0\0"), 1007},      /* ends amid a character */
        {BYTES("\x02\x82\0\0\0\0\xff\xff\x00\x81\0\0\0\0\xc0"), 0}, /* no text */
    };
    static const struct expected ping[] = {{WEBSOCKET_PING, "\xff", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t pings = memchr(cases[i].bytes.data, 0x89, cases[i].bytes.len) != NULL;
        for (size_t step = 1; step <= cases[i].bytes.len; step++)
            expect_events(cases[i].bytes, step, ping, pings, cases[i].code);
    }
    /* Nothing of a message, or of its verdict, is left for the next. */
    static const char two[] =
        "\x81\x82\0\0\0\0\xc3\xa9\x81\x82\0\0\0\0\xc3\xa9\x81\x81\0\0\0\0\xa9";
    static const struct expected both[] = {{WEBSOCKET_TEXT, "\xc3\xa9", 0},
                                           {WEBSOCKET_TEXT, "\xc3\xa9", 0}};
    for (size_t step = 1; step <= sizeof(two); step++)
        expect_events(BYTES(two), step, both, ARRAY_LEN(both), 1007);
}

static void test_long_messages_are_forgotten(void **state)
{
    static uint8_t bytes[14 + 4 * WEBSOCKET_KEEP] = {
        0x82, 0xff, 0, 0, 0, 0, 0, 4 * WEBSOCKET_KEEP >> 16, 0, 0,
    };
    static uint8_t small[6 + 5] = {0x82, 0x85};
    struct websocket_parser parser;
    websocket_parser_init(&parser, sizeof(bytes));
    struct websocket_event event;
    int code = 0;
    for (int i = 0; i < 2; i++) {
        struct slice some = slice_of(bytes, sizeof(bytes));
        assert_int_equal(websocket_parse(&parser, &some, &event, &code, NULL), 1);
        assert_int_equal(event.payload.len, 4 * WEBSOCKET_KEEP);
        websocket_forget_message(&parser);
        assert_int_equal(parser.message.cap, 0);
        some = slice_of(small, sizeof(small));
        assert_int_equal(websocket_parse(&parser, &some, &event, &code, NULL), 1);
        assert_int_equal(event.payload.len, 5);
    }
    /* One that is still being put together stays. */
    struct slice half = slice_of(bytes, sizeof(bytes) / 2);
    assert_int_equal(websocket_parse(&parser, &half, &event, &code, NULL), 0);
    websocket_forget_message(&parser);
    assert_int_equal(parser.message.len, sizeof(bytes) / 2 - 14);
    websocket_parser_done(&parser);
}

static void test_broken_rules_name_the_code(void **state)
{
    const struct {
        struct slice bytes;
        int code;
    } cases[] = {
        {BYTES("\x81\x05"), 1002}, /* not masked */
        {BYTES("\xc1\x80"), 1002}, /* reserved bits */
        {BYTES("\xa1\x80"), 1002},
        {BYTES("\x91\x80"), 1002},
        {BYTES("\x83\x80"), 1002}, /* unknown opcodes */
        {BYTES("\x8b\x80"), 1002},
        {BYTES("\x80\x80"), 1002},                 /* continuation of nothing */
        {BYTES("\x01\x80\0\0\0\0\x01\x80"), 1002}, /* message inside another */
        {BYTES("\x09\x80"), 1002},                 /* fragmented ping */
        {BYTES("\x89\xfe"), 1002},                 /* long ping */
        {BYTES("\x82\xfe\x00\x7d\0\0\0\0"), 1002}, /* not the shortest length */
        {BYTES("\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0"), 1002},
        {BYTES("\x82\xfe\x03\xe9\0\0\0\0"), 1009}, /* 1001 bytes */
        {BYTES("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), 1009},
        {BYTES("\x02\xfe\x03\xe8\0\0\0\0"), 0},    /* 1000 are fine so far */
        {BYTES("\x81\x81\0\0\0\0\xff"), 1007},     /* not UTF-8 */
        {BYTES("\x88\x81\0\0\0\0x"), 1002},        /* half a code */
        {BYTES("\x88\x82\0\0\0\0\x03\xe7"), 1002}, /* 999 */
        {BYTES("\x88\x82\0\0\0\0\x03\xed"), 1002}, /* 1005 */
        {BYTES("\x88\x83\0\0\0\0\x03\xe8\xff"), 1007},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        expect_events(cases[i].bytes, 1, NULL, 0, cases[i].code);
        expect_events(cases[i].bytes, cases[i].bytes.len, NULL, 0, cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_key),
        cmocka_unit_test(test_heads_of_what_is_sent),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_longer_lengths),
        cmocka_unit_test(test_text_is_refused_at_once),
        cmocka_unit_test(test_long_messages_are_forgotten),
        cmocka_unit_test(test_broken_rules_name_the_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
