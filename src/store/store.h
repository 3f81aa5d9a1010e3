// SPDX-License-Identifier: Apache-2.0
/*
 * What the node must remember over its own death: which apps there are, what was wanted of them
 * and how far that got, which layers of packages were built, and what happened. One `const` struct
 * of functions per database; sqlite.c is the embedded default.
 *
 * Every step of an app's life is one committed transaction: `desired` is what the owner asked for,
 * `state` is what the node last observed. After a kill at any moment the difference between the two
 * is the work that is left.
 *
 * All functions may be called from every thread; each blocks until its transaction is on disk.
 * Nothing secret is ever stored: the node has no secret but its simulation root, a file of its own.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STORE_ID_SIZE = 37,
    STORE_NAME_SIZE = 129,
    STORE_OWNER_SIZE = 80,
    STORE_DIGEST_SIZE = 65, /* lower-case hexadecimal of SHA-256 */
    STORE_HOST_NAME_SIZE = 254,
    STORE_REASON_SIZE = 4096,
    STORE_EVENT_SIZE = 1024,
};

enum store_state {
    STORE_SPAWNING,
    STORE_INITIALIZING,
    STORE_RUNNING,
    STORE_ON_ERROR,
    STORE_STOPPED,
    STORE_EXPIRED,  /* ended by its expiry; what it stored is kept for a while */
    STORE_CRASHING, /* its enclave has died; the next starts after a pause */
    STORE_LOCKED,   /* its enclave waits for the key of its storage */
    STORE_PAUSED,   /* ended by its owner, who keeps everything */
};
enum store_desired { STORE_DESIRED_RUN, STORE_DESIRED_STOP };

/* A new release takes an app's place in steps, each on disk before it is taken. */
enum store_trial {
    STORE_TRIAL_NONE,
    STORE_TRIAL_PREPARING, /* the live release ends, and its storage is put aside or copied */
    STORE_TRIAL_RUNNING,   /* `release` runs, and nobody has said yet that it is good */
    STORE_TRIAL_REVERTING, /* back to `fallback`, with its storage as it was */
};

struct store_app {
    char id[STORE_ID_SIZE];
    char owner[STORE_OWNER_SIZE]; /* "uid:1000", "token:NAME" */
    char project[STORE_NAME_SIZE];
    char name[STORE_NAME_SIZE];
    char resource[STORE_NAME_SIZE];    /* hardware profile */
    char environment[STORE_NAME_SIZE]; /* resolved name */
    char layer[STORE_DIGEST_SIZE];     /* key of its layer, "" where it needs none */
    char fingerprint[STORE_DIGEST_SIZE];
    char host_name[STORE_HOST_NAME_SIZE]; /* that its certificate is for */
    char reason[STORE_REASON_SIZE];       /* why it is on_error or stopped, or of its last crash */
    int64_t state;                        /* enum store_state */
    int64_t desired;                      /* enum store_desired */
    int64_t provisioned; /* it was running once: its sealed state can open without owner */
    int64_t port;        /* of its own listener, 0 where it is reached by SNI */
    int64_t run_uid;     /* Unix user of its processes, 0: the node's own */
    int64_t quota_bytes;
    int64_t created; /* unix seconds */
    int64_t updated;
    int64_t started; /* last time it reached running, 0 never */
    int64_t expires; /* 0: never */
    int64_t restarts;
    int64_t quick_crashes; /* in a row, each soon after the one before */
    int64_t kept_s;        /* expired: how long it has been kept since, as the node saw it pass */
    int64_t memory_bytes;  /* that it may use; 0: made by a version that did not write it here */
    int64_t release;       /* number of the one that runs; 0: made before there were any, so 1 */
    int64_t fallback;      /* while one is tried: that which ran before it */
    int64_t trial;         /* enum store_trial */
    int64_t hold;          /* its enclave waits for the owner also where it has sealed secrets */
};

