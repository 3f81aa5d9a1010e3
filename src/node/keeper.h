// SPDX-License-Identifier: Apache-2.0
/*
 * The keeper of apps: brings each from what is wanted of it to that, and keeps it there. One thread
 * per app that should run, which sleeps nearly always; every step is in the store before it is
 * taken, so that the next msed goes on where this one was killed.
 */
#pragma once

#include "base/buf.h"
#include "node/environments.h"
#include "node/folders.h"
#include "gateway/gateway.h"
#include "node/layers.h"
#include "node/node_config.h"
#include "node/runner.h"
#include "node/timeline.h"
#include "store/store.h"

enum {
    KEEPER_UID_FIRST = 1000000, /* users of apps, when the node is root: one each, never shared */
    KEEPER_UID_COUNT = 1000000,

};

struct keeper;

struct keeper_options {
    const struct node_config *config;
    const struct folders *folders;
    const struct environments *environments;
    struct store *store;
    struct layers *layers;
    struct gateway *gateway;
    struct runner *runner;        /* how enclaves are started */
    const char *self;             /* path of msed, which is also the supervisor */
    const char *const *addresses; /* on which apps' own ports listen */
    size_t address_count;
    void (*read_clock)(struct timeline_reading *ret); /* NULL: timeline_read */
    /* Told of each new state, and of an app that was found running. NULL: nobody is. [its thread]
     */
    void (*state_changed)(void *context, const struct store_app *app);
    void *state_context;
};

/* Does each folder of apps/ belong to an app of the database, or to nothing that anybody may want?
 * Changes nothing: for before anything is listened on, stopped or removed. CONFLICT, with the
 * folder and what to do: the database is not the one that belongs to these folders. */
int keeper_check_folders(const struct folders *folders, struct store *store,
                         struct err *err) MUST_USE;
/* Everything in the options must outlive the keeper. */
int keeper_new(const struct keeper_options *options, struct keeper **ret, struct err *err) MUST_USE;
/* Finds running enclaves again, starts those that died, removes what was cut short. Says what it
 * did. An app that cannot be kept is on_error; the node starts all the same. Errors: as
 * keeper_check_folders, which comes first. */
int keeper_adopt(struct keeper *keeper, struct err *err) MUST_USE;
/* Stops every app, as keeper_stop does. */
void keeper_stop_all(struct keeper *keeper);
/* Ends the threads; enclaves run on. NULL is accepted. */
void keeper_free(struct keeper *keeper);

/* A new app whose checked package lies in `package` (moved to the app's folder). The keeper fills
 * in port and user. Errors: EXISTS, CONFLICT (name; or as store_app_create), BUSY (too many apps),
 * NO_ROOM (on the disk).
 * On success *ret is the app as it is now. */
int keeper_create(struct keeper *keeper, const struct store_app *app, const char *package,
                  const char *replaces, struct store_app *ret, struct err *err) MUST_USE;
/* A new release of an app that is there, by the same account. */
struct keeper_update {
    const struct store_app *app; /* as for keeper_create */
    const char *package;         /* moved to the app's folder */
    bool discard;                /* it begins with nothing stored; else with all that there is */
};
/* The release that runs ends, and the new one is started in its place, to be provisioned by its
 * owner. It is tried: until keeper_commit says that it is good, and where it fails or nobody says
 * so in time, the one before comes back, with its storage as it was. Returns when it is ordered;
 * *ret is the app, with the new release's number. Errors: NOT_FOUND, EXISTS (another account's),
 * CONFLICT (one is being tried already; another host name, another quota), BUSY, NO_ROOM. */
int keeper_update(struct keeper *keeper, const struct keeper_update *update, struct store_app *ret,
                  struct err *err) MUST_USE;
/* The release that is tried is live from now on; 0 also where it is. Errors: NOT_FOUND, CONFLICT
 * (it does not run, or is not tried any more). */
int keeper_commit(struct keeper *keeper, const char *id, int64_t number, struct err *err) MUST_USE;
/* Takes a release back that is being tried; where there is none, or `number` is not 0, tries an
 * earlier one (0: the newest of them) with what is stored now: it is live when it runs from what is
 * sealed for it, without its owner. Errors: NOT_FOUND, CONFLICT, NO_ROOM. */
int keeper_rollback(struct keeper *keeper, const char *id, int64_t number,
                    struct err *err) MUST_USE;
/* NOT_FOUND. */
int keeper_get(struct keeper *keeper, const char *id, struct store_app *ret,
               struct err *err) MUST_USE;
/* Is it an app that is not stopped? A look into memory. */
bool keeper_has(struct keeper *keeper, const char *id);
/* Stops the app and destroys its storage and its keys; returns when that is done. 0 also where it
 * was stopped already. */
int keeper_stop(struct keeper *keeper, const char *id, struct err *err) MUST_USE;
/* Ends the enclave and starts it again from its sealed state; returns when it has been asked to.
 * `expires`: its new expiry, 0: as it is. CONFLICT: stopped, it was never provisioned, or it has
 * expired and no new expiry is given. */
int keeper_restart(struct keeper *keeper, const char *id, int64_t expires,
                   struct err *err) MUST_USE;
/* Ends the enclave and keeps everything, address included, until keeper_restart; returns when it
 * has been asked to. 0 also where it is paused. CONFLICT: stopped, expired, a release of it is
 * being tried, or it never ran. */
int keeper_pause(struct keeper *keeper, const char *id, struct err *err) MUST_USE;
/* Looks at the wall clock, and once a minute remembers it in the store while it is believed. Call
 * every few seconds. */
void keeper_tick(struct keeper *keeper);
/* Is the wall clock believed now? Nothing expires while it is not. */
bool keeper_clock_believed(struct keeper *keeper);
/* How long an expired app's storage is kept from now on, in seconds. */
int64_t keeper_kept_left(const struct keeper *keeper, const struct store_app *app);
/* Bytes on disk that hold what the app stored; 0 where it has nothing. */
int64_t keeper_storage_used(const struct keeper *keeper, const struct store_app *app);
/* What the enclave that runs now has reported of its server last. */
struct keeper_stats {
    int64_t reported; /* unix seconds; 0: nothing yet, or it does not run */
    struct app_stats counters;
};
void keeper_stats(struct keeper *keeper, const char *id, struct keeper_stats *ret);
/* Waits for a moment until the log has what the app wrote before this call. */
void keeper_catch_up(const struct keeper *keeper, const char *id);
/* Path of the log of a release of the app, 0: of the last; the caller frees. It may not exist.
 * NOT_FOUND: it had no release of that number, or it is forgotten. */
char *keeper_log_path(struct keeper *keeper, const char *id, int64_t release,
                      struct err *err) MUST_USE;
/* Forgets a stopped app: its record, its events, its logs. CONFLICT: it is not stopped, perhaps
 * because it was deployed again meanwhile. */
int keeper_forget(struct keeper *keeper, const char *id, struct err *err) MUST_USE;
