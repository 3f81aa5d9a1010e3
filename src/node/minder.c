// SPDX-License-Identifier: Apache-2.0
/*
 * The thread of one app: starts its enclave, takes its news, starts it again, ends it. Owns the
 * connection to the app's supervisor. What it decides is in the store before it is done. Runs in
 * msed.
 */
#include "base/lock.h"
#include "node/app_folder.h"
#include "node/keeper_internal.h"
#include "node/kept_logs.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "model/manifest.h"
#include "model/package_format.h"
#include "node/lifecycle.h"
#include "node/records.h"
#include "node/runtimes.h"
#include "model/requirements.h"
#include "node/upload.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    WAIT_FOREVER = -1,
    WAIT_MAX_MS = 3600 * 1000,
    DOUBT_MS = 10 * 1000,
    RETRY_FIRST_MS = 1000, /* of a removal that failed */
    RETRY_LAST_MS = 60 * 1000,
};

/* --- record --- */

struct store_app minder_current(struct kept *kept)
{
    lock_acquire(&kept->keeper->mutex);
    struct store_app app = kept->app;
    lock_release(&kept->keeper->mutex);
    return app;
}

void minder_take_order(struct kept *kept, enum keeper_order order)
{
    lock_acquire(&kept->keeper->mutex);
    if (kept->order == order)
        kept->order = ORDER_NONE;
    (void)pthread_cond_broadcast(&kept->keeper->changed);
    lock_release(&kept->keeper->mutex);
}

static void tell_state(const struct keeper *keeper, const struct store_app *app)
{
    if (keeper->options.state_changed == NULL)
        return;
    lock_expect_none("state_changed");
    keeper->options.state_changed(keeper->options.state_context, app);
}

/* `desired`, `expires` and a trial's beginning are what others wrote meanwhile; the rest of the
 * record is the minder's. */
void minder_publish(struct kept *kept, struct store_app *app)
{
    struct err err = ERR_INIT;
    struct keeper *keeper = kept->keeper;
    lock_acquire(&keeper->mutex);
    if (app->state != STORE_STOPPED)
        app->desired = kept->app.desired;
    app->expires = kept->app.expires;
    if (kept->app.trial == STORE_TRIAL_PREPARING && app->trial == STORE_TRIAL_NONE)
        app->trial = STORE_TRIAL_PREPARING, app->fallback = kept->app.fallback;
    bool changed = kept->app.state != app->state;
    bool new_reason = strcmp(kept->app.reason, app->reason) != 0;
    kept->app = *app;
    if (store_app_save(keeper->options.store, app, &err) < 0)
        log_err(LOG_ERROR, &err); /* in memory it holds; the next start finds out for itself */
    lock_release(&keeper->mutex);
    if (changed) {
        kept->since_ms = clock_monotonic_ms();
        tell_state(keeper, app);
    }
    if (!changed && !new_reason)
        return;
    char text[STORE_EVENT_SIZE];
    (void)snprintf(text, sizeof(text), "%s%s%.*s", store_state_name(app->state),
                   new_reason && app->reason[0] != '\0' ? ": " : "",
                   new_reason ? (int)strcspn(app->reason, "\n") : 0, app->reason);
    keeper_event(keeper, kept->id, text);
}

/* --- waiting --- */

enum wake {
    WAKE_TIME,
    WAKE_NEWS,
    WAKE_STOP,
    WAKE_RESTART,
    WAKE_PAUSE,
    WAKE_TRY,
    WAKE_COMMIT,
    WAKE_REVERT,
    WAKE_CLOSE,
};

static enum wake pending_order(struct kept *kept)
{
    static const enum wake wakes[] = {
        [ORDER_NONE] = WAKE_TIME,   [ORDER_RESTART] = WAKE_RESTART, [ORDER_PAUSE] = WAKE_PAUSE,
        [ORDER_TRY] = WAKE_TRY,     [ORDER_COMMIT] = WAKE_COMMIT,   [ORDER_REVERT] = WAKE_REVERT,
        [ORDER_CLOSE] = WAKE_CLOSE,
    };
    lock_acquire(&kept->keeper->mutex);
    enum wake wake = wakes[kept->order];
    if (kept->order != ORDER_CLOSE && kept->app.desired == STORE_DESIRED_STOP)
        wake = WAKE_STOP;
    lock_release(&kept->keeper->mutex);
    return wake;
}

