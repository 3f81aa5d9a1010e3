// SPDX-License-Identifier: Apache-2.0
/*
 * Polling the node about one app, on the owner's machine.
 */
#include "cli/ui.h"
#include "cli/wait.h"

#include "base/clock.h"

#include <string.h>

enum { POLL_FIRST_MS = 10, POLL_LAST_MS = 250 };

static int fail_on_error(const struct node_app *app, struct err *err)
{
    const char *reason = app->reason[0] != '\0' ? app->reason : "no reason was given";
    /* What follows the first line is the end of the log, which whoever fails shows as it is. */
    (void)FAIL(err, ERR_APP, "%.*s", (int)strcspn(reason, "\n"), reason);
    err_hint(err, "'mse logs %.8s' shows the whole log", app->id);
    return -1;
}

static bool is_there(const struct node_app *app, const char *state, int64_t started_before)
{
    return strcmp(app->state, state) == 0 && (started_before < 0 || app->restarts > started_before);
}

static int wait_until(struct node_client *node, const char *id, const char *state,
                      int64_t restarts_before, int timeout_s, struct node_app *ret, struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + (int64_t)timeout_s * 1000;
    for (int pause = POLL_FIRST_MS;;
         pause = pause * 3 / 2 > POLL_LAST_MS ? POLL_LAST_MS : pause * 3 / 2) {
        AUTO_NODE_APP struct node_app app = {0};
        if (node_app_get(node, id, &app, err) < 0)
            return -1;
        if (is_there(&app, state, restarts_before)) {
            *ret = app;
            app = (struct node_app){0};
            return 0;
        }
        bool is_news = restarts_before < 0 || app.restarts > restarts_before;
        bool failed = strcmp(app.state, "on_error") == 0 || strcmp(app.state, "crashing") == 0;
        if (is_news && failed && strcmp(state, "stopped") != 0)
            return fail_on_error(&app, err);
        if (strcmp(app.state, "expired") == 0 && restarts_before < 0 &&
            strcmp(state, "running") == 0)
            return FAIL(err, ERR_CONFLICT, "the app has expired");
        ui_step_note("%s", app.state);
        if (*ui_interrupted())
            return FAIL(err, ERR_INTERRUPTED, "interrupted while the app was '%s'", app.state);
        if (clock_monotonic_ms() > deadline)
            return FAIL(err, ERR_TIMEOUT, "after %d s the app is '%s', expected '%s'", timeout_s,
                        app.state, state);
        clock_sleep_ms(pause);
    }
}

int wait_for_state(struct node_client *node, const char *id, const char *state, int timeout_s,
                   struct node_app *ret, struct err *err)
{
    return wait_until(node, id, state, -1, timeout_s, ret, err);
}

int wait_for_restart(struct node_client *node, const struct node_app *before, int timeout_s,
                     struct node_app *ret, struct err *err)
{
    return wait_until(node, before->id, "running", before->restarts, timeout_s, ret, err);
}
