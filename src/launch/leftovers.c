// SPDX-License-Identifier: Apache-2.0
/*
 * Who lives and what would be left. A lock says whether a supervisor lives: the kernel drops it
 * however the process ends, so no stale pid is ever believed. Processes are named by boot, pid and
 * start time and killed by descriptor, so that nobody else's process is killed in place of one that
 * is gone.
 */
#include "launch/leftovers.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/process_handle.h"
#include "base/text.h"
#include "launch/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Lines that no other boot of the machine has, since pids and times since the boot come again, and
 * no copy of the folder. */
static int add_place(const char *folder, struct buf *text, struct err *err)
{
    struct stat status;
    if (stat(folder, &status) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", folder);
    if (file_read("/proc/sys/kernel/random/boot_id", text, err) < 0) /* ends with a newline */
        return -1;
    return buf_printf(text, err, "folder %llx %llx\n", (unsigned long long)status.st_dev,
                      (unsigned long long)status.st_ino);
}

int leftovers_write(const pid_t *pids, size_t count, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
    if (add_place(".", &text, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        unsigned long long start = 0;
        if (pids[i] <= 0 || process_start_time(pids[i], &start, NULL) < 0)
            continue;
        if (buf_printf(&text, err, "%d %llu\n", (int)pids[i], start) < 0)
            return -1;
    }
    return file_write_atomic(LEFTOVERS_FILE, buf_slice(&text), 0600, err);
}

static int kill_one(pid_t pid, unsigned long long start, struct err *err)
{
    unsigned long long now = 0;
    AUTO_CLOSE int fd = -1;
    if (process_handle_open(pid, &fd, NULL) < 0 || process_start_time(pid, &now, NULL) < 0 ||
        now != start)
        return 0; /* it is gone; who has its number now is left alone */
    (void)process_handle_signal(fd, SIGKILL);
    if (!process_handle_ended(fd, KILL_PATIENCE_MS))
        return FAIL(err, ERR_TIMEOUT, "process %d of a dead supervisor does not end", (int)pid);
    return 0;
}

/* Lines behind the place's; a damaged file kills nobody. */
static int kill_all(const char *line, struct err *err)
{
    while (*line != '\0') {
        char *end = NULL;
        long pid = strtol(line, &end, 10);
        unsigned long long start = strtoull(end, &end, 10);
        if (pid > 1 && pid <= INT32_MAX && kill_one((pid_t)pid, start, err) < 0)
            return -1;
        line += strcspn(line, "\n");
        line += *line == '\n' ? 1 : 0;
    }
    return 0;
}

int leftovers_kill(const char *run_folder, struct err *err)
{
    AUTO_FREE char *path = path_join(run_folder, LEFTOVERS_FILE, err);
    AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
    AUTO_BUF struct buf place = BUF_INIT(FILE_MAX);
    if (path == NULL)
        return -1;
    if (!file_exists(path))
        return 0;
    if (file_read(path, &text, err) < 0 || add_place(run_folder, &place, err) < 0)
        return -1;
    const char *all = buf_text(&text);
    if (str_starts_with(all, buf_text(&place)) && kill_all(all + place.len, err) < 0)
        return -1;
    return file_remove(path, err);
}
