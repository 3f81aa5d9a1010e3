// SPDX-License-Identifier: Apache-2.0
/*
 * A new release in the place of the one that runs, with a runner that only pretends: it is live
 * when its owner says so, and in every other case the one before it comes back with its storage;
 * also where the node ended in the middle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pretended_node.h"

#include "node/keeper_internal.h"

static struct store_app now(struct fixture *fixture)
{
    struct store_app app = {0};
    OK(keeper_get(fixture->keeper, id_a, &app, &failure));
    return app;
}

/* Until a release is in a state, and tried or not. */
static struct store_app wait_for(struct fixture *fixture, int64_t release, int64_t state,
                                 int64_t trial)
{
    struct store_app app = {0};
    for (int i = 0; i < 20000; i++) {
        app = now(fixture);
        if (app.release == release && app.state == state && app.trial == trial)
            return app;
        clock_sleep_ms(1);
    }
    fail_msg("release %d %s trial %d, expected %d %s %d (%s)", (int)app.release,
             store_state_name(app.state), (int)app.trial, (int)release, store_state_name(state),
             (int)trial, app.reason);
    return app;
}

static void start_first(struct fixture *fixture)
{
    struct store_app app = {0};
    OK(create(fixture, id_a, NULL, &app, &failure));
    assert_int_equal(app.release, 1);
    (void)wait_for(fixture, 1, STORE_RUNNING, STORE_TRIAL_NONE);
}

static int update_until(struct fixture *fixture, const char *owner, bool discard, int64_t expires,
                        struct store_app *ret, struct err *err)
{
    char package[160];
    struct store_app app = {.created = 200, .updated = 200, .expires = expires};
    (void)snprintf(package, sizeof(package), "%s/new", fixture->folders.uploads);
    OK(folder_create(package, 0755, &failure));
    write_manifest(package, id_a);
    (void)snprintf(app.id, sizeof(app.id), "%s", id_a);
    (void)snprintf(app.name, sizeof(app.name), "hello");
    (void)snprintf(app.owner, sizeof(app.owner), "%s", owner);
    (void)snprintf(app.environment, sizeof(app.environment), "mse-flask");
    (void)snprintf(app.host_name, sizeof(app.host_name), "localhost");
    const struct keeper_update wanted = {&app, package, discard};
    int result = keeper_update(fixture->keeper, &wanted, ret, err);
    struct err ignored = ERR_INIT;
    (void)!folder_remove_tree(package, &ignored);
    return result;
}

static int update(struct fixture *fixture, const char *owner, bool discard, struct store_app *ret,
                  struct err *err)
{
    return update_until(fixture, owner, discard, 0, ret, err);
}

static void begin_second(struct fixture *fixture, const char *news)
{
    struct store_app app = {0};
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "%s", news);
    OK(update(fixture, "uid:1", false, &app, &failure));
    assert_int_equal(app.release, 2);
}

static bool has_package(const struct fixture *fixture, int release)
{
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/%s/package%s%.0d", fixture->folders.apps, id_a,
                   release > 1 ? "-" : "", release > 1 ? release : 0);
    return file_exists(path);
}

static struct store_release release_of(struct fixture *fixture, int64_t number)
{
    struct store_release release = {0};
    OK(store_release_get(fixture->store, id_a, number, &release, &failure));
    return release;
}

static void assert_states(struct fixture *fixture, int64_t first, int64_t second)
{
    assert_int_equal(release_of(fixture, 1).state, first);
    assert_int_equal(release_of(fixture, 2).state, second);
}

static void commit_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start_first(fixture);
    begin_second(fixture, "i");
    struct store_app app = wait_for(fixture, 2, STORE_INITIALIZING, STORE_TRIAL_RUNNING);
    assert_int_equal(app.hold, 1);
    assert_int_equal(app.fallback, 1);
    assert_int_equal(fixture->runner.aside, PRETEND_COPIED);
    assert_int_equal(keeper_commit(fixture->keeper, id_a, 2, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT); /* it does not run */
    say(&fixture->runner, "r");
    (void)wait_for(fixture, 2, STORE_RUNNING, STORE_TRIAL_RUNNING);
    assert_states(fixture, STORE_RELEASE_LIVE, STORE_RELEASE_TRIED);
    assert_int_equal(keeper_commit(fixture->keeper, id_a, 3, &err), -1);
    OK(keeper_commit(fixture->keeper, id_a, 2, &failure));
    app = wait_for(fixture, 2, STORE_RUNNING, STORE_TRIAL_NONE);
    assert_int_equal(app.hold, 0);
    assert_states(fixture, STORE_RELEASE_PREVIOUS, STORE_RELEASE_LIVE);
    OK(keeper_commit(fixture->keeper, id_a, 2, &failure)); /* once more */
    assert_true(has_package(fixture, 1) && has_package(fixture, 2));
    for (int i = 0; i < 20000 && fixture->runner.aside != PRETEND_NONE; i++)
        clock_sleep_ms(1);
    assert_int_equal(fixture->runner.aside, PRETEND_NONE);
    assert_int_equal(fixture->runner.backs, 0);
}

