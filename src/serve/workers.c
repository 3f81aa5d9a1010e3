// SPDX-License-Identifier: Apache-2.0
/*
 * Worker threads around one big lock: see workers.h for the rule of leader and contender. Knows
 * nothing of Python, so that its tests need none. Runs inside the enclave; owns its threads.
 *
 * Two locks are in play: `lock` here, held for a few instructions, and the big lock behind
 * ops->enter. The big lock is never waited for with `lock` held; the other way round is fine.
 */
#include "serve/workers.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "serve/bell.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PATIENCE_TICKS = 5,    /* of the bell, before a leader that computes is asked for the lock */
    EAGER_US = 100 * 1000, /* so long after a takeover nobody waits for that */
};

enum role { ROLE_IDLE, ROLE_CALLED };

struct worker {
    struct workers *workers;
    struct worker *next_idle;
    pthread_cond_t called;
    enum role role;
    bool saw_free; /* when it became contender: the leader had given the lock back */
    unsigned number;
    int64_t began_us; /* its work; 0: it has none, or times are not noted */
    bool counted;     /* by workers_count_older */
    bool answering;   /* atomic */
    pthread_t id;
};

struct workers {
    const struct work_ops *ops;
    void *context;
    struct lock lock;
    pthread_cond_t progress; /* a thread has ended */
    struct work *first;
    struct work *last;
    size_t queued; /* also read without the lock */
    size_t running;
    uint64_t served;
    uint64_t begun;
    bool noting; /* when works are queued and begun; constant once there is work */
    uint64_t takeover;
    int64_t eager_until_us;
    uint64_t watched_served; /* at the bell's last tick */
    int stuck_ticks;         /* since then the leader got on */
    struct worker *leader;
    bool leader_inside; /* it has the big lock, or had it and gave it back amid its work */
    struct worker *contender;
    struct worker *idle; /* last in, first out: the warmest stack and cache first */
    unsigned alive;
    unsigned count;
    bool stopping;
    bool unannounced; /* atomic: work was submitted quietly */
    struct bell *bell;
    struct worker pool[];
};

/* The worker whose thread this is. */
static _Thread_local struct worker *current;

/* All functions named _locked: `lock` is held. */

static struct worker *call_idle_locked(struct workers *workers)
{
    struct worker *worker = workers->idle;
    if (worker == NULL)
        return NULL;
    workers->idle = worker->next_idle;
    worker->role = ROLE_CALLED;
    return worker;
}

static bool is_eager_locked(struct workers *workers)
{
    if (workers->eager_until_us != 0 && clock_monotonic_us() >= workers->eager_until_us)
        workers->eager_until_us = 0;
    return workers->eager_until_us != 0;
}

/* `anyway`: also where the leader seems to get on. */
static struct worker *call_contender_locked(struct workers *workers, bool anyway)
{
    if (workers->contender != NULL || !workers->leader_inside)
        return NULL;
    bool is_free = workers->ops->is_free(workers->context);
    if (!is_free && !anyway)
        return NULL;
    workers->contender = call_idle_locked(workers);
    if (workers->contender != NULL)
        workers->contender->saw_free = is_free;
    return workers->contender;
}

/* Whom to wake because there is work: a leader, else a contender for one that is stuck, else
 * nobody: the leader comes for it, or the bell finds out that it does not. */
static struct worker *appoint_locked(struct workers *workers)
{
    if (workers->first == NULL)
        return NULL;
    if (workers->leader == NULL) {
        workers->leader = call_idle_locked(workers);
        return workers->leader;
    }
    return call_contender_locked(workers, is_eager_locked(workers));
}

/* At every tick of the bell while there is work: does the leader get on? */
static void watch(void *context)
{
    struct workers *workers = context;
    struct worker *wake = NULL;
    lock_acquire(&workers->lock);
    if (workers->first != NULL) {
        bool got_on = workers->served != workers->watched_served;
        workers->stuck_ticks = got_on ? 0 : workers->stuck_ticks + 1;
        workers->watched_served = workers->served;
        wake = call_contender_locked(workers, workers->stuck_ticks >= PATIENCE_TICKS);
        bell_touch(workers->bell);
    }
    lock_release(&workers->lock);
    if (wake != NULL)
        (void)pthread_cond_signal(&wake->called);
}

static struct work *take_locked(struct workers *workers)
{
    struct work *work = workers->first;
    if (work == NULL)
        return NULL;
    workers->first = work->next;
    if (workers->first == NULL)
        workers->last = NULL;
    __atomic_store_n(&workers->queued, workers->queued - 1, __ATOMIC_RELAXED);
    return work;
}

static void begin_locked(const struct workers *workers, struct worker *self)
{
    if (!workers->noting)
        return;
    self->began_us = clock_monotonic_us();
    self->counted = false;
    __atomic_store_n(&self->answering, false, __ATOMIC_RELAXED);
}

