// SPDX-License-Identifier: Apache-2.0
/*
 * The enclave gives up, for good, what an app must never have: capabilities, new processes,
 * tracing, mounts, namespaces, keyrings, raw sockets. Called once by the enclave between unlocking
 * the storage and importing the app.
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

/* How the process exits after a forbidden call (exit_group of all threads). */
enum { CONFINE_EXIT_STATUS = 86 };

/* Mounts a /proc that will show our own process and no other, once confine_self has closed the
 * others to us: they run as the same user, but without our filter, and through the memory of one
 * that has no capability either (the sandbox's init) the app could do all that it may not itself.
 * What starts later is hidden too. Needs CAP_SYS_ADMIN and a mount namespace of our own, so it
 * comes before confine_self. */
int confine_hide_neighbours(struct err *err) MUST_USE;

/* What becomes of fork, vfork, clone of a process, execve and execveat. No process comes of either.
 */
enum confine_new_processes {
    CONFINE_REFUSE, /* the call fails with EPERM */
    CONFINE_END,    /* the app ends at the call */
};

struct confine_options {
    enum confine_new_processes new_processes;
    /* CONFINE_END: where one JSON line goes when the app makes a forbidden call:
     * {"event":"forbidden","call":"fork","thread":7}. -1: nowhere. Stays owned by the caller and
     * must stay open. */
    int status_fd;
    /* CONFINE_END: called after that line and before the exit, on a thread of ours, while the
     * calling thread stands still inside its forbidden call. Meant to write that thread's Python
     * traceback. It may take no lock and allocate nothing: the standing thread may hold any lock,
     * malloc's and the GIL included. May be NULL. */
    void (*on_forbidden)(pid_t thread);
    /* CONFINE_REFUSE: called with the name of the call, in a signal handler of the thread that made
     * it, before it goes on: only what is safe there. Not for each call: a thread that blocks the
     * signal, or makes thousands of such calls, is heard less often. May be NULL. */
    void (*on_refused)(const char *call);
};

/* For CONFINE_REFUSE, before confine_self: forks the process that refuses (guard.c). Call it before
 * any secret is in memory. */
int confine_start_guard(struct err *err) MUST_USE;

/* Must be called while the process has one thread (capabilities belong to threads): otherwise
 * ERR_CONFLICT. What is done, in this order: core dumps off; all capability sets emptied;
 * no_new_privs; the Landlock domain; the seccomp filter (src/confine/filter.c has the table) and
 * what listens to it. A failure leaves the process partly confined: the caller must end. */
int confine_self(const struct confine_options *options, struct err *err) MUST_USE;
