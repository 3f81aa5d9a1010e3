// SPDX-License-Identifier: Apache-2.0
/*
 * The list of enclaves that want collateral, and the threads that go through it, never two for one
 * account: an app that answers slowly holds up its owner's others alone. Runs in msed; owns the
 * cache folder collateral/ of the state folder.
 */
#include "node/stapler.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "gateway/listener.h"
#include "node/staple.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SIMULATION = 0, /* of node_tees */
    STAPLE_TIMEOUT_MS = 120 * 1000,
    RETRY_FIRST_MS = 5 * 1000,
    RETRY_LAST_MS = 3600 * 1000,
    WATCH_MS = 200,
    ERRORS_MAX = 2048,
    IDLE_MS = 3600 * 1000,
    WORKERS = 4,
};

struct wanting {
    struct wanting *next;
    uint64_t number; /* of this enclave: the next of the same app has another */
    char id[STORE_ID_SIZE];
    char owner[STORE_OWNER_SIZE];
    int64_t due_ms;   /* monotonic */
    int64_t pause_ms; /* before the next attempt, should this one fail */
    bool refresh;     /* it has collateral already, which is to be renewed */
};

struct worker {
    struct stapler *stapler;
    pthread_t thread;
    char owner[STORE_OWNER_SIZE]; /* whose app it serves, "" : none; guarded */
};

struct stapler {
    struct stapler_options options;
    char *cache; /* folder */
    struct lock mutex;
    pthread_cond_t changed;
    struct wanting *list; /* guarded, like the next two */
    uint64_t last_number;
    bool stopping;
    size_t running; /* so many threads are there */
    struct worker workers[WORKERS];
};

/* --- the list, under the mutex --- */

static struct wanting **find(struct stapler *stapler, const char *id)
{
    struct wanting **at = &stapler->list;
    while (*at != NULL && strcmp((*at)->id, id) != 0)
        at = &(*at)->next;
    return at;
}

static void take_out(struct stapler *stapler, const char *id)
{
    struct wanting **at = find(stapler, id);
    struct wanting *gone = *at;
    if (gone == NULL)
        return;
    *at = gone->next;
    free(gone);
}

static bool is_served(const struct stapler *stapler, const char *owner)
{
    for (size_t i = 0; i < ARRAY_LEN(stapler->workers); i++) {
        if (strcmp(stapler->workers[i].owner, owner) == 0)
            return true;
    }
    return false;
}

/* Of those whose account nobody serves. NULL: none. */
static const struct wanting *first_due(const struct stapler *stapler)
{
    const struct wanting *first = NULL;
    for (const struct wanting *at = stapler->list; at != NULL; at = at->next) {
        if (!is_served(stapler, at->owner) && (first == NULL || at->due_ms < first->due_ms))
            first = at;
    }
    return first;
}

static void put_in(struct stapler *stapler, const struct store_app *app)
{
    struct err err = ERR_INIT;
    if (*find(stapler, app->id) != NULL)
        return;
    struct wanting *wanting = mem_alloc(sizeof(*wanting), &err);
    if (wanting == NULL) {
        log_err(LOG_ERROR, &err);
        return;
    }
    (void)snprintf(wanting->id, sizeof(wanting->id), "%s", app->id);
    (void)snprintf(wanting->owner, sizeof(wanting->owner), "%s", app->owner);
    wanting->number = ++stapler->last_number;
    wanting->due_ms = clock_monotonic_ms();
    wanting->pause_ms = RETRY_FIRST_MS;
    wanting->next = stapler->list;
    stapler->list = wanting;
    (void)pthread_cond_broadcast(&stapler->changed);
}

/* --- states --- */

static bool has_hardware(const struct stapler *stapler, const struct store_app *app)
{
    const struct node_hardware *hardware =
        node_config_hardware(stapler->options.config, app->resource);
    return hardware != NULL && hardware->tee != SIMULATION;
}

/* Only these answer; any other state is before a start or behind an end, and what the enclave was
 * given is gone. */
static bool answers(const struct store_app *app)
{
    return app->state == STORE_LOCKED || app->state == STORE_INITIALIZING ||
           app->state == STORE_RUNNING;
}