/* How long until the app expires by a wall clock that is believed: 0: it has. Where the clock is in
 * doubt it is looked at again after DOUBT_MS. */
static int64_t left_to_expiry(struct kept *kept)
{
    const struct store_app app = minder_current(kept);
    int64_t now = 0;
    if (app.expires == 0)
        return INT64_MAX;
    if (!keeper_clock(kept->keeper, &now))
        return DOUBT_MS;
    int64_t left_s = app.expires - now;
    return left_s <= 0 ? 0 : left_s < WAIT_MAX_MS / 1000 ? left_s * 1000 : WAIT_MAX_MS;
}

static bool is_expired(struct kept *kept)
{
    return left_to_expiry(kept) == 0;
}

/* The shorter of the caller's patience and the app's own time; at most WAIT_MAX_MS: the clock may
 * be set. */
static int timeout_of(int64_t patience_ms, int64_t expiry_ms)
{
    int64_t timeout_ms = patience_ms >= 0 && patience_ms < expiry_ms ? patience_ms : expiry_ms;
    return (int)(timeout_ms < WAIT_MAX_MS ? timeout_ms : WAIT_MAX_MS);
}

static void take_wake(const struct kept *kept)
{
    uint64_t count = 0;
    ssize_t got = read(kept->wake_fd, &count, sizeof(count));
    (void)got; /* only empties it: orders are in the record */
}

/* Until an order, news, the app's expiry (WAKE_TIME at once; that of an app which has expired is
 * over) or `patience_ms` have come. */
static enum wake wait_for(struct kept *kept, int64_t patience_ms)
{
    int64_t until_ms = clock_monotonic_ms() + (patience_ms >= 0 ? patience_ms : 0);
    bool over = minder_current(kept).state == STORE_EXPIRED;
    for (;;) {
        enum wake wake = pending_order(kept);
        int64_t left_ms = patience_ms >= 0 ? until_ms - clock_monotonic_ms() : WAIT_FOREVER;
        int64_t expiry_ms = over ? INT64_MAX : left_to_expiry(kept);
        if (wake != WAKE_TIME || expiry_ms == 0 || (patience_ms >= 0 && left_ms <= 0))
            return wake;
        struct pollfd waiting[2] = {{.fd = kept->wake_fd, .events = POLLIN},
                                    {.fd = kept->control_fd, .events = POLLIN}};
        int ready = poll(waiting, 2, timeout_of(left_ms, expiry_ms));
        if (ready > 0 && waiting[0].revents != 0)
            take_wake(kept);
        if (ready > 0 && waiting[1].revents != 0)
            return WAKE_NEWS;
    }
}

/* --- steps of starting --- */

static int read_requirements(const char *package, struct buf *out, struct err *err)
{
    struct err failure = ERR_INIT;
    size_t count = 0;
    AUTO_BUF struct buf text = BUF_INIT(PACKAGE_REQUIREMENTS_MAX + 1);
    AUTO_FREE char *path = path_join(package, UPLOAD_REQUIREMENTS, err);
    if (path == NULL)
        return -1;
    if (file_read(path, &text, &failure) < 0) {
        if (failure.kind == ERR_NOT_FOUND)
            return 0;
        *err = failure;
        return -1;
    }
    return requirements_check(buf_slice(&text), out, &count, err);
}

static int get_layer(struct kept *kept, const struct store_app *app, const char *package,
                     char **ret, struct err *err)
{
    const struct keeper_options *options = &kept->keeper->options;
    const struct environment_offer *environment = NULL;
    AUTO_BUF struct buf requirements = BUF_INIT(PACKAGE_REQUIREMENTS_MAX + 1);
    if (environments_find(options->environments, app->environment, &environment, err) < 0 ||
        read_requirements(package, &requirements, err) < 0)
        return -1;
    return layers_get(options->layers, environment, buf_slice(&requirements), app->owner, ret, err);
}

static int add_route(struct kept *kept, const struct store_app *app, struct err *err)
{
    if (!kept->routed && keeper_add_route(kept->keeper, app, NULL, err) < 0)
        return -1;
    kept->routed = true;
    gateway_set_down(kept->keeper->options.gateway, kept->id, false);
    return 0;
}

/* Who waits in its queue is sent away. */
static void close_socket(struct kept *kept)
{
    fd_close(fd_steal(&kept->app_fd));
}

