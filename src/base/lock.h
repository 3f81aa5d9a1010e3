// SPDX-License-Identifier: Apache-2.0
/*
 * Mutexes with a place in one order. A thread takes a lock only while every lock that it holds
 * stands above it in the list below: so no two threads can wait for each other. Locks that are
 * never held together have a place all the same.
 *
 * Two more rules keep that true where nobody looks: no callback runs under a lock (the called may
 * take any lock, so what is handed to others is collected first), and nobody waits for a condition
 * while it holds a second lock.
 *
 * With -Dlock_checks=true each of these is checked whenever a lock is taken, waited with, or a
 * callback is about to be called: a violation ends the program and names both locks. Otherwise it
 * costs nothing.
 */
#pragma once

#include "base/lock.h"

#include <pthread.h>
#include <time.h>

/* Outermost first. */
#define LOCK_ORDER(X)                                                                              \
    X(UI, "the terminal's last line")                                                              \
    X(PACK_RING, "the ring of the packing threads")                                                \
    X(PROVISION, "what was provisioned")                                                           \
    X(IDENTITY, "the enclave's identity")                                                          \
    X(BROKER, "questions to pid 1")                                                                \
    X(FRONT, "requests to the enclave itself")                                                     \
    X(WORKERS, "the WSGI workers")                                                                 \
    X(SERVE, "the start and end of Python")                                                        \
    X(BELL, "the bell")                                                                            \
    X(WATCHDOG, "the watchdog of Python")                                                          \
    X(ASGI, "the ASGI loop")                                                                       \
    X(KEEPER_CREATING, "the creation of an app")                                                   \
    X(KEEPER, "the list of apps")                                                                  \
    X(STAPLER, "the apps that want collateral")                                                    \
    X(LAYERS, "the layers being built")                                                            \
    X(API_SLOTS, "the API's slots")                                                                \
    X(LOG_STREAMS, "the logs being read")                                                          \
    X(STORE, "the state database")                                                                 \
    X(HTTP_SERVER, "the connections of a server")                                                  \
    X(EXCHANGE, "an HTTP exchange")                                                                \
    X(ACCESS_LOG, "the access log")                                                                \
    X(TLS_SERVER, "a TLS server's configuration")                                                  \
    X(TLS_STATE, "a TLS server's tickets and staple")                                              \
    X(UNION_NAMES, "the names of the app's folder")                                                \
    X(UNION_ROOM, "the size of the app's /tmp")                                                    \
    X(UNION_TABLE, "the nodes of the app's folder")

enum lock_rank {
#define LOCK_ENUM(name, text) LOCK_##name,
    LOCK_ORDER(LOCK_ENUM)
#undef LOCK_ENUM
        LOCK_RANK_COUNT
};

struct lock {
    pthread_mutex_t mutex;
    enum lock_rank rank;
};

#define LOCK_INIT(rank_)                                                                           \
    {                                                                                              \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .rank = (rank_)                                        \
    }

#ifdef MSE_LOCK_CHECKS
void lock_note_acquire(const struct lock *lock);
void lock_note_release(const struct lock *lock);
void lock_note_wait(const struct lock *lock);
/* Call before a callback: the thread must hold no lock. `what` names the callback. */
void lock_expect_none(const char *what);
#else
static inline void lock_note_acquire(const struct lock *lock)
{
    (void)lock;
}
static inline void lock_note_release(const struct lock *lock)
{
    (void)lock;
}
static inline void lock_note_wait(const struct lock *lock)
{
    (void)lock;
}
static inline void lock_expect_none(const char *what)
{
    (void)what;
}
#endif

static inline void lock_init(struct lock *lock, enum lock_rank rank)
{
    (void)pthread_mutex_init(&lock->mutex, NULL);
    lock->rank = rank;
}

static inline void lock_done(struct lock *lock)
{
    (void)pthread_mutex_destroy(&lock->mutex);
}

static inline void lock_acquire(struct lock *lock)
{
    lock_note_acquire(lock);
    (void)pthread_mutex_lock(&lock->mutex);
}

static inline void lock_release(struct lock *lock)
{
    lock_note_release(lock);
    (void)pthread_mutex_unlock(&lock->mutex);
}

/* Waits for `condition` with the lock. */
static inline void lock_wait(struct lock *lock, pthread_cond_t *condition)
{
    lock_note_wait(lock);
    (void)pthread_cond_wait(condition, &lock->mutex);
}

/* The same until a time of the condition's clock. 0 or ETIMEDOUT. */
static inline int lock_wait_until(struct lock *lock, pthread_cond_t *condition,
                                  const struct timespec *until)
{
    lock_note_wait(lock);
    return pthread_cond_timedwait(condition, &lock->mutex, until);
}
