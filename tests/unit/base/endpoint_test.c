// SPDX-License-Identifier: Apache-2.0
/*
 * Addresses: what is one, and what only looks like one.
 */
#include "base/endpoint.h"

#include "base/mem.h"
#include "testing.h"

#include <string.h>

static void test_addresses(void **state)
{
    static const struct {
        const char *url;
        const char *host;
        int port;
        const char *rest;
    } good[] = {
        {"https://localhost:4711", "localhost", 4711, ""},
        {"https://example.com", "example.com", 443, ""},
        {"https://example.com/a?b", "example.com", 443, "/a?b"},
        {"https://127.0.0.1:1?x", "127.0.0.1", 1, "?x"},
        {"https://a_b-c:65535#x", "a_b-c", 65535, "#x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct endpoint endpoint;
        const char *rest = NULL;
        OK(endpoint_parse_url(good[i].url, &endpoint, &rest, &err));
        assert_string_equal(endpoint.host, good[i].host);
        assert_int_equal(endpoint.port, good[i].port);
        assert_string_equal(rest, good[i].rest);
        assert_int_equal(endpoint_parse_url(good[i].url, &endpoint, NULL, NULL),
                         good[i].rest[0] == '\0' ? 0 : -1);
    }
}

static void test_what_is_none(void **state)
{
    static const char *const bad[] = {
        "",
        "localhost",
        "http://localhost",
        "HTTPS://localhost",
        "https://",
        "https://:443",
        "https://-o",
        "https://a@b",
        "https://a:b@c",
        "https://a b",
        "https://a\x1b[31m",
        "https://a$(id)",
        "https://a;id",
        "https://a:",
        "https://a:0",
        "https://a:65536",
        "https://a:443443",
        "https://a:+1",
        "https://a:1 $(id)",
        "https://a:1;id",
        "https://[::1]:1",
        "https://\xc3\xa9",
    };
    struct endpoint endpoint;
    const char *rest = NULL;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        FAILS(ERR_USAGE, "'", endpoint_parse_url(bad[i], &endpoint, &rest, &err));
        FAILS(ERR_USAGE, "'", endpoint_parse_url(bad[i], &endpoint, NULL, &err));
    }
    char longest[400] = "https://";
    memset(longest + strlen(longest), 'a', ENDPOINT_HOST_SIZE);
    FAILS(ERR_USAGE, "names no host", endpoint_parse_url(longest, &endpoint, NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
