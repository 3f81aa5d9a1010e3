// SPDX-License-Identifier: Apache-2.0
/*
 * How the keeper reaches enclaves: a table of functions, so that it can be tested without any. The
 * real one is node/runner_launch.c, over launch/ and storage/.
 */
#pragma once

#include "base/err.h"
#include "model/app_stats.h"
#include "store/store.h"

struct runner_spec {
    const struct store_app *app;
    const char *folder;  /* the app's own */
    const char *package; /* folder of the release's package */
    const char *layer;   /* folder, NULL: none */
    const char *runtime; /* digest of the mse-enclave that its manifest names */
    int app_fd;          /* the app's listening socket; stays the caller's */
    uint64_t memory_bytes;
    uint64_t cpu_millis;
    uint64_t key_epoch;
};

enum runner_news {
    RUNNER_LOCKED,
    RUNNER_INITIALIZING,
    RUNNER_RUNNING,
    RUNNER_STATS, /* `stats` are what its server counts now */
    RUNNER_ENDED, /* the enclave is gone; `reason` says why */
};

struct runner_event {
    enum runner_news news;
    char reason[STORE_REASON_SIZE];
    struct app_stats stats;
};

struct runner;

/* All of an app is named by its folder, so that everything can be found again after a kill. */
struct runner_class {
    /* Starts an enclave that outlives this process. */
    int (*start)(struct runner *runner, const struct runner_spec *spec, struct err *err);
    /* A descriptor that becomes readable when there is news, of an enclave started by this or an
     * earlier process. What it is now comes as the first news. NOT_FOUND: there is none. */
    int (*attach)(struct runner *runner, const char *folder, int *ret_fd, struct err *err);
    /* Takes one piece of news. *ret_any false: nothing yet. fd -1: how the enclave that was
     * started last has ended, if it has. */
    int (*news)(struct runner *runner, const char *folder, int fd, struct runner_event *ret,
                bool *ret_any, struct err *err);
    /* Ends the enclave if there is one, gently first; returns when it is gone, with everything that
     * it had but its storage and its log. */
    int (*stop)(struct runner *runner, const char *folder, struct err *err);
    /* Takes all of the room on disk that the app's quota promises; 0 also where it has it. While
     * the enclave runs as well. Errors: NO_ROOM, UNSUPPORTED (the file system cannot). */
    int (*reserve)(struct runner *runner, const char *folder, const struct store_app *app,
                   struct err *err);
    /* Waits for a moment until the log has what the app wrote before. */
    void (*catch_up)(struct runner *runner, const char *folder);
    /* Bytes that hold what the app stored. */
    int64_t (*used)(struct runner *runner, const char *folder);
    /* What the app stored, around the trial of a new release; after stop. As the functions of these
     * names in storage/storage.h. */
    int (*put_aside)(struct runner *runner, const char *folder, bool leave_copy, struct err *err);
    int (*put_back)(struct runner *runner, const char *folder, struct err *err);
    int (*forget_aside)(struct runner *runner, const char *folder, struct err *err);
    /* Destroys what the app stored. After stop. */
    int (*destroy)(struct runner *runner, const char *folder, struct err *err);
};

struct runner {
    const struct runner_class *class;
};
