// SPDX-License-Identifier: Apache-2.0
/*
 * A child that confines itself and does one thing, and what became of it: for the tests of
 * confinement. Each includes it once.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "confine/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_OK = 0, CHILD_WRONG = 1, CHILD_NOT_CONFINED = 2 };

struct outcome {
    int status;
    char report[1024];
};

typedef int (*child_function)(void);

static int status_fd = -1;

static void write_hook(pid_t thread)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "hook %d\n", (int)thread);
    if (write(status_fd, line, (size_t)len) < 0)
        _exit(CHILD_WRONG);
}

static void write_refused(const char *call)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "refused %s\n", call);
    if (write(status_fd, line, (size_t)len) < 0)
        _exit(CHILD_WRONG);
}

static struct outcome run_in(enum confine_new_processes mode, child_function child)
{
    struct err err = ERR_INIT;
    struct outcome outcome = {0};
    int pipe_fds[2];
    size_t len = 0;
    assert_int_equal(fd_pipe(pipe_fds, &err), 0);
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        status_fd = pipe_fds[1];
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        (void)dup2(null, STDERR_FILENO);
        const struct confine_options options = {.new_processes = mode,
                                                .status_fd = status_fd,
                                                .on_forbidden = write_hook,
                                                .on_refused = write_refused};
        if ((mode == CONFINE_REFUSE && confine_start_guard(&err) < 0) ||
            confine_self(&options, &err) < 0) {
            (void)dprintf(status_fd, "%s", err.message);
            _exit(CHILD_NOT_CONFINED);
        }
        _exit(child());
    }
    fd_close(pipe_fds[1]);
    assert_int_equal(
        fd_read_full(pipe_fds[0], outcome.report, sizeof(outcome.report) - 1, &len, &err), 0);
    fd_close(pipe_fds[0]);
    assert_int_equal(waitpid(pid, &outcome.status, 0), pid);
    return outcome;
}

/* Answers the listener's question itself: "go on". */
static void *answer_in_our_place(void *argument)
{
    for (int fd = 3; fd < 64; fd++) {
        struct seccomp_notif_resp answer = {.id = 0, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        if (ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0 || errno != EPERM)
            _exit(CHILD_WRONG);
    }
    return argument;
}
