// SPDX-License-Identifier: Apache-2.0
/*
 * The queue and its threads, with a mutex in the place of the GIL. Works block on purpose by
 * waiting for a signal that the test gives, never by sleeping.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "serve/workers.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>

struct big_lock {
    pthread_mutex_t mutex;
    bool taken; /* atomic */
    int inside; /* works that run with the lock: never more than one */
    int most_inside;
    int done;
    unsigned threads;
};

struct job {
    struct work work;
    struct big_lock *lock;
    sem_t *gives_up_until; /* gives the lock back and waits for this; NULL: quick */
    sem_t *says_started;
    sem_t *says_done;
    bool uncounted;
};

static void *begin(void *context)
{
    struct big_lock *lock = context;
    (void)__atomic_add_fetch(&lock->threads, 1, __ATOMIC_SEQ_CST);
    return lock;
}

static void end(void *context, void *thread)
{
    struct big_lock *lock = context;
    assert_ptr_equal(thread, lock);
    (void)__atomic_sub_fetch(&lock->threads, 1, __ATOMIC_SEQ_CST);
}

static void enter(void *context, void *thread)
{
    struct big_lock *lock = context;
    pthread_mutex_lock(&lock->mutex);
    __atomic_store_n(&lock->taken, true, __ATOMIC_SEQ_CST);
}

static void leave(void *context, void *thread)
{
    struct big_lock *lock = context;
    __atomic_store_n(&lock->taken, false, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&lock->mutex);
}

static bool is_free(void *context)
{
    return !__atomic_load_n(&((struct big_lock *)context)->taken, __ATOMIC_SEQ_CST);
}

static bool run(void *context, struct work *work)
{
    struct big_lock *lock = context;
    struct job *job = (struct job *)work;
    lock->inside++;
    if (lock->inside > lock->most_inside)
        lock->most_inside = lock->inside;
    if (job->says_started != NULL)
        sem_post(job->says_started);
    lock->inside--;
    if (job->gives_up_until != NULL) {
        leave(context, NULL);
        sem_wait(job->gives_up_until);
        enter(context, NULL);
    }
    lock->done++;
    bool counts = !job->uncounted;
    if (job->says_done != NULL)
        sem_post(job->says_done);
    return counts;
}

static const struct work_ops ops = {begin, end, enter, leave, run, is_free};

static void test_all_work_is_done_once(void **state)
{
    enum { JOBS = 20000 };
    static struct job jobs[JOBS];
    struct big_lock lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    struct workers *workers = workers_new(4, &ops, &lock, NULL);
    assert_non_null(workers);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.lock = &lock};
        assert_true(workers_submit(workers, &jobs[i].work));
    }
    assert_int_equal(workers_stop(workers, 10000, NULL), 0);
    struct workers_stats stats;
    workers_stats(workers, &stats);
    assert_int_equal(stats.served, JOBS);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(lock.done, JOBS);
    assert_int_equal(lock.most_inside, 1);
    assert_int_equal(lock.threads, 0);
    workers_free(workers);
}

/* Three works block one after the other; the fourth gets through all the same. */
static void test_blocked_work_does_not_hold_up_others(void **state)
{
    struct big_lock lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    sem_t go;
    sem_t started;
    sem_t done;
    sem_init(&go, 0, 0);
    sem_init(&started, 0, 0);
    sem_init(&done, 0, 0);
    struct workers *workers = workers_new(4, &ops, &lock, NULL);
    struct job slow[3];
    for (int i = 0; i < 3; i++) {
        slow[i] = (struct job){.gives_up_until = &go, .says_started = &started};
        assert_true(workers_submit(workers, &slow[i].work));
    }
    struct job quick = {.says_done = &done};
    assert_true(workers_submit(workers, &quick.work));
    sem_wait(&done); /* hangs, and the test's time limit ends it, if the rule is broken */
    for (int i = 0; i < 3; i++)
        sem_wait(&started);
    struct workers_stats stats;
    workers_stats(workers, &stats);
    assert_true(stats.running >= 3);
    assert_true(stats.takeover >= 3);
    for (int i = 0; i < 3; i++)
        sem_post(&go);
    assert_int_equal(workers_stop(workers, 10000, NULL), 0);
    assert_int_equal(lock.done, 4);
    workers_free(workers);
}

