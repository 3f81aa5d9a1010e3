// SPDX-License-Identifier: Apache-2.0
/*
 * Starting other programs: argument vector (never a shell), an environment made from nothing,
 * only the descriptors that are named, an own process group on request.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <sys/types.h>

struct process_fd {
    int from; /* descriptor in this process, stays open here */
    int to;   /* its number in the child */
};

struct process_spec {
    const char *const *argv;      /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;       /* NULL-terminated "NAME=value"; NULL: empty environment */
    const struct process_fd *fds; /* everything else is closed; 0-2 default to /dev/null */
    size_t fd_count;
    const char *folder;   /* working folder, NULL: as it is */
    bool new_session;     /* setsid() */
    bool die_with_parent; /* SIGKILL when the parent thread ends */
    bool set_ids;         /* drop to uid/gid below with no supplementary groups */
    uid_t uid;
    gid_t gid;
    /* May be NULL. Runs in the child with the parent's rights, before the ids change: system calls
     * only, -1 with errno. */
    int (*prepare)(const struct process_spec *spec);
    /* Of process_run alone; both may be NULL. `started` runs once it has started, `watch` about
     * every `watch_ms`: a failure of theirs ends the process and is the run's. */
    int (*started)(void *context, pid_t pid, struct err *err);
    int (*watch)(void *context, struct err *err);
    void *context;
    int watch_ms;
};

/* Returns once exec has succeeded; a failing exec is reported here, with its errno. */
int process_start(const struct process_spec *spec, pid_t *ret, struct err *err) MUST_USE;
/* Waits; *ret_status as waitpid gives it. */
int process_wait(pid_t pid, int *ret_status, struct err *err) MUST_USE;
/* SIGTERM, up to `grace_ms` of patience, SIGKILL; reaps. */
void process_stop(pid_t pid, int grace_ms);
/* "exit status 1", "signal 9 (Killed)". */
void process_status_text(int status, char *text, size_t size);

/* Runs to the end with standard input from `input` (may be empty) and collects standard output
 * and standard error (each bounded by its buffer's max; more is dropped). Kills after timeout_ms.
 */
int process_run(const struct process_spec *spec, struct slice input, struct buf *out,
                struct buf *errors, int timeout_ms, int *ret_status, struct err *err) MUST_USE;

/* Full path of a program in PATH plus the usual system folders; ERR_NOT_FOUND names the Debian
 * package that has it when `package` is not NULL. The caller frees *ret. */
int process_find(const char *program, const char *package, char **ret, struct err *err) MUST_USE;

/* Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat): together with
 * the pid it names one process for good. ERR_NOT_FOUND when there is none. */
int process_start_time(pid_t pid, unsigned long long *ret, struct err *err) MUST_USE;
/* Its parent (field 4). ERR_NOT_FOUND when there is none. */
int process_parent(pid_t pid, pid_t *ret, struct err *err) MUST_USE;