/* An app that is down and not removed answers nobody, and keeps its port and its name: both are in
 * users' bookmarks and in certificates. */
static void shut_route(struct kept *kept)
{
    close_socket(kept);
    if (kept->routed)
        gateway_set_down(kept->keeper->options.gateway, kept->id, true);
}

static void remove_route(struct kept *kept)
{
    close_socket(kept);
    if (kept->routed)
        gateway_remove(kept->keeper->options.gateway, kept->id);
    kept->routed = false;
}

/* Kept over restarts, so that who comes meanwhile waits. An enclave that was taken over has one
 * that this process does not hold: it gets a new one when it is started again. */
static int open_socket(struct kept *kept, struct err *err)
{
    return kept->app_fd >= 0 ? 0 : app_socket_listen(kept->folder, APP_SOCKET, &kept->app_fd, err);
}

static int start_enclave(struct kept *kept, const struct store_app *app, struct err *err)
{
    struct runner *runner = kept->keeper->options.runner;
    struct manifest manifest;
    char runtime[RUNTIME_DIGEST_SIZE];
    AUTO_FREE char *layer = NULL;
    AUTO_FREE char *package = app_folder_package(kept->folder, app->release, err);
    if (package == NULL || app_folder_manifest(package, &manifest, err) < 0 ||
        add_route(kept, app, err) < 0 || get_layer(kept, app, package, &layer, err) < 0 ||
        open_socket(kept, err) < 0)
        return -1;
    hex_encode(slice_of(manifest.runtime_digest, SHA256_SIZE), runtime);
    const struct runner_spec spec = {.app = app,
                                     .folder = kept->folder,
                                     .package = package,
                                     .layer = layer,
                                     .runtime = runtime,
                                     .app_fd = kept->app_fd,
                                     .memory_bytes = manifest.memory_bytes,
                                     .cpu_millis = manifest.cpu_millis,
                                     .key_epoch = manifest.key_epoch};
    if (runner->class->start(runner, &spec, err) < 0)
        return -1;
    return runner->class->attach(runner, kept->folder, &kept->control_fd, err);
}

/* --- ends --- */

static void set_stats(struct kept *kept, const struct keeper_stats *stats)
{
    lock_acquire(&kept->keeper->mutex);
    kept->stats = *stats;
    lock_release(&kept->keeper->mutex);
}

static void detach(struct kept *kept)
{
    const struct keeper_stats none = {0};
    set_stats(kept, &none);
    fd_close(fd_steal(&kept->control_fd));
}

void minder_end_enclave(struct kept *kept)
{
    struct err err = ERR_INIT;
    struct runner *runner = kept->keeper->options.runner;
    detach(kept);
    if (runner->class->stop(runner, kept->folder, &err) < 0)
        log_err(LOG_ERROR, &err);
}

/* Of an app that ends for good: its folder goes. A log that is lost is no reason to stay. */
static void keep_log(const struct kept *kept, int64_t release)
{
    struct err err = ERR_INIT;
    const char *logs = kept->keeper->options.folders->logs;
    if (kept_log_put(logs, kept->id, release, kept->folder, &err) < 0 ||
        kept_log_cut(logs, kept->id, release, &err) < 0)
        log_err(LOG_WARNING, &err);
}

static int destroy(struct kept *kept, int64_t release, struct err *err)
{
    struct runner *runner = kept->keeper->options.runner;
    detach(kept);
    if (runner->class->stop(runner, kept->folder, err) < 0)
        return -1;
    keep_log(kept, release);
    if (runner->class->destroy(runner, kept->folder, err) < 0)
        return -1;
    return app_folder_discard(kept->folder, err);
}

/* Whatever it was: from now on it is to be removed, also by the next msed. */
static struct store_app want_removed(struct kept *kept)
{
    struct err err = ERR_INIT;
    lock_acquire(&kept->keeper->mutex);
    kept->app.desired = STORE_DESIRED_STOP;
    if (store_app_save(kept->keeper->options.store, &kept->app, &err) < 0)
        log_err(LOG_ERROR, &err);
    struct store_app app = kept->app;
    lock_release(&kept->keeper->mutex);
    return app;
}

/* Something of it may live on. It stays in the list, so that its user and its port are nobody
 * else's, and who waits for its end is told. */
