// SPDX-License-Identifier: Apache-2.0
/*
 * The list of apps that are not stopped, and what others ask of it. Owns the apps' threads and
 * their folders. Runs in msed.
 */
#include "node/keeper.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "launch/cgroup.h"
#include "model/manifest.h"
#include "node/account.h"
#include "node/admission.h"
#include "node/app_folder.h"
#include "node/keeper_internal.h"
#include "node/kept_logs.h"
#include "node/records.h"
#include "node/room.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MINDER_STACK = 512 * 1024, CLOCK_SAVE_MS = 60 * 1000 };

/* --- the list; all of these with the mutex --- */

static void free_kept(struct kept *kept)
{
    if (kept == NULL)
        return;
    fd_close(kept->wake_fd);
    fd_close(kept->control_fd);
    fd_close(kept->app_fd);
    free(kept->folder);
    free(kept);
}
DEFINE_CLEANUP(kept_cleanup, struct kept *, free_kept)

void kept_release(struct kept *kept)
{
    if (--kept->users == 0)
        free_kept(kept);
}

struct kept *keeper_find(const struct keeper *keeper, const char *id)
{
    for (struct kept *kept = keeper->apps; kept != NULL; kept = kept->next) {
        if (strcmp(kept->id, id) == 0)
            return kept;
    }
    return NULL;
}

void keeper_take_out(struct keeper *keeper, struct kept *kept)
{
    for (struct kept **place = &keeper->apps; *place != NULL; place = &(*place)->next) {
        if (*place == kept) {
            *place = kept->next;
            kept_release(kept);
            return;
        }
    }
}

void keeper_wake(const struct kept *kept)
{
    const uint64_t one = 1;
    ssize_t written = write(kept->wake_fd, &one, sizeof(one));
    (void)written; /* fails only when it is awake anyway */
}

static int start_thread(struct kept *kept, struct err *err)
{
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, MINDER_STACK);
    int failed = pthread_create(&kept->thread, &attributes, minder_run, kept);
    (void)pthread_attr_destroy(&attributes);
    if (failed != 0)
        return FAIL(err, ERR_MEMORY, "cannot start a thread for app %s", kept->id);
    kept->users++;
    kept->keeper->threads++;
    return 0;
}

static struct kept *make_kept(struct keeper *keeper, const struct store_app *app, struct err *err)
{
    AUTO(kept_cleanup) struct kept *kept = mem_alloc(sizeof(*kept), err);
    if (kept == NULL)
        return NULL;
    kept->keeper = keeper;
    kept->app = *app;
    kept->control_fd = -1;
    kept->app_fd = -1;
    kept->users = 1;
    memcpy(kept->id, app->id, sizeof(kept->id));
    kept->folder = path_join(keeper->options.folders->apps, app->id, err);
    kept->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (kept->wake_fd < 0)
        (void)FAIL_ERRNO(err, ERR_IO, "cannot create an eventfd");
    if (kept->folder == NULL || kept->wake_fd < 0)
        return NULL;
    return STEAL(kept);
}

int keeper_insert(struct keeper *keeper, const struct store_app *app,
                  const struct keeper_insertion *insertion, struct err *err)
{
    struct kept *kept = make_kept(keeper, app, err);
    if (kept == NULL)
        return -1;
    kept->adopted = insertion->adopted;
    kept->routed = insertion->routed;
    lock_acquire(&keeper->mutex);
    kept->next = keeper->apps;
    keeper->apps = kept;
    int result = start_thread(kept, err);
    if (result < 0)
        keeper_take_out(keeper, kept);
    lock_release(&keeper->mutex);
    return result;
}

void keeper_event(struct keeper *keeper, const char *id, const char *text)
{
    struct err err = ERR_INIT;
    struct store_event event = {.time = clock_unix()};
    (void)snprintf(event.app, sizeof(event.app), "%s", id);
    (void)snprintf(event.text, sizeof(event.text), "%s", text);
    log_info("app %s: %s", id, text);
    if (store_event_add(keeper->options.store, &event, &err) < 0)
        log_err(LOG_WARNING, &err);
}