void stapler_state(void *context, const struct store_app *app)
{
    struct stapler *stapler = context;
    if (!has_hardware(stapler, app))
        return;
    lock_acquire(&stapler->mutex);
    if (answers(app))
        put_in(stapler, app);
    else
        take_out(stapler, app->id);
    lock_release(&stapler->mutex);
}

/* --- one app --- */

static const char *or_none(const char *text)
{
    return text == NULL || text[0] == '\0' ? "-" : text;
}

static int go_on(void *context, struct err *err)
{
    struct stapler *stapler = context;
    lock_acquire(&stapler->mutex);
    bool stopping = stapler->stopping;
    lock_release(&stapler->mutex);
    return stopping ? FAIL(err, ERR_INTERRUPTED, "the node is stopping") : 0;
}

static int run(struct stapler *stapler, int app_fd, bool refresh, struct err *err)
{
    const struct node_collateral *collateral = &stapler->options.config->collateral;
    const char *const argv[] = {stapler->options.program,
                                "staple",
                                refresh ? STAPLE_REFRESH : STAPLE_KEPT,
                                or_none(collateral->pccs),
                                or_none(collateral->kds),
                                or_none(collateral->vlek),
                                NULL};
    AUTO_BUF struct buf out = BUF_INIT(ERRORS_MAX);
    AUTO_BUF struct buf errors = BUF_INIT(ERRORS_MAX);
    AUTO_FREE char *cache = str_printf(err, "MSE_CACHE_HOME=%s", stapler->cache);
    int status = 0;
    if (cache == NULL)
        return -1;
    const char *const env[] = {cache, "PATH=/usr/bin:/bin", NULL};
    const struct process_fd fds[] = {{app_fd, STAPLE_FD}};
    const struct process_spec spec = {.argv = argv,
                                      .env = env,
                                      .fds = fds,
                                      .fd_count = ARRAY_LEN(fds),
                                      .folder = "/",
                                      .new_session = true,
                                      .watch = go_on,
                                      .context = stapler,
                                      .watch_ms = WATCH_MS};
    if (process_run(&spec, slice_of(NULL, 0), &out, &errors, STAPLE_TIMEOUT_MS, &status, err) < 0)
        return -1;
    if (status == 0)
        return 0;
    char *line = errors.len == 0 ? NULL : (char *)errors.data;
    if (line != NULL)
        line[strcspn(line, "\n")] = '\0';
    return FAIL(err, ERR_UNREACHABLE, "%s", line == NULL ? "msed staple failed" : line);
}

/* NOT_FOUND: it does not want any more. */
static int staple_app(struct stapler *stapler, const char *id, bool refresh, struct err *err)
{
    struct store_app app;
    AUTO_CLOSE int fd = -1;
    AUTO_FREE char *folder = path_join(stapler->options.folders->apps, id, err);
    if (folder == NULL || store_app_get(stapler->options.store, id, &app, err) < 0)
        return -1;
    if (!answers(&app))
        return FAIL(err, ERR_NOT_FOUND, "it does not run");
    if (app_socket_connect(folder, APP_SOCKET, geteuid(), &fd, err) < 0) {
        err->kind = ERR_UNREACHABLE; /* it has just ended, or is full */
        return -1;
    }
    return run(stapler, fd, refresh, err);
}

static void note_failure(struct stapler *stapler, const char *id, const struct err *why)
{
    struct err ignored = ERR_INIT;
    struct store_event event = {.time = clock_unix()};
    log_warning("app %s has no fresh collateral, the node tries again: %s", id, why->message);
    (void)snprintf(event.app, sizeof(event.app), "%s", id);
    (void)snprintf(event.text, sizeof(event.text), "no fresh collateral: %.*s",
                   (int)strcspn(why->message, "\n"), why->message);
    (void)!store_event_add(stapler->options.store, &event, &ignored);
}

/* Under the mutex again: the app may have gone meanwhile, or have another enclave, which has got
 * nothing yet. */
