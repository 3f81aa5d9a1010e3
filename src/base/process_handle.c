// SPDX-License-Identifier: Apache-2.0
/*
 * Processes by descriptor (pidfd_open(2), pidfd_send_signal(2)). Owns nothing; runs in any program.
 */
#include "base/process_handle.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

int process_handle_open(pid_t pid, int *ret, struct err *err)
{
    int fd = pid <= 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0U); /* born close-on-exec */
    if (pid <= 0 || (fd < 0 && errno == ESRCH))
        return FAIL(err, ERR_NOT_FOUND, "there is no process %d", (int)pid);
    if (fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot open process %d", (int)pid);
    *ret = fd;
    return 0;
}

bool process_handle_signal(int fd, int number)
{
    return syscall(SYS_pidfd_send_signal, fd, number, NULL, 0U) == 0;
}

bool process_handle_ended(int fd, int timeout_ms)
{
    int64_t deadline = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        struct pollfd ended = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - clock_monotonic_ms();
        int ready = poll(&ended, 1, left > 0 ? (int)left : 0);
        if (ready > 0)
            return true;
        if (left <= 0)
            return false;
    }
}
