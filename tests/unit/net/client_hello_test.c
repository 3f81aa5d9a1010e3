// SPDX-License-Identifier: Apache-2.0
/*
 * The server name of a ClientHello: whole, cut into records of one byte, truncated at every place,
 * changed at every place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "net/client_hello.h"

static struct err ignored;
#define OK(call) assert_int_equal((call), 0)

/* The handshake message for a server name ("" : without the extension). */
static void build_message(struct buf *out, const char *name)
{
    AUTO_BUF struct buf body = BUF_INIT(4096);
    const uint8_t random[32] = {7};
    OK(buf_u16be(&body, 0x0303, &ignored));
    OK(buf_bytes(&body, slice_of(random, sizeof(random)), &ignored));
    OK(buf_u8(&body, 0, &ignored));
    OK(buf_u16be(&body, 2, &ignored));
    OK(buf_u16be(&body, 0x1301, &ignored));
    OK(buf_u8(&body, 1, &ignored));
    OK(buf_u8(&body, 0, &ignored));
    size_t len = strlen(name);
    OK(buf_u16be(&body, (uint16_t)(6 + (len > 0 ? 9 + len : 0)), &ignored));
    OK(buf_u16be(&body, 0x002b, &ignored)); /* supported_versions, any content */
    OK(buf_u16be(&body, 2, &ignored));
    OK(buf_u16be(&body, 0x0304, &ignored));
    if (len > 0) {
        OK(buf_u16be(&body, 0, &ignored));
        OK(buf_u16be(&body, (uint16_t)(len + 5), &ignored));
        OK(buf_u16be(&body, (uint16_t)(len + 3), &ignored));
        OK(buf_u8(&body, 0, &ignored));
        OK(buf_u16be(&body, (uint16_t)len, &ignored));
        OK(buf_str(&body, name, &ignored));
    }
    OK(buf_u8(out, 1, &ignored));
    OK(buf_u8(out, 0, &ignored));
    OK(buf_u16be(out, (uint16_t)body.len, &ignored));
    OK(buf_bytes(out, buf_slice(&body), &ignored));
}

static void build_records(struct buf *out, const char *name, size_t record_size)
{
    AUTO_BUF struct buf message = BUF_INIT(4096);
    build_message(&message, name);
    for (size_t at = 0; at < message.len; at += record_size) {
        size_t size = message.len - at < record_size ? message.len - at : record_size;
        OK(buf_u8(out, 22, &ignored));
        OK(buf_u16be(out, 0x0301, &ignored));
        OK(buf_u16be(out, (uint16_t)size, &ignored));
        OK(buf_bytes(out, slice_of(message.data + at, size), &ignored));
    }
}

static void named_test(void **state)
{
    struct err err = ERR_INIT;
    const size_t sizes[] = {16384, 100, 7, 1};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO_BUF struct buf bytes = BUF_INIT(16384);
        build_records(&bytes, "AbC.Example.com", sizes[i]);
        struct client_hello hello = {0};
        OK(client_hello_parse(buf_slice(&bytes), &hello, &err));
        assert_int_equal(hello.state, CLIENT_HELLO_NAMED);
        assert_string_equal(hello.name, "abc.example.com");
    }
}

static void unnamed_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf bytes = BUF_INIT(4096);
    build_records(&bytes, "", 16384);
    struct client_hello hello = {0};
    OK(client_hello_parse(buf_slice(&bytes), &hello, &err));
    assert_int_equal(hello.state, CLIENT_HELLO_UNNAMED);
}

static void truncated_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf bytes = BUF_INIT(16384);
    build_records(&bytes, "abc.example.com", 20);
    for (size_t len = 0; len < bytes.len; len++) {
        struct client_hello hello = {.state = CLIENT_HELLO_NAMED};
        OK(client_hello_parse(slice_of(bytes.data, len), &hello, &err));
        assert_int_equal(hello.state, CLIENT_HELLO_MORE);
    }
}

/* Whatever byte changes: an error with a kind, or an answer whose name is well-formed. */
static void tampered_test(void **state)
{
    AUTO_BUF struct buf bytes = BUF_INIT(16384);
    build_records(&bytes, "abc.example.com", 16384);
    for (size_t i = 0; i < bytes.len; i++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t old = bytes.data[i];
            bytes.data[i] = (uint8_t)value;
            struct err err = ERR_INIT;
            struct client_hello hello = {0};
            if (client_hello_parse(buf_slice(&bytes), &hello, &err) < 0)
                assert_true(err.kind == ERR_INVALID || err.kind == ERR_TOO_LARGE);
            else
                assert_int_equal(strspn(hello.name, "abcdefghijklmnopqrstuvwxyz0123456789.-_"),
                                 strlen(hello.name));
            bytes.data[i] = old;
        }
    }
}

static void refused(struct slice bytes, enum err_kind kind)
{
    struct err err = ERR_INIT;
    struct client_hello hello = {0};
    assert_int_equal(client_hello_parse(bytes, &hello, &err), -1);
    assert_int_equal(err.kind, kind);
}

static void other_protocols_test(void **state)
{
    refused(slice_str("GET / HTTP/1.1\r\n\r\n"), ERR_INVALID);
    refused(slice_str("SSH-2.0-x\r\n"), ERR_INVALID);
    const uint8_t alert[] = {21, 3, 1, 0, 2, 2, 40};
    refused(slice_of(alert, sizeof(alert)), ERR_INVALID);
    const uint8_t server_hello[] = {22, 3, 3, 0, 4, 2, 0, 0, 0};
    refused(slice_of(server_hello, sizeof(server_hello)), ERR_INVALID);
    const uint8_t empty_record[] = {22, 3, 3, 0, 0};
    refused(slice_of(empty_record, sizeof(empty_record)), ERR_INVALID);
    const uint8_t huge[] = {22, 3, 3, 0, 4, 1, 0xff, 0xff, 0xff};
    refused(slice_of(huge, sizeof(huge)), ERR_TOO_LARGE);
}

/* A message that claims 16,000 bytes and comes a byte a record never completes in the limit. */
static void endless_test(void **state)
{
    AUTO_BUF struct buf bytes = BUF_INIT(1 << 17);
    const uint8_t head[] = {22, 3, 1, 0, 4, 1, 0, 0x3e, 0x80};
    OK(buf_bytes(&bytes, slice_of(head, sizeof(head)), &ignored));
    while (bytes.len < CLIENT_HELLO_MAX) {
        const uint8_t record[] = {22, 3, 1, 0, 1, 0};
        OK(buf_bytes(&bytes, slice_of(record, sizeof(record)), &ignored));
    }
    refused(buf_slice(&bytes), ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_test),           cmocka_unit_test(unnamed_test),
        cmocka_unit_test(truncated_test),       cmocka_unit_test(tampered_test),
        cmocka_unit_test(other_protocols_test), cmocka_unit_test(endless_test),
    };
    return cmocka_run_group_tests_name("client_hello", tests, NULL, NULL);
}
