// SPDX-License-Identifier: Apache-2.0
/*
 * The event loop: epoll for descriptors, a pairing heap for timers, a lock-free stack for tasks of
 * other threads with one eventfd write per sleep. Used by the node's gateway and by every I/O
 * thread of the HTTP server, in the node and in the enclave.
 */
#include "net/loop.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_PER_ROUND = 256, HELD_LOOPS = 16, STILL_US = 1000 * 1000 };

/* Of the loop's thread. Who posts to one that is awake need not tell it. */
enum loop_state { LOOP_AWAKE, LOOP_WAITING, LOOP_RESTING };

struct loop {
    int epoll_fd;
    int wake_fd;
    int64_t now_us;            /* without the time that it stood still */
    int64_t still_us;          /* that time */
    struct loop_timer *timers; /* the root is due first */
    void (*round_end)(void *data);
    void *round_end_data;
    int64_t (*rest_us)(void *data);
    void *rest_data;
    bool rested_in_vain;
    struct epoll_event events[EVENTS_PER_ROUND];
    int event_count;
    int event_next;
    atomic_bool stop;
    /* Written by other threads, on a cache line of their own. */
    char padding[64];
    _Atomic(struct loop_task *) tasks;
    atomic_int state;
};

static _Thread_local const struct loop *current_loop;
static _Thread_local struct {
    struct loop *loops[HELD_LOOPS];
    size_t count;
    unsigned depth;
} held;

static int64_t time_of(const struct loop *loop)
{
    return clock_monotonic_us() - loop->still_us;
}

/* The time. Where more has passed since `since_us` than was meant to, the machine was paused, or
 * something held up this thread: nobody's time ran meanwhile, so that what others sent in time is
 * not found too late. */
static int64_t leave_out(struct loop *loop, int64_t since_us, int64_t meant_us)
{
    int64_t passed_us = time_of(loop) - since_us;
    if (passed_us <= meant_us + STILL_US)
        return since_us + passed_us;
    loop->still_us += passed_us;
    return since_us;
}

static int open_descriptors(struct loop *loop, struct err *err)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot create an epoll descriptor");
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot create an eventfd");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot watch an eventfd");
    return 0;
}

int loop_new(struct loop **ret, struct err *err)
{
    struct loop *loop = mem_alloc(sizeof(*loop), err);
    if (loop == NULL)
        return -1;
    loop->epoll_fd = loop->wake_fd = -1;
    loop->now_us = time_of(loop);
    if (open_descriptors(loop, err) < 0) {
        loop_free(loop);
        return -1;
    }
    *ret = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    fd_close(loop->epoll_fd);
    fd_close(loop->wake_fd);
    free(loop);
}

int64_t loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

bool loop_is_current(const struct loop *loop)
{
    return current_loop == loop;
}

void loop_set_round_end(struct loop *loop, void (*hook)(void *data), void *data)
{
    loop->round_end = hook;
    loop->round_end_data = data;
}

void loop_set_rest(struct loop *loop, int64_t (*rest_us)(void *data), void *data)
{
    loop->rest_us = rest_us;
    loop->rest_data = data;
}

/* --- descriptors --- */

static int control(struct loop *loop, int operation, struct loop_watch *watch, struct err *err)
{
    struct epoll_event event = {.events = watch->events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot watch descriptor %d", watch->fd);
    return 0;
}

int loop_watch_add(struct loop *loop, struct loop_watch *watch, uint32_t events, struct err *err)
{
    watch->events = events;
    return control(loop, EPOLL_CTL_ADD, watch, err);
}

int loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t events, struct err *err)
{
    if (watch->events == events)
        return 0;
    watch->events = events;
    return control(loop, EPOLL_CTL_MOD, watch, err);
}

void loop_watch_remove(struct loop *loop, struct loop_watch *watch)
{
    if (watch->fd < 0)
        return;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->events = 0;
    for (int i = loop->event_next; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == watch)
            loop->events[i].events = 0;
    }
}

static void drain_wake_fd(struct loop *loop)
{
    uint64_t count;
    ssize_t got = read(loop->wake_fd, &count, sizeof(count));
    (void)got; /* EAGAIN: somebody's wake-up was seen before */
}

