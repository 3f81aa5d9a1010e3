// SPDX-License-Identifier: Apache-2.0
/*
 * What pid 1 does while the enclave runs: passes its lines to the ports, asks it to stop when the
 * launcher says so, reaps. A host that does not read loses what it did not read; a host that sends
 * nonsense, or nothing, changes nothing.
 */
#include "guest/guest.h"

#include "base/clock.h"
#include "base/fd.h"
#include "guest/control.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PENDING_MAX = 64 * 1024,
    PIECE = 4096,
    RETRY_MS = 250,       /* a port whose launcher is away is looked at again after this */
    FINAL_FLUSH_MS = 1000 /* for the last lines, after the enclave has ended */
};

/* From a pipe of the enclave to a port. */
struct flow {
    int from; /* -1 once it has ended */
    int to;
    struct buf pending;
    int64_t closed_until_ms; /* the port's other end is away */
};

struct watch {
    struct guest *guest;
    int signals;
    struct flow flows[2];
    struct control control;
    int64_t control_closed_until_ms;
    bool world_ended;
};

static void take(struct flow *flow)
{
    uint8_t piece[PIECE];
    ssize_t len = read(flow->from, piece, sizeof(piece));
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        fd_close(fd_steal(&flow->from));
        return;
    }
    struct err dropped = ERR_INIT; /* past PENDING_MAX nobody reads them */
    (void)!buf_bytes(&flow->pending, slice_of(piece, (size_t)len), &dropped);
}

static void give(struct flow *flow)
{
    if (flow->pending.len == 0)
        return;
    ssize_t len = write(flow->to, flow->pending.data, flow->pending.len);
    if (len <= 0) {
        flow->closed_until_ms = clock_monotonic_ms() + RETRY_MS;
        return;
    }
    buf_consume(&flow->pending, (size_t)len);
}

static void reap(struct watch *watch)
{
    for (;;) {
        int status = 0;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended <= 0)
            return;
        if (ended == watch->guest->world) {
            guest_say(watch->guest, "the enclave has ended with status %d",
                      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
            watch->world_ended = true;
        }
        if (ended == watch->guest->broker && !watch->world_ended)
            guest_say(watch->guest, "the broker has ended");
    }
}

static void hear_control(struct watch *watch)
{
    uint8_t bytes[GUEST_CONTROL_LINE_MAX];
    ssize_t len = read(watch->guest->control_port, bytes, sizeof(bytes));
    if (len <= 0) {
        watch->control_closed_until_ms = clock_monotonic_ms() + RETRY_MS;
        return;
    }
    if (control_feed(&watch->control, slice_of(bytes, (size_t)len))) {
        guest_say(watch->guest, "asked to stop");
        (void)kill(watch->guest->world, SIGTERM);
    }
}

static void drain_signals(struct watch *watch)
{
    struct signalfd_siginfo info;
    while (read(watch->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
    }
    reap(watch);
}

/* One round; `timeout_ms` at most. */
static void round_once(struct watch *watch, int timeout_ms)
{
    int64_t now = clock_monotonic_ms();
    bool hears = now >= watch->control_closed_until_ms;
    struct pollfd polled[6] = {{.fd = watch->signals, .events = POLLIN},
                               {.fd = hears ? watch->guest->control_port : -1, .events = POLLIN}};
    for (size_t i = 0; i < ARRAY_LEN(watch->flows); i++) {
        struct flow *flow = &watch->flows[i];
        bool gives = flow->pending.len > 0 && now >= flow->closed_until_ms;
        polled[2 + 2 * i] = (struct pollfd){.fd = flow->from, .events = POLLIN};
        polled[3 + 2 * i] = (struct pollfd){.fd = gives ? flow->to : -1, .events = POLLOUT};
    }
    if (poll(polled, ARRAY_LEN(polled), timeout_ms) <= 0)
        return;
    if (polled[0].revents != 0)
        drain_signals(watch);
    if (polled[1].revents != 0)
        hear_control(watch);
    for (size_t i = 0; i < ARRAY_LEN(watch->flows); i++) {
        if (polled[2 + 2 * i].revents != 0)
            take(&watch->flows[i]);
        if (polled[3 + 2 * i].revents != 0)
            give(&watch->flows[i]);
    }
}

static bool has_more(const struct watch *watch)
{
    for (size_t i = 0; i < ARRAY_LEN(watch->flows); i++) {
        if (watch->flows[i].from >= 0 || watch->flows[i].pending.len > 0)
            return true;
    }
    return false;
}

void guest_watch(struct guest *guest)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    struct watch watch = {
        .guest = guest,
        .signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
        .flows = {{.from = guest->enclave_status[0],
                   .to = guest->status_port,
                   .pending = BUF_INIT(PENDING_MAX)},
                  {.from = guest->enclave_log[0],
                   .to = guest->log_port,
                   .pending = BUF_INIT(PENDING_MAX)}},
    };
    reap(&watch);
    while (!watch.world_ended)
        round_once(&watch, RETRY_MS);
    int64_t deadline = clock_monotonic_ms() + FINAL_FLUSH_MS;
    while (has_more(&watch) && clock_monotonic_ms() < deadline)
        round_once(&watch, RETRY_MS);
}
