// SPDX-License-Identifier: Apache-2.0
/*
 * A new release of an app takes the place of the one that runs, with what that one stored. Until
 * its owner says that it is good, or where anything goes wrong, the one before comes back, and its
 * storage as it was. Each step is in the record before it is taken (docs/releases.md). Runs in
 * msed, on the app's thread.
 */
#include "node/keeper_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "node/app_folder.h"
#include "node/kept_logs.h"
#include "node/lifecycle.h"

#include <stdio.h>

enum { RELEASES_KEPT = 5 }; /* besides the live one */

static struct store *store_of(const struct kept *kept)
{
    return kept->keeper->options.store;
}

/* The record with the fields of a trial, which minder_publish otherwise takes for others'. */
static void publish_trial(struct kept *kept, struct store_app *app)
{
    struct keeper *keeper = kept->keeper;
    lock_acquire(&keeper->mutex);
    kept->app.trial = app->trial;
    lock_release(&keeper->mutex);
    minder_publish(kept, app);
    lock_acquire(&keeper->mutex);
    (void)pthread_cond_broadcast(&keeper->changed);
    lock_release(&keeper->mutex);
}

static void take_release(struct store_app *app, const struct store_release *release)
{
    app->release = release->number;
    app->memory_bytes = release->memory_bytes;
    app->quota_bytes = release->quota_bytes;
    memcpy(app->resource, release->resource, sizeof(app->resource));
    memcpy(app->environment, release->environment, sizeof(app->environment));
    memcpy(app->layer, release->layer, sizeof(app->layer));
    memcpy(app->fingerprint, release->fingerprint, sizeof(app->fingerprint));
}

/* A release that is taken back leaves nothing to do of what was ordered for it. */
static void drop_orders(struct kept *kept)
{
    minder_take_order(kept, ORDER_COMMIT);
    minder_take_order(kept, ORDER_REVERT);
}

/* --- releases that are not live --- */

static void remove_package(const struct kept *kept, int64_t number)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *package = app_folder_package(kept->folder, number, &err);
    if (package == NULL || folder_remove_tree(package, &err) < 0)
        log_err(LOG_WARNING, &err);
}

/* --- their logs: a log that is lost is no reason to fail --- */

static const char *logs_of(const struct kept *kept)
{
    return kept->keeper->options.folders->logs;
}

/* The log of the release that has ended (0: none) makes room for that of the next. */
static void change_log(const struct kept *kept, int64_t ended, int64_t next)
{
    struct err err = ERR_INIT;
    if ((ended != 0 && kept_log_put(logs_of(kept), kept->id, ended, kept->folder, &err) < 0) ||
        kept_log_take_back(logs_of(kept), kept->id, next, kept->folder, &err) < 0)
        log_err(LOG_WARNING, &err);
}

static void cut_log(const struct kept *kept, int64_t number)
{
    struct err err = ERR_INIT;
    if (number != 0 && kept_log_cut(logs_of(kept), kept->id, number, &err) < 0)
        log_err(LOG_WARNING, &err);
}

static int forget_release(const struct kept *kept, int64_t number, struct err *err)
{
    struct err lasting = ERR_INIT;
    remove_package(kept, number);
    if (kept_log_forget(logs_of(kept), kept->id, number, &lasting) < 0)
        log_err(LOG_WARNING, &lasting);
    return store_release_delete(store_of(kept), kept->id, number, err);
}

struct review {
    struct kept *kept;
    const char *reason; /* of those that were tried and did not come to anything */
    int64_t live;
    int64_t spared; /* may have to come back yet; 0: none */
    int64_t failed; /* one of them, which may have been live before; 0: none is known */
    int kept_count;
    int failed_count;
};

/* Newest first. What is too old goes. */
static int review_one(void *context, const struct store_release *release, struct err *err)
{
    struct review *review = context;
    struct store_release now = *release;
    if (release->number == review->live)
        now.state = STORE_RELEASE_LIVE;
    else if (release->state == STORE_RELEASE_LIVE)
        now.state = STORE_RELEASE_PREVIOUS;
    else if (release->state == STORE_RELEASE_TRIED)
        now.state = STORE_RELEASE_FAILED;
    bool failed = now.state == STORE_RELEASE_FAILED;
    if (now.number == review->live)
        now.reason[0] = '\0';
    else if (now.number == review->failed)
        (void)snprintf(now.reason, sizeof(now.reason), "%s", review->reason);
    if (failed && release->state != STORE_RELEASE_FAILED) {
        remove_package(review->kept, now.number);
        (void)snprintf(now.reason, sizeof(now.reason), "%s", review->reason);
    }
    int *count = failed ? &review->failed_count : &review->kept_count;
    bool is_old = now.state != STORE_RELEASE_LIVE && ++*count > RELEASES_KEPT;
    if (is_old && now.number != review->spared)
        return forget_release(review->kept, now.number, err);
    return store_release_save(store_of(review->kept), &now, err);
}

static void review_releases(struct review *review)
{
    struct err err = ERR_INIT;
    if (store_release_each(store_of(review->kept), review->kept->id, review_one, review, &err) < 0)
        log_err(LOG_ERROR, &err);
}

/* --- the steps --- */

