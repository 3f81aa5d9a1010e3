// SPDX-License-Identifier: Apache-2.0
/*
 * What waits in memory for clients that do not read: a share of each connection, a share of all,
 * and it is given back.
 */
#include "server_fixture.h"

#include "http/connection.h"

#include <netinet/tcp.h>
#include <pthread.h>

enum {
    PIECE = 10 * 1000,
    SLACK = 128 * 1024, /* what the kernel takes later than the thread stops, and makes free */
    SPOOL = 1024 * 1024,
    SPOOL_TOTAL = SPOOL + SPOOL / 2,
};

/* One response without an end, made by a thread of its own. */
struct endless {
    struct http_exchange *exchange;
    pthread_t thread;
    atomic_size_t highest; /* ever queued */
};

static struct endless responses[4];
static atomic_int response_count;

static void *respond_without_end(void *argument)
{
    struct endless *self = argument;
    static const uint8_t piece[PIECE];
    struct err failure = ERR_INIT;
    size_t queued = 0;
    int result = http_respond_start(self->exchange, 200, NULL, NULL, 0, -1, &failure);
    while (result == 0) {
        result = http_respond_write(self->exchange, slice_of(piece, PIECE), &queued, &failure);
        if (queued > atomic_load(&self->highest))
            atomic_store(&self->highest, queued);
        if (result == 0 && queued > HTTP_WRITE_HIGH)
            result = http_respond_write_wait(self->exchange, slice_of(piece, 0), &failure);
    }
    assert_int_equal(failure.kind, ERR_INTERRUPTED);
    http_release(self->exchange);
    return NULL;
}

static void on_endless_request(void *context, struct http_exchange *exchange)
{
    (void)context;
    struct endless *self = &responses[atomic_load(&response_count)];
    self->exchange = exchange;
    (void)atomic_fetch_add(&response_count, 1);
    assert_int_equal(pthread_create(&self->thread, NULL, respond_without_end, self), 0);
}

static const struct http_handler endless_handler = {.request = on_endless_request};

/* With small segments the kernels keep little. */
static int ask(void)
{
    int segment = 536;
    int buffer = 4096;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)http_server_port(server, 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)), 0);
    assert_int_equal(connect(fd, (void *)&address, sizeof(address)), 0);
    send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    return fd;
}

static bool waits(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    bool found = exchange->waiters > 0;
    lock_release(&exchange->lock);
    return found;
}

static void expect_spooled(struct endless *response, size_t spool)
{
    wait_for(&response_count, (int)(response - responses) + 1);
    for (int i = 0; i < PATIENCE_MS && !waits(response->exchange); i++)
        clock_sleep_ms(1);
    assert_true(response->highest >= HTTP_WRITE_HIGH + spool - SLACK);
    assert_true(response->highest <= HTTP_WRITE_HIGH + spool + PIECE + SLACK);
}

static void leave(int fd, struct endless *response, size_t spool)
{
    fd_close(fd);
    assert_int_equal(pthread_join(response->thread, NULL), 0);
    assert_true(response->highest <= HTTP_WRITE_HIGH + spool + PIECE + SLACK);
}

static void what_waits_for_slow_clients_is_bounded(void **state)
{
    (void)state;
    struct http_listener listener = {0};
    struct http_limits limits = {
        .spool_bytes = SPOOL, .spool_total_bytes = SPOOL_TOTAL, .write_timeout_ms = 60 * 1000};
    start_server_with(&limits, &listener, &endless_handler);
    int first = ask();
    expect_spooled(&responses[0], SPOOL);
    int second = ask();
    expect_spooled(&responses[1], SPOOL / 2);
    int third = ask();
    expect_spooled(&responses[2], 0);
    leave(first, &responses[0], SPOOL);
    int fourth = ask(); /* what the first had is free */
    expect_spooled(&responses[3], SPOOL);
    leave(second, &responses[1], SPOOL / 2);
    leave(third, &responses[2], 0);
    leave(fourth, &responses[3], SPOOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_waits_for_slow_clients_is_bounded, stop_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