static void assert_reverted(struct fixture *fixture, const char *why)
{
    (void)wait_for(fixture, 1, STORE_RUNNING, STORE_TRIAL_NONE);
    assert_states(fixture, STORE_RELEASE_LIVE, STORE_RELEASE_FAILED);
    const struct store_release failed = release_of(fixture, 2);
    if (strstr(failed.reason, why) == NULL)
        fail_msg("'%s', expected '%s'", failed.reason, why);
    assert_false(has_package(fixture, 2));
    assert_true(has_package(fixture, 1));
    assert_int_equal(fixture->runner.aside, PRETEND_NONE);
    assert_int_equal(fixture->runner.backs, 1);
    assert_int_equal(now(fixture).hold, 0);
}

static void dies_test(void **state)
{
    struct fixture *fixture = *state;
    start_first(fixture);
    begin_second(fixture, "i");
    (void)wait_for(fixture, 2, STORE_INITIALIZING, STORE_TRIAL_RUNNING);
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "r");
    say(&fixture->runner, "e");
    assert_reverted(fixture, "signal 11");
}

static void does_not_start_test(void **state)
{
    struct fixture *fixture = *state;
    start_first(fixture);
    fixture->runner.refusals = 1;
    begin_second(fixture, "r");
    assert_reverted(fixture, "no such program");
}

static void storage_cannot_be_put_aside_test(void **state)
{
    struct fixture *fixture = *state;
    start_first(fixture);
    fixture->runner.stays = true;
    begin_second(fixture, "r");
    (void)wait_for(fixture, 1, STORE_RUNNING, STORE_TRIAL_NONE);
    assert_states(fixture, STORE_RELEASE_LIVE, STORE_RELEASE_FAILED);
}

static void owner_says_nothing_test(void **state)
{
    struct fixture *fixture = *state;
    start_first(fixture);
    fixture->config.limits.provision_timeout_s = 1;
    begin_second(fixture, "ir");
    (void)wait_for(fixture, 2, STORE_RUNNING, STORE_TRIAL_RUNNING);
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "r");
    assert_reverted(fixture, "did not say within 1 s");
}

static void owner_takes_it_back_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app;
    struct err err = ERR_INIT;
    start_first(fixture);
    begin_second(fixture, "i");
    (void)wait_for(fixture, 2, STORE_INITIALIZING, STORE_TRIAL_RUNNING);
    assert_int_equal(update(fixture, "uid:1", false, &app, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT); /* one at a time */
    assert_int_equal(keeper_restart(fixture->keeper, id_a, 0, &err), -1);
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "r");
    OK(keeper_rollback(fixture->keeper, id_a, 0, &failure));
    assert_reverted(fixture, "took it back");
}

/* --- two things at once --- */

struct call {
    struct fixture *fixture;
    bool commit; /* else: take it back */
    int result;
    struct err err;
};

static void *call_keeper(void *context)
{
    struct call *call = context;
    call->result = call->commit ? keeper_commit(call->fixture->keeper, id_a, 2, &call->err)
                                : keeper_rollback(call->fixture->keeper, id_a, 0, &call->err);
    return NULL;
}

/* Calls from another thread, and lets the app's thread go on when the order is there. */
static void call_while_held(struct call *call)
{
    static const enum keeper_order orders[] = {ORDER_REVERT, ORDER_COMMIT};
    struct fixture *fixture = call->fixture;
    pthread_t thread;
    for (int i = 0; i < 20000 && !fixture->runner.waits; i++)
        clock_sleep_ms(1);
    assert_true(fixture->runner.waits);
    assert_int_equal(pthread_create(&thread, NULL, call_keeper, call), 0);
    bool ordered = false;
    for (int i = 0; i < 20000 && !ordered; i++) {
        lock_acquire(&fixture->keeper->mutex);
        ordered = keeper_find(fixture->keeper, id_a)->order == orders[call->commit];
        lock_release(&fixture->keeper->mutex);
        clock_sleep_ms(1);
    }
    fixture->runner.held = false;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(ordered);
}

