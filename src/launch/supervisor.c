// SPDX-License-Identifier: Apache-2.0
/*
 * A supervisor's life: take the lock, clear what a killed predecessor left, start the sandbox,
 * watch it from one poll loop, and take everything down when the enclave has ended or shall. Runs
 * on the host, one process per app, outliving msed. It sees nothing secret: the simulated TEE's
 * root is the only key here, and it protects nothing by definition.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "launch/app_log.h"
#include "launch/control.h"
#include "launch/leftovers.h"
#include "launch/sandbox.h"
#include "launch/simulation_device.h"
#include "launch/status.h"
#include "model/simulation_protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PIECE_SIZE = 16 * 1024,
    LOG_PIECES = 16, /* read before something else gets its turn */
    SIGSYS_STATUS = 128 + SIGSYS,
    KILLED_STATUS = 128 + SIGKILL,
    FD_SIGNAL = 0,
    FD_STATUS = 1,
    FD_LOG = 2,
    FD_CONTROL = 3,
    FD_COUNT = FD_CONTROL + CONTROL_FDS,
    STATS_PAUSE_MS = 1000, /* between two that are passed on: the app can write them without end */
};

struct supervisor {
    struct launch_spec spec;
    const struct launch_storage *storage;
    const struct launcher *launcher;
    struct sandbox sandbox;
    struct launch_status status;
    struct control control;
    struct app_log log;
    struct buf status_line; /* what came of the enclave's next status line */
    bool has_stats;
    struct app_stats stats; /* as the enclave reported them last */
    int64_t stats_pushed_ms;
    int ready_fd; /* to launch_start; -1 once it knows */
    int lock_fd;
    int signal_fd;
    bool heard_nonsense;
    bool stop_asked;
    bool has_ended;
    int exit_status;                  /* of the sandbox, as waitpid gives it */
    int64_t kill_at;                  /* monotonic; 0: no deadline */
    char failure[LAUNCH_REASON_SIZE]; /* what the enclave said about itself */

    struct simulation_device device;
    pthread_t device_thread;
    int device_listen_fd;
    int device_stop[2];
    bool device_runs;
};

/* --- status --- */

static void publish(struct supervisor *self)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf line = BUF_INIT(LAUNCH_LINE_MAX);
    if (status_encode(&self->status, &line, &err) < 0 ||
        file_write_atomic("status.json", buf_slice(&line), 0600, &err) < 0)
        log_err(LOG_WARNING, &err);
    control_push(&self->control, buf_slice(&line));
}

static void set_state(struct supervisor *self, enum launch_state state)
{
    self->status.state = state;
    self->status.since = clock_unix();
    publish(self);
}

/* --- the simulated TEE --- */

static void *device_main(void *argument)
{
    struct supervisor *self = argument;
    simulation_device_serve(&self->device, self->device_listen_fd, self->device_stop[0]);
    return NULL;
}

static int open_device(struct supervisor *self, struct err *err)
{
    AUTO_SECRET struct secret root = SECRET_INIT;
    if (simulation_root_load(self->spec.simulation_root, &root, err) < 0)
        return -1;
    return simulation_device_init(&self->device, &root, self->spec.fingerprint, err);
}