static void say_stuck(struct kept *kept, const struct err *why)
{
    char text[STORE_REASON_SIZE];
    struct store_app app = minder_current(kept);
    log_err(LOG_ERROR, why);
    (void)snprintf(text, sizeof(text), "cannot be removed yet, the node tries again: %s",
                   why->message);
    lifecycle_failed(&app, text, clock_unix());
    minder_publish(kept, &app);
    lock_acquire(&kept->keeper->mutex);
    kept->stop_error = *why;
    kept->failed_stops++;
    (void)pthread_cond_broadcast(&kept->keeper->changed);
    lock_release(&kept->keeper->mutex);
}

/* An order wakes it before its time. False: the node is stopping. */
static bool wait_to_retry(struct kept *kept, int64_t pause_ms)
{
    struct pollfd waiting = {.fd = kept->wake_fd, .events = POLLIN};
    if (pending_order(kept) != WAKE_CLOSE && poll(&waiting, 1, (int)pause_ms) > 0)
        take_wake(kept);
    return pending_order(kept) != WAKE_CLOSE;
}

/* What was wrong before somebody stopped it is what is looked for afterwards. */
static void write_last_reason(const struct store_app *app, const char *why,
                              char ret[static STORE_REASON_SIZE])
{
    bool failed = app->state == STORE_ON_ERROR || app->state == STORE_CRASHING;
    (void)snprintf(ret, STORE_REASON_SIZE, "%s%s%.*s", why, failed ? "; before that: " : "",
                   failed ? (int)strcspn(app->reason, "\n") : 0, app->reason);
}

/* Everything of the app goes: enclave, port, storage with its keys, package, log. Only when all of
 * it has gone the app is stopped. */
static void stop_app(struct kept *kept, const char *why)
{
    char reason[STORE_REASON_SIZE];
    struct err err = ERR_INIT;
    struct store_app app = want_removed(kept);
    write_last_reason(&app, why, reason);
    remove_route(kept);
    int64_t pause_ms = RETRY_FIRST_MS;
    while (destroy(kept, store_release_number(&app), &err) < 0) {
        say_stuck(kept, &err);
        err_clear(&err);
        if (!wait_to_retry(kept, pause_ms))
            return;
        pause_ms = pause_ms * 2 < RETRY_LAST_MS ? pause_ms * 2 : RETRY_LAST_MS;
    }
    lifecycle_stopped(&app, reason, clock_unix());
    minder_publish(kept, &app);
    lock_acquire(&kept->keeper->creating); /* none of them comes back meanwhile */
    if (records_trim(kept->keeper->options.store, kept->keeper->options.folders->logs, &app, &err) <
        0)
        log_err(LOG_WARNING, &err);
    lock_release(&kept->keeper->creating);
    lock_acquire(&kept->keeper->mutex);
    kept->finished = true;
    keeper_take_out(kept->keeper, kept);
    (void)pthread_cond_broadcast(&kept->keeper->changed);
    lock_release(&kept->keeper->mutex);
}

static void fail_app(struct kept *kept, const char *reason)
{
    struct store_app app = minder_current(kept);
    if (app.trial == STORE_TRIAL_RUNNING) { /* the one before it goes on */
        trial_revert(kept, reason);
        return;
    }
    minder_end_enclave(kept);
    shut_route(kept);
    lifecycle_failed(&app, reason, clock_unix());
    minder_publish(kept, &app);
}

static void expire_app(struct kept *kept)
{
    struct store_app app = minder_current(kept);
    if (app.trial == STORE_TRIAL_RUNNING) { /* what is kept is the release before */
        trial_revert(kept, "the app expired while it was tried");
        return;
    }
    minder_end_enclave(kept);
    shut_route(kept);
    lifecycle_expired(&app, clock_unix());
    minder_publish(kept, &app);
}

/* What the enclave left says more than one line of an error can. */
static void fail_start(struct kept *kept, const struct err *err)
{
    struct runner *runner = kept->keeper->options.runner;
    struct runner_event event = {0};
    struct err ignored = ERR_INIT;
    bool any = false;
    if (runner->class->news(runner, kept->folder, -1, &event, &any, &ignored) < 0)
        any = false;
    char why[STORE_REASON_SIZE];
    (void)snprintf(why, sizeof(why), "%s%s%s", err->message, err->hint[0] == '\0' ? "" : ": ",
                   err->hint);
    fail_app(kept, any && event.reason[0] != '\0' ? event.reason : why);
}

