// SPDX-License-Identifier: Apache-2.0
/*
 * What the keeper does at its start: looks whether database and folders belong together, finds its
 * apps again, and clears away what an end in the middle of something has left.
 */
#include "base/file.h"
#include "base/log.h"
#include "node/app_folder.h"
#include "node/keeper_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the database knows. */
struct known {
    struct store_app *apps;
    size_t count;
    size_t room;
};

static void known_done(struct known *known)
{
    free(known->apps);
}

static int collect_app(void *context, const struct store_app *app, struct err *err)
{
    struct known *known = context;
    if (known->count == known->room) {
        size_t room = known->room * 2 + 16;
        struct store_app *apps = mem_resize_array(known->apps, room, sizeof(*apps), err);
        if (apps == NULL)
            return -1;
        known->apps = apps;
        known->room = room;
    }
    known->apps[known->count++] = *app;
    return 0;
}

static const struct store_app *find(const struct known *known, const char *id)
{
    for (size_t i = 0; i < known->count; i++) {
        if (strcmp(known->apps[i].id, id) == 0)
            return &known->apps[i];
    }
    return NULL;
}

/* Calls `visit` for each entry of apps/. */
struct visitor {
    int (*visit)(struct visitor *visitor, const char *name, struct err *err);
    const struct known *known;
    const struct folders *folders;
    struct keeper *keeper;
    char stray[64]; /* the first folder that belongs to no app, "" */
    size_t strays;
};

static int visit(void *context, const char *name, struct err *err)
{
    struct visitor *visitor = context;
    return visitor->visit(visitor, name, err);
}

static int each_folder(struct visitor *visitor, struct err *err)
{
    return folder_each(visitor->folders->apps, visit, visitor, err);
}

static int look_for_stray(struct visitor *visitor, const char *name, struct err *err)
{
    enum app_folder_kind kind;
    if (find(visitor->known, name) != NULL)
        return 0;
    if (app_folder_judge(visitor->folders->apps, name, &kind, err) < 0)
        return -1;
    if (kind != APP_FOLDER_PLAIN)
        return 0;
    if (visitor->strays++ == 0)
        (void)snprintf(visitor->stray, sizeof(visitor->stray), "%s", name);
    return 0;
}

int keeper_check_folders(const struct folders *folders, struct store *store, struct err *err)
{
    struct known known AUTO(known_done) = {0};
    struct visitor visitor = {.visit = look_for_stray, .known = &known, .folders = folders};
    if (store_app_each(store, NULL, collect_app, &known, err) < 0 || each_folder(&visitor, err) < 0)
        return -1;
    if (visitor.strays == 0)
        return 0;
    (void)FAIL(err, ERR_CONFLICT,
               "'%s/%s' holds an app of which the state database '%s' knows nothing%s",
               folders->apps, visitor.stray, folders->database,
               visitor.strays > 1 ? ", and it is not the only one" : "");
    err_hint(
        err,
        "if the database was lost or is an older copy, put the right one back: with it the "
        "apps and what they stored are as they were; if the app is not wanted, move its folder "
        "away. Nothing was changed");
    return -1;
}

static int remove_leftover(struct visitor *visitor, const char *name, struct err *err)
{
    struct err failure = ERR_INIT;
    struct runner *runner = visitor->keeper->options.runner;
    const struct store_app *app = find(visitor->known, name);
    AUTO_FREE char *path = path_join(visitor->folders->apps, name, err);
    if (path == NULL)
        return -1;
    if (app != NULL && app->state != STORE_STOPPED)
        return app_folder_unmark(path, err);
    log_info("removing '%s': %s", name,
             app != NULL ? "its app was stopped" : "it was not finished, or was being removed");
    if (runner->class->stop(runner, path, &failure) < 0 ||
        runner->class->destroy(runner, path, &failure) < 0 ||
        app_folder_discard(path, &failure) < 0)
        log_err(LOG_WARNING, &failure);
    return 0;
}

static int remove_upload(void *context, const char *name, struct err *err)
{
    AUTO_FREE char *path = path_join(context, name, err);
    log_info("removing the unfinished upload '%s'", name);
    return path == NULL ? -1 : folder_remove_tree(path, err);
}

/* Before the API answers, so that nobody gets the name or the port of an app that is down. */
static int adopt_app(struct keeper *keeper, const struct store_app *app, struct err *err)
{
    struct err failure = ERR_INIT;
    struct keeper_insertion insertion = {.adopted = true};
    if (app->desired != STORE_DESIRED_STOP)
        insertion.routed = keeper_add_route(keeper, app, NULL, &failure) == 0;
    if (failure.kind != ERR_NONE)
        log_err(LOG_WARNING, &failure); /* its thread tries again, and says so in its record */
    if (insertion.routed &&
        (app->state == STORE_ON_ERROR || app->state == STORE_EXPIRED || app->state == STORE_PAUSED))
        gateway_set_down(keeper->options.gateway, app->id, true);
    return keeper_insert(keeper, app, &insertion, err);
}

int keeper_adopt(struct keeper *keeper, struct err *err)
{
    const struct keeper_options *options = &keeper->options;
    struct known known AUTO(known_done) = {0};
    struct visitor visitor = {
        .visit = remove_leftover, .known = &known, .folders = options->folders, .keeper = keeper};
    size_t adopted = 0;
    if (keeper_check_folders(options->folders, options->store, err) < 0 ||
        store_app_each(options->store, NULL, collect_app, &known, err) < 0 ||
        folder_each(options->folders->uploads, remove_upload, options->folders->uploads, err) < 0 ||
        each_folder(&visitor, err) < 0)
        return -1;
    for (size_t i = 0; i < known.count; i++) {
        if (known.apps[i].state == STORE_STOPPED)
            continue;
        if (adopt_app(keeper, &known.apps[i], err) < 0)
            return -1;
        adopted++;
    }
    if (adopted > 0)
        log_info("%zu apps of before are looked after again", adopted);
    return 0;
}