/* After the sandbox's node folder exists, before the enclave runs in it. */
static int start_device(struct supervisor *self, struct err *err)
{
    static const char path[] = "node/" SIMULATION_SOCKET_NAME;
    if (file_remove(path, err) < 0 || unix_listen(path, 0600, &self->device_listen_fd, err) < 0 ||
        fd_pipe(self->device_stop, err) < 0)
        return FAIL_CONTEXT(err, "simulated TEE");
    if (geteuid() == 0 && lchown(path, self->spec.uid, self->spec.gid) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot give '%s' to the app's user", path);
    int result = pthread_create(&self->device_thread, NULL, device_main, self);
    if (result != 0) {
        errno = result;
        return FAIL_ERRNO(err, ERR_MEMORY, "cannot start the thread of the simulated TEE");
    }
    self->device_runs = true;
    return 0;
}

static void stop_device(struct supervisor *self)
{
    fd_close(fd_steal(&self->device_stop[1]));
    if (self->device_runs)
        (void)pthread_join(self->device_thread, NULL);
    self->device_runs = false;
    fd_close(fd_steal(&self->device_stop[0]));
    fd_close(fd_steal(&self->device_listen_fd));
    simulation_device_done(&self->device);
}

/* --- what the enclave says --- */

static void take_stats(struct supervisor *self, const struct app_stats *stats)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf line = BUF_INIT(LAUNCH_LINE_MAX);
    int64_t now_ms = clock_monotonic_ms();
    self->stats = *stats;
    bool too_soon = self->has_stats && now_ms - self->stats_pushed_ms < STATS_PAUSE_MS;
    self->has_stats = true;
    if (too_soon)
        return;
    self->stats_pushed_ms = now_ms;
    if (app_stats_line(stats, &line, &err) < 0)
        log_err(LOG_WARNING, &err);
    else
        control_push(&self->control, buf_slice(&line));
}

static void handle_event(struct supervisor *self, struct slice line)
{
    struct err err = ERR_INIT;
    struct enclave_event event;
    if (enclave_event_decode(line, &event, &err) < 0) {
        if (!self->heard_nonsense)
            log_err(LOG_WARNING, &err); /* once: the app can write here too, without end */
        self->heard_nonsense = true;
        return;
    }
    if (event.has_stats)
        take_stats(self, &event.stats);
    if (event.call[0] != '\0')
        memcpy(self->status.call, event.call, sizeof(event.call));
    if (event.state == LAUNCH_FAILED)
        memcpy(self->failure, event.reason, sizeof(event.reason));
    /* Forwards only, so that no line after the third costs a write to the disk. */
    if ((event.state == LAUNCH_LOCKED || event.state == LAUNCH_INITIALIZING ||
         event.state == LAUNCH_RUNNING) &&
        event.state > self->status.state)
        set_state(self, event.state);
}

static void take_status_lines(struct supervisor *self)
{
    struct buf *lines = &self->status_line;
    while (lines->len > 0) {
        const uint8_t *end = memchr(lines->data, '\n', lines->len);
        if (end == NULL)
            return;
        size_t len = (size_t)(end - lines->data);
        handle_event(self, slice_of(lines->data, len));
        buf_consume(lines, len + 1);
    }
}

/* Reads once; false at the end of the pipe. */
static bool read_status(struct supervisor *self)
{
    struct err err = ERR_INIT;
    uint8_t piece[1024];
    ssize_t len = read(self->sandbox.status_fd, piece, sizeof(piece));
    if (len <= 0)
        return len < 0 && (errno == EAGAIN || errno == EINTR);
    if (buf_bytes(&self->status_line, slice_of(piece, (size_t)len), &err) < 0)
        buf_clear(&self->status_line); /* no line is that long */
    take_status_lines(self);
    return true;
}

/* What is in the pipe now, or a good part of it: who asks for the status afterwards finds in the
 * log what the app wrote before. */
static bool read_log(struct supervisor *self)
{
    uint8_t piece[PIECE_SIZE];
    for (int i = 0; i < LOG_PIECES; i++) {
        ssize_t len = read(self->sandbox.log_fd, piece, sizeof(piece));
        if (len <= 0)
            return len < 0 && (errno == EAGAIN || errno == EINTR);
        app_log_write(&self->log, slice_of(piece, (size_t)len));
    }
    return true;
}

static void close_at_end(bool more, int *fd)
{
    if (!more)
        fd_close(fd_steal(fd));
}

/* After the end of the sandbox nobody writes any more: what is in the pipes is all there is. */
static void drain_pipes(struct supervisor *self)
{
    struct pollfd fds[] = {{.fd = self->sandbox.status_fd, .events = POLLIN},
                           {.fd = self->sandbox.log_fd, .events = POLLIN}};
    while (poll(fds, ARRAY_LEN(fds), 0) > 0) {
        if (fds[0].revents != 0 && !read_status(self))
            fds[0].fd = -1;
        if (fds[1].revents != 0 && !read_log(self))
            fds[1].fd = -1;
    }
}

/* --- signals and requests --- */

