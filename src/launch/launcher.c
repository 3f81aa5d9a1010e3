// SPDX-License-Identifier: Apache-2.0
/*
 * The launchers' table and msed's side of a supervisor: start one, talk to it, end it, clear up
 * after one that was killed. Nothing here keeps state: whoever comes later finds everything in the
 * run folder.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "launch/control.h"
#include "launch/leftovers.h"
#include "launch/sandbox.h"
#include "launch/status.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CATCH_UP_MS = 500,
    START_TIMEOUT_MS = 180000, /* a new file system of many gigabytes on a slow disk */
    STOP_EXTRA_MS = 20000,
    POLL_MS = 10,
    ANSWER_MAX = 4096,
};

static const struct launcher *const launchers[] = {&launcher_process, &launcher_vm};

int launcher_by_name(const char *name, const struct launcher **ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(launchers); i++) {
        if (strcmp(launchers[i]->name, name) == 0) {
            *ret = launchers[i];
            return 0;
        }
    }
    return FAIL(err, ERR_NOT_FOUND, "unknown launcher '%s', expected: process, vm", name);
}

int launch_probe(const char *launcher, bool with_quota, struct err *err)
{
    const struct launcher *found = NULL;
    if (launcher_by_name(launcher, &found, err) < 0 || found->probe(with_quota, err) < 0)
        return FAIL_CONTEXT(err, "launcher '%s'", launcher);
    return 0;
}

/* --- starting --- */

/* Kind, message and hint on a line each (supervisor.c, tell_starter). */
static int take_answer(struct buf *answer, struct err *err)
{
    char *place = NULL;
    uint64_t kind = 0;
    if (answer->len == 0)
        return FAIL(err, ERR_INTERNAL, "the supervisor ended without a word; see supervisor.log");
    const char *number = strtok_r((char *)answer->data, "\n", &place);
    const char *message = strtok_r(NULL, "\n", &place);
    const char *hint = strtok_r(NULL, "\n", &place);
    if (number == NULL || parse_u64(number, "kind", 0, ERR_INTERNAL, &kind, err) < 0)
        return FAIL(err, ERR_INTERNAL, "the supervisor's answer cannot be read");
    if (kind == ERR_NONE)
        return 0;
    err_set(err, (enum err_kind)kind, 0, "%s", message == NULL ? "no message" : message);
    if (hint != NULL)
        err_hint(err, "%s", hint);
    return -1;
}

static int wait_for_answer(int fd, struct err *err)
{
    AUTO_BUF struct buf answer = BUF_INIT(ANSWER_MAX);
    int64_t deadline = clock_monotonic_ms() + START_TIMEOUT_MS;
    for (;;) {
        if (fd_wait_readable(fd, deadline, err) < 0)
            return FAIL_CONTEXT(err, "the supervisor has started nothing within %d s",
                                START_TIMEOUT_MS / 1000);
        uint8_t *to = buf_reserve(&answer, 512, err);
        if (to == NULL)
            return -1;
        ssize_t len = read(fd, to, 512);
        if (len == 0)
            return take_answer(&answer, err);
        if (len < 0 && errno != EINTR)
            return FAIL_ERRNO(err, ERR_IO, "cannot hear the supervisor");
        answer.len += len > 0 ? (size_t)len : 0;
        to[len > 0 ? len : 0] = '\0';
    }
}

static int start_process(const char *const *argv, const struct process_fd fds[static 3],
                         struct err *err)
{
    const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                               "LANG=C.UTF-8", NULL};
    const struct process_spec spec = {
        .argv = argv,
        .env = env,
        .fds = fds,
        .fd_count = 3,
        .new_session = true,
    };
    pid_t pid = 0;
    int status = 0;
    if (process_start(&spec, &pid, err) < 0)
        return -1;
    return process_wait(pid, &status, err); /* it leaves its own child behind at once */
}

int launch_start(const char *program, const char *run_folder, int app_fd, struct err *err)
{
    AUTO_CLOSE int log_fd = -1;
    int ready[2] = {-1, -1};
    AUTO_FREE char *folder = path_resolve(run_folder, err);
    AUTO_FREE char *log = folder == NULL ? NULL : path_join(folder, "supervisor.log", err);
    if (log == NULL)
        return -1;
    if (launch_alive(folder))
        return FAIL(err, ERR_CONFLICT, "a supervisor of this app runs already");
    /* One start's worth: it says little, and what it says is about this start. */
    if (fd_open(log, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600, &log_fd, err) < 0 ||
        fd_pipe(ready, err) < 0)
        return -1;
    const char *const argv[] = {program, "supervise", folder, NULL};
    const struct process_fd fds[] = {
        {log_fd, STDERR_FILENO}, {ready[1], LAUNCH_READY_FD}, {app_fd, LAUNCH_APP_FD}};
    int result = start_process(argv, fds, err);
    fd_close(ready[1]);
    if (result == 0)
        result = wait_for_answer(ready[0], err);
    fd_close(ready[0]);
    return result;
}

