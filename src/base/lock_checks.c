// SPDX-License-Identifier: Apache-2.0
/*
 * The checker of the order of locks, part of builds with -Dlock_checks=true alone. Owns each
 * thread's list of the locks that it holds. Ends the program at a violation, before the thread can
 * come to wait for ever: a test then fails with the two names, on every run and not on one of
 * twenty.
 */
#include "base/lock.h"

#include <stdio.h>
#include <stdlib.h>

enum { HELD_MAX = 16 };

static _Thread_local const struct lock *held[HELD_MAX];
static _Thread_local unsigned held_count;

static const char *name_of(const struct lock *lock)
{
    static const char *const names[] = {
#define LOCK_NAME(name, text) [LOCK_##name] = #name " (" text ")",
        LOCK_ORDER(LOCK_NAME)
#undef LOCK_NAME
    };
    return (unsigned)lock->rank < LOCK_RANK_COUNT ? names[lock->rank] : "a lock without a rank";
}

static _Noreturn void violation(const char *what, const char *wanted, const struct lock *other)
{
    (void)fprintf(stderr, "lock order: %s %s while %s is held\n", wanted, what, name_of(other));
    abort();
}

void lock_note_acquire(const struct lock *lock)
{
    for (unsigned i = 0; i < held_count; i++) {
        if (held[i]->rank >= lock->rank)
            violation("is wanted", name_of(lock), held[i]);
    }
    if (held_count == HELD_MAX)
        violation("is wanted as one too many", name_of(lock), held[held_count - 1]);
    held[held_count++] = lock;
}

void lock_note_release(const struct lock *lock)
{
    for (unsigned i = held_count; i > 0; i--) {
        if (held[i - 1] != lock)
            continue;
        for (unsigned j = i; j < held_count; j++)
            held[j - 1] = held[j];
        held_count--;
        return;
    }
    (void)fprintf(stderr, "lock order: %s is released by a thread that does not hold it\n",
                  name_of(lock));
    abort();
}

void lock_note_wait(const struct lock *lock)
{
    if (held_count == 1 && held[0] == lock)
        return;
    for (unsigned i = 0; i < held_count; i++) {
        if (held[i] != lock)
            violation("is waited with", name_of(lock), held[i]);
    }
    (void)fprintf(stderr, "lock order: %s is waited with by a thread that does not hold it\n",
                  name_of(lock));
    abort();
}

void lock_expect_none(const char *what)
{
    if (held_count > 0)
        violation("is called", what, held[held_count - 1]);
}