static void ask_to_stop(struct supervisor *self, int grace_ms)
{
    int64_t kill_at = clock_monotonic_ms() + grace_ms;
    if (!self->stop_asked)
        app_log_say(&self->log, "asked to stop, %d ms to finish", grace_ms);
    self->stop_asked = true;
    if (self->kill_at == 0 || kill_at < self->kill_at)
        self->kill_at = kill_at;
    self->launcher->terminate(&self->sandbox);
}

static void reap(struct supervisor *self)
{
    int status = 0;
    if (self->sandbox.monitor > 0 &&
        waitpid(self->sandbox.monitor, &status, WNOHANG) == self->sandbox.monitor) {
        self->sandbox.monitor = -1; /* from now on the number may be another's */
        self->exit_status = status;
        self->has_ended = true;
    }
    if (self->sandbox.network > 0 &&
        waitpid(self->sandbox.network, &status, WNOHANG) == self->sandbox.network) {
        self->sandbox.network = -1;
        if (!self->has_ended)
            app_log_say(&self->log, "the network of the sandbox has ended; no connections go out");
    }
}

static void handle_signal(struct supervisor *self)
{
    struct signalfd_siginfo info;
    while (read(self->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            ask_to_stop(self, LAUNCH_GRACE_MS);
    }
    reap(self);
}

static void handle_control(struct supervisor *self, const struct pollfd *fds)
{
    struct err err = ERR_INIT;
    struct control_request request = {0};
    AUTO_BUF struct buf line = BUF_INIT(LAUNCH_LINE_MAX + APP_STATS_MAX);
    if (status_encode(&self->status, &line, &err) < 0 ||
        (self->has_stats && app_stats_line(&self->stats, &line, &err) < 0))
        log_err(LOG_WARNING, &err);
    control_handle(&self->control, fds, buf_slice(&line), &request);
    if (request.stop)
        ask_to_stop(self, request.grace_ms);
}

static int time_left(const struct supervisor *self)
{
    if (self->kill_at == 0)
        return -1;
    int64_t left = self->kill_at - clock_monotonic_ms();
    return left < 0 ? 0 : (int)left;
}

static void watch(struct supervisor *self)
{
    reap(self);
    while (!self->has_ended) {
        struct pollfd fds[FD_COUNT] = {
            [FD_SIGNAL] = {.fd = self->signal_fd, .events = POLLIN},
            [FD_STATUS] = {.fd = self->sandbox.status_fd, .events = POLLIN},
            [FD_LOG] = {.fd = self->sandbox.log_fd, .events = POLLIN},
        };
        control_poll(&self->control, fds + FD_CONTROL);
        if (poll(fds, FD_COUNT, time_left(self)) < 0)
            continue;
        /* the log first: what was written before a change of state is there when that is seen */
        if (fds[FD_LOG].revents != 0)
            close_at_end(read_log(self), &self->sandbox.log_fd);
        if (fds[FD_STATUS].revents != 0)
            close_at_end(read_status(self), &self->sandbox.status_fd);
        handle_control(self, fds + FD_CONTROL);
        if (fds[FD_SIGNAL].revents != 0)
            handle_signal(self);
        if (!self->has_ended && self->kill_at != 0 && time_left(self) == 0) {
            self->launcher->kill(&self->sandbox);
            self->kill_at = 0;
            self->has_ended = process_wait(self->sandbox.monitor, &self->exit_status, NULL) == 0;
        }
    }
    self->sandbox.monitor = -1;
}

/* --- the end --- */

/* bubblewrap exits as the enclave did; a signal becomes 128 + its number. */
static void explain_exit(const struct supervisor *self, char *text, size_t size)
{
    int code = WIFEXITED(self->exit_status) ? WEXITSTATUS(self->exit_status) : KILLED_STATUS;
    char how[64];
    if (cgroup_out_of_memory(&self->sandbox.cgroup)) {
        (void)snprintf(text, size, "out of memory: the app may use %llu MiB",
                       (unsigned long long)(self->spec.memory_bytes >> 20));
        return;
    }
    if (code == SIGSYS_STATUS) {
        (void)snprintf(text, size, "the app made a system call that ends an enclave");
        return;
    }
    process_status_text(code > 128 ? code - 128 : code << 8, how, sizeof(how));
    (void)snprintf(text, size, "the app's process ended: %s", how);
}

static void copy_tail(const struct supervisor *self, char *text, size_t size)
{
    size_t len = self->log.tail_len < size - 1 ? self->log.tail_len : size - 1;
    /* its first character may be cut off */
    text_copy_printable(text, size, slice_of(self->log.tail + self->log.tail_len - len, len),
                        "\n\t");
}

static void conclude(struct supervisor *self)
{
    struct launch_status *status = &self->status;
    if (self->stop_asked) {
        set_state(self, LAUNCH_STOPPED);
        return;
    }
    if (status->call[0] != '\0')
        (void)snprintf(status->reason, sizeof(status->reason),
                       "the app called %s: an enclave starts no processes", status->call);
    else if (self->failure[0] != '\0')
        (void)snprintf(status->reason, sizeof(status->reason), "%s", self->failure);
    else
        explain_exit(self, status->reason, sizeof(status->reason));
    if (!app_log_ends_with(&self->log, status->reason)) /* else the enclave has said it there */
        app_log_say(&self->log, "%s", status->reason);
    copy_tail(self, status->detail, sizeof(status->detail));
    set_state(self, LAUNCH_FAILED);
}

static void take_down(struct supervisor *self)
{
    struct err err = ERR_INIT;
    if (self->sandbox.monitor > 0) {
        self->launcher->kill(&self->sandbox);
        (void)!process_wait(self->sandbox.monitor, &self->exit_status, &err);
        self->sandbox.monitor = -1;
    }
    stop_device(self);
    if (self->launcher != NULL)
        self->launcher->remove(&self->sandbox);
    if (file_remove(LEFTOVERS_FILE, &err) < 0)
        log_err(LOG_WARNING, &err);
}

/* --- the beginning --- */

/* launch_start reads: kind of error, message, hint, a line each; kind 0 is success. */
static void tell_starter(struct supervisor *self, const struct err *problem)
{
    struct err ignored = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(4096);
    if (self->ready_fd < 0)
        return;
    (void)!buf_printf(&text, &ignored, "%d\n%s\n%s\n", (int)problem->kind, problem->message,
                      problem->hint);
    (void)!fd_write_all(self->ready_fd, buf_slice(&text), &ignored);
    fd_close(fd_steal(&self->ready_fd));
}

static int open_signals(struct supervisor *self, struct err *err)
{
    sigset_t set;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    self->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self->signal_fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot watch signals");
    return 0;
}

static int read_spec(struct supervisor *self, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_SPEC_MAX);
    if (file_read(LAUNCH_SPEC_FILE, &text, err) < 0 ||
        launch_spec_decode(buf_slice(&text), &self->spec, err) < 0)
        return -1;
    return launcher_by_name(self->spec.launcher, &self->launcher, err);
}