/* Its owner is not told that a release is kept which was taken back in that moment. */
static void dies_while_it_is_kept_test(void **state)
{
    struct fixture *fixture = *state;
    start_first(fixture);
    begin_second(fixture, "ir");
    (void)wait_for(fixture, 2, STORE_RUNNING, STORE_TRIAL_RUNNING);
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "r");
    fixture->runner.held = true;
    say(&fixture->runner, "e");
    struct call call = {.fixture = fixture, .commit = true};
    call_while_held(&call);
    assert_int_equal(call.result, -1);
    assert_int_equal(call.err.kind, ERR_CONFLICT);
    assert_non_null(strstr(call.err.message, "ended before it was kept"));
    assert_reverted(fixture, "signal 11");
}

/* Before its enclave is started. */
static void taken_back_at_once_test(void **state)
{
    struct fixture *fixture = *state;
    start_first(fixture);
    fixture->runner.held = true;
    begin_second(fixture, "r");
    struct call call = {.fixture = fixture};
    call_while_held(&call);
    OK(call.result);
    assert_reverted(fixture, "took it back");
}

static void another_account_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app;
    struct err err = ERR_INIT;
    start_first(fixture);
    assert_int_equal(update(fixture, "uid:2", false, &app, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_int_equal(now(fixture).trial, STORE_TRIAL_NONE);
}

static void discard_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app;
    start_first(fixture);
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "i");
    OK(update(fixture, "uid:1", true, &app, &failure));
    (void)wait_for(fixture, 2, STORE_INITIALIZING, STORE_TRIAL_RUNNING);
    assert_int_equal(fixture->runner.aside, PRETEND_MOVED);
}

static void rollback_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start_first(fixture);
    assert_int_equal(keeper_rollback(fixture->keeper, id_a, 0, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND); /* there is no earlier one */
    begin_second(fixture, "ir");
    (void)wait_for(fixture, 2, STORE_RUNNING, STORE_TRIAL_RUNNING);
    OK(keeper_commit(fixture->keeper, id_a, 2, &failure));
    (void)wait_for(fixture, 2, STORE_RUNNING, STORE_TRIAL_NONE);
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "r");
    OK(keeper_rollback(fixture->keeper, id_a, 0, &failure));
    struct store_app app = wait_for(fixture, 1, STORE_RUNNING, STORE_TRIAL_NONE);
    assert_int_equal(app.hold, 0);
    assert_states(fixture, STORE_RELEASE_LIVE, STORE_RELEASE_PREVIOUS);
    /* and forth, which is not sealed any more */
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "i");
    OK(keeper_rollback(fixture->keeper, id_a, 2, &failure));
    for (int i = 0; i < 20000 && fixture->runner.backs == 0; i++)
        clock_sleep_ms(1);
    (void)wait_for(fixture, 1, STORE_INITIALIZING, STORE_TRIAL_NONE);
    assert_states(fixture, STORE_RELEASE_LIVE, STORE_RELEASE_PREVIOUS);
    assert_non_null(strstr(release_of(fixture, 2).reason, "nothing is sealed"));
}

static void reopen(struct fixture *fixture)
{
    keeper_free(fixture->keeper);
    gateway_remove(fixture->gateway, id_a);
    OK(pretend_stop(&fixture->runner.runner, fixture->runner.folder, &failure));
    open_keeper(fixture);
    OK(keeper_adopt(fixture->keeper, &failure));
}

