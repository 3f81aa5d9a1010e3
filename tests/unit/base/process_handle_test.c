// SPDX-License-Identifier: Apache-2.0
/*
 * A handle means one process for good: also when its number has been given to another one, which
 * these tests see to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/process_handle.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start_sleep(void)
{
    const char *const argv[] = {"sleep", "60", NULL};
    const struct process_spec spec = {.argv = argv, .die_with_parent = true};
    struct err err = ERR_INIT;
    pid_t pid = -1;
    assert_int_equal(process_start(&spec, &pid, &err), 0);
    return pid;
}

static void test_life(void **state)
{
    struct err err = ERR_INIT;
    AUTO_CLOSE int handle = -1;
    pid_t parent = -1;
    int status = 0;
    pid_t pid = start_sleep();
    assert_int_equal(process_handle_open(pid, &handle, &err), 0);
    assert_int_equal(fcntl(handle, F_GETFD), FD_CLOEXEC);
    assert_int_equal(process_parent(pid, &parent, &err), 0);
    assert_int_equal(parent, getpid());
    assert_false(process_handle_ended(handle, 0));
    assert_false(process_handle_ended(handle, 20));
    assert_true(process_handle_signal(handle, SIGKILL));
    assert_true(process_handle_ended(handle, 10000)); /* before it is reaped */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(process_handle_ended(handle, 0));
    assert_false(process_handle_signal(handle, 0));
    assert_int_equal(process_handle_open(pid, &handle, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(process_handle_open(0, &handle, &err), -1);
    assert_int_equal(process_handle_open(-1, &handle, &err), -1);
}

/* The kernel is told which number comes next: only the first process of a PID namespace may do
 * that, so one is made. */
static int take_number_again(void)
{
    struct err err = ERR_INIT;
    int handle = -1;
    int status = 0;
    pid_t first = start_sleep();
    if (process_handle_open(first, &handle, &err) < 0 || kill(first, SIGKILL) < 0 ||
        waitpid(first, &status, 0) != first)
        return 1;
    char next[16];
    int len = snprintf(next, sizeof(next), "%d", (int)first - 1);
    int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, next, (size_t)len) != len)
        return 77;
    fd_close(fd);
    pid_t second = start_sleep();
    if (second != first)
        return 77;
    (void)process_handle_signal(handle, SIGKILL);
    bool spared = waitpid(second, &status, WNOHANG) == 0 && process_handle_ended(handle, 0);
    (void)kill(second, SIGKILL);
    return spared ? 0 : 2;
}

static void test_a_number_given_again(void **state)
{
    int status = 0;
    if (geteuid() != 0) {
        (void)printf("SKIP: needs root\n");
        skip();
    }
    (void)fflush(NULL);
    pid_t outer = fork();
    assert_true(outer >= 0);
    if (outer == 0) {
        if (unshare(CLONE_NEWPID) < 0)
            _exit(77);
        pid_t inner = fork();
        if (inner == 0)
            _exit(take_number_again());
        (void)waitpid(inner, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 3);
    }
    assert_int_equal(waitpid(outer, &status, 0), outer);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        (void)printf("SKIP: this kernel lets nobody choose a process number\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_a_number_given_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