static int clear_leftovers(struct supervisor *self, struct err *err)
{
    char group[CGROUP_NAME_SIZE];
    if (leftovers_kill(".", err) < 0 || cgroup_name(self->spec.id, ".", group, err) < 0)
        return -1;
    if (geteuid() == 0)
        cgroup_remove(group);
    return self->storage->cleanup(self->spec.storage, err);
}

static int prepare(struct supervisor *self, struct err *err)
{
    if (crypto_init(err) < 0 || supervisor_lock(&self->lock_fd, err) < 0 ||
        open_signals(self, err) < 0 || read_spec(self, err) < 0 || clear_leftovers(self, err) < 0)
        return -1;
    if (app_log_open(&self->log, self->spec.log_bytes, err) < 0 ||
        control_open(&self->control, err) < 0 || open_device(self, err) < 0)
        return -1;
    self->status.supervisor = getpid();
    set_state(self, LAUNCH_SPAWNING);
    return 0;
}

/* The launcher calls back between "the folder is there" and "the enclave runs". */
static int before_run(void *context, struct err *err)
{
    struct supervisor *self = context;
    const pid_t pids[] = {self->sandbox.monitor, self->sandbox.init, self->sandbox.network};
    if (leftovers_write(pids, ARRAY_LEN(pids), err) < 0)
        return -1;
    return start_device(self, err);
}

