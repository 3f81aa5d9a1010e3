// SPDX-License-Identifier: Apache-2.0
/*
 * The process beside QEMU: one thread for signals, new connections and QEMU's end; one thread a
 * connection, which copies bytes both ways; one for the simulated TEE's questions. Everything that
 * the guest says is copied or, for the TEE, cut at SIMULATION_MESSAGE_MAX: nothing is parsed.
 */
#include "launch/vm_runner.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "launch/launcher.h"
#include "launch/pump.h"
#include "model/guest.h"
#include "model/sandbox_layout.h"
#include "model/simulation_protocol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK_SIZE = 256 * 1024 };

static atomic_int connections;

/* --- one connection --- */

static int connect_guest(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(VM_FORWARD_PORT),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd_steal(&fd);
}

static void *connection_main(void *context)
{
    AUTO_CLOSE int client = (int)(intptr_t)context;
    AUTO_CLOSE int guest = connect_guest();
    if (guest >= 0)
        pump(client, guest);
    atomic_fetch_sub(&connections, 1);
    return NULL;
}

static int start_thread(void *(*run)(void *context), void *context)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0)
        return -1;
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int result = pthread_create(&thread, &attributes, run, context);
    (void)pthread_attr_destroy(&attributes);
    return result == 0 ? 0 : -1;
}

/* False: there is no descriptor left; the connection stays in the backlog for a while. */
static bool accept_one(int listen_fd)
{
    int client = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return errno == EINTR || errno == ECONNABORTED;
    atomic_fetch_add(&connections, 1);
    if (start_thread(connection_main, (void *)(intptr_t)client) < 0) {
        atomic_fetch_sub(&connections, 1);
        fd_close(client);
    }
    return true;
}

/* --- the simulated TEE --- */

/* A message with its length; 0 at its end. */
static int read_message(int fd,
                        uint8_t message[static SIMULATION_LENGTH_SIZE + SIMULATION_MESSAGE_MAX],
                        size_t *ret_len)
{
    size_t got = 0;
    if (fd_read_full(fd, message, SIMULATION_LENGTH_SIZE, &got, NULL) < 0 ||
        got != SIMULATION_LENGTH_SIZE)
        return -1;
    size_t len =
        (size_t)message[0] << 24 | (size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3];
    if (len > SIMULATION_MESSAGE_MAX ||
        fd_read_full(fd, message + SIMULATION_LENGTH_SIZE, len, &got, NULL) < 0 || got != len)
        return -1;
    *ret_len = SIMULATION_LENGTH_SIZE + len;
    return 0;
}

static int ask_device(uint8_t *message, size_t len, size_t *ret_len)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SIMULATION_SOCKET};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        fd_write_all(fd, slice_of(message, len), NULL) < 0)
        return -1;
    return read_message(fd, message, ret_len);
}

/* Until the guest says something that is no message, or is gone. */
static void *tee_main(void *context)
{
    AUTO_CLOSE int port = (int)(intptr_t)context;
    uint8_t message[SIMULATION_LENGTH_SIZE + SIMULATION_MESSAGE_MAX];
    size_t len = 0;
    while (read_message(port, message, &len) == 0 && ask_device(message, len, &len) == 0 &&
           fd_write_all(port, slice_of(message, len), NULL) == 0)
        continue;
    return NULL;
}

/* --- QEMU --- */

struct runner {
    int signal_fd;
    int control_fd; /* ours of the pair */
    int tee_fd;
    pid_t qemu;
};

static int start_qemu(struct runner *runner, const char *const *argv, struct err *err)
{
    int control[2] = {-1, -1};
    int tee[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, tee) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make the ports' sockets");
    const struct process_fd fds[] = {
        {STDOUT_FILENO, STDOUT_FILENO},    {STDERR_FILENO, STDERR_FILENO},
        {SANDBOX_STATUS_FD, VM_STATUS_FD}, {STDOUT_FILENO, VM_LOG_FD},
        {control[1], VM_CONTROL_FD},       {tee[1], VM_TEE_FD}};
    const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", NULL};
    const struct process_spec spec = {
        .argv = argv, .env = env, .fds = fds, .fd_count = ARRAY_LEN(fds), .die_with_parent = true};
    int result = process_start(&spec, &runner->qemu, err);
    fd_close(control[1]);
    fd_close(tee[1]);
    runner->control_fd = control[0];
    runner->tee_fd = tee[0];
    return result;
}

static int open_signals(struct runner *runner, struct err *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    runner->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return runner->signal_fd < 0 ? FAIL_ERRNO(err, ERR_IO, "cannot watch signals") : 0;
}

/* The guest reads it or not: QEMU's socket has room for it, and we wait for nobody. */
static void ask_to_stop(const struct runner *runner)
{
    static const char line[] = GUEST_CONTROL_STOP "\n";
    (void)!send(runner->control_fd, line, sizeof(line) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* True once QEMU has ended; its status as an exit status. */
static bool take_signals(struct runner *runner, int *ret_status)
{
    struct signalfd_siginfo info;
    while (read(runner->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGTERM)
            ask_to_stop(runner);
    }
    int status = 0;
    if (waitpid(runner->qemu, &status, WNOHANG) != runner->qemu)
        return false;
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

static int watch(struct runner *runner)
{
    int status = 1;
    bool can_accept = true;
    for (;;) {
        bool room = can_accept && atomic_load(&connections) < VM_CONNECTIONS_MAX;
        struct pollfd fds[] = {{.fd = runner->signal_fd, .events = POLLIN},
                               {.fd = room ? SANDBOX_LISTEN_FD : -1, .events = POLLIN}};
        if (poll(fds, ARRAY_LEN(fds), room ? -1 : 100) < 0 && errno != EINTR)
            return status;
        if (fds[0].revents != 0 && take_signals(runner, &status))
            return status;
        can_accept = fds[1].revents == 0 || accept_one(SANDBOX_LISTEN_FD);
    }
}

int launch_vm_main(const char *const *argv)
{
    struct err err = ERR_INIT;
    struct runner runner = {.signal_fd = -1, .control_fd = -1, .tee_fd = -1, .qemu = -1};
    if (argv[0] == NULL) {
        (void)FAIL(&err, ERR_USAGE, "msed vm is started by msed's own supervisors");
        log_err(LOG_ERROR, &err);
        return 2;
    }
    if (open_signals(&runner, &err) < 0 || start_qemu(&runner, argv, &err) < 0 ||
        start_thread(tee_main, (void *)(intptr_t)runner.tee_fd) < 0) {
        log_err(LOG_ERROR, &err);
        return 1;
    }
    return watch(&runner);
}
