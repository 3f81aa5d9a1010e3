// SPDX-License-Identifier: Apache-2.0
/*
 * What the keeper's files share: keeper.c has the list and the calls of others, adopt.c the start,
 * minder.c the thread of one app.
 */
#pragma once

#include "base/lock.h"
#include "node/keeper.h"
#include "gateway/listener.h"
#include "node/runner.h"

#include <pthread.h>

enum keeper_order {
    ORDER_NONE,
    ORDER_RESTART,
    ORDER_PAUSE,
    ORDER_TRY,    /* `tried` */
    ORDER_COMMIT, /* the release that is tried is good */
    ORDER_REVERT, /* it is not */
    ORDER_CLOSE,
};

/* A release that is to take the place of the one that runs. */
struct keeper_next {
    struct store_release release;
    bool discard; /* it begins with nothing stored */
    bool hold;    /* its owner comes with secrets; else it is good when it runs from sealed ones */
    bool dated;   /* it has an expiry of its own: the next field, 0: it never expires */
    int64_t expires;
};

/* An app that is not stopped. Fields below `mutex_guarded` belong to the keeper's mutex. */
struct kept {
    struct keeper *keeper;
    char id[STORE_ID_SIZE];
    char *folder; /* apps/ID */
    pthread_t thread;
    int wake_fd;      /* eventfd */
    int control_fd;   /* news of the enclave, -1: none attached. The minder's alone. */
    int app_fd;       /* the app's listening socket, kept over restarts. The minder's alone. */
    bool adopted;     /* it may be running already */
    bool routed;      /* the gateway has its route. The minder's alone. */
    int64_t since_ms; /* monotonic: when its state began, or was adopted. The minder's alone. */

    struct kept *next; /* mutex_guarded */
    struct store_app app;
    struct keeper_stats stats;
    enum keeper_order order;
    struct keeper_next tried; /* with ORDER_TRY */
    unsigned users;           /* the list, its thread, and whoever waits for it */
    bool finished;            /* stopped, and everything gone */
    unsigned failed_stops;
    struct err stop_error; /* of the last of them */
};

struct keeper {
    struct keeper_options options;
    struct lock mutex;
    pthread_cond_t changed; /* an app has finished */
    struct lock creating;
    struct kept *apps;
    unsigned threads;
    struct timeline timeline; /* with the mutex */
    bool believed;            /* what it said last */
    int64_t saved_ms;         /* when it was stored last; keeper_tick's alone */
};

/* *ret_wall: unix seconds; false: they are not to be believed. */
bool keeper_clock(struct keeper *keeper, int64_t *ret_wall);

struct keeper_insertion {
    bool adopted; /* its enclave may be running already */
    bool routed;  /* the gateway has its route */
};
/* Takes an app into the list and starts its thread. */
int keeper_insert(struct keeper *keeper, const struct store_app *app,
                  const struct keeper_insertion *insertion, struct err *err) MUST_USE;

/* The thread of one app. */
void *minder_run(void *kept);
/* For trial.c, on that thread: the record as it is; the order that this turn carries out is taken,
 * one that came after it stays; the next state of the record, on disk and told; the end of the
 * enclave, whatever it is. */
struct store_app minder_current(struct kept *kept);
void minder_take_order(struct kept *kept, enum keeper_order order);
void minder_publish(struct kept *kept, struct store_app *app);
void minder_end_enclave(struct kept *kept);

/* trial.c: a new release takes the place of the one that runs, for good or not. All on the app's
 * thread; whatever is cut short is gone on with by trial_adopt. */
void trial_begin(struct kept *kept);
void trial_commit(struct kept *kept);
void trial_revert(struct kept *kept, const char *reason);
/* After a start of the node, before anything else is done with the app. */
void trial_adopt(struct kept *kept);

/* releases.c: what of an app is its release. */
void release_of_app(const struct store_app *app, struct store_release *ret);
/* With the mutex. NULL: there is none. */
struct kept *keeper_find(const struct keeper *keeper, const char *id);
void keeper_wake(const struct kept *kept);
/* May this app have what it wants, if `replaces` gives way? As admission_check. */
int keeper_admit(struct keeper *keeper, const struct store_app *app, const char *replaces,
                 struct err *err) MUST_USE;
/* Opens the app to its users: its port, or its name, which it takes over from the app `replaces`
 * (NULL: from none). It holds them until the route is removed, when the app is. CONFLICT: taken. */
int keeper_add_route(const struct keeper *keeper, const struct store_app *app, const char *replaces,
                     struct err *err) MUST_USE;
void keeper_event(struct keeper *keeper, const char *id, const char *text);
/* Takes an app off the list. Call with the mutex. */
void keeper_take_out(struct keeper *keeper, struct kept *kept);
/* Gives a hold on an app back. Call with the mutex. */
void kept_release(struct kept *kept);
