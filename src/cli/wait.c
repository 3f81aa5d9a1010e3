// SPDX-License-Identifier: Apache-2.0
/*
 * Polling the node about one app, on the owner's machine.
 */
#include "cli/ui.h"
#include "cli/wait.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum { POLL_FIRST_MS = 10, POLL_LAST_MS = 250 };

static int fail_because(const struct node_app *app, const char *reason, struct err *err)
{
    const char *why = reason[0] != '\0' ? reason : "no reason was given";
    /* What follows the first line is the end of the log, which whoever fails shows as it is. */
    (void)FAIL(err, ERR_APP, "%.*s", (int)strcspn(why, "\n"), why);
    err_hint(err, "'mse logs %.8s' shows the whole log", app->id);
    return -1;
}

/* What is waited for. */
struct wanted {
    const char *id;
    const char *const *states; /* any of these, NULL-terminated; none: any state */
    const char *text;          /* of them, for people */
    bool settled;              /* no release is being tried */
    int64_t restarts_before;   /* -1: any */
    int64_t release;           /* 0: any */
};

/* An upload is answered before the app's own thread has begun with it. */
static bool is_release(const struct node_app *app, const struct wanted *wanted)
{
    return wanted->release == 0 || app->release == wanted->release;
}

static bool has_restarted(const struct node_app *app, const struct wanted *wanted)
{
    return wanted->restarts_before < 0 || app->restarts > wanted->restarts_before;
}

static bool is_one_of(const char *state, const char *const *states)
{
    bool found = states[0] == NULL;
    for (size_t i = 0; states[i] != NULL && !found; i++)
        found = strcmp(state, states[i]) == 0;
    return found;
}

static bool is_there(const struct node_app *app, const struct wanted *wanted)
{
    return is_one_of(app->state, wanted->states) && has_restarted(app, wanted) &&
           is_release(app, wanted) && (!wanted->settled || strcmp(app->trial, "none") == 0);
}

int wait_fail_release(struct node_client *node, const struct node_app *app, int64_t number,
                      struct err *err)
{
    char path[128];
    AUTO_JSON json_t *releases = NULL;
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/releases", app->id);
    if (node_client_list(node, path, "releases", &releases, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(releases); i++) {
        const json_t *release = json_array_get(releases, i);
        const char *reason = json_string_value(json_object_get(release, "reason"));
        bool is_it =
            number == 0 || json_integer_value(json_object_get(release, "number")) == number;
        if (is_it && reason != NULL && reason[0] != '\0')
            return fail_because(app, reason, err);
    }
    return fail_because(app, "", err);
}

/* 0: it may come yet. */
static int check_hopeless(struct node_client *node, const struct node_app *app,
                          const struct wanted *wanted, struct err *err)
{
    if (!is_release(app, wanted))
        return strcmp(app->trial, "none") == 0 ? wait_fail_release(node, app, wanted->release, err)
                                               : 0;
    bool failed = strcmp(app->state, "on_error") == 0 || strcmp(app->state, "crashing") == 0;
    if (has_restarted(app, wanted) && failed && !is_one_of("stopped", wanted->states))
        return fail_because(app, app->reason, err);
    if (strcmp(app->state, "expired") == 0 && wanted->restarts_before < 0 &&
        is_one_of("running", wanted->states))
        return FAIL(err, ERR_CONFLICT, "the app has expired");
    return 0;
}

static int wait_until(struct node_client *node, const struct wanted *wanted, int timeout_s,
                      struct node_app *ret, struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + (int64_t)timeout_s * 1000;
    for (int pause = POLL_FIRST_MS;;
         pause = pause * 3 / 2 > POLL_LAST_MS ? POLL_LAST_MS : pause * 3 / 2) {
        AUTO_NODE_APP struct node_app app = {0};
        if (node_app_get(node, wanted->id, &app, err) < 0)
            return -1;
        if (is_there(&app, wanted)) {
            *ret = app;
            app = (struct node_app){0};
            return 0;
        }
        if (check_hopeless(node, &app, wanted, err) < 0)
            return -1;
        ui_step_note("%s", app.state);
        if (*ui_interrupted())
            return FAIL(err, ERR_INTERRUPTED, "interrupted while the app was '%s'", app.state);
        if (clock_monotonic_ms() > deadline)
            return FAIL(err, ERR_TIMEOUT, "after %d s the app is '%s', expected '%s'", timeout_s,
                        app.state, wanted->text);
        clock_sleep_ms(pause);
    }
}

int wait_for_state(struct node_client *node, const char *id, const char *state, int timeout_s,
                   struct node_app *ret, struct err *err)
{
    const char *const states[] = {state, NULL};
    const struct wanted wanted = {.id = id, .states = states, .text = state, .restarts_before = -1};
    return wait_until(node, &wanted, timeout_s, ret, err);
}

int wait_for_release(struct node_client *node, const struct node_app *app, const char *state,
                     int timeout_s, struct node_app *ret, struct err *err)
{
    static const char *const ready[] = {"initializing", "locked", "running", NULL};
    const char *const states[] = {state, NULL};
    const struct wanted wanted = {.id = app->id,
                                  .states = state == NULL ? ready : states,
                                  .text = state == NULL ? ready[0] : state,
                                  .restarts_before = -1,
                                  .release = app->release};
    return wait_until(node, &wanted, timeout_s, ret, err);
}

int wait_for_restart(struct node_client *node, const struct node_app *before, int timeout_s,
                     struct node_app *ret, struct err *err)
{
    static const char *const states[] = {"running", "locked", NULL};
    const struct wanted wanted = {
        .id = before->id, .states = states, .text = states[0], .restarts_before = before->restarts};
    return wait_until(node, &wanted, timeout_s, ret, err);
}

int wait_for_trial(struct node_client *node, const char *id, int timeout_s, struct node_app *ret,
                   struct err *err)
{
    static const char *const any[] = {NULL};
    const struct wanted wanted = {.id = id,
                                  .states = any,
                                  .text = "one release alone",
                                  .settled = true,
                                  .restarts_before = -1};
    return wait_until(node, &wanted, timeout_s, ret, err);
}

int wait_for_unlocked(struct node_client *node, const char *id, int timeout_s, struct node_app *ret,
                      struct err *err)
{
    static const char *const states[] = {"running", "initializing", NULL};
    const struct wanted wanted = {
        .id = id, .states = states, .text = states[0], .restarts_before = -1};
    return wait_until(node, &wanted, timeout_s, ret, err);
}
