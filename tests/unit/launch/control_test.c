// SPDX-License-Identifier: Apache-2.0
/*
 * The control socket: a greeting, pushed lines, requests in pieces, nonsense that costs only the
 * connection it came on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "launch/control.h"

#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/mse-control-XXXXXX";
static struct control control;

static int set_up(void **state)
{
    struct err err = ERR_INIT;
    (void)memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    return mkdtemp(folder) == NULL || chdir(folder) < 0 ? -1 : control_open(&control, &err);
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    control_close(&control);
    return chdir("/") < 0 ? -1 : folder_remove_tree(folder, &err);
}

static struct control_request turn(void)
{
    struct control_request request = {0};
    struct pollfd fds[CONTROL_FDS];
    control_poll(&control, fds);
    (void)poll(fds, CONTROL_FDS, 0);
    control_handle(&control, fds, slice_str("greeting\n"), &request);
    return request;
}

static int client(void)
{
    struct err err = ERR_INIT;
    char text[16] = "";
    int fd = -1;
    assert_int_equal(unix_connect(CONTROL_SOCKET, &fd, &err), 0);
    (void)turn();
    assert_int_equal(read(fd, text, sizeof(text)), 9);
    assert_memory_equal(text, "greeting\n", 9);
    return fd;
}

static void say(int fd, const char *text)
{
    struct err err = ERR_INIT;
    assert_int_equal(fd_write_all(fd, slice_str(text), &err), 0);
}

static void test_push(void **state)
{
    char text[16] = "";
    AUTO_CLOSE int a = client();
    AUTO_CLOSE int b = client();
    control_push(&control, slice_str("news\n"));
    assert_int_equal(read(a, text, sizeof(text)), 5);
    assert_int_equal(read(b, text, sizeof(text)), 5);
}

static void test_request_in_pieces(void **state)
{
    AUTO_CLOSE int fd = client();
    say(fd, "{\"cmd\":\"st");
    assert_false(turn().stop);
    say(fd, "op\",\"grace_ms\":250}\n");
    struct control_request request = turn();
    assert_true(request.stop);
    assert_int_equal(request.grace_ms, 250);
}

static void assert_dropped(const char *text)
{
    char byte;
    AUTO_CLOSE int fd = client();
    say(fd, text);
    assert_false(turn().stop);
    assert_int_equal(read(fd, &byte, 1), 0);
}

static void test_nonsense(void **state)
{
    assert_dropped("hello\n");
    assert_dropped("{\"cmd\":\"stop\"}\n");
    assert_dropped("{\"cmd\":\"stop\",\"grace_ms\":-1}\n");
    assert_dropped("{\"cmd\":\"stop\",\"grace_ms\":1,\"force\":true}\n");
    assert_dropped("{\"cmd\":\"reboot\",\"grace_ms\":1}\n");
}

static void test_too_many(void **state)
{
    struct err err = ERR_INIT;
    int fds[CONTROL_CLIENTS_MAX];
    char byte;
    AUTO_CLOSE int one_more = -1;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        fds[i] = client();
    assert_int_equal(unix_connect(CONTROL_SOCKET, &one_more, &err), 0);
    (void)turn();
    assert_int_equal(read(one_more, &byte, 1), 0);
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        fd_close(fds[i]);
}

static void test_mode(void **state)
{
    struct stat info;
    assert_int_equal(stat(CONTROL_SOCKET, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_push, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_in_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nonsense, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mode, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