/* --- the life of an app --- */

/* Older versions made sparse images. Where there is no room for all of one its app runs on. */
static void fill_image(struct kept *kept, const struct store_app *app)
{
    struct err err = ERR_INIT;
    struct runner *runner = kept->keeper->options.runner;
    if (runner->class->reserve(runner, kept->folder, app, &err) == 0)
        return;
    char text[STORE_EVENT_SIZE];
    (void)snprintf(text, sizeof(text), "the room of its quota is not reserved: %s", err.message);
    log_err(LOG_WARNING, &err);
    keeper_event(kept->keeper, kept->id, text);
}

/* Starts it, unless it runs already. False: it is on_error. */
static bool bring_up(struct kept *kept)
{
    struct err err = ERR_INIT;
    struct store_app app = minder_current(kept);
    if (kept->control_fd >= 0)
        return true;
    lifecycle_spawning(&app, clock_unix());
    minder_publish(kept, &app);
    fill_image(kept, &app);
    if (start_enclave(kept, &app, &err) == 0) {
        app.updated = clock_unix();
        minder_publish(kept, &app);
        kept->since_ms = clock_monotonic_ms(); /* building a layer does not count as starting */
        return true;
    }
    log_err(LOG_WARNING, &err);
    fail_start(kept, &err);
    return false;
}

static void enclave_ended(struct kept *kept, const char *reason)
{
    struct store_app app = minder_current(kept);
    if (app.trial == STORE_TRIAL_RUNNING) {
        trial_revert(kept, reason);
        return;
    }
    minder_end_enclave(kept);
    int64_t ran_s = (clock_monotonic_ms() - kept->since_ms) / 1000;
    int64_t pause_ms = lifecycle_died(&app, reason, ran_s, clock_unix());
    if (pause_ms < 0 || pause_ms > LIFECYCLE_WAIT_MS)
        shut_route(kept);
    minder_publish(kept, &app);
    if (pause_ms > 0)
        (void)wait_for(kept, pause_ms); /* what woke it is looked at again by the caller */
}

/* A line when its health check begins to fail and one when it passes again. */
static void note_health(struct kept *kept, uint64_t failing)
{
    lock_acquire(&kept->keeper->mutex);
    bool failed = kept->stats.counters.health_failing > 0;
    lock_release(&kept->keeper->mutex);
    if (failed != (failing > 0))
        keeper_event(kept->keeper, kept->id,
                     failing > 0 ? "its health check fails" : "its health check passes again");
}

static void take_news(struct kept *kept)
{
    struct err err = ERR_INIT;
    struct runner_event event = {0};
    struct runner *runner = kept->keeper->options.runner;
    bool any = false;
    if (runner->class->news(runner, kept->folder, kept->control_fd, &event, &any, &err) < 0) {
        enclave_ended(kept, err.message);
        return;
    }
    struct store_app app = minder_current(kept);
    if (!any)
        return;
    if (event.news == RUNNER_STATS) {
        const struct keeper_stats stats = {clock_unix(), event.stats};
        note_health(kept, event.stats.health_failing);
        set_stats(kept, &stats);
        return;
    }
    if (event.news == RUNNER_ENDED) {
        enclave_ended(kept, event.reason);
        return;
    }
    if (event.news == RUNNER_LOCKED && app.state != STORE_LOCKED)
        lifecycle_locked(&app, clock_unix());
    else if (event.news == RUNNER_INITIALIZING && app.state != STORE_INITIALIZING)
        lifecycle_initializing(&app, clock_unix());
    else if (event.news == RUNNER_RUNNING && app.state != STORE_RUNNING)
        lifecycle_running(&app, clock_unix());
    else
        return;
    minder_publish(kept, &app);
    if (app.trial != STORE_TRIAL_RUNNING || app.hold != 0)
        return;
    if (app.state == STORE_RUNNING) /* as it ran before: nobody has to say that it is good */
        trial_commit(kept);
    else if (app.state == STORE_INITIALIZING)
        trial_revert(kept, "nothing is sealed for that release any more: deploy it again");
}

