// SPDX-License-Identifier: Apache-2.0
/*
 * A queue and the threads that empty it, made for work that needs one big lock (the GIL).
 *
 * At most one worker leads: it holds the lock and takes one work after the other without giving it
 * back, so that quick handlers cost no switch of threads. When it does not get on (it sleeps or
 * waits for a database and has given the lock back, or it computes for long), one other is called
 * to contend: it waits for the lock, and leads when it gets it; the old leader finishes what it has
 * and steps back. Whether the leader gets on is looked at when work comes, and at every tick of a
 * bell while work waits. Everybody else sleeps until called by name: nobody is woken for nothing.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in what is queued. */
struct work {
    struct work *next;
    int64_t since_us; /* monotonic: when it was queued; with workers_note_times only */
};

/* What workers do; the functions are called with the context from their own thread. */
struct work_ops {
    /* Once per thread, before its first work and after its last. */
    void *(*thread_begin)(void *context);
    void (*thread_end)(void *context, void *thread);
    /* Take and give back the big lock. */
    void (*enter)(void *context, void *thread);
    void (*leave)(void *context, void *thread);
    /* Runs one work with the lock held; may give it back and take it again meanwhile. Is it one
     * that `served` counts? */
    bool (*run)(void *context, struct work *work);
    /* Is the big lock free at this moment? A hint; must not block. */
    bool (*is_free)(void *context);
};

struct workers;

struct workers_stats {
    uint64_t served;
    uint64_t begun;
    uint64_t takeover; /* a contender went on while the leader was stuck */
    size_t queued;
    size_t running;
};

/* Starts `threads` threads (their names begin with "mse-python"). Errors: MEMORY, IO. */
struct workers *workers_new(unsigned threads, const struct work_ops *ops, void *context,
                            struct err *err) MUST_USE;
/* Queues work, which the caller owns again when false is returned: a stop has begun. How much may
 * be queued is the caller's to bound. Never blocks for longer than it takes to append to a list. */
bool workers_submit(struct workers *workers, struct work *work);
/* The same, and leaves the waking to workers_wake: for a caller that submits in rounds. */
bool workers_submit_quietly(struct workers *workers, struct work *work);
/* Wakes whom the work submitted since needs. Cheap where there was none. */
void workers_wake(struct workers *workers);
/* From now on it is noted when works are queued and begun, for the next three. Before any work. */
void workers_note_times(struct workers *workers);
/* Takes the work that has waited longest off the queue, if it was queued before that moment: it is
 * the caller's again. NULL otherwise. */
struct work *workers_take_older(struct workers *workers, int64_t before_us);
/* How many works run that began before that moment, less those that were counted by an earlier
 * call, or have begun to answer. */
unsigned workers_count_older(struct workers *workers, int64_t before_us);
/* [from ops->run] The work under way has begun to answer: that it takes long is no wonder. */
void workers_note_answer(void);
/* How many wait, at some recent moment. */
size_t workers_queued(const struct workers *workers);
/* Refuses further work and waits until what is queued and running is done and all threads have
 * ended. Errors: TIMEOUT; the threads that are stuck live on. */
int workers_stop(struct workers *workers, int64_t timeout_ms, struct err *err) MUST_USE;
/* Only after a workers_stop that succeeded; otherwise the memory is left to the stuck threads. */
void workers_free(struct workers *workers);
void workers_stats(struct workers *workers, struct workers_stats *ret);