/* --- a new app --- */

struct taken {
    const struct keeper *keeper;
    const struct store_app *wanted; /* the new app */
    const char *replaces;           /* NULL: none */
    struct admission admission;
    int64_t count;
    int64_t ports[4096];
    int64_t uid_count;
    int64_t uids[8192];
};

/* A name belongs to its app until that is removed, whatever state it is in. */
static int check_name(const struct taken *taken, const struct store_app *app, struct err *err)
{
    const struct store_app *wanted = taken->wanted;
    if (strcmp(taken->keeper->options.config->domain, "localhost") == 0 ||
        strcmp(app->host_name, wanted->host_name) != 0)
        return 0; /* with localhost it is the port that leads to an app */
    bool same_owner = strcmp(app->owner, wanted->owner) == 0;
    bool replaced = taken->replaces != NULL && strcmp(app->id, taken->replaces) == 0;
    if (same_owner && (replaced || app->desired == STORE_DESIRED_STOP))
        return 0;
    err_set(err, ERR_CONFLICT, 0, "the host name '%s' is in use by %s%s", wanted->host_name,
            same_owner ? "your app " : "another app of the node", same_owner ? app->id : "");
    err_hint(err, "a name is free again when its app is stopped");
    return -1;
}

static int collect_taken(void *context, const struct store_app *app, struct err *err)
{
    struct taken *taken = context;
    if (app->state == STORE_STOPPED)
        return 0;
    if (taken->count >= (int64_t)ARRAY_LEN(taken->ports))
        return FAIL(err, ERR_BUSY, "the node has %zu apps", ARRAY_LEN(taken->ports));
    if (check_name(taken, app, err) < 0)
        return -1;
    admission_add(&taken->admission, app);
    taken->ports[taken->count++] = app->port;
    taken->uids[taken->uid_count++] = app->run_uid;
    return 0;
}