enum store_release_state {
    STORE_RELEASE_TRIED,
    STORE_RELEASE_LIVE,
    STORE_RELEASE_PREVIOUS, /* was live; its package is kept */
    STORE_RELEASE_FAILED,   /* never was; its package is gone */
};

/* What differs from one release of an app to the next; members as in struct store_app. */
struct store_release {
    char app[STORE_ID_SIZE];
    int64_t number; /* from 1, never used again in an app's life */
    char resource[STORE_NAME_SIZE];
    char environment[STORE_NAME_SIZE];
    char layer[STORE_DIGEST_SIZE];
    char fingerprint[STORE_DIGEST_SIZE];
    int64_t memory_bytes;
    int64_t quota_bytes;
    int64_t created;                /* unix seconds */
    int64_t state;                  /* enum store_release_state */
    char reason[STORE_REASON_SIZE]; /* why it failed, "" otherwise */
};

/* One moment: what the wall clock said, and which second of which boot it was. */
struct store_clock {
    int64_t wall; /* unix seconds */
    int64_t since_boot;
    char boot[STORE_ID_SIZE]; /* the kernel's id of the boot, "" unknown */
};

struct store_filter {
    const char *owner;   /* NULL: any; these four are exact matches */
    const char *project; /* NULL: any */
    const char *name;    /* NULL: any */
    bool wanted_only;    /* desired = run */
};

enum store_layer_state { STORE_LAYER_BUILDING, STORE_LAYER_READY };

struct store_layer {
    char key[STORE_DIGEST_SIZE];
    char environment[STORE_NAME_SIZE];
    int64_t state; /* enum store_layer_state */
    int64_t size_bytes;
    int64_t created;
    int64_t last_used;
};

struct store_event {
    char app[STORE_ID_SIZE]; /* "" : of the node */
    int64_t time;            /* unix seconds */
    char text[STORE_EVENT_SIZE];
};

/* Called once per row, without a lock and outside of any transaction: it may call the store and
 * take its time. What others change meanwhile is seen or not; nothing is seen twice. -1 ends the
 * listing as a failure. */
typedef int (*store_app_fn)(void *context, const struct store_app *app, struct err *err);
typedef int (*store_release_fn)(void *context, const struct store_release *release,
                                struct err *err);
typedef int (*store_layer_fn)(void *context, const struct store_layer *layer, struct err *err);
typedef int (*store_event_fn)(void *context, const struct store_event *event, struct err *err);

struct store;

/* Errors common to all: IO (also a full disk), INVALID (the database is damaged), BUSY. */
struct store_class {
    const char *name;
    void (*close)(struct store *store);
    /* Inserts; a stopped app of this id is forgotten, but for its events. `replaces` (may be NULL)
     * is an app of the same owner whose desired state becomes STOP in the same transaction. EXISTS:
     * the id is taken; CONFLICT: another app that should run has this project and name (the message
     * names its id), or the port, or the user. */
    int (*app_create)(struct store *store, const struct store_app *app, const char *replaces,
                      struct err *err);
    /* Overwrites the row of app->id. NOT_FOUND. */
    int (*app_save)(struct store *store, const struct store_app *app, struct err *err);
    int (*app_get)(struct store *store, const char *id, struct store_app *ret, struct err *err);
    /* Oldest first. */
    int (*app_each)(struct store *store, const struct store_filter *filter, store_app_fn fn,
                    void *context, struct err *err);
    /* Forgets the app, its releases and its events; 0 also where there is none. */
    int (*app_delete)(struct store *store, const char *id, struct err *err);
    /* Overwrites the one of this app and number, or adds it. */
    int (*release_save)(struct store *store, const struct store_release *release, struct err *err);
    /* NOT_FOUND. */
    int (*release_get)(struct store *store, const char *app, int64_t number,
                       struct store_release *ret, struct err *err);
    /* Newest first. */
    int (*release_each)(struct store *store, const char *app, store_release_fn fn, void *context,
                        struct err *err);
    int (*release_delete)(struct store *store, const char *app, int64_t number, struct err *err);
    /* The moment that the node was sure of last. NOT_FOUND: none yet. */
    int (*clock_save)(struct store *store, const struct store_clock *clock, struct err *err);
    int (*clock_get)(struct store *store, struct store_clock *ret, struct err *err);
    int (*layer_save)(struct store *store, const struct store_layer *layer, struct err *err);
    int (*layer_get)(struct store *store, const char *key, struct store_layer *ret,
                     struct err *err);
    int (*layer_each)(struct store *store, store_layer_fn fn, void *context, struct err *err);
    int (*layer_delete)(struct store *store, const char *key, struct err *err);
    /* Keeps the last STORE_EVENTS_KEPT of each app. */
    int (*event_add)(struct store *store, const struct store_event *event, struct err *err);
    /* Newest first, at most `limit`. */
    int (*event_each)(struct store *store, const char *app, int64_t limit, store_event_fn fn,
                      void *context, struct err *err);
};