/* --- talking --- */

/* Connects to a socket in a folder whatever its path's length, and follows no link at its end. */
static int connect_in(const char *run_folder, const char *name, int *ret, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat info;
    AUTO_FREE char *path = path_join(run_folder, name, err);
    AUTO_CLOSE int place = path == NULL ? -1 : open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    AUTO_CLOSE int fd = -1;
    if (path == NULL)
        return -1;
    if (place < 0 || fstat(place, &info) < 0)
        return FAIL_ERRNO(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open '%s'", path);
    if (!S_ISSOCK(info.st_mode))
        return FAIL(err, ERR_UNREACHABLE, "'%s' is no socket", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", place);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return FAIL_ERRNO(err, ERR_UNREACHABLE, "cannot connect to '%s'", path);
    *ret = fd_steal(&fd);
    return 0;
}

int launch_attach(const char *run_folder, int *ret_fd, struct err *err)
{
    return connect_in(run_folder, CONTROL_SOCKET, ret_fd, err);
}

int launch_status_read(const char *run_folder, struct launch_status *ret, struct err *err)
{
    AUTO_FREE char *path = path_join(run_folder, "status.json", err);
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_LINE_MAX);
    if (path == NULL || file_read(path, &text, err) < 0)
        return -1;
    return launch_status_decode(buf_slice(&text), ret, err);
}

/* The supervisor reads the app's output before it answers who connects. */
void launch_catch_up(const char *run_folder)
{
    struct err ignored = ERR_INIT;
    AUTO_CLOSE int fd = -1;
    char byte;
    if (!launch_alive(run_folder) || launch_attach(run_folder, &fd, &ignored) < 0)
        return;
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    if (poll(&answer, 1, CATCH_UP_MS) > 0)
        (void)!read(fd, &byte, 1);
}

int launch_request_stop(int fd, int grace_ms, struct err *err)
{
    AUTO_BUF struct buf line = BUF_INIT(CONTROL_REQUEST_MAX);
    if (buf_printf(&line, err, "{\"cmd\":\"stop\",\"grace_ms\":%d}\n", grace_ms) < 0)
        return -1;
    ssize_t sent = send(fd, line.data, line.len, MSG_NOSIGNAL);
    if (sent != (ssize_t)line.len)
        return FAIL_ERRNO(err, ERR_UNREACHABLE, "cannot reach the supervisor");
    return 0;
}

int launch_stop(const char *run_folder, int grace_ms, struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + grace_ms + STOP_EXTRA_MS;
    AUTO_CLOSE int fd = -1;
    struct err gone = ERR_INIT;
    if (!launch_alive(run_folder))
        return 0;
    if (launch_attach(run_folder, &fd, &gone) == 0)
        (void)!launch_request_stop(fd, grace_ms, &gone);
    while (launch_alive(run_folder)) {
        /* between its start and its socket, or with no free place: ask again */
        if (fd < 0 && launch_attach(run_folder, &fd, &gone) == 0)
            (void)!launch_request_stop(fd, grace_ms, &gone);
        if (clock_monotonic_ms() > deadline)
            return FAIL(err, ERR_TIMEOUT, "the supervisor in '%s' does not end", run_folder);
        clock_sleep_ms(POLL_MS);
    }
    return 0;
}

/* --- clearing up --- */

static int read_spec(const char *run_folder, struct launch_spec *ret, struct err *err)
{
    AUTO_FREE char *path = path_join(run_folder, LAUNCH_SPEC_FILE, err);
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_SPEC_MAX);
    if (path == NULL || file_read(path, &text, err) < 0)
        return -1;
    return launch_spec_decode(buf_slice(&text), ret, err);
}

int launch_cleanup(const char *run_folder, const struct launch_storage *storage, struct err *err)
{
    AUTO_LAUNCH_SPEC struct launch_spec spec = {0};
    struct err unread = ERR_INIT;
    AUTO_FREE char *control = path_join(run_folder, CONTROL_SOCKET, err);
    AUTO_FREE char *backing = path_join(run_folder, LAUNCH_STORAGE, err);
    if (control == NULL || backing == NULL)
        return -1;
    if (launch_alive(run_folder))
        return FAIL(err, ERR_CONFLICT, "the supervisor in '%s' lives", run_folder);
    if (leftovers_kill(run_folder, err) < 0)
        return FAIL_CONTEXT(err, "cleanup");
    if (file_remove(control, err) < 0)
        return FAIL_CONTEXT(err, "cleanup");
    /* without a readable launch.json nothing was ever started from it */
    if (read_spec(run_folder, &spec, &unread) < 0)
        return 0;
    char group[CGROUP_NAME_SIZE];
    if (cgroup_name(spec.id, run_folder, group, err) < 0)
        return FAIL_CONTEXT(err, "cleanup");
    if (geteuid() == 0)
        cgroup_remove(group);
    /* never by the path in the file: in a copied state folder that is the original's */
    return storage->cleanup(backing, err);
}
