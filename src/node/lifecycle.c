// SPDX-License-Identifier: Apache-2.0
/*
 * Transitions of an app's record. Owns nothing; runs in msed.
 */
#include "node/lifecycle.h"

#include <stdio.h>

/* reason NULL: stays as it is, so that a crash can still be looked up after the restart. */
static void set_state(struct store_app *app, enum store_state state, const char *reason,
                      int64_t now)
{
    app->state = state;
    app->updated = now;
    if (reason != NULL)
        (void)snprintf(app->reason, sizeof(app->reason), "%s", reason);
}

void lifecycle_spawning(struct store_app *app, int64_t now)
{
    app->started = 0;
    set_state(app, STORE_SPAWNING, NULL, now);
}

void lifecycle_locked(struct store_app *app, int64_t now)
{
    app->started = 0;
    set_state(app, STORE_LOCKED, NULL, now);
}

void lifecycle_initializing(struct store_app *app, int64_t now)
{
    app->provisioned = 0; /* nothing is sealed for it: it cannot come back by itself */
    set_state(app, STORE_INITIALIZING, NULL, now);
}

void lifecycle_running(struct store_app *app, int64_t now)
{
    app->provisioned = 1;
    app->started = now;
    set_state(app, STORE_RUNNING, NULL, now);
}

void lifecycle_failed(struct store_app *app, const char *reason, int64_t now)
{
    set_state(app, STORE_ON_ERROR, reason, now);
}

static int64_t pause_after(int64_t deaths)
{
    int64_t pause_ms = LIFECYCLE_FIRST_PAUSE_MS;
    for (int64_t i = 1; i < deaths && pause_ms < LIFECYCLE_LAST_PAUSE_MS; i++)
        pause_ms *= 2;
    return pause_ms < LIFECYCLE_LAST_PAUSE_MS ? pause_ms : LIFECYCLE_LAST_PAUSE_MS;
}

int64_t lifecycle_died(struct store_app *app, const char *reason, int64_t ran_s, int64_t now)
{
    bool was_stable = app->state == STORE_RUNNING && ran_s >= LIFECYCLE_STABLE_S;
    app->quick_crashes = was_stable ? 1 : app->quick_crashes + 1;
    if (app->provisioned == 0) {
        lifecycle_failed(app, reason, now);
        return -1;
    }
    app->restarts++;
    app->started = 0;
    set_state(app, STORE_CRASHING, reason, now);
    return pause_after(app->quick_crashes);
}

void lifecycle_expired(struct store_app *app, int64_t now)
{
    app->started = 0;
    app->kept_s = 0;
    set_state(app, STORE_EXPIRED, "expired: its enclave has ended, what it stored is kept", now);
}

void lifecycle_paused(struct store_app *app, int64_t now)
{
    app->started = 0;
    app->quick_crashes = 0;
    set_state(app, STORE_PAUSED, "paused by its owner", now);
}

void lifecycle_stopped(struct store_app *app, const char *reason, int64_t now)
{
    app->desired = STORE_DESIRED_STOP;
    app->started = 0;
    set_state(app, STORE_STOPPED, reason, now);
}
