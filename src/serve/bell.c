// SPDX-License-Identifier: Apache-2.0
/*
 * See bell.h. The thread sleeps for good after a while without a touch: an idle app costs nothing.
 */
#include "serve/bell.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum { TICK_US = 2000, TICKS_UNTIL_SILENT = 10 };

struct bell {
    void (*ring)(void *context);
    void *context;
    pthread_t thread;
    struct lock lock;
    pthread_cond_t changed;
    bool touched; /* atomic: since the tick began */
    bool silent;  /* under lock: sleeps until it is touched */
    bool stop;    /* under lock */
};

static void wait_tick_locked(struct bell *bell)
{
    struct timespec until = clock_deadline_us(TICK_US);
    (void)lock_wait_until(&bell->lock, &bell->changed, &until);
}

static void *bell_main(void *argument)
{
    struct bell *bell = argument;
    (void)pthread_setname_np(pthread_self(), "mse-bell");
    int quiet_ticks = TICKS_UNTIL_SILENT;
    lock_acquire(&bell->lock);
    while (!bell->stop) {
        /* Whoever touches after this exchange is rung for at the end of this tick. */
        bool touched = __atomic_exchange_n(&bell->touched, false, __ATOMIC_SEQ_CST);
        quiet_ticks = touched ? 0 : quiet_ticks + 1;
        bell->silent = quiet_ticks >= TICKS_UNTIL_SILENT;
        while (bell->silent && !bell->stop)
            lock_wait(&bell->lock, &bell->changed);
        if (quiet_ticks >= TICKS_UNTIL_SILENT)
            quiet_ticks = 0;
        if (!bell->stop)
            wait_tick_locked(bell);
        lock_release(&bell->lock);
        lock_expect_none("who the bell rings for");
        bell->ring(bell->context);
        lock_acquire(&bell->lock);
    }
    lock_release(&bell->lock);
    return NULL;
}

struct bell *bell_new(void (*ring)(void *context), void *context, struct err *err)
{
    struct bell *bell = mem_alloc(sizeof(*bell), err);
    if (bell == NULL)
        return NULL;
    bell->ring = ring;
    bell->context = context;
    lock_init(&bell->lock, LOCK_BELL);
    clock_cond_init(&bell->changed);
    errno = pthread_create(&bell->thread, NULL, bell_main, bell);
    if (errno == 0)
        return bell;
    (void)FAIL_ERRNO(err, ERR_IO, "cannot start a thread");
    (void)pthread_cond_destroy(&bell->changed);
    lock_done(&bell->lock);
    free(bell);
    return NULL;
}

void bell_touch(struct bell *bell)
{
    if (__atomic_exchange_n(&bell->touched, true, __ATOMIC_SEQ_CST))
        return; /* the thread has not seen the touch before this one: it rings after it has */
    lock_acquire(&bell->lock);
    bool silent = bell->silent;
    bell->silent = false;
    if (silent)
        (void)pthread_cond_signal(&bell->changed);
    lock_release(&bell->lock);
}

void bell_free(struct bell *bell)
{
    if (bell == NULL)
        return;
    lock_acquire(&bell->lock);
    bell->stop = true;
    (void)pthread_cond_signal(&bell->changed);
    lock_release(&bell->lock);
    (void)pthread_join(bell->thread, NULL);
    (void)pthread_cond_destroy(&bell->changed);
    lock_done(&bell->lock);
    free(bell);
}
