// SPDX-License-Identifier: Apache-2.0
/*
 * The limit of connections: who makes room, who is told to come back, and that a flood costs a
 * bounded number of connections.
 */
#include "server_fixture.h"

#include "http/client.h"

static void wait_for_open(uint64_t expected)
{
    for (int i = 0; i < PATIENCE_MS && stats_now().open != expected; i++)
        clock_sleep_ms(1);
    assert_int_equal(stats_now().open, expected);
}

static void expect_too_many(int fd)
{
    AUTO_BUF struct buf refused = BUF_INIT(65536);
    receive_all(fd, &refused);
    assert_string_equal(statuses(&refused), "503");
    assert_non_null(strstr(buf_text(&refused), "Retry-After: 1\r\n"));
    assert_non_null(strstr(buf_text(&refused), "too many connections\n"));
    fd_close(fd);
}

static void connections_over_the_limit_are_told_to_come_back(void **state)
{
    (void)state;
    struct http_limits limits = {.connections = 2, .half_closed_ms = 30};
    start_server(&limits);
    int held[2];
    for (int i = 0; i < 2; i++) {
        held[i] = connect_client();
        send_text(held[i], "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    }
    wait_for(&requests_seen, 2);
    int surplus = connect_client();
    send_text(surplus, "GET / HTTP/1.1\r\n" HOST "\r\n");
    expect_too_many(surplus);
    assert_int_equal(stats_now().refused, 1);
    assert_int_equal(stats_now().evicted, 0);
    wait_for_open(2);
    fd_close(held[0]);
    wait_for_open(1);
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    int next = connect_client();
    send_text(next, "GET / HTTP/1.1\r\n" HOST "\r\n");
    receive_until(next, &answer, "body=");
    assert_string_equal(statuses(&answer), "200");
    fd_close(next);
    fd_close(held[1]);
}

static void wait_for_bytes_in(uint64_t expected)
{
    for (int i = 0; i < PATIENCE_MS && stats_now().bytes_in < expected; i++)
        clock_sleep_ms(1);
    assert_int_equal(stats_now().bytes_in, expected);
}

/* Those that are let in to hear 503 are few, and have the time of one head. */
static void a_flood_over_the_limit_is_bounded(void **state)
{
    (void)state;
    enum { FLOOD = 200, LET_IN = 64 };
    static const char start[] = "GET / HTTP/1.1\r\n"; /* and not the rest: it is not idle */
    struct http_limits limits = {.connections = 1, .header_timeout_ms = 1000};
    start_server(&limits);
    int held = connect_client();
    send_text(held, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&requests_seen, 1);
    uint64_t received = stats_now().bytes_in;
    int fds[FLOOD];
    for (int i = 0; i < FLOOD; i++) {
        fds[i] = connect_client();
        send_text(fds[i], start);
        if (i < LET_IN)
            wait_for_bytes_in(received += sizeof(start) - 1);
    }
    for (int i = LET_IN; i < FLOOD; i++) {
        char answer[512]; /* at once, or a reset */
        (void)receive_some(fds[i], answer, sizeof(answer));
    }
    assert_int_equal(stats_now().open, 1 + LET_IN);
    assert_int_equal(stats_now().refused, FLOOD);
    assert_int_equal(stats_now().evicted, 0);
    for (int i = 0; i < FLOOD; i++) {
        AUTO_BUF struct buf answer = BUF_INIT(65536);
        receive_all(fds[i], &answer); /* comes to its end by itself */
        fd_close(fds[i]);
    }
    wait_for_open(1);
    fd_close(held);
}

static int connect_and_ask(void)
{
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    int fd = connect_client();
    send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    receive_until(fd, &answer, "body=");
    return fd;
}

static void the_longest_idle_connection_makes_room(void **state)
{
    (void)state;
    struct http_limits limits = {.connections = 4};
    start_server(&limits);
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = connect_and_ask();
    /* The first one has just been busy; the second holds back the rest of a head. */
    send_text(fds[0], "GET / HTTP/1.1\r\n" HOST "\r\n");
    receive_until(fds[0], &answer, "body=");
    uint64_t before = stats_now().bytes_in;
    send_text(fds[1], "GET / HT");
    wait_for_bytes_in(before + 8);
    int newest[3];
    for (int i = 0; i < 3; i++)
        newest[i] = connect_and_ask();
    assert_int_equal(stats_now().evicted, 3);
    assert_int_equal(stats_now().refused, 0);
    assert_int_equal(stats_now().open, 4);
    static const int gone[] = {2, 3, 0};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        buf_clear(&answer);
        receive_all(fds[gone[i]], &answer);
        assert_int_equal(answer.len, 0);
    }
    send_text(fds[1], "TP/1.1\r\n" HOST "\r\n");
    buf_clear(&answer);
    receive_until(fds[1], &answer, "body=");
    for (int i = 0; i < 4; i++)
        fd_close(fds[i]);
    for (int i = 0; i < 3; i++)
        fd_close(newest[i]);
}

static struct http_client *connect_tls(struct tls_client *judge)
{
    struct http_client_config config = {
        .host = "127.0.0.1", .port = http_server_port(server, 0), .tls = judge};
    struct http_client *client = NULL;
    if (http_client_connect(&config, &client, &err) < 0)
        fail_msg("%s", err.message);
    return client;
}

static int ask(struct http_client *client, struct http_client_response *response)
{
    const struct http_client_request request = {.method = "GET", .target = "/"};
    return http_client_request(client, &request, response, &err);
}

static void inside_tls_it_is_the_same(void **state)
{
    (void)state;
    struct http_limits limits = {.connections = 1};
    AUTO_TLS_SERVER struct tls_server *tls = make_tls(false);
    struct http_listener listener = {.tls = tls};
    start_server_with(&limits, &listener, &telling_handler);
    struct tls_client_config trust = {.verify = trust_all};
    AUTO_TLS_CLIENT struct tls_client *judge = NULL;
    assert_int_equal(tls_client_new(&trust, &judge, &err), 0);
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    /* One that says nothing at all, not even a ClientHello, makes room. */
    int silent = connect_client();
    wait_for_open(1);
    AUTO_HTTP_CLIENT struct http_client *first = connect_tls(judge);
    assert_int_equal(ask(first, &response), 0);
    assert_int_equal(response.status, 200);
    AUTO_BUF struct buf nothing = BUF_INIT(1024);
    receive_all(silent, &nothing);
    fd_close(silent);
    /* An idle one does, and says goodbye: close_notify. */
    AUTO_HTTP_CLIENT struct http_client *second = connect_tls(judge);
    assert_int_equal(ask(second, &response), 0);
    assert_int_equal(response.status, 200);
    assert_int_equal(ask(first, &response), -1);
    assert_int_equal(stats_now().evicted, 2);
    /* A busy one does not. */
    const struct http_client_request hold = {.method = "GET", .target = "/hold", .deadline_ms = 50};
    assert_int_equal(http_client_request(second, &hold, &response, &err), -1);
    assert_int_equal(err.kind, ERR_TIMEOUT);
    AUTO_HTTP_CLIENT struct http_client *third = connect_tls(judge);
    assert_int_equal(ask(third, &response), 0);
    assert_int_equal(response.status, 503);
    assert_string_equal(http_client_response_header(&response, "retry-after"), "1");
    assert_false(response.keep_alive);
    assert_int_equal(stats_now().refused, 1);
    http_server_free(server);
    server = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(connections_over_the_limit_are_told_to_come_back, stop_server),
        cmocka_unit_test_teardown(a_flood_over_the_limit_is_bounded, stop_server),
        cmocka_unit_test_teardown(the_longest_idle_connection_makes_room, stop_server),
        cmocka_unit_test_teardown(inside_tls_it_is_the_same, stop_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