/* The node ended at each step: as the record stood then. */
static void cut_short_test(void **state)
{
    static const int64_t trials[] = {STORE_TRIAL_PREPARING, STORE_TRIAL_REVERTING};
    struct fixture *fixture = *state;
    start_first(fixture);
    for (size_t i = 0; i < ARRAY_LEN(trials); i++) {
        int64_t number = 2 + (int64_t)i;
        struct store_app app;
        (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "i");
        OK(update(fixture, "uid:1", false, &app, &failure));
        app = wait_for(fixture, number, STORE_INITIALIZING, STORE_TRIAL_RUNNING);
        keeper_free(fixture->keeper);
        gateway_remove(fixture->gateway, id_a); /* as if its process had ended */
        OK(pretend_stop(&fixture->runner.runner, fixture->runner.folder, &failure));
        app.trial = trials[i];
        OK(store_app_save(fixture->store, &app, &failure));
        (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "r");
        open_keeper(fixture);
        OK(keeper_adopt(fixture->keeper, &failure));
        (void)wait_for(fixture, 1, STORE_RUNNING, STORE_TRIAL_NONE);
        assert_int_equal(fixture->runner.aside, PRETEND_NONE);
        assert_int_equal(release_of(fixture, number).state, STORE_RELEASE_FAILED);
    }
}

/* While it was tried: who died meanwhile goes back, who lives is waited for. */
static void node_ends_while_it_is_tried_test(void **state)
{
    struct fixture *fixture = *state;
    start_first(fixture);
    begin_second(fixture, "i");
    (void)wait_for(fixture, 2, STORE_INITIALIZING, STORE_TRIAL_RUNNING);
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "r");
    reopen(fixture);
    assert_reverted(fixture, "died");
}

/* What lies aside after a commit that was cut short is nobody's any more. */
static void commit_cut_short_test(void **state)
{
    struct fixture *fixture = *state;
    start_first(fixture);
    fixture->runner.aside = PRETEND_COPIED;
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "r");
    reopen(fixture);
    for (int i = 0; i < 20000 && fixture->runner.aside != PRETEND_NONE; i++)
        clock_sleep_ms(1);
    assert_int_equal(fixture->runner.aside, PRETEND_NONE);
    assert_int_equal(fixture->runner.backs, 0);
    (void)wait_for(fixture, 1, STORE_RUNNING, STORE_TRIAL_NONE);
}

static void old_releases_go_test(void **state)
{
    struct fixture *fixture = *state;
    start_first(fixture);
    for (int release = 2; release <= 8; release++) {
        struct store_app app;
        (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "ir");
        OK(update(fixture, "uid:1", false, &app, &failure));
        assert_int_equal(app.release, release);
        (void)wait_for(fixture, release, STORE_RUNNING, STORE_TRIAL_RUNNING);
        OK(keeper_commit(fixture->keeper, id_a, release, &failure));
    }
    for (int release = 1; release <= 8; release++)
        assert_int_equal(has_package(fixture, release), release >= 3);
}

/* --- expiry --- */

static void expires_in_a_trial_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start_first(fixture);
    begin_second(fixture, "ir");
    (void)wait_for(fixture, 2, STORE_RUNNING, STORE_TRIAL_RUNNING);
    lock_acquire(&fixture->keeper->mutex);
    keeper_find(fixture->keeper, id_a)->app.expires = clock_unix() - 1;
    keeper_wake(keeper_find(fixture->keeper, id_a));
    lock_release(&fixture->keeper->mutex);
    (void)wait_for(fixture, 1, STORE_EXPIRED, STORE_TRIAL_NONE);
    assert_int_equal(fixture->runner.backs, 1);
    assert_int_equal(fixture->runner.aside, PRETEND_NONE);
    assert_int_equal(keeper_rollback(fixture->keeper, id_a, 0, &err), -1); /* at once */
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

/* An order that comes in the moment of the expiry is taken, not looked at again and again. */
static void ordered_when_it_expired_test(void **state)
{
    static const enum keeper_order orders[] = {ORDER_PAUSE, ORDER_COMMIT, ORDER_REVERT};
    struct fixture *fixture = *state;
    start_first(fixture);
    lock_acquire(&fixture->keeper->mutex);
    struct kept *kept = keeper_find(fixture->keeper, id_a);
    kept->app.expires = clock_unix() - 1;
    keeper_wake(kept);
    lock_release(&fixture->keeper->mutex);
    (void)wait_for(fixture, 1, STORE_EXPIRED, STORE_TRIAL_NONE);
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        bool taken = false;
        lock_acquire(&fixture->keeper->mutex);
        kept->order = orders[i];
        keeper_wake(kept);
        lock_release(&fixture->keeper->mutex);
        for (int tries = 0; tries < 5000 && !taken; tries++) {
            clock_sleep_ms(1);
            lock_acquire(&fixture->keeper->mutex);
            taken = kept->order == ORDER_NONE;
            lock_release(&fixture->keeper->mutex);
        }
        assert_true(taken);
    }
    assert_int_equal(now(fixture).state, STORE_EXPIRED);
}

