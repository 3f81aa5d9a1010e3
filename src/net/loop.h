// SPDX-License-Identifier: Apache-2.0
/*
 * The event loop: descriptors (epoll, level-triggered), timers, and tasks posted by other threads.
 * One loop belongs to one thread, the one that calls loop_run; only loop_post, loop_wake and
 * loop_stop may be called from elsewhere. Nothing here allocates after loop_new: watches, timers
 * and tasks are embedded in what their owner keeps, and must stay where they are while in use.
 *
 * One round is: rest or wait, the `ready` callbacks, due timers, the round-end hook, posted tasks.
 */
#pragma once

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

int loop_new(struct loop **ret, struct err *err) MUST_USE;
/* Watches and timers that are still set are forgotten; descriptors are not closed. */
void loop_free(struct loop *loop);

/* Runs rounds until loop_stop. After a stop that came before there is none. */
int loop_run(struct loop *loop, struct err *err) MUST_USE;
/* [any thread, signal-safe] Ends loop_run after the round that is under way. */
void loop_stop(struct loop *loop);

/* The time of this round's wake-up, without a system call: CLOCK_MONOTONIC less the time that the
 * loop stood still. A pause of the whole machine, or a callback that takes more than a second,
 * makes no timer fire earlier for who had no chance to do anything. */
int64_t loop_now_us(const struct loop *loop);
static inline int64_t loop_now_ms(const struct loop *loop)
{
    return loop_now_us(loop) / 1000;
}

/* --- descriptors --- */

struct loop_watch {
    void (*ready)(struct loop_watch *watch, uint32_t events);
    void *data; /* the owner's */
    int fd;
    uint32_t events; /* EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLEXCLUSIVE as registered */
};

/* EPOLLERR and EPOLLHUP are always reported, also with `events` 0. */
int loop_watch_add(struct loop *loop, struct loop_watch *watch, uint32_t events,
                   struct err *err) MUST_USE;
/* No system call when `events` is what is registered already. Fails only for want of kernel memory
 * or where the watch was never added. */
int loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t events,
                      struct err *err);
/* Call before closing the descriptor. No callback comes afterwards, not even in this round; the
 * watch may be freed at once. Harmless when it was not added (fd -1). */
void loop_watch_remove(struct loop *loop, struct loop_watch *watch);

/* --- timers --- */

struct loop_timer {
    void (*fire)(struct loop_timer *timer);
    void *data; /* the owner's */
    int64_t due_us;
    /* pairing heap */
    struct loop_timer *child;
    struct loop_timer *next;
    struct loop_timer *previous; /* left sibling, or the parent of a first child */
    bool set;
};

/* Fires once, `delay_ms` after this round's time; setting it again moves it. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

/* --- tasks --- */

struct loop_task {
    void (*run)(struct loop_task *task);
    void *data; /* the owner's */
    struct loop_task *next;
    atomic_bool queued;
};

/* [any thread] Runs the task on the loop's thread at the end of a round. Posting one that is queued
 * already does nothing; it may be posted again from the moment it runs. */
void loop_post(struct loop *loop, struct loop_task *task);
/* [any thread] The same, but wakes nobody: for what can wait until the loop has something else to
 * do.
 */
void loop_post_lazily(struct loop *loop, struct loop_task *task);
/* Is the calling thread inside loop_run of this loop? */
bool loop_is_current(const struct loop *loop);

/* [any thread] Between these two, what this thread posts wakes no loop that rests (loop_set_rest):
 * such loops are woken once at the end. One that waits is woken as ever, so nothing is late because
 * the thread came to be blocked. For a thread that hands back several results in a row. They nest.
 */
void loop_hold_wakeups(void);
void loop_release_wakeups(void);
/* [any thread] Ends a rest, for a thread that is going to wait for what the loop does. */
void loop_rouse(struct loop *loop);

/* Called before a wait with nothing left to do: for how many microseconds may the loop rest,
 * looking neither at descriptors nor at what a thread between loop_hold_wakeups and
 * loop_release_wakeups posts? 0: not at all. Answers and arrivals then come in groups, which saves
 * the switches between a busy thread and this one. A rest that brought nothing is followed by an
 * ordinary wait. NULL: never rests. */
void loop_set_rest(struct loop *loop, int64_t (*rest_us)(void *data), void *data);

/* Called twice a round: after its callbacks and timers, and after its tasks. NULL: none. */
void loop_set_round_end(struct loop *loop, void (*hook)(void *data), void *data);