static void dispatch(struct loop *loop)
{
    for (loop->event_next = 0; loop->event_next < loop->event_count;) {
        const struct epoll_event *event = &loop->events[loop->event_next++];
        struct loop_watch *watch = event->data.ptr;
        if (watch == NULL)
            drain_wake_fd(loop);
        else if (event->events != 0)
            watch->ready(watch, event->events);
    }
    loop->event_count = 0;
    loop->event_next = 0;
}

/* --- timers: a pairing heap --- */

static struct loop_timer *meld(struct loop_timer *a, struct loop_timer *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (b->due_us < a->due_us) {
        struct loop_timer *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    if (b->next != NULL)
        b->next->previous = b;
    b->previous = a;
    a->child = b;
    a->next = NULL;
    a->previous = NULL;
    return a;
}

/* Melds siblings in pairs from the left, then the pairs from the right. */
static struct loop_timer *meld_siblings(struct loop_timer *first)
{
    struct loop_timer *pairs = NULL; /* linked through next, last pair first */
    while (first != NULL) {
        struct loop_timer *second = first->next;
        struct loop_timer *rest = second == NULL ? NULL : second->next;
        first->next = first->previous = NULL;
        if (second != NULL)
            second->next = second->previous = NULL;
        struct loop_timer *pair = meld(first, second);
        pair->next = pairs;
        pairs = pair;
        first = rest;
    }
    struct loop_timer *root = NULL;
    while (pairs != NULL) {
        struct loop_timer *rest = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = rest;
    }
    return root;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    if (!timer->set)
        return;
    timer->set = false;
    if (timer == loop->timers) {
        loop->timers = meld_siblings(timer->child);
    } else {
        if (timer->previous->child == timer)
            timer->previous->child = timer->next;
        else
            timer->previous->next = timer->next;
        if (timer->next != NULL)
            timer->next->previous = timer->previous;
        loop->timers = meld(loop->timers, meld_siblings(timer->child));
    }
    timer->child = timer->next = timer->previous = NULL;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
    loop_timer_cancel(loop, timer);
    timer->due_us = loop->now_us + (delay_ms > 0 ? delay_ms * 1000 : 0);
    timer->child = timer->next = timer->previous = NULL;
    timer->set = true;
    loop->timers = meld(loop->timers, timer);
}

static void fire_due(struct loop *loop)
{
    /* A timer that sets itself again with no delay waits for the next round. */
    int64_t now = loop->now_us;
    while (loop->timers != NULL && loop->timers->due_us < now) {
        struct loop_timer *timer = loop->timers;
        loop_timer_cancel(loop, timer);
        timer->fire(timer);
    }
}

/* --- tasks --- */

static void wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t written = write(loop->wake_fd, &one, sizeof(one));
    (void)written; /* EAGAIN: it is awake for sure */
}

static void wake_if_asleep(struct loop *loop)
{
    if (atomic_load(&loop->state) != LOOP_AWAKE &&
        atomic_exchange(&loop->state, LOOP_AWAKE) != LOOP_AWAKE)
        wake(loop);
}

void loop_rouse(struct loop *loop)
{
    if (atomic_load(&loop->state) == LOOP_RESTING)
        wake_if_asleep(loop);
}

static bool hold_wakeup(struct loop *loop)
{
    if (held.depth == 0 || atomic_load(&loop->state) != LOOP_RESTING)
        return false;
    for (size_t i = 0; i < held.count; i++) {
        if (held.loops[i] == loop)
            return true;
    }
    if (held.count == HELD_LOOPS)
        return false;
    held.loops[held.count++] = loop;
    return true;
}

/* False: it is there already. */
static bool push(struct loop *loop, struct loop_task *task)
{
    if (atomic_exchange(&task->queued, true))
        return false;
    struct loop_task *first = atomic_load_explicit(&loop->tasks, memory_order_relaxed);
    do
        task->next = first;
    while (!atomic_compare_exchange_weak(&loop->tasks, &first, task));
    return true;
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    if (push(loop, task) && current_loop != loop && !hold_wakeup(loop))
        wake_if_asleep(loop);
}