static int launch(struct supervisor *self, struct err *err)
{
    struct err nonblocking = ERR_INIT;
    self->sandbox.before_run = before_run;
    self->sandbox.context = self;
    if (self->launcher->start(&self->sandbox, &self->spec, self->storage, err) < 0)
        return -1;
    if (fd_set_nonblocking(self->sandbox.status_fd, true, &nonblocking) < 0 ||
        fd_set_nonblocking(self->sandbox.log_fd, true, &nonblocking) < 0)
        log_err(LOG_WARNING, &nonblocking);
    (void)snprintf(self->status.limits, sizeof(self->status.limits), "%s",
                   cgroup_text(&self->sandbox.cgroup));
    publish(self);
    return 0;
}

static void run(struct supervisor *self)
{
    const struct err success = ERR_INIT;
    tell_starter(self, &success);
    watch(self);
    drain_pipes(self);
    /* the groups that tell about memory go away in take_down */
    conclude(self);
    take_down(self);
}

static int fail_launch(struct supervisor *self, const struct err *problem)
{
    log_err(LOG_ERROR, problem);
    if (self->launcher != NULL)
        take_down(self);
    if (self->log.file.fd >= 0) {
        text_copy_printable(self->status.reason, sizeof(self->status.reason),
                            slice_str(problem->message), "");
        app_log_say(&self->log, "%s", problem->message);
        set_state(self, LAUNCH_FAILED);
    }
    tell_starter(self, problem);
    return 1;
}

/* Moves a descriptor that was given to us out of the way of those that we give. -1: none was. */
static int take_fd(int given)
{
    int fd = fcntl(given, F_DUPFD_CLOEXEC, 10);
    if (fd >= 0)
        (void)close(given);
    return fd;
}

static int take_app_socket(struct supervisor *self, struct err *err)
{
    self->sandbox.app_fd = take_fd(LAUNCH_APP_FD);
    if (self->sandbox.app_fd < 0)
        return FAIL(err, ERR_INVALID, "descriptor %d is not open: msed starts supervisors",
                    LAUNCH_APP_FD);
    return 0;
}

/* The starter waits for its child only: what runs on is nobody's zombie. */
static int leave_starter(struct supervisor *self, struct err *err)
{
    self->ready_fd = take_fd(LAUNCH_READY_FD);
    if (self->ready_fd < 0)
        return 0;
    pid_t pid = fork();
    if (pid < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot start the supervisor");
    if (pid > 0)
        _exit(0);
    return 0;
}

int launch_supervise_main(const char *run_folder, const struct launch_storage *storage)
{
    struct err err = ERR_INIT;
    AUTO_FREE struct supervisor *self = mem_alloc(sizeof(*self), &err);
    if (self == NULL)
        return 1;
    *self = (struct supervisor){
        .storage = storage,
        .sandbox = SANDBOX_INIT,
        .control = {.listen_fd = -1},
        .log = {.file = ROTATING_FILE_INIT},
        .status_line = BUF_INIT(LAUNCH_LINE_MAX),
        .ready_fd = -1,
        .lock_fd = -1,
        .signal_fd = -1,
        .device_listen_fd = -1,
        .device_stop = {-1, -1},
    };
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        self->control.clients[i].fd = -1;
    int result = 0;
    if (chdir(run_folder) < 0) {
        (void)FAIL_ERRNO(&err, ERR_NOT_FOUND, "cannot enter the run folder '%s'", run_folder);
        result = -1;
    }
    if (result < 0 || leave_starter(self, &err) < 0 || take_app_socket(self, &err) < 0 ||
        prepare(self, &err) < 0 || launch(self, &err) < 0)
        result = fail_launch(self, &err);
    else
        run(self);
    control_close(&self->control);
    app_log_close(&self->log);
    buf_done(&self->status_line);
    launch_spec_done(&self->spec);
    fd_close(self->sandbox.app_fd);
    fd_close(self->signal_fd);
    fd_close(self->lock_fd);
    return result;
}