enum { STORE_EVENTS_KEPT = 200 };

struct store {
    const struct store_class *class;
};

const char *store_state_name(int64_t state);
/* The number of the release that runs, also of an app that was made before there were any. */
int64_t store_release_number(const struct store_app *app);
const char *store_trial_name(int64_t trial);
const char *store_release_state_name(int64_t state);

struct store_sqlite_options {
    const char *path;  /* made with mode 0600 where it does not exist */
    int64_t max_pages; /* upper limit of its size, 0: none */
};
/* Opens or makes the database and brings its schema up to date. UNSUPPORTED: written by a newer
 * version; INVALID: not a database, or damaged. The caller closes with store_close. */
int store_sqlite_open(const struct store_sqlite_options *options, struct store **ret,
                      struct err *err) MUST_USE;
/* NULL is accepted. */
void store_close(struct store *store);
DEFINE_CLEANUP(store_cleanup, struct store *, store_close)
#define AUTO_STORE __attribute__((cleanup(store_cleanup)))

int store_app_create(struct store *store, const struct store_app *app, const char *replaces,
                     struct err *err) MUST_USE;
int store_app_save(struct store *store, const struct store_app *app, struct err *err) MUST_USE;
int store_app_get(struct store *store, const char *id, struct store_app *ret,
                  struct err *err) MUST_USE;
int store_app_each(struct store *store, const struct store_filter *filter, store_app_fn fn,
                   void *context, struct err *err) MUST_USE;
int store_app_delete(struct store *store, const char *id, struct err *err) MUST_USE;
int store_release_save(struct store *store, const struct store_release *release,
                       struct err *err) MUST_USE;
int store_release_get(struct store *store, const char *app, int64_t number,
                      struct store_release *ret, struct err *err) MUST_USE;
int store_release_each(struct store *store, const char *app, store_release_fn fn, void *context,
                       struct err *err) MUST_USE;
int store_release_delete(struct store *store, const char *app, int64_t number,
                         struct err *err) MUST_USE;
int store_clock_save(struct store *store, const struct store_clock *clock,
                     struct err *err) MUST_USE;
int store_clock_get(struct store *store, struct store_clock *ret, struct err *err) MUST_USE;
int store_layer_save(struct store *store, const struct store_layer *layer,
                     struct err *err) MUST_USE;
int store_layer_get(struct store *store, const char *key, struct store_layer *ret,
                    struct err *err) MUST_USE;
int store_layer_each(struct store *store, store_layer_fn fn, void *context,
                     struct err *err) MUST_USE;
int store_layer_delete(struct store *store, const char *key, struct err *err) MUST_USE;
int store_event_add(struct store *store, const struct store_event *event, struct err *err) MUST_USE;
int store_event_each(struct store *store, const char *app, int64_t limit, store_event_fn fn,
                     void *context, struct err *err) MUST_USE;
