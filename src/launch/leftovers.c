// SPDX-License-Identifier: Apache-2.0
/*
 * Who lives and what would be left. A lock says whether a supervisor lives: the kernel drops it
 * however the process ends, so no stale pid is ever believed. Processes are named by pid and start
 * time, so that nobody else's process is killed in place of one that is gone.
 */
#include "launch/leftovers.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "launch/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 4096, KILL_PATIENCE_MS = 10000 };

static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

int supervisor_lock(int *ret_fd, struct err *err)
{
    char text[64];
    unsigned long long start = 0;
    struct flock lock = whole_file();
    AUTO_CLOSE int fd = -1;
    if (fd_open(LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, &fd, err) < 0)
        return -1;
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
        return FAIL(err, ERR_CONFLICT, "a supervisor of this app runs already");
    if (process_start_time(getpid(), &start, err) < 0)
        return -1;
    int len = snprintf(text, sizeof(text), "%d %llu\n", (int)getpid(), start);
    if (ftruncate(fd, 0) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot write '%s'", LOCK_FILE);
    if (fd_write_all(fd, slice_of(text, (size_t)len), err) < 0)
        return -1;
    *ret_fd = fd_steal(&fd);
    return 0;
}

bool launch_alive(const char *run_folder)
{
    struct flock lock = whole_file();
    AUTO_FREE char *path = path_join(run_folder, LOCK_FILE, NULL);
    AUTO_CLOSE int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

int leftovers_write(const pid_t *pids, size_t count, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
    for (size_t i = 0; i < count; i++) {
        unsigned long long start = 0;
        if (pids[i] <= 0 || process_start_time(pids[i], &start, NULL) < 0)
            continue;
        if (buf_printf(&text, err, "%d %llu\n", (int)pids[i], start) < 0)
            return -1;
    }
    return file_write_atomic(LEFTOVERS_FILE, buf_slice(&text), 0600, err);
}

static bool is_still(pid_t pid, unsigned long long start)
{
    unsigned long long now = 0;
    return process_start_time(pid, &now, NULL) == 0 && now == start;
}

static int kill_one(pid_t pid, unsigned long long start, struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + KILL_PATIENCE_MS;
    while (is_still(pid, start)) {
        (void)kill(pid, SIGKILL);
        if (clock_monotonic_ms() > deadline)
            return FAIL(err, ERR_TIMEOUT, "process %d of a dead supervisor does not end", (int)pid);
        clock_sleep_ms(5);
    }
    return 0;
}

int leftovers_kill(const char *run_folder, struct err *err)
{
    AUTO_FREE char *path = path_join(run_folder, LEFTOVERS_FILE, err);
    AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
    if (path == NULL)
        return -1;
    if (!file_exists(path))
        return 0;
    if (file_read(path, &text, err) < 0)
        return -1;
    const char *line = buf_text(&text);
    while (*line != '\0') {
        char *end = NULL;
        long pid = strtol(line, &end, 10);
        unsigned long long start = strtoull(end, &end, 10);
        /* who has this pid and another start time is left alone: a damaged file kills nobody */
        if (pid > 1 && pid <= INT32_MAX && kill_one((pid_t)pid, start, err) < 0)
            return -1;
        line += strcspn(line, "\n");
        line += *line == '\n' ? 1 : 0;
    }
    return file_remove(path, err);
}