/* A folder whose app is unknown could not be removed: its supervisor may live, as that user. */
static int collect_folders(struct taken *taken, struct err *err)
{
    const char *apps = taken->keeper->options.folders->apps;
    struct stat info;
    DIR *list = opendir(apps);
    if (list == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot list '%s'", apps);
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (entry->d_name[0] != '.' && taken->uid_count < (int64_t)ARRAY_LEN(taken->uids) &&
            fstatat(dirfd(list), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0)
            taken->uids[taken->uid_count++] = info.st_gid; /* make_folder */
    }
    (void)closedir(list);
    return 0;
}

static bool is_among(const int64_t *list, int64_t count, int64_t value)
{
    for (int64_t i = 0; i < count; i++) {
        if (list[i] == value)
            return true;
    }
    return false;
}

static int choose_uid(const struct taken *taken, struct store_app *app, struct err *err)
{
    if (geteuid() != 0)
        return 0; /* its processes run as we do */
    for (int64_t uid = KEEPER_UID_FIRST; uid < KEEPER_UID_FIRST + KEEPER_UID_COUNT; uid++) {
        if (!is_among(taken->uids, taken->uid_count, uid)) {
            app->run_uid = uid;
            return 0;
        }
    }
    return FAIL(err, ERR_BUSY, "no user left for the app");
}

int keeper_add_route(const struct keeper *keeper, const struct store_app *app, const char *replaces,
                     struct err *err)
{
    AUTO_FREE char *folder = str_printf(err, "%s/%s", keeper->options.folders->apps, app->id);
    if (folder == NULL)
        return -1;
    const struct gateway_route route = {
        .id = app->id,
        .account = app->owner,
        .folder = folder,
        .socket = APP_SOCKET,
        .host_name = app->host_name,
        .port = (uint16_t)app->port,
        .uid = geteuid(),
        .replaces = replaces,
    };
    return gateway_add(keeper->options.gateway, &route, err);
}

/* Takes the first port that nobody listens on, by listening on it. */
static int open_route(const struct taken *taken, struct store_app *app, struct err *err)
{
    const struct keeper_options *options = &taken->keeper->options;
    const struct config_ports *range = &options->config->ports;
    if (strcmp(options->config->domain, "localhost") != 0)
        return keeper_add_route(taken->keeper, app, taken->replaces, err);
    for (int port = range->first; port <= range->last; port++) {
        struct err failure = ERR_INIT;
        if (is_among(taken->ports, taken->count, port))
            continue;
        app->port = port;
        if (keeper_add_route(taken->keeper, app, taken->replaces, &failure) == 0)
            return 0;
        if (failure.kind != ERR_CONFLICT) {
            *err = failure;
            return -1;
        }
    }
    return FAIL(err, ERR_BUSY, "no free port between %d and %d for the app", range->first,
                range->last);
}

/* What the node has and what its other apps take of it; `taken` is zero. */
static int look_around(struct taken *taken, const struct keeper *keeper,
                       const struct store_app *wanted, const char *replaces, struct err *err)
{
    const struct keeper_options *options = &keeper->options;
    struct room room;
    if (room_look(options->config, options->folders->state, &room, err) < 0)
        return -1;
    taken->keeper = keeper;
    taken->wanted = wanted;
    taken->replaces = replaces;
    taken->admission = (struct admission){
        .config = options->config,
        .wanted = wanted,
        .replaces = replaces,
        .is_operator = account_is_operators(wanted->owner),
        .machine = {.memory_bytes = (int64_t)cgroup_memory_of_all(),
                    .storage_bytes = (int64_t)room.size_bytes},
    };
    return store_app_each(options->store, NULL, collect_taken, taken, err);
}

int keeper_admit(struct keeper *keeper, const struct store_app *app, const char *replaces,
                 struct err *err)
{
    AUTO_FREE struct taken *taken = mem_alloc(sizeof(*taken), err);
    if (taken == NULL || look_around(taken, keeper, app, replaces, err) < 0)
        return -1;
    return admission_check(&taken->admission, err);
}

static int choose(struct keeper *keeper, struct store_app *app, const char *replaces,
                  struct err *err)
{
    AUTO_FREE struct taken *taken = mem_alloc(sizeof(*taken), err);
    if (taken == NULL || look_around(taken, keeper, app, replaces, err) < 0 ||
        collect_folders(taken, err) < 0 || admission_check(&taken->admission, err) < 0)
        return -1;
    if (choose_uid(taken, app, err) < 0)
        return -1;
    return open_route(taken, app, err);
}

/* apps/ID with the package in it, open to the app's own user alone. Making it is what keeps two
 * uploads of one id apart; the mark in it says that no record may be expected yet. */
static int make_folder(const char *folder, const struct store_app *app, const char *package,
                       struct err *err)
{
    if (mkdir(folder, 0700) < 0)
        return FAIL_ERRNO(err, errno == EEXIST ? ERR_EXISTS : ERR_IO,
                          "cannot make a folder for app '%s'", app->id);
    AUTO_FREE char *inside = app_folder_package(folder, 1, err);
    if (inside == NULL || app_folder_mark(folder, err) < 0)
        return -1;
    if (rename(package, inside) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot move the package to '%s'", inside);
    if (app->run_uid != 0 && (chown(folder, 0, (gid_t)app->run_uid) < 0 || chmod(folder, 0710) < 0))
        return FAIL_ERRNO(err, ERR_IO, "cannot give '%s' to user %lld", folder,
                          (long long)app->run_uid);
    return 0;
}

/* All of its storage, now: what is admitted has the bytes that its quota promises. */
static int reserve(struct keeper *keeper, const struct store_app *app, const char *folder,
                   struct err *err)
{
    static const char what[] = "the storage of the app";
    const struct keeper_options *options = &keeper->options;
    uint64_t quota = options->config->quota == NODE_QUOTA_LOOP ? (uint64_t)app->quota_bytes : 0;
    struct err full = ERR_INIT;
    if (room_check(options->config, options->folders->apps, what, quota, &full) < 0)
        layers_trim(options->layers, 0);
    if (room_check(options->config, options->folders->apps, what, quota, err) < 0 ||
        options->runner->class->reserve(options->runner, folder, app, err) < 0)
        return -1;
    return room_check(options->config, options->folders->apps, what, 0, err);
}

static void discard_folder(const char *folder)
{
    struct err err = ERR_INIT;
    if (app_folder_discard(folder, &err) < 0)
        log_err(LOG_WARNING, &err);
}

static int save_first_release(struct keeper *keeper, const struct store_app *app, struct err *err)
{
    struct store_release first;
    release_of_app(app, &first);
    return store_release_save(keeper->options.store, &first, err);
}

static int create_locked(struct keeper *keeper, struct store_app *app, const char *package,
                         const char *replaces, struct err *err)
{
    AUTO_FREE char *folder = path_join(keeper->options.folders->apps, app->id, err);
    struct store_app known = {0};
    struct err unknown = ERR_INIT;
    if (folder == NULL)
        return -1;
    if (store_app_get(keeper->options.store, app->id, &known, &unknown) == 0 &&
        known.state != STORE_STOPPED)
        return FAIL(err, ERR_EXISTS, "an app with the id '%s' exists already%s", app->id,
                    strcmp(known.owner, app->owner) == 0 ? "" : ", of another account");
    if (choose(keeper, app, replaces, err) < 0)
        return -1;
    bool made = make_folder(folder, app, package, err) == 0;
    if (made && kept_logs_forget_app(keeper->options.folders->logs, app->id, err) == 0 &&
        reserve(keeper, app, folder, err) == 0 &&
        store_app_create(keeper->options.store, app, replaces, err) == 0 &&
        save_first_release(keeper, app, err) == 0) {
        struct err late = ERR_INIT;
        if (app_folder_unmark(folder, &late) < 0)
            log_err(LOG_WARNING, &late); /* the next msed does it: there is a record */
        return 0;
    }
    gateway_remove(keeper->options.gateway, app->id);
    if (made || err->kind != ERR_EXISTS)
        discard_folder(folder);
    return -1;
}

static void stop_replaced(struct keeper *keeper, const char *id)
{
    lock_acquire(&keeper->mutex);
    struct kept *kept = keeper_find(keeper, id);
    if (kept != NULL) {
        kept->app.desired = STORE_DESIRED_STOP; /* as the store has it since the new one exists */
        keeper_wake(kept);
    }
    lock_release(&keeper->mutex);
}

int keeper_create(struct keeper *keeper, const struct store_app *app, const char *package,
                  const char *replaces, struct store_app *ret, struct err *err)
{
    struct store_app made = *app;
    made.release = 1;
    lock_acquire(&keeper->creating);
    int result = create_locked(keeper, &made, package, replaces, err);
    lock_release(&keeper->creating);
    if (result < 0)
        return -1;
    keeper_event(keeper, made.id, "created");
    if (replaces != NULL)
        stop_replaced(keeper, replaces);
    *ret = made;
    const struct keeper_insertion insertion = {.routed = true};
    return keeper_insert(keeper, &made, &insertion, err);
}

/* --- calls --- */

int keeper_get(struct keeper *keeper, const char *id, struct store_app *ret, struct err *err)
{
    lock_acquire(&keeper->mutex);
    const struct kept *kept = keeper_find(keeper, id);
    if (kept != NULL)
        *ret = kept->app;
    lock_release(&keeper->mutex);
    return kept != NULL ? 0 : store_app_get(keeper->options.store, id, ret, err);
}

bool keeper_has(struct keeper *keeper, const char *id)
{
    lock_acquire(&keeper->mutex);
    bool has = keeper_find(keeper, id) != NULL;
    lock_release(&keeper->mutex);
    return has;
}

void keeper_stats(struct keeper *keeper, const char *id, struct keeper_stats *ret)
{
    lock_acquire(&keeper->mutex);
    const struct kept *kept = keeper_find(keeper, id);
    *ret = kept != NULL ? kept->stats : (struct keeper_stats){0};
    lock_release(&keeper->mutex);
}

/* With the mutex. */
static int order_stop(struct keeper *keeper, struct kept *kept, struct err *err)
{
    kept->app.desired = STORE_DESIRED_STOP;
    kept->users++;
    const unsigned failures = kept->failed_stops;
    int result = store_app_save(keeper->options.store, &kept->app, err);
    keeper_wake(kept);
    while (result == 0 && !kept->finished && kept->failed_stops == failures &&
           kept->order != ORDER_CLOSE)
        lock_wait(&keeper->mutex, &keeper->changed);
    if (result == 0 && !kept->finished && kept->failed_stops != failures) {
        *err = kept->stop_error;
        err_hint(err, "the node tries again by itself until the app is gone");
        result = FAIL_CONTEXT(err, "app %s is not removed yet", kept->id);
    } else if (result == 0 && !kept->finished)
        result = FAIL(err, ERR_INTERRUPTED, "the node is stopping; it goes on at its next start");
    kept_release(kept);
    return result;
}

int keeper_stop(struct keeper *keeper, const char *id, struct err *err)
{
    lock_acquire(&keeper->mutex);
    struct kept *kept = keeper_find(keeper, id);
    int result = kept != NULL ? order_stop(keeper, kept, err) : 0;
    lock_release(&keeper->mutex);
    return result;
}

static bool is_over(const struct store_app *app, int64_t expires)
{
    return app->state == STORE_EXPIRED && expires == 0;
}

int keeper_restart(struct keeper *keeper, const char *id, int64_t expires, struct err *err)
{
    int result = -1;
    lock_acquire(&keeper->mutex);
    struct kept *kept = keeper_find(keeper, id);
    if (kept == NULL || kept->app.desired == STORE_DESIRED_STOP) {
        result = FAIL(err, ERR_CONFLICT, "app %s is stopped: what it stored is gone", id);
    } else if (kept->app.trial != STORE_TRIAL_NONE) {
        result = FAIL(err, ERR_CONFLICT, "a new release of app %s is being tried", id);
        err_hint(err, "wait until it is live, or take it back with 'mse rollback'");
    } else if (kept->app.provisioned == 0) {
        result = FAIL(err, ERR_CONFLICT,
                      "app %s never had its secrets, so it cannot start by itself", id);
    } else if (is_over(&kept->app, expires)) {
        result = FAIL(err, ERR_CONFLICT, "app %s has expired", id);
        err_hint(err, "give it a new expiry to start it again: mse restart --expires DATE");
    } else {
        kept->app.expires = expires != 0 ? expires : kept->app.expires;
        kept->order = ORDER_RESTART;
        keeper_wake(kept);
        result = 0;
    }
    lock_release(&keeper->mutex);
    if (result < 0 && err->hint[0] == '\0')
        err_hint(err, "deploy it again");
    return result;
}

/* With the mutex. NULL: it can be paused. */
static const char *why_no_pause(const struct kept *kept)
{
    if (kept == NULL || kept->app.desired == STORE_DESIRED_STOP)
        return "is stopped: what it stored is gone";
    if (kept->app.trial != STORE_TRIAL_NONE)
        return "has a new release that is being tried: wait until it is live, or take it back with "
               "'mse rollback'";
    if (kept->app.state == STORE_EXPIRED)
        return "has expired";
    return kept->app.provisioned == 0 ? "never ran" : NULL;
}

int keeper_pause(struct keeper *keeper, const char *id, struct err *err)
{
    int result = 0;
    lock_acquire(&keeper->mutex);
    struct kept *kept = keeper_find(keeper, id);
    const char *why = why_no_pause(kept);
    if (why != NULL) {
        result = FAIL(err, ERR_CONFLICT, "app %s %s", id, why);
    } else if (kept->app.state != STORE_PAUSED) {
        kept->order = ORDER_PAUSE;
        keeper_wake(kept);
    }
    lock_release(&keeper->mutex);
    return result;
}

void keeper_catch_up(const struct keeper *keeper, const char *id)
{
    struct runner *runner = keeper->options.runner;
    AUTO_FREE char *folder = path_join(keeper->options.folders->apps, id, NULL);
    if (folder != NULL)
        runner->class->catch_up(runner, folder);
}

char *keeper_log_path(struct keeper *keeper, const char *id, int64_t release, struct err *err)
{
    struct store_app app;
    struct store_release known;
    const struct keeper_options *options = &keeper->options;
    if (keeper_get(keeper, id, &app, err) < 0)
        return NULL;
    const int64_t last = store_release_number(&app);
    if (app.state != STORE_STOPPED && (release == 0 || release == last))
        return str_printf(err, "%s/%s/log", options->folders->apps, id);
    if (release != 0 && release != last &&
        store_release_get(options->store, id, release, &known, err) < 0) {
        err_hint(err, "'mse releases' lists those that the node knows");
        return NULL;
    }
    return kept_log_path(options->folders->logs, id, release != 0 ? release : last, err);
}

static int forget_locked(struct keeper *keeper, const char *id, struct err *err)
{
    struct store_app app;
    if (keeper_get(keeper, id, &app, err) < 0)
        return -1;
    if (keeper_has(keeper, id) || app.state != STORE_STOPPED) {
        (void)FAIL(err, ERR_CONFLICT, "app %s is not stopped: it is %s", id,
                   store_state_name(app.state));
        err_hint(err, "'mse stop' ends it with all that it has stored");
        return -1;
    }
    return records_forget(keeper->options.store, keeper->options.folders->logs, id, err);
}

int keeper_forget(struct keeper *keeper, const char *id, struct err *err)
{
    lock_acquire(&keeper->creating); /* an app of this id cannot come back meanwhile */
    int result = forget_locked(keeper, id, err);
    lock_release(&keeper->creating);
    return result;
}

int64_t keeper_storage_used(const struct keeper *keeper, const struct store_app *app)
{
    struct runner *runner = keeper->options.runner;
    AUTO_FREE char *folder = path_join(keeper->options.folders->apps, app->id, NULL);
    if (folder == NULL || app->state == STORE_STOPPED)
        return 0;
    return runner->class->used(runner, folder);
}

/* --- the clock --- */

static void read_clock(const struct keeper *keeper, struct timeline_reading *ret)
{
    if (keeper->options.read_clock != NULL)
        keeper->options.read_clock(ret);
    else
        timeline_read(ret);
}

static bool judge(struct keeper *keeper, struct timeline_reading *ret)
{
    read_clock(keeper, ret);
    lock_acquire(&keeper->mutex);
    bool before = keeper->believed;
    bool believed = timeline_judge(&keeper->timeline, ret);
    keeper->believed = believed;
    lock_release(&keeper->mutex);
    if (before && !believed)
        log_info("the wall clock is not believed: it jumped, or the machine has started; nothing "
                 "expires until it has run in step for %d s",
                 TIMELINE_SETTLE_S);
    if (!before && believed)
        log_info("the wall clock is believed");
    return believed;
}

bool keeper_clock(struct keeper *keeper, int64_t *ret_wall)
{
    struct timeline_reading now;
    bool believed = judge(keeper, &now);
    *ret_wall = now.clock.wall;
    return believed;
}

bool keeper_clock_believed(struct keeper *keeper)
{
    struct timeline_reading now;
    return judge(keeper, &now);
}

void keeper_tick(struct keeper *keeper)
{
    struct err err = ERR_INIT;
    struct timeline_reading now;
    int64_t now_ms = clock_monotonic_ms();
    bool due = keeper->saved_ms == 0 || now_ms - keeper->saved_ms >= CLOCK_SAVE_MS;
    if (!judge(keeper, &now) || !due)
        return;
    keeper->saved_ms = now_ms;
    if (store_clock_save(keeper->options.store, &now.clock, &err) < 0 ||
        kept_logs_trim(keeper->options.folders->logs,
                       now.clock.wall - keeper->options.config->limits.logs_kept_s, &err) < 0)
        log_err(LOG_WARNING, &err);
}

int64_t keeper_kept_left(const struct keeper *keeper, const struct store_app *app)
{
    int64_t left_s = keeper->options.config->limits.expired_kept_s - app->kept_s;
    return left_s > 0 ? left_s : 0;
}

static int count_app(void *context, const struct store_app *app, struct err *err)
{
    *(size_t *)context += app->state != STORE_STOPPED ? 1 : 0;
    return 0;
}

static int open_clock(struct keeper *keeper, struct err *err)
{
    struct err failure = ERR_INIT;
    struct store_clock stored = {0};
    struct timeline_reading now;
    size_t apps = 0;
    bool known = store_clock_get(keeper->options.store, &stored, &failure) == 0;
    if (!known && failure.kind != ERR_NOT_FOUND) {
        *err = failure;
        return -1;
    }
    if (store_app_each(keeper->options.store, NULL, count_app, &apps, err) < 0)
        return -1;
    read_clock(keeper, &now);
    timeline_init(&keeper->timeline, known ? &stored : NULL, apps == 0, &now);
    keeper->believed = true; /* so that it is said where it is not */
    keeper_tick(keeper);
    return 0;
}

/* --- life --- */

int keeper_new(const struct keeper_options *options, struct keeper **ret, struct err *err)
{
    struct keeper *keeper = mem_alloc(sizeof(*keeper), err);
    if (keeper == NULL)
        return -1;
    keeper->options = *options;
    lock_init(&keeper->mutex, LOCK_KEEPER);
    lock_init(&keeper->creating, LOCK_KEEPER_CREATING);
    (void)pthread_cond_init(&keeper->changed, NULL);
    if (open_clock(keeper, err) < 0) {
        keeper_free(keeper);
        return -1;
    }
    *ret = keeper;
    return 0;
}

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): what is in the list is held by it */
/* One that is there and has not failed to stop. */
static struct kept *not_tried(const struct keeper *keeper)
{
    struct kept *kept = keeper->apps;
    while (kept != NULL && kept->failed_stops > 0)
        kept = kept->next;
    return kept;
}

void keeper_stop_all(struct keeper *keeper)
{
    struct err err = ERR_INIT;
    if (keeper == NULL)
        return;
    lock_acquire(&keeper->mutex);
    for (struct kept *kept = keeper->apps; kept != NULL; kept = kept->next) {
        kept->app.desired = STORE_DESIRED_STOP; /* all at once, then one after another */
        keeper_wake(kept);
    }
    struct kept *kept = not_tried(keeper);
    bool goes_on = true;
    while (kept != NULL && goes_on) {
        kept->users++;
        if (order_stop(keeper, kept, &err) < 0) {
            log_err(LOG_ERROR, &err); /* the next start of msed tries again */
            err_clear(&err);
            goes_on = kept->failed_stops > 0; /* each is tried once */
        }
        kept_release(kept);
        kept = not_tried(keeper);
    }
    lock_release(&keeper->mutex);
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

void keeper_free(struct keeper *keeper)
{
    if (keeper == NULL)
        return;
    lock_acquire(&keeper->mutex);
    for (struct kept *kept = keeper->apps; kept != NULL; kept = kept->next) {
        kept->order = ORDER_CLOSE;
        keeper_wake(kept);
    }
    (void)pthread_cond_broadcast(&keeper->changed);
    while (keeper->threads > 0)
        lock_wait(&keeper->mutex, &keeper->changed);
    while (keeper->apps != NULL)
        keeper_take_out(keeper, keeper->apps);
    lock_release(&keeper->mutex);
    (void)pthread_cond_destroy(&keeper->changed);
    lock_done(&keeper->creating);
    lock_done(&keeper->mutex);
    free(keeper);
}