/* How long the present state may last; not by the wall clock, which may jump. */
static int64_t patience_of(struct kept *kept)
{
    const struct node_limits *limits = &kept->keeper->options.config->limits;
    const struct store_app app = minder_current(kept);
    int64_t limit_s = 0;
    if (app.state == STORE_SPAWNING)
        limit_s = limits->start_timeout_s;
    else if (app.state == STORE_INITIALIZING || app.trial == STORE_TRIAL_RUNNING)
        limit_s = limits->provision_timeout_s;
    if (limit_s <= 0)
        return WAIT_FOREVER;
    int64_t left_ms = kept->since_ms + limit_s * 1000 - clock_monotonic_ms();
    return left_ms > 0 ? left_ms : 0;
}

static void out_of_time(struct kept *kept)
{
    const struct node_limits *limits = &kept->keeper->options.config->limits;
    const struct store_app app = minder_current(kept);
    char reason[160];
    if (app.state == STORE_RUNNING)
        (void)snprintf(reason, sizeof(reason),
                       "its owner did not say within %lld s that it is good",
                       (long long)limits->provision_timeout_s);
    else if (app.state == STORE_INITIALIZING)
        (void)snprintf(reason, sizeof(reason), "its owner did not send its secrets within %lld s",
                       (long long)limits->provision_timeout_s);
    else if (app.state == STORE_LOCKED)
        (void)snprintf(reason, sizeof(reason), "its owner did not unlock its storage within %lld s",
                       (long long)limits->provision_timeout_s);
    else
        (void)snprintf(reason, sizeof(reason), "its enclave did not start within %lld s",
                       (long long)limits->start_timeout_s);
    if (app.provisioned != 0)
        enclave_ended(kept, reason); /* it can come back by itself */
    else
        fail_app(kept, reason);
}

/* A restart that its owner asked for, also out of on_error. */
static void restart(struct kept *kept)
{
    struct store_app app = minder_current(kept);
    minder_take_order(kept, ORDER_RESTART);
    minder_end_enclave(kept);
    close_socket(kept); /* the app may have shut it down */
    app.quick_crashes = 0;
    app.reason[0] = '\0';
    app.restarts++;
    lifecycle_spawning(&app, clock_unix());
    minder_publish(kept, &app);
}

static void pause_app(struct kept *kept)
{
    struct store_app app = minder_current(kept);
    minder_take_order(kept, ORDER_PAUSE);
    minder_end_enclave(kept);
    shut_route(kept);
    lifecycle_paused(&app, clock_unix());
    minder_publish(kept, &app);
}

/* Where a clock that was wrong for long had ended it too early. */
static void revive(struct kept *kept)
{
    struct store_app app = minder_current(kept);
    app.reason[0] = '\0';
    app.kept_s = 0;
    lifecycle_spawning(&app, clock_unix());
    minder_publish(kept, &app);
}

/* Waits, and adds what has passed to the time for which the storage has been kept. */
static enum wake keep(struct kept *kept)
{
    struct store_app app = minder_current(kept);
    int64_t left_s = keeper_kept_left(kept->keeper, &app);
    int64_t start_ms = clock_monotonic_ms();
    int64_t most_ms = left_s < WAIT_MAX_MS / 1000 ? left_s * 1000 : WAIT_MAX_MS;
    enum wake wake = wait_for(kept, most_ms > 0 ? most_ms : DOUBT_MS);
    app = minder_current(kept);
    app.kept_s += (clock_monotonic_ms() - start_ms) / 1000;
    minder_publish(kept, &app);
    return wake;
}

/* The turn of an app that has expired. What it stored is removed only after the node has seen the
 * time pass for which it is kept, and the clock is believed. */
static bool turn_expired(struct kept *kept)
{
    int64_t now = 0;
    bool believed = keeper_clock(kept->keeper, &now);
    const struct store_app app = minder_current(kept);
    if (believed && (app.expires == 0 || now < app.expires)) {
        revive(kept);
        return true;
    }
    if (believed && keeper_kept_left(kept->keeper, &app) == 0) {
        stop_app(kept, "expired, and its storage was kept for as long as the node keeps it");
        return false;
    }
    switch (keep(kept)) {
    case WAKE_CLOSE:
        return false;
    case WAKE_STOP:
        stop_app(kept, "stopped by its owner");
        return false;
    case WAKE_RESTART:
        restart(kept);
        return true;
    case WAKE_TRY:
        trial_begin(kept);
        return true;
    case WAKE_PAUSE: /* ordered in the moment in which it expired, like the next two */
        minder_take_order(kept, ORDER_PAUSE);
        return true;
    case WAKE_COMMIT:
        trial_commit(kept);
        return true;
    case WAKE_REVERT:
        trial_revert(kept, "its owner took it back");
        return true;
    case WAKE_NEWS:
    case WAKE_TIME:
        break;
    }
    return true;
}