static void test_all_threads_can_block_at_once(void **state)
{
    enum { THREADS = 8 };
    struct big_lock lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    sem_t go;
    sem_t started;
    sem_init(&go, 0, 0);
    sem_init(&started, 0, 0);
    struct workers *workers = workers_new(THREADS, &ops, &lock, NULL);
    struct job jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.gives_up_until = &go, .says_started = &started};
        assert_true(workers_submit(workers, &jobs[i].work));
    }
    for (int i = 0; i < THREADS; i++)
        sem_wait(&started);
    for (int i = 0; i < THREADS; i++)
        sem_post(&go);
    assert_int_equal(workers_stop(workers, 10000, NULL), 0);
    assert_int_equal(lock.done, THREADS);
    workers_free(workers);
}

static void test_a_stop_refuses(void **state)
{
    struct big_lock lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    sem_t go;
    sem_t started;
    sem_init(&go, 0, 0);
    sem_init(&started, 0, 0);
    struct workers *workers = workers_new(1, &ops, &lock, NULL);
    struct job running = {.gives_up_until = &go, .says_started = &started};
    assert_true(workers_submit(workers, &running.work));
    sem_wait(&started);
    struct job waiting[3] = {0};
    assert_true(workers_submit(workers, &waiting[0].work));
    assert_true(workers_submit(workers, &waiting[1].work));
    assert_true(workers_submit(workers, &waiting[2].work));
    sem_post(&go);
    assert_int_equal(workers_stop(workers, 10000, NULL), 0);
    assert_int_equal(lock.done, 4);
    assert_false(workers_submit(workers, &waiting[2].work));
    workers_free(workers);
}

static void test_stop_reports_what_is_stuck(void **state)
{
    struct big_lock lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    sem_t go;
    sem_t started;
    sem_init(&go, 0, 0);
    sem_init(&started, 0, 0);
    struct workers *workers = workers_new(2, &ops, &lock, NULL);
    struct job stuck = {.gives_up_until = &go, .says_started = &started};
    assert_true(workers_submit(workers, &stuck.work));
    sem_wait(&started);
    struct err err = ERR_INIT;
    assert_int_equal(workers_stop(workers, 1, &err), -1);
    assert_int_equal(err.kind, ERR_TIMEOUT);
    assert_non_null(strstr(err.message, "1 request(s) still running"));
    sem_post(&go);
    assert_int_equal(workers_stop(workers, 10000, NULL), 0);
    workers_free(workers);
}

/* Submitters on several threads while works block at random points of the schedule. */
struct submitter {
    struct workers *workers;
    struct job *jobs;
    int count;
};

static void *submit_all(void *argument)
{
    struct submitter *self = argument;
    for (int i = 0; i < self->count; i++)
        assert_true(workers_submit(self->workers, &self->jobs[i].work));
    return NULL;
}

static void test_many_submitters(void **state)
{
    enum { SUBMITTERS = 4, EACH = 3000 };
    static struct job jobs[SUBMITTERS * EACH];
    struct big_lock lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    sem_t open;
    sem_init(&open, 0, SUBMITTERS * EACH); /* never blocks, but gives the lock back */
    struct workers *workers = workers_new(6, &ops, &lock, NULL);
    for (int i = 0; i < SUBMITTERS * EACH; i++)
        jobs[i] = (struct job){.gives_up_until = i % 7 == 0 ? &open : NULL};
    struct submitter self[SUBMITTERS];
    pthread_t threads[SUBMITTERS];
    for (int i = 0; i < SUBMITTERS; i++) {
        self[i] = (struct submitter){workers, jobs + i * EACH, EACH};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_all, &self[i]), 0);
    }
    for (int i = 0; i < SUBMITTERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(workers_stop(workers, 10000, NULL), 0);
    assert_int_equal(lock.done, SUBMITTERS * EACH);
    workers_free(workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_work_is_done_once),
        cmocka_unit_test(test_blocked_work_does_not_hold_up_others),
        cmocka_unit_test(test_all_threads_can_block_at_once),
        cmocka_unit_test(test_a_stop_refuses),
        cmocka_unit_test(test_stop_reports_what_is_stuck),
        cmocka_unit_test(test_many_submitters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
