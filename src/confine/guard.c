// SPDX-License-Identifier: Apache-2.0
/*
 * The guard refuses new processes: it holds the listener of the app's filter and answers each call
 * with EPERM. It is a process of its own, since an app that runs code of its choice could make a
 * thread of ours answer "go on"; the filter keeps the app from answering itself, the Landlock
 * domain and the filter from reaching another process.
 *
 * Before it answers it sends the calling thread a signal, in whose handler that thread tells where
 * it is (confine.c): nobody else can look at its Python frames without a lock. A thread that has
 * blocked signals, as glibc's and Python's own ways to make a process do, gets the answer first and
 * the signal when it lets signals in, still inside the same function. In another the signal
 * interrupts the call; it begins anew behind the handler (SA_RESTART) and is answered then.
 *
 * Forked from the measured mse-enclave before any secret is in memory; it opens nothing, has one
 * thread and a filter of its own.
 */
#include "confine/guard.h"

#include "base/fd.h"
#include "base/mem.h"
#include "confine/filter.h"

#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    GUARD_SOCKET = 3, /* in the guard */
    /* Threads whose call the signal has interrupted, and which come again. */
    INTERRUPTED_MAX = 64,
    /* Signals are queued where they are blocked: no more than these in the life of an app. */
    SIGNALS_MAX = 4096,
};

static int guard_socket = -1;

struct guard {
    pid_t app;
    int listener;
    struct seccomp_notif *request;
    struct seccomp_notif_resp *response;
    pid_t interrupted[INTERRUPTED_MAX]; /* 0: a free place */
    unsigned next;                      /* the place that is taken where none is free */
    unsigned signals;
};

/* --- the guard's side --- */

static bool take_interrupted(struct guard *guard, pid_t thread)
{
    for (size_t i = 0; i < ARRAY_LEN(guard->interrupted); i++) {
        if (guard->interrupted[i] != thread)
            continue;
        guard->interrupted[i] = 0;
        return true;
    }
    return false;
}

static void note_interrupted(struct guard *guard, pid_t thread)
{
    guard->interrupted[guard->next] = thread;
    guard->next = (guard->next + 1) % INTERRUPTED_MAX;
}

static bool send_signal(struct guard *guard, pid_t thread)
{
    if (guard->signals >= SIGNALS_MAX)
        return false;
    guard->signals++;
    siginfo_t info = {.si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int =
        filter_call_key(guard->request->data.nr, guard->request->data.args[0]);
    return syscall(SYS_rt_tgsigqueueinfo, guard->app, thread, GUARD_SIGNAL, &info) == 0;
}

/* False: the calling thread does not wait for it any more. */
static bool refuse(struct guard *guard)
{
    memset(guard->response, 0, sizeof(*guard->response));
    guard->response->id = guard->request->id;
    guard->response->error = -EPERM;
    return seccomp_notify_respond(guard->listener, guard->response) == 0;
}

static void handle(struct guard *guard)
{
    memset(guard->request, 0, sizeof(*guard->request));
    if (seccomp_notify_receive(guard->listener, guard->request) != 0)
        return; /* interrupted, or the caller is gone */
    pid_t thread = (pid_t)guard->request->pid;
    bool again = take_interrupted(guard, thread);
    bool told = !again && send_signal(guard, thread);
    if (!refuse(guard) && told)
        note_interrupted(guard, thread);
}

static int receive_listener(void)
{
    char byte;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t len;
    do {
        len = recvmsg(GUARD_SOCKET, &message, MSG_CMSG_CLOEXEC);
    } while (len < 0 && errno == EINTR);
    const struct cmsghdr *header = len == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header == NULL || header->cmsg_type != SCM_RIGHTS)
        return -1; /* the enclave has ended before */
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

/* Until nobody is left whom the filter binds. */
static void watch(struct guard *guard)
{
    guard->listener = receive_listener();
    if (guard->listener < 0)
        return;
    for (;;) {
        struct pollfd entry = {.fd = guard->listener, .events = POLLIN};
        if (poll(&entry, 1, -1) < 0 && errno != EINTR)
            return;
        if ((entry.revents & POLLIN) != 0)
            handle(guard);
        else if ((entry.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
            return;
    }
}

/* Only the log, the socket; nothing that may gain anything. */
static int shed(int socket_fd, struct err *err)
{
    if (dup2(socket_fd, GUARD_SOCKET) < 0 ||
        syscall(SYS_close_range, (unsigned)GUARD_SOCKET + 1, ~0U, 0) < 0)
        return FAIL_ERRNO(err, ERR_IO, "guard: cannot close what it does not need");
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    return confine_drop_privileges(err) < 0 ? -1 : filter_load_guard(err);
}

static _Noreturn void guard_main(pid_t app, int socket_fd)
{
    struct err err = ERR_INIT;
    static struct guard guard = {.listener = -1};
    guard.app = app;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "mse-guard"); /* as an operator reads it in ps */
    if (getppid() != app || seccomp_notify_alloc(&guard.request, &guard.response) != 0 ||
        shed(socket_fd, &err) < 0)
        _exit(1);
    ssize_t ready;
    do {
        ready = write(GUARD_SOCKET, "", 1);
    } while (ready < 0 && errno == EINTR);
    watch(&guard);
    _exit(0);
}

/* --- the enclave's side --- */

int guard_start(struct err *err)
{
    int pair[2];
    char ready;
    size_t len = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a socket for the guard");
    AUTO_CLOSE int ours = pair[0];
    AUTO_CLOSE int theirs = pair[1];
    pid_t app = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return FAIL_ERRNO(err, ERR_MEMORY, "cannot start the guard");
    if (pid == 0)
        guard_main(app, theirs);
    fd_close(fd_steal(&theirs));
    if (fd_read_full(ours, &ready, 1, &len, err) < 0)
        return -1;
    if (len != 1)
        return FAIL(err, ERR_UNSUPPORTED, "the guard against new processes could not start");
    guard_socket = fd_steal(&ours);
    return 0;
}

bool guard_started(void)
{
    return guard_socket >= 0;
}

int guard_give(int listener, struct err *err)
{
    AUTO_CLOSE int given = listener;
    AUTO_CLOSE int to = fd_steal(&guard_socket);
    if (given < 0)
        return 0; /* it ends, as nothing comes */
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {.iov_base = (char[]){0}, .iov_len = 1};
    const struct msghdr message = {.msg_iov = &part,
                                   .msg_iovlen = 1,
                                   .msg_control = control.bytes,
                                   .msg_controllen = sizeof(control.bytes)};
    memcpy(CMSG_DATA(&control.header), &given, sizeof(given));
    ssize_t sent;
    do {
        sent = sendmsg(to, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent != 1)
        return FAIL_ERRNO(err, ERR_IO, "the guard against new processes does not answer");
    return 0;
}