/* A new release has an expiry of its own: later ones count at once, sooner ones when it is live. */
static void new_expiry_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app;
    const int64_t later = clock_unix() + 100000;
    start_first(fixture);
    lock_acquire(&fixture->keeper->mutex);
    struct kept *kept = keeper_find(fixture->keeper, id_a);
    kept->app.expires = clock_unix() - 1;
    keeper_wake(kept);
    lock_release(&fixture->keeper->mutex);
    (void)wait_for(fixture, 1, STORE_EXPIRED, STORE_TRIAL_NONE);
    OK(update_until(fixture, "uid:1", false, later, &app, &failure));
    app = wait_for(fixture, 2, STORE_RUNNING, STORE_TRIAL_RUNNING);
    assert_int_equal(app.expires, later);
    OK(keeper_commit(fixture->keeper, id_a, 2, &failure));
    OK(update_until(fixture, "uid:1", false, later - 1, &app, &failure));
    app = wait_for(fixture, 3, STORE_RUNNING, STORE_TRIAL_RUNNING);
    assert_int_equal(app.expires, later);
    OK(keeper_commit(fixture->keeper, id_a, 3, &failure));
    assert_int_equal(now(fixture).expires, later - 1);
}

/* --- what an earlier trial left --- */

/* It must not take the place of what the app has stored since. */
static void stuck_aside_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app;
    struct err err = ERR_INIT;
    start_first(fixture);
    begin_second(fixture, "ir");
    (void)wait_for(fixture, 2, STORE_RUNNING, STORE_TRIAL_RUNNING);
    fixture->runner.sticks = true;
    OK(keeper_commit(fixture->keeper, id_a, 2, &failure));
    assert_int_equal(fixture->runner.aside, PRETEND_COPIED);
    assert_int_equal(update(fixture, "uid:1", false, &app, &err), -1);
    assert_non_null(strstr(err.message, "earlier release"));
    err_clear(&err);
    assert_int_equal(keeper_rollback(fixture->keeper, id_a, 1, &err), -1);
    assert_int_equal(now(fixture).trial, STORE_TRIAL_NONE);
    fixture->runner.sticks = false;
    OK(update(fixture, "uid:1", false, &app, &failure));
    (void)wait_for(fixture, 3, STORE_RUNNING, STORE_TRIAL_RUNNING);
    assert_int_equal(fixture->runner.backs, 0);
}

/* A call for another release takes nothing away from one that is tried. */
static void rollback_in_a_trial_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start_first(fixture);
    begin_second(fixture, "i");
    (void)wait_for(fixture, 2, STORE_INITIALIZING, STORE_TRIAL_RUNNING);
    assert_int_equal(keeper_rollback(fixture->keeper, id_a, 1, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(fixture->runner.aside, PRETEND_COPIED);
}

/* A store in which an app that is not being tried is not saved while `disk_full` is true. */
static const struct store_class *real_store;
static _Atomic bool disk_full;

static int save_where_there_is_room(struct store *store, const struct store_app *app,
                                    struct err *err)
{
    if (disk_full && app->trial == STORE_TRIAL_NONE)
        return FAIL(err, ERR_IO, "the disk is full");
    return real_store->app_save(store, app, err);
}

/* What the database does not have is not done: the storage of before is still there. */
static void commit_is_not_saved_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    static struct store_class small_store;
    real_store = fixture->store->class;
    small_store = *real_store;
    small_store.app_save = save_where_there_is_room;
    fixture->store->class = &small_store;
    start_first(fixture);
    begin_second(fixture, "ir");
    (void)wait_for(fixture, 2, STORE_RUNNING, STORE_TRIAL_RUNNING);
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "r");
    disk_full = true;
    assert_int_equal(keeper_commit(fixture->keeper, id_a, 2, &err), -1);
    (void)wait_for(fixture, 1, STORE_RUNNING, STORE_TRIAL_NONE);
    assert_int_equal(fixture->runner.backs, 1);
}

