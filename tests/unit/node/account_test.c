// SPDX-License-Identifier: Apache-2.0
/*
 * Tokens: made once, found by their digest, worthless when removed; and who may see what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "crypto/crypto.h"
#include "node/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];
static char tokens[96];

static int set_up(void **state)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/mse-account-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(tokens, sizeof(tokens), "%s/tokens", folder);
    return 0;
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    return folder_remove_tree(folder, &err);
}

static void token_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf first = BUF_INIT(256);
    AUTO_BUF struct buf second = BUF_INIT(256);
    assert_int_equal(token_add(tokens, "alice", &first, &err), 0);
    assert_int_equal(token_add(tokens, "bob", &second, &err), 0);
    assert_int_equal(first.len, 64);
    char name[64];
    assert_int_equal(token_find(tokens, buf_slice(&second), name, sizeof(name), &err), 0);
    assert_string_equal(name, "bob");
    AUTO_BUF struct buf file = BUF_INIT(4096);
    assert_int_equal(file_read(tokens, &file, &err), 0);
    assert_null(strstr(buf_text(&file), buf_text(&first)));
    assert_int_equal(token_add(tokens, "bob", &second, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    err_clear(&err);
    assert_int_equal(token_remove(tokens, "alice", &err), 0);
    assert_int_equal(token_find(tokens, buf_slice(&first), name, sizeof(name), &err), -1);
    assert_int_equal(err.kind, ERR_UNAUTHORIZED);
    assert_int_equal(token_remove(tokens, "alice", &err), -1);
}

static struct http_request tcp_request(const struct http_header *headers, size_t count)
{
    return (struct http_request){.headers = headers, .header_count = count};
}

static void tcp_without_token_test(void **state)
{
    struct err err = ERR_INIT;
    struct account account = {0};
    const struct http_request none = tcp_request(NULL, 0);
    assert_int_equal(account_of(tokens, &none, &account, &err), -1);
    assert_int_equal(err.kind, ERR_UNAUTHORIZED);
    static const char *const values[] = {"Bearer ", "Bearer", "Basic x", "Bearer 00", ""};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        err_clear(&err);
        const struct http_header header = {slice_str("Authorization"), slice_str(values[i])};
        const struct http_request request = tcp_request(&header, 1);
        assert_int_equal(account_of(tokens, &request, &account, &err), -1);
        assert_int_equal(err.kind, ERR_UNAUTHORIZED);
    }
}

static void tcp_with_token_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf token = BUF_INIT(256);
    char value[128];
    assert_int_equal(token_add(tokens, "ci", &token, &err), 0);
    (void)snprintf(value, sizeof(value), "bearer %s", buf_text(&token));
    const struct http_header header = {slice_str("authorization"), slice_str(value)};
    const struct http_request request = tcp_request(&header, 1);
    struct account account = {0};
    assert_int_equal(account_of(tokens, &request, &account, &err), 0);
    assert_string_equal(account.owner, "token:ci");
    assert_false(account.operator_of_node);
    assert_false(account.local);
}

static void socket_test(void **state)
{
    struct err err = ERR_INIT;
    struct account account = {0};
    struct http_request request = {.peer_known = true, .peer_uid = getuid()};
    assert_int_equal(account_of(tokens, &request, &account, &err), 0);
    assert_true(account.operator_of_node);
    assert_true(account.local);
    request.peer_uid = 3999999999U; /* a user that no machine has */
    assert_int_equal(account_of(tokens, &request, &account, &err), -1);
    assert_int_equal(err.kind, ERR_FORBIDDEN);
}

static void may_test(void **state)
{
    const struct account own = {.owner = "uid:1000"};
    const struct account operator_account = {.owner = "uid:0", .operator_of_node = true};
    assert_true(account_may(&own, "uid:1000"));
    assert_false(account_may(&own, "uid:10000"));
    assert_false(account_may(&own, "token:uid:1000"));
    assert_true(account_may(&operator_account, "uid:1000"));
}

static int start(void **state)
{
    struct err err = ERR_INIT;
    return crypto_init(&err);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name##_test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(token), TEST(tcp_without_token), TEST(tcp_with_token), TEST(socket), TEST(may),
    };
    return cmocka_run_group_tests_name("account", tests, start, NULL);
}
