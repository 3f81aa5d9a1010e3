// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes both ways at once: everything arrives, also where one side answers more than it has read,
 * and each end is passed on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "launch/pump.h"

#include "base/mem.h"

#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BODY = 8 << 20, PIECE = 32 * 1024, PATIENCE_S = 60 };

static int client[2]; /* [0]: the client's own end */
static int app[2];    /* [0]: the app's own end */
static int times;     /* the app answers so many bytes for each that it reads */

static void *pump_main(void *unused)
{
    pump(client[1], app[1]);
    return unused;
}

static void send_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        len -= (size_t)sent;
    }
}

static void *app_main(void *unused)
{
    uint8_t piece[PIECE];
    ssize_t len;
    while ((len = recv(app[0], piece, sizeof(piece), 0)) > 0) {
        for (int i = 0; i < times; i++)
            send_all(app[0], piece, (size_t)len);
    }
    (void)shutdown(app[0], SHUT_WR);
    return unused;
}

static void *sender_main(void *unused)
{
    static uint8_t piece[PIECE];
    for (size_t sent = 0; sent < BODY; sent += sizeof(piece))
        send_all(client[0], piece, sizeof(piece));
    (void)shutdown(client[0], SHUT_WR);
    return unused;
}

static void *reader_main(void *received)
{
    uint8_t piece[PIECE];
    ssize_t len;
    while ((len = recv(client[0], piece, sizeof(piece), 0)) > 0)
        *(size_t *)received += (size_t)len;
    return received;
}

/* A thread that waits for ever is the fault. */
static void must_end(pthread_t thread)
{
    struct timespec deadline;
    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_S;
    assert_int_equal(pthread_timedjoin_np(thread, NULL, &deadline), 0);
}

static void all_arrives(int answers)
{
    pthread_t threads[4];
    size_t received = 0;
    times = answers;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, app), 0);
    assert_int_equal(pthread_create(&threads[0], NULL, pump_main, NULL), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, app_main, NULL), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, sender_main, NULL), 0);
    assert_int_equal(pthread_create(&threads[3], NULL, reader_main, &received), 0);
    for (size_t i = ARRAY_LEN(threads); i > 0; i--)
        must_end(threads[i - 1]);
    assert_int_equal(received, (size_t)answers * BODY);
    const int all[] = {client[0], client[1], app[0], app[1]};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        (void)close(all[i]);
}

static void test_as_much_as_it_reads(void **state)
{
    (void)state;
    all_arrives(1);
}

static void test_more_than_it_reads(void **state)
{
    (void)state;
    all_arrives(2);
    all_arrives(4);
}

static void test_nothing(void **state)
{
    (void)state;
    all_arrives(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_much_as_it_reads),
        cmocka_unit_test(test_more_than_it_reads),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