static void lead_locked(struct workers *workers, struct worker *self)
{
    for (;;) {
        if (workers->leader != self)
            return;
        struct work *work = take_locked(workers);
        if (work == NULL)
            return;
        struct worker *wake = appoint_locked(workers);
        if (workers->first != NULL)
            bell_touch(workers->bell); /* in case this work blocks */
        workers->running++;
        workers->begun++;
        begin_locked(workers, self);
        lock_release(&workers->lock);
        if (wake != NULL)
            (void)pthread_cond_signal(&wake->called);
        bool counts = workers->ops->run(workers->context, work);
        lock_acquire(&workers->lock);
        self->began_us = 0;
        workers->running--;
        workers->served += counts;
    }
}

/* Becoming leader, or finding that there is nothing left to lead. */
static void crown_locked(struct workers *workers, struct worker *self)
{
    if (workers->contender == self)
        workers->contender = NULL;
    if (workers->leader != self) {
        if (workers->first == NULL)
            return;
        if (workers->leader_inside) {
            workers->takeover++;
            if (self->saw_free)
                workers->eager_until_us = clock_monotonic_us() + EAGER_US;
        }
        workers->leader = self;
    }
    workers->leader_inside = true;
}

static void step_back_locked(struct workers *workers, struct worker *self)
{
    if (workers->leader == self)
        workers->leader_inside = false;
}

/* One turn with the big lock: from the call to the moment when others can do the rest. */
static void serve_turn_locked(struct workers *workers, struct worker *self, void *thread)
{
    lock_release(&workers->lock);
    workers->ops->enter(workers->context, thread);
    lock_acquire(&workers->lock);
    crown_locked(workers, self);
    lead_locked(workers, self);
    step_back_locked(workers, self);
    lock_release(&workers->lock);
    workers->ops->leave(workers->context, thread);
    lock_acquire(&workers->lock);
}

/* Called as leader or contender: serves until there is nothing to do or others do it. */
static void serve_called_locked(struct workers *workers, struct worker *self, void *thread)
{
    while (workers->first != NULL) {
        if (workers->leader == NULL)
            workers->leader = self;
        if (workers->leader != self && workers->contender != self)
            break;
        serve_turn_locked(workers, self, thread);
    }
    if (workers->leader == self)
        workers->leader = NULL;
    if (workers->contender == self)
        workers->contender = NULL;
}

static bool is_over_locked(const struct workers *workers)
{
    return workers->stopping && workers->first == NULL;
}

static void call_all_locked(struct workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++)
        (void)pthread_cond_signal(&workers->pool[i].called);
}

static void wait_for_call_locked(struct workers *workers, struct worker *self)
{
    self->role = ROLE_IDLE;
    self->next_idle = workers->idle;
    workers->idle = self;
    while (self->role == ROLE_IDLE && !is_over_locked(workers))
        lock_wait(&workers->lock, &self->called);
    if (self->role == ROLE_CALLED)
        return;
    for (struct worker **at = &workers->idle; *at != NULL; at = &(*at)->next_idle) {
        if (*at == self) {
            *at = self->next_idle;
            return;
        }
    }
}

static void *worker_main(void *argument)
{
    struct worker *self = argument;
    struct workers *workers = self->workers;
    char name[16];
    current = self;
    (void)snprintf(name, sizeof(name), "mse-python-%u", self->number % 1000);
    (void)pthread_setname_np(pthread_self(), name);
    void *thread = workers->ops->thread_begin(workers->context);
    lock_acquire(&workers->lock);
    for (;;) {
        serve_called_locked(workers, self, thread);
        if (is_over_locked(workers))
            break;
        wait_for_call_locked(workers, self);
    }
    call_all_locked(workers);
    lock_release(&workers->lock);
    workers->ops->thread_end(workers->context, thread);
    lock_acquire(&workers->lock);
    workers->alive--;
    (void)pthread_cond_broadcast(&workers->progress);
    lock_release(&workers->lock);
    return NULL;
}