/* One turn: waits for what comes next and acts on it. False: the thread ends. */
static bool turn(struct kept *kept)
{
    const int64_t state = minder_current(kept).state;
    bool down = state == STORE_ON_ERROR || state == STORE_PAUSED;
    if (state == STORE_EXPIRED)
        return turn_expired(kept);
    if (!down && pending_order(kept) == WAKE_TIME && !is_expired(kept) && !bring_up(kept))
        return true;
    switch (wait_for(kept, down ? WAIT_FOREVER : patience_of(kept))) {
    case WAKE_CLOSE:
        return false;
    case WAKE_STOP:
        stop_app(kept, "stopped by its owner");
        return false;
    case WAKE_RESTART:
        restart(kept);
        return true;
    case WAKE_PAUSE:
        pause_app(kept);
        return true;
    case WAKE_TRY:
        trial_begin(kept);
        return true;
    case WAKE_COMMIT:
        trial_commit(kept);
        return true;
    case WAKE_REVERT:
        trial_revert(kept, "its owner took it back");
        return true;
    case WAKE_NEWS:
        take_news(kept);
        return true;
    case WAKE_TIME:
        break;
    }
    if (is_expired(kept))
        expire_app(kept);
    else if (!down && patience_of(kept) == 0)
        out_of_time(kept);
    return true;
}

/* For admission; older versions had it in the manifest alone. */
static void recall_memory(struct kept *kept)
{
    struct err err = ERR_INIT;
    struct manifest manifest;
    struct store_app app = minder_current(kept);
    if (app.memory_bytes != 0)
        return;
    AUTO_FREE char *package = app_folder_package(kept->folder, app.release, &err);
    if (package == NULL || app_folder_manifest(package, &manifest, &err) < 0) {
        log_err(LOG_WARNING, &err);
        return;
    }
    app.memory_bytes = (int64_t)manifest.memory_bytes;
    minder_publish(kept, &app);
}

/* After a start of msed: an enclave that runs is taken over as it is. */
static void adopt(struct kept *kept)
{
    struct err err = ERR_INIT;
    struct runner *runner = kept->keeper->options.runner;
    if (minder_current(kept).desired != STORE_DESIRED_STOP) {
        trial_adopt(kept);
        recall_memory(kept);
    }
    struct store_app app = minder_current(kept);
    if (app.state == STORE_ON_ERROR || app.state == STORE_EXPIRED || app.state == STORE_PAUSED ||
        app.desired == STORE_DESIRED_STOP)
        return;
    if (runner->class->attach(runner, kept->folder, &kept->control_fd, &err) == 0) {
        keeper_event(kept->keeper, kept->id, "found running again after a start of the node");
        tell_state(kept->keeper, &app);
        fill_image(kept, &app);
        if (add_route(kept, &app, &err) < 0)
            fail_app(kept, err.message);
        return;
    }
    minder_end_enclave(kept); /* what a dead one left: mounts, sockets */
    if (app.state != STORE_SPAWNING && app.state != STORE_CRASHING)
        keeper_event(kept->keeper, kept->id, "its enclave died while the node was down");
    if (app.state == STORE_INITIALIZING && app.provisioned == 0) {
        fail_app(kept, "its enclave died before it had its secrets: deploy again");
        return;
    }
    app.restarts += app.state == STORE_RUNNING ? 1 : 0;
    minder_publish(kept, &app);
}

void *minder_run(void *argument)
{
    struct kept *kept = argument;
    struct keeper *keeper = kept->keeper;
    kept->since_ms = clock_monotonic_ms();
    if (kept->adopted)
        adopt(kept);
    while (turn(kept))
        continue;
    detach(kept);
    lock_acquire(&keeper->mutex);
    keeper->threads--;
    kept_release(kept);
    (void)pthread_cond_broadcast(&keeper->changed);
    lock_release(&keeper->mutex);
    return NULL;
}
