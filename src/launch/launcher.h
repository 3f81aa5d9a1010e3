// SPDX-License-Identifier: Apache-2.0
/*
 * Starting, watching and stopping one enclave (docs/sandbox.md). Each app has a run folder and,
 * while it runs, a supervisor: a process of its own, `msed supervise RUN-FOLDER`, that outlives
 * msed. The supervisor owns everything that runs or is mounted for the app and takes it down when
 * it ends; the enclave dies with it.
 *
 *     launch.json       written by msed: what to start (model/launch_spec.h)
 *     supervisor.lock   locked while the supervisor lives
 *     status.json       the status as it is now, or was at the end
 *     control.sock      the same, pushed; takes requests (mode 0600)
 *     log, log.1        what the app wrote, newest in log
 *     supervisor.log    what the supervisor itself has to say
 *     node/             read by the enclave: tee.sock
 *     app.sock          msed's own: the app's users come through it (gateway/listener.h)
 *     leftovers         what a killed supervisor would leave behind, for launch_cleanup
 */
#pragma once

#include "base/buf.h"
#include "model/app_stats.h"
#include "model/launch_spec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The life of an enclave. The last two are final: the supervisor is about to end or has. */
enum launch_state {
    LAUNCH_SPAWNING,     /* the sandbox is being made */
    LAUNCH_LOCKED,       /* the enclave can be attested and waits for the key of its storage */
    LAUNCH_INITIALIZING, /* the enclave can be attested and waits for its secrets, or boots */
    LAUNCH_RUNNING,
    LAUNCH_STOPPED, /* it was asked to end */
    LAUNCH_FAILED,  /* it ended otherwise: reason, detail */
};

enum { LAUNCH_REASON_SIZE = 512, LAUNCH_DETAIL_SIZE = 8192, LAUNCH_LINE_MAX = 32 * 1024 };

struct launch_status {
    enum launch_state state;
    int64_t since;                   /* unix seconds of the last change of state */
    char reason[LAUNCH_REASON_SIZE]; /* LAUNCH_FAILED: one sentence */
    char call[32];                   /* the forbidden call that ended it, or "" */
    char detail[LAUNCH_DETAIL_SIZE]; /* LAUNCH_FAILED: the last lines of the log, Python's traceback
                                      */
    char limits[48]; /* what holds the app in: "cgroup v1", "rlimits (no cgroups)" */
    pid_t supervisor;
};

const char *launch_state_name(enum launch_state state);

/* Storage is a feature of its own (storage/); the program that links both hands it over. */
struct launch_storage {
    /* Makes the backing if it is not there and mounts it on the (existing) folder. */
    int (*mount)(const struct launch_spec *spec, const char *folder, struct err *err);
    /* Removes mounts and loop devices of the backing that a killed supervisor left. */
    int (*cleanup)(const char *backing, struct err *err);
};

/* --- for msed --- */

/* Can this machine run enclaves by this launcher ("process", "vm") at all? The error says what is
 * missing: a program and its Debian package, FUSE, user namespaces. */
int launch_probe(const char *launcher, bool with_quota, struct err *err) MUST_USE;
/* Starts a supervisor for the run folder, which holds launch.json; returns when the sandbox runs.
 * `program` is msed's own path (it becomes `program supervise RUN-FOLDER`). `app_fd` is the app's
 * listening Unix socket: the enclave accepts on it, and no name of it is in the sandbox, so the app
 * puts nothing in its place. It stays the caller's, who keeps it over the starts of one app: what
 * connects while no enclave runs waits in its queue. Errors: CONFLICT (it
 * runs already), and whatever the supervisor failed with, in its words. */
int launch_start(const char *program, const char *run_folder, int app_fd, struct err *err) MUST_USE;
/* Does a supervisor live there? */
bool launch_alive(const char *run_folder);
/* Connects to the supervisor: *ret_fd is a non-blocking stream of lines, first the status as it is,
 * then each change, closed by its end. Errors: NOT_FOUND, UNREACHABLE. */
int launch_attach(const char *run_folder, int *ret_fd, struct err *err) MUST_USE;
/* A line of that stream: the status, or what the enclave says of its server. */
struct launch_line {
    bool is_stats;
    struct launch_status status;
    struct app_stats stats;
};
/* One line without its end. */
int launch_line_decode(struct slice line, struct launch_line *ret, struct err *err) MUST_USE;
/* A line that is a status, or the contents of status.json. */
int launch_status_decode(struct slice line, struct launch_status *ret, struct err *err) MUST_USE;
/* The last status on disk; NOT_FOUND before the first start. */
int launch_status_read(const char *run_folder, struct launch_status *ret, struct err *err) MUST_USE;
/* Waits, for a moment at most, until the supervisor has written to the log what the app wrote
 * before this call. Nothing to wait for where none lives. */
void launch_catch_up(const char *run_folder);
/* Asks for the end: the enclave has grace_ms to finish its requests. Does not wait. */
int launch_request_stop(int fd, int grace_ms, struct err *err) MUST_USE;
/* Stops and waits until the supervisor is gone, at most grace_ms and what taking down needs.
 * 0 also when nothing runs. TIMEOUT: it still lives. */
int launch_stop(const char *run_folder, int grace_ms, struct err *err) MUST_USE;
/* Takes away what a killed supervisor left behind: processes, mounts, loop devices, cgroups,
 * sockets. 0 also when there is nothing. CONFLICT while a supervisor lives. */
int launch_cleanup(const char *run_folder, const struct launch_storage *storage,
                   struct err *err) MUST_USE;
/* --- the supervisor --- */

/* What launch_start gives a supervisor: a pipe, where there is one, and the app's socket. */
enum { LAUNCH_READY_FD = 3, LAUNCH_APP_FD = 4 };

/* The whole life of a supervisor; returns the exit status. */
int launch_supervise_main(const char *run_folder, const struct launch_storage *storage);

/* The whole life of the process beside QEMU in a VM's sandbox (`msed vm QEMU ARGUMENTS...`);
 * returns QEMU's exit status. `argv`: NULL behind the last. */
int launch_vm_main(const char *const *argv);
