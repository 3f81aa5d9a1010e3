// SPDX-License-Identifier: Apache-2.0
/*
 * The store's front door: forwards to the database that was opened. Owns nothing; runs in msed,
 * untrusted.
 */
#include "store/store.h"

const char *store_state_name(int64_t state)
{
    static const char *const names[] = {
        [STORE_SPAWNING] = "spawning", [STORE_INITIALIZING] = "initializing",
        [STORE_RUNNING] = "running",   [STORE_ON_ERROR] = "on_error",
        [STORE_STOPPED] = "stopped",   [STORE_EXPIRED] = "expired",
        [STORE_CRASHING] = "crashing", [STORE_PAUSED] = "paused",
        [STORE_LOCKED] = "locked",
    };
    if (state < 0 || state >= (int64_t)ARRAY_LEN(names))
        return "unknown";
    return names[state];
}

const char *store_trial_name(int64_t trial)
{
    static const char *const names[] = {
        [STORE_TRIAL_NONE] = "none",
        [STORE_TRIAL_PREPARING] = "preparing",
        [STORE_TRIAL_RUNNING] = "running",
        [STORE_TRIAL_REVERTING] = "reverting",
    };
    if (trial < 0 || trial >= (int64_t)ARRAY_LEN(names))
        return "unknown";
    return names[trial];
}

int64_t store_release_number(const struct store_app *app)
{
    return app->release == 0 ? 1 : app->release;
}

const char *store_release_state_name(int64_t state)
{
    static const char *const names[] = {
        [STORE_RELEASE_TRIED] = "tried",
        [STORE_RELEASE_LIVE] = "live",
        [STORE_RELEASE_PREVIOUS] = "previous",
        [STORE_RELEASE_FAILED] = "failed",
    };
    if (state < 0 || state >= (int64_t)ARRAY_LEN(names))
        return "unknown";
    return names[state];
}

void store_close(struct store *store)
{
    if (store != NULL)
        store->class->close(store);
}

int store_app_create(struct store *store, const struct store_app *app, const char *replaces,
                     struct err *err)
{
    return store->class->app_create(store, app, replaces, err);
}

int store_app_save(struct store *store, const struct store_app *app, struct err *err)
{
    return store->class->app_save(store, app, err);
}

int store_app_get(struct store *store, const char *id, struct store_app *ret, struct err *err)
{
    return store->class->app_get(store, id, ret, err);
}

int store_app_each(struct store *store, const struct store_filter *filter, store_app_fn fn,
                   void *context, struct err *err)
{
    return store->class->app_each(store, filter, fn, context, err);
}

int store_app_delete(struct store *store, const char *id, struct err *err)
{
    return store->class->app_delete(store, id, err);
}

int store_release_save(struct store *store, const struct store_release *release, struct err *err)
{
    return store->class->release_save(store, release, err);
}

int store_release_get(struct store *store, const char *app, int64_t number,
                      struct store_release *ret, struct err *err)
{
    return store->class->release_get(store, app, number, ret, err);
}

int store_release_each(struct store *store, const char *app, store_release_fn fn, void *context,
                       struct err *err)
{
    return store->class->release_each(store, app, fn, context, err);
}

int store_release_delete(struct store *store, const char *app, int64_t number, struct err *err)
{
    return store->class->release_delete(store, app, number, err);
}

int store_clock_save(struct store *store, const struct store_clock *clock, struct err *err)
{
    return store->class->clock_save(store, clock, err);
}

int store_clock_get(struct store *store, struct store_clock *ret, struct err *err)
{
    return store->class->clock_get(store, ret, err);
}

int store_layer_save(struct store *store, const struct store_layer *layer, struct err *err)
{
    return store->class->layer_save(store, layer, err);
}

int store_layer_get(struct store *store, const char *key, struct store_layer *ret, struct err *err)
{
    return store->class->layer_get(store, key, ret, err);
}

int store_layer_each(struct store *store, store_layer_fn fn, void *context, struct err *err)
{
    return store->class->layer_each(store, fn, context, err);
}

int store_layer_delete(struct store *store, const char *key, struct err *err)
{
    return store->class->layer_delete(store, key, err);
}

int store_event_add(struct store *store, const struct store_event *event, struct err *err)
{
    return store->class->event_add(store, event, err);
}

int store_event_each(struct store *store, const char *app, int64_t limit, store_event_fn fn,
                     void *context, struct err *err)
{
    return store->class->event_each(store, app, limit, fn, context, err);
}