static int start_thread(struct workers *workers, unsigned number, struct err *err)
{
    struct worker *worker = &workers->pool[number];
    worker->workers = workers;
    worker->number = number;
    clock_cond_init(&worker->called);
    lock_acquire(&workers->lock);
    errno = pthread_create(&worker->id, NULL, worker_main, worker);
    if (errno == 0) {
        workers->alive++;
        workers->count++;
    }
    lock_release(&workers->lock);
    if (errno != 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot start Python thread %u", number);
    return 0;
}

struct workers *workers_new(unsigned threads, const struct work_ops *ops, void *context,
                            struct err *err)
{
    struct workers *workers = mem_alloc(sizeof(*workers) + threads * sizeof(struct worker), err);
    if (workers == NULL)
        return NULL;
    workers->ops = ops;
    workers->context = context;
    lock_init(&workers->lock, LOCK_WORKERS);
    clock_cond_init(&workers->progress);
    workers->bell = bell_new(watch, workers, err);
    bool started = workers->bell != NULL;
    for (unsigned i = 0; i < threads && started; i++)
        started = start_thread(workers, i, err) == 0;
    if (started)
        return workers;
    if (workers_stop(workers, 10 * 1000, NULL) == 0)
        workers_free(workers);
    return NULL;
}

static bool append_locked(struct workers *workers, struct work *work)
{
    if (workers->stopping)
        return false;
    work->next = NULL;
    work->since_us = workers->noting ? clock_monotonic_us() : 0;
    if (workers->last == NULL)
        workers->first = work;
    else
        workers->last->next = work;
    workers->last = work;
    __atomic_store_n(&workers->queued, workers->queued + 1, __ATOMIC_RELAXED);
    return true;
}

bool workers_submit_quietly(struct workers *workers, struct work *work)
{
    lock_acquire(&workers->lock);
    bool appended = append_locked(workers, work);
    lock_release(&workers->lock);
    if (!appended)
        return false;
    __atomic_store_n(&workers->unannounced, true, __ATOMIC_RELEASE);
    return true;
}

void workers_wake(struct workers *workers)
{
    if (!__atomic_exchange_n(&workers->unannounced, false, __ATOMIC_ACQ_REL))
        return;
    lock_acquire(&workers->lock);
    struct worker *wake = appoint_locked(workers);
    if (wake == NULL && workers->first != NULL)
        bell_touch(workers->bell);
    lock_release(&workers->lock);
    if (wake != NULL)
        (void)pthread_cond_signal(&wake->called);
}

bool workers_submit(struct workers *workers, struct work *work)
{
    if (!workers_submit_quietly(workers, work))
        return false;
    workers_wake(workers);
    return true;
}

void workers_note_times(struct workers *workers)
{
    workers->noting = true;
}

struct work *workers_take_older(struct workers *workers, int64_t before_us)
{
    lock_acquire(&workers->lock);
    bool older = workers->first != NULL && workers->first->since_us < before_us;
    struct work *work = older ? take_locked(workers) : NULL;
    lock_release(&workers->lock);
    return work;
}

unsigned workers_count_older(struct workers *workers, int64_t before_us)
{
    unsigned count = 0;
    lock_acquire(&workers->lock);
    for (unsigned i = 0; i < workers->count; i++) {
        struct worker *worker = &workers->pool[i];
        if (worker->began_us == 0 || worker->began_us >= before_us || worker->counted ||
            __atomic_load_n(&worker->answering, __ATOMIC_RELAXED))
            continue;
        worker->counted = true;
        count++;
    }
    lock_release(&workers->lock);
    return count;
}

void workers_note_answer(void)
{
    if (current != NULL)
        __atomic_store_n(&current->answering, true, __ATOMIC_RELAXED);
}

size_t workers_queued(const struct workers *workers)
{
    return __atomic_load_n(&workers->queued, __ATOMIC_RELAXED);
}

int workers_stop(struct workers *workers, int64_t timeout_ms, struct err *err)
{
    struct timespec until = clock_deadline_us(timeout_ms * 1000);
    lock_acquire(&workers->lock);
    workers->stopping = true;
    call_all_locked(workers);
    int waited = 0;
    while (workers->alive > 0 && waited == 0)
        waited = lock_wait_until(&workers->lock, &workers->progress, &until);
    unsigned alive = workers->alive;
    size_t running = workers->running;
    lock_release(&workers->lock);
    if (alive > 0)
        return FAIL(err, ERR_TIMEOUT, "%zu request(s) still running after %lld ms", running,
                    (long long)timeout_ms);
    for (unsigned i = 0; i < workers->count; i++)
        (void)pthread_join(workers->pool[i].id, NULL);
    return 0;
}

void workers_free(struct workers *workers)
{
    if (workers == NULL)
        return;
    bell_free(workers->bell);
    for (unsigned i = 0; i < workers->count; i++)
        (void)pthread_cond_destroy(&workers->pool[i].called);
    (void)pthread_cond_destroy(&workers->progress);
    lock_done(&workers->lock);
    free(workers);
}

void workers_stats(struct workers *workers, struct workers_stats *ret)
{
    lock_acquire(&workers->lock);
    *ret = (struct workers_stats){.served = workers->served,
                                  .begun = workers->begun,
                                  .takeover = workers->takeover,
                                  .queued = workers->queued,
                                  .running = workers->running};
    lock_release(&workers->lock);
}
