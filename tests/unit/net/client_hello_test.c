// SPDX-License-Identifier: Apache-2.0
/*
 * The server name and the protocols of a ClientHello: whole, cut into records of one byte,
 * truncated at every place, changed at every place.
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

static void add_extension(struct buf *out, uint16_t type, struct slice content)
{
    OK(buf_u16be(out, type, &ignored));
    OK(buf_u16be(out, (uint16_t)content.len, &ignored));
    OK(buf_bytes(out, content, &ignored));
}

static void add_name(struct buf *out, const char *name)
{
    AUTO_BUF struct buf content = BUF_INIT(4096);
    size_t len = strlen(name);
    OK(buf_u16be(&content, (uint16_t)(len + 3), &ignored));
    OK(buf_u8(&content, 0, &ignored));
    OK(buf_u16be(&content, (uint16_t)len, &ignored));
    OK(buf_str(&content, name, &ignored));
    add_extension(out, 0, buf_slice(&content));
}

static void add_protocols(struct buf *out, const char *first, const char *second)
{
    AUTO_BUF struct buf content = BUF_INIT(4096);
    OK(buf_u16be(&content, (uint16_t)(strlen(first) + strlen(second) + 2), &ignored));
    OK(buf_u8(&content, (uint8_t)strlen(first), &ignored));
    OK(buf_str(&content, first, &ignored));
    OK(buf_u8(&content, (uint8_t)strlen(second), &ignored));
    OK(buf_str(&content, second, &ignored));
    add_extension(out, 16, buf_slice(&content));
}

/* The handshake message around these extensions. */
static void wrap_extensions(struct buf *out, struct slice extensions)
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
    OK(buf_u16be(&body, (uint16_t)extensions.len, &ignored));
    OK(buf_bytes(&body, extensions, &ignored));
    OK(buf_u8(out, 1, &ignored));
    OK(buf_u8(out, 0, &ignored));
    OK(buf_u16be(out, (uint16_t)body.len, &ignored));
    OK(buf_bytes(out, buf_slice(&body), &ignored));
}

/* The handshake message for a server name ("" : without the extension). */
static void build_message(struct buf *out, const char *name)
{
    AUTO_BUF struct buf extensions = BUF_INIT(4096);
    add_extension(&extensions, 0x002b, slice_str("ab")); /* supported_versions, any content */
    if (name[0] != '\0')
        add_name(&extensions, name);
    wrap_extensions(out, buf_slice(&extensions));
}

static void add_record(struct buf *out, struct slice payload)
{
    OK(buf_u8(out, 22, &ignored));
    OK(buf_u16be(out, 0x0301, &ignored));
    OK(buf_u16be(out, (uint16_t)payload.len, &ignored));
    OK(buf_bytes(out, payload, &ignored));
}

static void build_records(struct buf *out, const char *name, size_t record_size)
{
    AUTO_BUF struct buf message = BUF_INIT(4096);
    build_message(&message, name);
    for (size_t at = 0; at < message.len; at += record_size) {
        size_t size = message.len - at < record_size ? message.len - at : record_size;
        add_record(out, slice_of(message.data + at, size));
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

/* What a certificate authority asks with, wherever it stands in the list, and nothing like it. */
static void acme_test(void **state)
{
    const struct {
        const char *first;
        const char *second;
        bool acme;
    } rows[] = {{"h2", "http/1.1", false},
                {"acme-tls/1", "h2", true},
                {"h2", "acme-tls/1", true},
                {"acme-tls/2", "h2", false},
                {"Acme-tls/1", "h2", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = ERR_INIT;
        AUTO_BUF struct buf extensions = BUF_INIT(4096);
        AUTO_BUF struct buf message = BUF_INIT(4096);
        AUTO_BUF struct buf bytes = BUF_INIT(4096);
        struct client_hello hello = {0};
        add_protocols(&extensions, rows[i].first, rows[i].second);
        add_name(&extensions, "abc.example.com");
        wrap_extensions(&message, buf_slice(&extensions));
        add_record(&bytes, buf_slice(&message));
        OK(client_hello_parse(buf_slice(&bytes), &hello, &err));
        assert_int_equal(hello.offers_acme, rows[i].acme);
        assert_string_equal(hello.name, "abc.example.com");
    }
}

static void refused_extensions(const struct buf *extensions)
{
    AUTO_BUF struct buf message = BUF_INIT(4096);
    AUTO_BUF struct buf bytes = BUF_INIT(4096);
    wrap_extensions(&message, buf_slice(extensions));
    add_record(&bytes, buf_slice(&message));
    refused(buf_slice(&bytes), ERR_INVALID);
}

/* Two readers could take two different names, or two lists of protocols, out of these. */
static void two_readings_test(void **state)
{
    AUTO_BUF struct buf names = BUF_INIT(4096);
    add_name(&names, "abc.example.com");
    add_name(&names, "def.example.com");
    refused_extensions(&names);
    AUTO_BUF struct buf protocols = BUF_INIT(4096);
    add_protocols(&protocols, "h2", "http/1.1");
    add_protocols(&protocols, "h2", "acme-tls/1");
    refused_extensions(&protocols);
    AUTO_BUF struct buf list = BUF_INIT(4096);
    add_extension(&list, 0,
                  slice_of("\0\x08\0\0\x01"
                           "a\0\0\x01"
                           "b",
                           10));
    refused_extensions(&list);
    AUTO_BUF struct buf empty = BUF_INIT(4096);
    add_extension(&empty, 0, slice_of("\0\0", 2));
    refused_extensions(&empty);
    AUTO_BUF struct buf other_type = BUF_INIT(4096);
    add_extension(&other_type, 0,
                  slice_of("\0\x04\x01\0\x01"
                           "a",
                           6));
    refused_extensions(&other_type);
}

/* Early data comes in records of its own and is not looked at; in the same record it is refused. */
static void what_follows_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf bytes = BUF_INIT(16384);
    struct client_hello hello = {0};
    build_records(&bytes, "abc.example.com", 50);
    OK(buf_bytes(&bytes, slice_of("\x14\3\3\0\1\1\x17\3\3\0\5hello", 16), &ignored));
    OK(client_hello_parse(buf_slice(&bytes), &hello, &err));
    assert_string_equal(hello.name, "abc.example.com");
    AUTO_BUF struct buf message = BUF_INIT(4096);
    AUTO_BUF struct buf longer = BUF_INIT(4096);
    build_message(&message, "abc.example.com");
    OK(buf_u8(&message, 1, &ignored));
    add_record(&longer, buf_slice(&message));
    refused(buf_slice(&longer), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_test),
        cmocka_unit_test(unnamed_test),
        cmocka_unit_test(truncated_test),
        cmocka_unit_test(tampered_test),
        cmocka_unit_test(other_protocols_test),
        cmocka_unit_test(endless_test),
        cmocka_unit_test(acme_test),
        cmocka_unit_test(two_readings_test),
        cmocka_unit_test(what_follows_test),
    };
    return cmocka_run_group_tests_name("client_hello", tests, NULL, NULL);
}