void loop_post_lazily(struct loop *loop, struct loop_task *task)
{
    (void)push(loop, task);
}

void loop_hold_wakeups(void)
{
    held.depth++;
}

void loop_release_wakeups(void)
{
    if (held.depth == 0 || --held.depth > 0)
        return;
    for (size_t i = 0; i < held.count; i++)
        loop_rouse(held.loops[i]);
    held.count = 0;
}

void loop_stop(struct loop *loop)
{
    int saved = errno; /* this may be a signal handler */
    atomic_store(&loop->stop, true);
    wake(loop);
    errno = saved;
}

/* Runs what was there when it began, oldest first. */
static void run_tasks(struct loop *loop)
{
    struct loop_task *newest = atomic_exchange(&loop->tasks, NULL);
    struct loop_task *oldest = NULL;
    while (newest != NULL) {
        struct loop_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct loop_task *task = oldest;
        oldest = task->next;
        atomic_store(&task->queued, false);
        task->run(task);
    }
}

static int wait_ms(const struct loop *loop)
{
    if (loop->timers == NULL)
        return -1;
    int64_t left_us = loop->timers->due_us - time_of(loop);
    if (left_us < 0)
        return 0;
    int64_t left_ms = left_us / 1000 + 1;
    return left_ms > 60000 ? 60000 : (int)left_ms;
}

/* Posters look at the state after they have pushed, we at the tasks after we have set it: one of
 * the two sees the other (both sequentially consistent). False: there is work already. */
static bool fall_asleep(struct loop *loop, enum loop_state state)
{
    atomic_store(&loop->state, state);
    return atomic_load(&loop->tasks) == NULL;
}

/* Whether the loop has rested: it must look at its descriptors now, without waiting for them. */
static bool rest(struct loop *loop)
{
    int64_t rest_us = loop->rest_us == NULL || loop->rested_in_vain || atomic_load(&loop->stop)
                          ? 0
                          : loop->rest_us(loop->rest_data);
    if (rest_us <= 0)
        return false;
    struct pollfd woken = {.fd = loop->wake_fd, .events = POLLIN};
    const struct timespec until = {.tv_sec = rest_us / 1000000,
                                   .tv_nsec = rest_us % 1000000 * 1000};
    if (fall_asleep(loop, LOOP_RESTING))
        (void)ppoll(&woken, 1, &until, NULL);
    atomic_store(&loop->state, LOOP_AWAKE);
    return true;
}

static int wait_for_events(struct loop *loop, struct err *err)
{
    int64_t before_us = leave_out(loop, loop->now_us, 0); /* of the round that has ended */
    bool rested = rest(loop);
    int timeout_ms = rested ? 0 : wait_ms(loop);
    if (!fall_asleep(loop, LOOP_WAITING))
        timeout_ms = 0;
    int count = epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_ROUND, timeout_ms);
    int errnum = errno;
    atomic_store(&loop->state, LOOP_AWAKE);
    loop->rested_in_vain = rested && count == 0 && atomic_load(&loop->tasks) == NULL;
    loop->now_us =
        timeout_ms < 0 ? time_of(loop) : leave_out(loop, before_us, (int64_t)timeout_ms * 1000);
    if (count < 0 && errnum != EINTR) {
        errno = errnum;
        return FAIL_ERRNO(err, ERR_IO, "cannot wait for events");
    }
    loop->event_count = count < 0 ? 0 : count;
    return 0;
}

int loop_run(struct loop *loop, struct err *err)
{
    const struct loop *outer = current_loop;
    current_loop = loop;
    loop->now_us = time_of(loop);
    int result = 0;
    while (result == 0 && !atomic_load(&loop->stop)) {
        result = wait_for_events(loop, err);
        dispatch(loop);
        fire_due(loop);
        if (loop->round_end != NULL)
            loop->round_end(loop->round_end_data);
        run_tasks(loop);
        if (loop->round_end != NULL)
            loop->round_end(loop->round_end_data); /* tasks may have brought more to announce */
    }
    atomic_store(&loop->stop, false);
    current_loop = outer;
    return result;
}
