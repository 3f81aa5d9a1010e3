// SPDX-License-Identifier: Apache-2.0
/*
 * What others ask of an app's releases: a new one, that it is good, an earlier one again. Runs in
 * msed, on the threads of requests; the app's own thread does it (trial.c).
 */
#include "base/clock.h"
#include "base/file.h"
#include "launch/cgroup.h"
#include "node/app_folder.h"
#include "node/keeper_internal.h"
#include "node/room.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void release_of_app(const struct store_app *app, struct store_release *ret)
{
    *ret = (struct store_release){
        .number = store_release_number(app),
        .memory_bytes = app->memory_bytes,
        .quota_bytes = app->quota_bytes,
        .created = app->created,
        .state = STORE_RELEASE_LIVE,
    };
    memcpy(ret->app, app->id, sizeof(ret->app));
    memcpy(ret->resource, app->resource, sizeof(ret->resource));
    memcpy(ret->environment, app->environment, sizeof(ret->environment));
    memcpy(ret->layer, app->layer, sizeof(ret->layer));
    memcpy(ret->fingerprint, app->fingerprint, sizeof(ret->fingerprint));
}

static int fail_under_trial(const char *id, struct err *err)
{
    (void)FAIL(err, ERR_CONFLICT, "another release of app %s is being tried", id);
    err_hint(err, "wait until that has ended, or end it with 'mse rollback'");
    return -1;
}

/* It does one thing after another, each in a moment. */
static int fail_order_waits(const char *id, struct err *err)
{
    (void)FAIL(err, ERR_CONFLICT, "app %s has not done yet what it was asked to before", id);
    err_hint(err, "try again in a moment");
    return -1;
}

/* --- a new release --- */

static int find_number(void *context, const struct store_release *release, struct err *err)
{
    (void)err;
    int64_t *last = context;
    *last = release->number > *last ? release->number : *last;
    return 0;
}

/* The number after all that there were. Apps of older versions have no record of their first. */
static int next_number(struct keeper *keeper, const struct store_app *app, int64_t *ret,
                       struct err *err)
{
    struct store *store = keeper->options.store;
    struct store_release live;
    struct err unknown = ERR_INIT;
    int64_t last = store_release_number(app);
    if (store_release_get(store, app->id, last, &live, &unknown) < 0) {
        release_of_app(app, &live);
        if (unknown.kind != ERR_NOT_FOUND || store_release_save(store, &live, err) < 0) {
            if (err->kind == ERR_NONE)
                *err = unknown;
            return -1;
        }
    }
    if (store_release_each(store, app->id, find_number, &last, err) < 0)
        return -1;
    *ret = last + 1;
    return 0;
}

static int check_same(const struct store_app *now, const struct keeper_update *update,
                      struct err *err)
{
    const struct store_app *wanted = update->app;
    if (strcmp(now->owner, wanted->owner) != 0)
        return FAIL(err, ERR_EXISTS, "the app '%s' belongs to another account", wanted->id);
    if (now->desired == STORE_DESIRED_STOP)
        return FAIL(err, ERR_CONFLICT, "app %s is being stopped", wanted->id);
    if (now->trial != STORE_TRIAL_NONE)
        return fail_under_trial(wanted->id, err);
    if (strcmp(now->host_name, wanted->host_name) != 0)
        return FAIL(err, ERR_CONFLICT,
                    "the app's host name is '%s' and the new release has '%s': stop the app first",
                    now->host_name, wanted->host_name);
    if (now->quota_bytes != wanted->quota_bytes && !update->discard) {
        (void)FAIL(err, ERR_CONFLICT,
                   "the app has %lld MiB of storage and the new release's profile gives %lld MiB",
                   (long long)(now->quota_bytes >> 20), (long long)(wanted->quota_bytes >> 20));
        err_hint(err, "storage cannot change its size yet: keep the 'resource', or deploy with "
                      "--discard-data, which begins with empty storage");
        return -1;
    }
    return 0;
}

/* While it is tried, what was stored before is kept beside what the new one makes of it. */
static int check_room(struct keeper *keeper, const struct store_app *now, bool discard,
                      struct err *err)
{
    const struct keeper_options *options = &keeper->options;
    int64_t bytes = discard && options->config->quota == NODE_QUOTA_LOOP
                        ? now->quota_bytes
                        : keeper_storage_used(keeper, now);
    return room_check(options->config, options->folders->apps,
                      "the storage that is kept while the new release is tried", (uint64_t)bytes,
                      err);
}