static void say(const struct kept *kept, const char *what, int64_t number, const char *why)
{
    char text[STORE_EVENT_SIZE];
    (void)snprintf(text, sizeof(text), "release %lld %s%s%.*s", (long long)number, what,
                   why[0] == '\0' ? "" : ": ", (int)strcspn(why, "\n"), why);
    keeper_event(kept->keeper, kept->id, text);
}

void trial_begin(struct kept *kept)
{
    struct err err = ERR_INIT;
    struct runner *runner = kept->keeper->options.runner;
    lock_acquire(&kept->keeper->mutex);
    const struct keeper_next next = kept->tried;
    lock_release(&kept->keeper->mutex);
    minder_take_order(kept, ORDER_TRY);
    minder_end_enclave(kept);
    if (runner->class->put_aside(runner, kept->folder, !next.discard, &err) < 0) {
        trial_revert(kept, err.message);
        return;
    }
    struct store_app app = minder_current(kept);
    change_log(kept, store_release_number(&app), next.release.number);
    take_release(&app, &next.release);
    app.trial = STORE_TRIAL_RUNNING;
    app.hold = next.hold;
    app.provisioned = next.hold ? 0 : 1;
    app.quick_crashes = 0;
    app.reason[0] = '\0';
    lifecycle_spawning(&app, clock_unix());
    publish_trial(kept, &app);
    say(kept, "is tried", app.release, "");
}

/* On disk, before what lies aside goes. Not in the record that others see yet: until all is done
 * the next release has to wait. */
static int save_commit(struct kept *kept, const struct store_app *now, struct err *err)
{
    struct store_app app = *now;
    lock_acquire(&kept->keeper->mutex);
    if (kept->tried.dated)
        kept->app.expires = kept->tried.expires;
    app.desired = kept->app.desired;
    app.expires = kept->app.expires;
    int result = store_app_save(store_of(kept), &app, err);
    lock_release(&kept->keeper->mutex);
    return result;
}

void trial_commit(struct kept *kept)
{
    struct err err = ERR_INIT;
    struct runner *runner = kept->keeper->options.runner;
    struct store_app app = minder_current(kept);
    struct review review = {.kept = kept, .reason = "", .live = app.release};
    minder_take_order(kept, ORDER_COMMIT);
    if (app.trial != STORE_TRIAL_RUNNING)
        return;
    review.spared = app.fallback;
    review_releases(&review);
    app.hold = 0;
    app.fallback = 0;
    app.trial = STORE_TRIAL_NONE;
    if (save_commit(kept, &app, &err) < 0) {
        trial_revert(kept, err.message);
        return;
    }
    if (runner->class->forget_aside(runner, kept->folder, &err) < 0)
        log_err(LOG_WARNING, &err); /* the next release is refused until it is gone */
    cut_log(kept, review.spared);
    publish_trial(kept, &app);
    say(kept, "is live", app.release, "");
}

/* The storage is not back: nothing may run on it, and the next start of the node tries again. */
static void say_stuck(struct kept *kept, struct store_app *app, const struct err *why)
{
    char text[STORE_REASON_SIZE];
    (void)snprintf(text, sizeof(text), "the release before cannot be brought back: %s",
                   why->message);
    log_err(LOG_ERROR, why);
    lifecycle_failed(app, text, clock_unix());
    publish_trial(kept, app);
}

void trial_revert(struct kept *kept, const char *reason)
{
    struct err err = ERR_INIT;
    struct runner *runner = kept->keeper->options.runner;
    struct store_release before;
    struct store_app app = minder_current(kept);
    int64_t failed = app.release != app.fallback ? app.release : 0;
    char why[STORE_REASON_SIZE]; /* it may be the record's own, which changes */
    (void)snprintf(why, sizeof(why), "%s", reason);
    drop_orders(kept);
    if (app.trial == STORE_TRIAL_NONE)
        return;
    app.trial = STORE_TRIAL_REVERTING;
    publish_trial(kept, &app);
    minder_end_enclave(kept);
    if (runner->class->put_back(runner, kept->folder, &err) < 0 ||
        store_release_get(store_of(kept), kept->id, app.fallback, &before, &err) < 0) {
        say_stuck(kept, &app, &err);
        return;
    }
    take_release(&app, &before);
    change_log(kept, failed, app.release);
    cut_log(kept, failed);
    struct review review = {.kept = kept, .reason = why, .live = app.release, .failed = failed};
    review_releases(&review);
    if (failed != 0)
        say(kept, "failed, the one before it comes back", failed, why);
    app.trial = STORE_TRIAL_NONE;
    app.fallback = 0;
    app.hold = 0;
    app.provisioned = 1;
    app.quick_crashes = 0;
    app.reason[0] = '\0';
    lifecycle_spawning(&app, clock_unix());
    publish_trial(kept, &app);
}

void trial_adopt(struct kept *kept)
{
    struct err err = ERR_INIT;
    struct runner *runner = kept->keeper->options.runner;
    lock_acquire(&kept->keeper->mutex);
    const struct store_app app = kept->app;
    bool is_new = kept->order == ORDER_TRY; /* ordered since the node has started */
    lock_release(&kept->keeper->mutex);
    if (is_new)
        return;
    if (app.trial == STORE_TRIAL_PREPARING || app.trial == STORE_TRIAL_REVERTING)
        trial_revert(kept, "the node ended while it was being started");
    else if (app.trial == STORE_TRIAL_NONE &&
             runner->class->forget_aside(runner, kept->folder, &err) < 0)
        log_err(LOG_WARNING, &err);
}