/* The one that runs may have to come back until the end: it is never among the old ones that go. */
static void oldest_runs_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app;
    start_first(fixture);
    for (int release = 2; release <= 6; release++) {
        (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "ir");
        OK(update(fixture, "uid:1", false, &app, &failure));
        (void)wait_for(fixture, release, STORE_RUNNING, STORE_TRIAL_RUNNING);
        OK(keeper_commit(fixture->keeper, id_a, release, &failure));
    }
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "r");
    OK(keeper_rollback(fixture->keeper, id_a, 1, &failure));
    (void)wait_for(fixture, 1, STORE_RUNNING, STORE_TRIAL_NONE);
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "ir");
    OK(update(fixture, "uid:1", false, &app, &failure));
    (void)wait_for(fixture, 7, STORE_RUNNING, STORE_TRIAL_RUNNING);
    OK(keeper_commit(fixture->keeper, id_a, 7, &failure));
    assert_true(has_package(fixture, 1));
    OK(keeper_rollback(fixture->keeper, id_a, 1, &failure));
}

/* A release that never had its secrets is not taken for one that can start by itself. */
static void falls_back_to_nothing_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app = {0};
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "i");
    OK(create(fixture, id_a, NULL, &app, &failure));
    (void)wait_for(fixture, 1, STORE_INITIALIZING, STORE_TRIAL_NONE);
    OK(update(fixture, "uid:1", false, &app, &failure));
    (void)wait_for(fixture, 2, STORE_INITIALIZING, STORE_TRIAL_RUNNING);
    fixture->config.limits.provision_timeout_s = 1;
    OK(keeper_rollback(fixture->keeper, id_a, 0, &failure));
    app = wait_for(fixture, 1, STORE_ON_ERROR, STORE_TRIAL_NONE);
    assert_non_null(strstr(app.reason, "did not send its secrets"));
}

static void write_running_log(const struct fixture *fixture, const char *text)
{
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/%s/log", fixture->folders.apps, id_a);
    OK(file_write_atomic(path, slice_str(text), 0600, &failure));
}

/* 0: whatever is the last. "" where there is none. */
static void expect_log(struct fixture *fixture, int64_t release, const char *text)
{
    struct err ignored = ERR_INIT;
    AUTO_BUF struct buf found = BUF_INIT(4096);
    AUTO_FREE char *path = keeper_log_path(fixture->keeper, id_a, release, &ignored);
    assert_non_null(path);
    (void)!file_read(path, &found, &ignored);
    assert_string_equal(buf_text(&found), text);
}

/* Each release has its own, also where it failed, and when the app is stopped. */
static void logs_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start_first(fixture);
    write_running_log(fixture, "of one\n");
    begin_second(fixture, "i");
    (void)wait_for(fixture, 2, STORE_INITIALIZING, STORE_TRIAL_RUNNING);
    write_running_log(fixture, "of two\n");
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "r");
    OK(keeper_rollback(fixture->keeper, id_a, 0, &failure));
    (void)wait_for(fixture, 1, STORE_RUNNING, STORE_TRIAL_NONE);
    expect_log(fixture, 0, "of one\n");
    expect_log(fixture, 1, "of one\n");
    expect_log(fixture, 2, "of two\n");
    assert_null(keeper_log_path(fixture->keeper, id_a, 3, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    struct store_app app;
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "ir");
    OK(update(fixture, "uid:1", false, &app, &failure));
    (void)wait_for(fixture, 3, STORE_RUNNING, STORE_TRIAL_RUNNING);
    write_running_log(fixture, "of three\n");
    OK(keeper_commit(fixture->keeper, id_a, 3, &failure));
    expect_log(fixture, 1, "of one\n");
    expect_log(fixture, 3, "of three\n");
    OK(keeper_stop(fixture->keeper, id_a, &failure));
    expect_log(fixture, 0, "of three\n");
    expect_log(fixture, 2, "of two\n");
    OK(keeper_forget(fixture->keeper, id_a, &failure));
    assert_int_equal(rmdir(fixture->folders.logs), 0); /* it is empty */
    OK(folder_create(fixture->folders.logs, 0700, &failure));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commit_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dies_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(does_not_start_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(storage_cannot_be_put_aside_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(owner_says_nothing_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(owner_takes_it_back_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dies_while_it_is_kept_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(taken_back_at_once_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_account_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(discard_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rollback_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cut_short_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(node_ends_while_it_is_tried_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commit_cut_short_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_releases_go_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expires_in_a_trial_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ordered_when_it_expired_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(new_expiry_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stuck_aside_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rollback_in_a_trial_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(oldest_runs_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(falls_back_to_nothing_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commit_is_not_saved_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logs_test, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