static int move_package(struct keeper *keeper, const char *id, int64_t number, const char *package,
                        struct err *err)
{
    AUTO_FREE char *folder = path_join(keeper->options.folders->apps, id, err);
    AUTO_FREE char *inside = folder == NULL ? NULL : app_folder_package(folder, number, err);
    if (inside == NULL || folder_remove_tree(inside, err) < 0)
        return -1;
    if (rename(package, inside) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot move the package to '%s'", inside);
    return 0;
}

/* What an earlier trial could not remove is nobody's: it must never come back in the place of what
 * the app has stored since. */
static int clear_aside(struct keeper *keeper, const char *id, struct err *err)
{
    struct runner *runner = keeper->options.runner;
    AUTO_FREE char *folder = path_join(keeper->options.folders->apps, id, err);
    if (folder == NULL)
        return -1;
    if (runner->class->forget_aside(runner, folder, err) < 0)
        return FAIL_CONTEXT(err, "what was kept for an earlier release cannot be removed");
    return 0;
}

/* An expiry that comes later counts at once, so that an app that has expired can be tried; one that
 * comes sooner when the release is live. */
static void take_expiry(const struct keeper_next *next, struct store_app *app)
{
    if (next->dated && app->expires != 0 && (next->expires == 0 || next->expires > app->expires))
        app->expires = next->expires;
}

/* From here on the app's thread has it, or nobody: a package without a record is removed when its
 * number is used again. */
static int order_trial(struct keeper *keeper, const char *id, const struct keeper_next *next,
                       struct store_app *ret, struct err *err)
{
    int result = 0;
    lock_acquire(&keeper->mutex);
    struct kept *kept = keeper_find(keeper, id);
    if (kept == NULL || kept->app.desired == STORE_DESIRED_STOP) {
        result = FAIL(err, ERR_CONFLICT, "app %s is being stopped", id);
    } else if (kept->app.trial != STORE_TRIAL_NONE) {
        result = fail_under_trial(id, err);
    } else if (kept->order != ORDER_NONE) {
        result = fail_order_waits(id, err);
    } else {
        struct store_app app = kept->app;
        app.trial = STORE_TRIAL_PREPARING;
        app.fallback = store_release_number(&app);
        take_expiry(next, &app);
        result = store_app_save(keeper->options.store, &app, err);
        if (result == 0) {
            kept->app = app;
            kept->tried = *next;
            kept->order = ORDER_TRY;
            keeper_wake(kept);
            *ret = app;
        }
    }
    lock_release(&keeper->mutex);
    return result;
}

static int update_locked(struct keeper *keeper, const struct keeper_update *update,
                         struct store_app *ret, struct err *err)
{
    struct store_app now;
    struct keeper_next next = {
        .discard = update->discard, .hold = true, .dated = true, .expires = update->app->expires};
    int64_t number = 0;
    if (keeper_get(keeper, update->app->id, &now, err) < 0 || check_same(&now, update, err) < 0 ||
        keeper_admit(keeper, update->app, now.id, err) < 0 ||
        clear_aside(keeper, now.id, err) < 0 ||
        check_room(keeper, &now, update->discard, err) < 0 ||
        next_number(keeper, &now, &number, err) < 0)
        return -1;
    release_of_app(update->app, &next.release);
    next.release.number = number;
    next.release.state = STORE_RELEASE_TRIED;
    if (move_package(keeper, now.id, number, update->package, err) < 0 ||
        store_release_save(keeper->options.store, &next.release, err) < 0 ||
        order_trial(keeper, now.id, &next, ret, err) < 0)
        return -1;
    ret->release = number;
    return 0;
}

int keeper_update(struct keeper *keeper, const struct keeper_update *update, struct store_app *ret,
                  struct err *err)
{
    lock_acquire(&keeper->creating);
    int result = update_locked(keeper, update, ret, err);
    lock_release(&keeper->creating);
    return result;
}

/* --- the end of a trial --- */

/* With the mutex. Until the app's thread has done it, or something else came of the trial before:
 * *ret_release is the one that is live then. */
static int order_end(struct keeper *keeper, struct kept *kept, enum keeper_order order,
                     int64_t *ret_release, struct err *err)
{
    kept->users++;
    kept->order = order;
    keeper_wake(kept);
    while (kept->order == order || kept->app.trial != STORE_TRIAL_NONE) {
        if (kept->finished || kept->order == ORDER_CLOSE || kept->app.state == STORE_ON_ERROR)
            break;
        lock_wait(&keeper->mutex, &keeper->changed);
    }
    int result = 0;
    if (kept->order == ORDER_CLOSE)
        result = FAIL(err, ERR_INTERRUPTED, "the node is stopping; it goes on at its next start");
    else if (kept->app.trial != STORE_TRIAL_NONE)
        result = FAIL(err, ERR_IO, "app %s: %s", kept->id, kept->app.reason);
    *ret_release = kept->app.release;
    kept_release(kept);
    return result;
}

int keeper_commit(struct keeper *keeper, const char *id, int64_t number, struct err *err)
{
    int result = 0;
    int64_t live = number;
    lock_acquire(&keeper->mutex);
    struct kept *kept = keeper_find(keeper, id);
    if (kept == NULL)
        result = FAIL(err, ERR_NOT_FOUND, "no app with the id '%s' runs", id);
    else if (kept->app.release == number && kept->app.trial == STORE_TRIAL_NONE)
        result = 0; /* it was said before */
    else if (kept->app.trial != STORE_TRIAL_RUNNING || kept->app.release != number ||
             kept->order != ORDER_NONE)
        result = FAIL(err, ERR_CONFLICT, "release %lld of app %s is not being tried any more",
                      (long long)number, id);
    else if (kept->app.state != STORE_RUNNING)
        result = FAIL(err, ERR_CONFLICT, "release %lld of app %s does not run yet",
                      (long long)number, id);
    else
        result = order_end(keeper, kept, ORDER_COMMIT, &live, err);
    lock_release(&keeper->mutex);
    if (result == 0 && live != number) {
        (void)FAIL(err, ERR_CONFLICT, "release %lld of app %s ended before it was kept",
                   (long long)number, id);
        err_hint(err, "the one before it runs again; 'mse releases' says why");
        return -1;
    }
    return result;
}

/* --- an earlier release again --- */

struct search {
    int64_t wanted; /* 0: the newest */
    struct store_release found;
};

static int find_previous(void *context, const struct store_release *release, struct err *err)
{
    (void)err;
    struct search *search = context;
    bool fits = release->state == STORE_RELEASE_PREVIOUS &&
                (search->wanted == 0 || release->number == search->wanted);
    if (fits && search->found.number == 0)
        search->found = *release;
    return 0;
}

/* Nobody else begins a trial meanwhile: `creating` is held. */
static int roll_back(struct keeper *keeper, const struct store_app *now, int64_t number,
                     struct err *err)
{
    struct search search = {.wanted = number};
    struct store_app ignored;
    if (now->state == STORE_STOPPED)
        return FAIL(err, ERR_CONFLICT, "app %s is stopped: what it stored is gone", now->id);
    if (now->trial != STORE_TRIAL_NONE)
        return fail_under_trial(now->id, err);
    if (store_release_each(keeper->options.store, now->id, find_previous, &search, err) < 0)
        return -1;
    if (search.found.number == 0) {
        (void)FAIL(err, ERR_NOT_FOUND, "app %s has no earlier release%s that the node keeps",
                   now->id, number == 0 ? "" : " of that number");
        err_hint(err, "'mse releases' lists them");
        return -1;
    }
    if (search.found.quota_bytes != now->quota_bytes)
        return FAIL(err, ERR_CONFLICT, "release %lld had storage of another size",
                    (long long)search.found.number);
    if (clear_aside(keeper, now->id, err) < 0 || check_room(keeper, now, false, err) < 0)
        return -1;
    const struct keeper_next next = {.release = search.found};
    return order_trial(keeper, now->id, &next, &ignored, err);
}

/* True: one was being tried, and *result is what came of taking it back. False also where it was
 * kept in that moment: then it is one like any other. */
static bool take_back(struct keeper *keeper, const char *id, int *result, struct err *err)
{
    int64_t before = 0;
    int64_t live = 0;
    lock_acquire(&keeper->mutex);
    struct kept *kept = keeper_find(keeper, id);
    bool tried = kept != NULL && kept->app.trial != STORE_TRIAL_NONE;
    if (tried) {
        before = kept->app.fallback;
        *result = order_end(keeper, kept, ORDER_REVERT, &live, err);
    }
    lock_release(&keeper->mutex);
    return tried && (*result < 0 || live == before);
}

int keeper_rollback(struct keeper *keeper, const char *id, int64_t number, struct err *err)
{
    struct store_app now;
    int result = 0;
    if (number == 0 && take_back(keeper, id, &result, err))
        return result;
    lock_acquire(&keeper->creating);
    result = keeper_get(keeper, id, &now, err);
    if (result == 0)
        result = roll_back(keeper, &now, number, err);
    lock_release(&keeper->creating);
    return result;
}
