// SPDX-License-Identifier: Apache-2.0
/*
 * The watchdog: sees that an app is stuck, and ends it, so that it can be started again; and
 * answers requests that have waited too long for Python. Stuck is: requests wait for Python, and
 * from one look to the next, for the whole time, none was begun, none was answered, and no byte of
 * a body or an answer moved. So an app that nobody waits for may be idle or compute for as long as
 * it likes. Needs neither the GIL nor Python; runs in the enclave on a thread of its own.
 *
 * Time is counted in looks, not read from a clock: a machine that was suspended, or an enclave that
 * was not given the processor, has not been stuck meanwhile.
 */
#include "serve/internal.h"

#include "base/clock.h"
#include "serve/traceback.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum {
    LOOKS = 16, /* in the shorter of both times */
    LOOK_MIN_MS = 20,
    LOOK_MAX_MS = 5000,
    REASON_SIZE = 160,
};

struct watchdog {
    struct serve *serve;
    pthread_t thread;
    struct lock lock;
    pthread_cond_t changed;
    bool stop; /* under lock */
    int64_t look_ms;
    /* the thread's own */
    uint64_t progress;
    unsigned looks; /* without progress while requests waited */
};

/* The app's threads go on meanwhile, and may be anywhere: nothing is locked or allocated. */
static _Noreturn void end_stuck(const struct serve *serve)
{
    char reason[REASON_SIZE];
    char line[REASON_SIZE + 64];
    (void)snprintf(
        reason, sizeof(reason),
        "the app was stuck: requests waited for Python for %u s and none got on; the log "
        "has the traceback of each thread",
        serve->watchdog_ms / 1000);
    int len = snprintf(line, sizeof(line), "mse: %s\n", reason);
    (void)!write(STDERR_FILENO, line, (size_t)len);
    if (serve->stuck != NULL)
        serve->stuck(reason);
    serve_print_tracebacks(0);
    _exit(SERVE_STUCK_STATUS);
}

static void look_for_progress(struct watchdog *watchdog)
{
    struct serve *serve = watchdog->serve;
    struct serve_watch now;
    serve->protocol->watch(serve, &now);
    bool got_on = !now.waiting || now.progress != watchdog->progress;
    watchdog->progress = now.progress;
    watchdog->looks = got_on ? 0 : watchdog->looks + 1;
    if (watchdog->looks * watchdog->look_ms >= (int64_t)serve->watchdog_ms)
        end_stuck(serve);
}

static void look_for_late(struct serve *serve)
{
    unsigned hanging = 0;
    int64_t before_us = clock_monotonic_us() - (int64_t)serve->timeout_ms * 1000;
    unsigned late = serve->protocol->expire(serve, before_us, &hanging);
    (void)__atomic_add_fetch(&serve->late, late, __ATOMIC_RELAXED);
    (void)__atomic_add_fetch(&serve->hanging, hanging, __ATOMIC_RELAXED);
}

static void *watchdog_main(void *argument)
{
    struct watchdog *watchdog = argument;
    (void)pthread_setname_np(pthread_self(), "mse-watchdog");
    lock_acquire(&watchdog->lock);
    while (!watchdog->stop) {
        struct timespec until = clock_deadline_us(watchdog->look_ms * 1000);
        if (lock_wait_until(&watchdog->lock, &watchdog->changed, &until) != ETIMEDOUT)
            continue;
        lock_release(&watchdog->lock);
        if (watchdog->serve->timeout_ms > 0)
            look_for_late(watchdog->serve);
        if (watchdog->serve->watchdog_ms > 0)
            look_for_progress(watchdog);
        lock_acquire(&watchdog->lock);
    }
    lock_release(&watchdog->lock);
    return NULL;
}

static int64_t look_ms(const struct serve *serve)
{
    unsigned shorter = serve->watchdog_ms;
    if (shorter == 0 || (serve->timeout_ms > 0 && serve->timeout_ms < shorter))
        shorter = serve->timeout_ms;
    int64_t look = shorter / LOOKS;
    if (look < LOOK_MIN_MS)
        return LOOK_MIN_MS;
    return look < LOOK_MAX_MS ? look : LOOK_MAX_MS;
}

static void watchdog_free(struct watchdog *watchdog)
{
    (void)pthread_cond_destroy(&watchdog->changed);
    lock_done(&watchdog->lock);
    free(watchdog);
}

/* With every signal blocked, so that the app's handlers run on the app's threads. */
static int start_thread(struct watchdog *watchdog)
{
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int result = pthread_create(&watchdog->thread, NULL, watchdog_main, watchdog);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

int watchdog_start(struct serve *serve, struct watchdog **ret, struct err *err)
{
    *ret = NULL;
    if (serve->watchdog_ms == 0 && serve->timeout_ms == 0)
        return 0;
    struct watchdog *watchdog = mem_alloc(sizeof(*watchdog), err);
    if (watchdog == NULL)
        return -1;
    watchdog->serve = serve;
    watchdog->look_ms = look_ms(serve);
    lock_init(&watchdog->lock, LOCK_WATCHDOG);
    clock_cond_init(&watchdog->changed);
    errno = start_thread(watchdog);
    if (errno != 0) {
        (void)FAIL_ERRNO(err, ERR_MEMORY, "cannot start the watchdog's thread");
        watchdog_free(watchdog);
        return -1;
    }
    *ret = watchdog;
    return 0;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    lock_acquire(&watchdog->lock);
    watchdog->stop = true;
    (void)pthread_cond_signal(&watchdog->changed);
    lock_release(&watchdog->lock);
    (void)pthread_join(watchdog->thread, NULL);
    watchdog_free(watchdog);
}