static void plan(struct stapler *stapler, const struct wanting *served, int status,
                 const struct err *err)
{
    struct wanting *wanting = *find(stapler, served->id);
    if (wanting == NULL || wanting->number != served->number)
        return;
    if (status < 0 && err->kind == ERR_NOT_FOUND) {
        take_out(stapler, served->id);
        return;
    }
    int64_t now_ms = clock_monotonic_ms();
    if (status == 0) {
        wanting->refresh = true;
        wanting->pause_ms = RETRY_FIRST_MS;
        wanting->due_ms = now_ms + stapler->options.config->collateral.refresh_s * 1000;
        return;
    }
    wanting->due_ms = now_ms + wanting->pause_ms;
    wanting->pause_ms =
        wanting->pause_ms * 2 < RETRY_LAST_MS ? wanting->pause_ms * 2 : RETRY_LAST_MS;
}

/* --- the threads --- */

static void wait_for(struct stapler *stapler, int64_t left_ms)
{
    const struct timespec until = clock_deadline_us(left_ms * 1000);
    (void)lock_wait_until(&stapler->mutex, &stapler->changed, &until);
}

/* With the mutex, which is released while an app is served. */
static void serve(struct worker *worker, const struct wanting *wanting)
{
    struct err err = ERR_INIT;
    struct stapler *stapler = worker->stapler;
    const struct wanting served = *wanting;
    memcpy(worker->owner, served.owner, sizeof(worker->owner));
    lock_release(&stapler->mutex);
    int status = staple_app(stapler, served.id, served.refresh, &err);
    if (status < 0 && err.kind != ERR_NOT_FOUND && err.kind != ERR_INTERRUPTED)
        note_failure(stapler, served.id, &err);
    lock_acquire(&stapler->mutex);
    worker->owner[0] = '\0';
    plan(stapler, &served, status, &err);
    (void)pthread_cond_broadcast(&stapler->changed); /* the account's next one may come */
}

static void *go(void *argument)
{
    struct worker *worker = argument;
    struct stapler *stapler = worker->stapler;
    lock_acquire(&stapler->mutex);
    while (!stapler->stopping) {
        const struct wanting *first = first_due(stapler);
        int64_t left_ms = first == NULL ? IDLE_MS : first->due_ms - clock_monotonic_ms();
        if (left_ms > 0)
            wait_for(stapler, left_ms);
        else
            serve(worker, first);
    }
    lock_release(&stapler->mutex);
    return NULL;
}

static int start_workers(struct stapler *stapler, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(stapler->workers); i++) {
        struct worker *worker = &stapler->workers[i];
        worker->stapler = stapler;
        if (pthread_create(&worker->thread, NULL, go, worker) != 0)
            return FAIL(err, ERR_MEMORY, "no thread for collateral");
        stapler->running++;
    }
    return 0;
}

int stapler_new(const struct stapler_options *options, struct stapler **ret, struct err *err)
{
    struct stapler *stapler = mem_alloc(sizeof(*stapler), err);
    if (stapler == NULL)
        return -1;
    stapler->options = *options;
    lock_init(&stapler->mutex, LOCK_STAPLER);
    clock_cond_init(&stapler->changed);
    stapler->cache = path_join(options->folders->state, "collateral", err);
    if (stapler->cache == NULL || folder_create_all(stapler->cache, 0700, err) < 0) {
        stapler_free(stapler);
        return -1;
    }
    if (start_workers(stapler, err) < 0) {
        stapler_free(stapler);
        return -1;
    }
    *ret = stapler;
    return 0;
}

void stapler_free(struct stapler *stapler)
{
    if (stapler == NULL)
        return;
    lock_acquire(&stapler->mutex);
    stapler->stopping = true;
    (void)pthread_cond_broadcast(&stapler->changed);
    lock_release(&stapler->mutex);
    for (size_t i = 0; i < stapler->running; i++)
        (void)pthread_join(stapler->workers[i].thread, NULL);
    while (stapler->list != NULL)
        take_out(stapler, stapler->list->id);
    (void)pthread_cond_destroy(&stapler->changed);
    lock_done(&stapler->mutex);
    free(stapler->cache);
    free(stapler);
}
