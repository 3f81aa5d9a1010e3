// SPDX-License-Identifier: Apache-2.0
/*
 * PROXY protocol v2: what is written is read back; each broken header has a named error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static struct err err;

static void write_header(struct buf *out, const char *from, const char *to, int port)
{
    struct sockaddr_storage source = {0};
    struct sockaddr_storage destination = {0};
    struct sockaddr_storage *both[] = {&source, &destination};
    const char *texts[] = {from, to};
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in *v4 = (void *)both[i];
        struct sockaddr_in6 *v6 = (void *)both[i];
        if (inet_pton(AF_INET, texts[i], &v4->sin_addr) == 1) {
            v4->sin_family = AF_INET;
            v4->sin_port = htons((uint16_t)port);
        } else {
            assert_int_equal(inet_pton(AF_INET6, texts[i], &v6->sin6_addr), 1);
            v6->sin6_family = AF_INET6;
            v6->sin6_port = htons((uint16_t)port);
        }
    }
    assert_int_equal(proxy_header_write((void *)&source, (void *)&destination, out, &err), 0);
}

static void addresses_of_both_families_come_back(void **state)
{
    (void)state;
    static const char *const addresses[] = {"192.0.2.7", "2001:db8::1"};
    for (size_t i = 0; i < 2; i++) {
        AUTO_BUF struct buf bytes = BUF_INIT(PROXY_MAX_SIZE);
        write_header(&bytes, addresses[i], i == 0 ? "127.0.0.1" : "::1", 40123);
        size_t size;
        assert_int_equal(proxy_header_size(slice_of(bytes.data, PROXY_FIXED_SIZE), &size, &err), 0);
        assert_int_equal(size, bytes.len);
        struct proxy_peer peer;
        assert_int_equal(proxy_header_parse(buf_slice(&bytes), &peer, &err), 0);
        assert_true(peer.known);
        assert_string_equal(peer.address, addresses[i]);
        assert_int_equal(peer.port, 40123);
    }
}

static void a_connection_without_addresses_is_local(void **state)
{
    (void)state;
    AUTO_BUF struct buf bytes = BUF_INIT(PROXY_MAX_SIZE);
    assert_int_equal(proxy_header_write(NULL, NULL, &bytes, &err), 0);
    assert_int_equal(bytes.len, PROXY_FIXED_SIZE);
    struct proxy_peer peer = {.known = true};
    assert_int_equal(proxy_header_parse(buf_slice(&bytes), &peer, &err), 0);
    assert_false(peer.known);
    assert_string_equal(peer.address, "");
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static const struct {
    const char *bytes;
    size_t len;
    bool good;
    const char *says;
} headers[] = {
#define CASE(text, good, says)                                                                     \
    {                                                                                              \
        text, sizeof(text) - 1, good, says                                                         \
    }
    CASE(SIGNATURE "\x21\x11\x00\x0c\x01\x02\x03\x04\x7f\0\0\x01\x00\x50\x01\xbb", true, ""),
    /* TLVs behind the addresses are skipped */
    CASE(SIGNATURE "\x21\x11\x00\x10\x01\x02\x03\x04\x7f\0\0\x01\x00\x50\x01\xbb\x03\0\x01z", true,
         ""),
    CASE(SIGNATURE "\x21\x00\x00\x00", true, ""),           /* PROXY UNSPEC */
    CASE(SIGNATURE "\x20\x11\x00\x02zz", true, ""),         /* LOCAL: addresses are ignored */
    CASE(SIGNATURE "\x11\x11\x00\x00", false, "version 2"), /* version 1 in binary */
    CASE(SIGNATURE "\x22\x11\x00\x00", false, "version 2"), /* unknown command */
    CASE(SIGNATURE "\x21\x11\x00\x0b\x01\x02\x03\x04\x7f\0\0\x01\x00\x50\x01", false, "truncated"),
    CASE(SIGNATURE "\x21\x21\x00\x0c\x01\x02\x03\x04\x7f\0\0\x01\x00\x50\x01\xbb", false,
         "truncated"),
    CASE(SIGNATURE "\x21\x11\x00\x0c", false, "says 12 bytes follow"),
    CASE(SIGNATURE "\x21\x11", false, "truncated"),
    CASE("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", false, "expected a PROXY protocol v2 header"),
    CASE("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false, "expected a PROXY protocol v2 header"),
    CASE("", false, "truncated"),
#undef CASE
};

static void each_header_is_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        err = ERR_INIT;
        struct proxy_peer peer;
        int result = proxy_header_parse(slice_of(headers[i].bytes, headers[i].len), &peer, &err);
        assert_int_equal(result, headers[i].good ? 0 : -1);
        if (!headers[i].good) {
            assert_int_equal(err.kind, ERR_INVALID);
            assert_non_null(strstr(err.message, headers[i].says));
        }
    }
}

static void a_length_over_the_bound_is_refused_before_it_is_read(void **state)
{
    (void)state;
    static const char fixed[] = SIGNATURE "\x21\x11\xff\xff";
    size_t size = 7;
    assert_int_equal(proxy_header_size(slice_of(fixed, PROXY_FIXED_SIZE), &size, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_int_equal(size, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_both_families_come_back),
        cmocka_unit_test(a_connection_without_addresses_is_local),
        cmocka_unit_test(each_header_is_judged),
        cmocka_unit_test(a_length_over_the_bound_is_refused_before_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
