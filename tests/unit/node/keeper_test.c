// SPDX-License-Identifier: Apache-2.0
/*
 * The keeper with a runner that only pretends: states follow the news, what dies comes back, what
 * is stopped leaves nothing, and a keeper that starts over finds everything again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pretended_node.h"

#include "base/text.h"
#include "node/records.h"

/* The keeper works on threads of its own: looks until the state is there, or patience is out. */
static struct store_app wait_state(struct fixture *fixture, const char *id, int64_t state)
{
    struct store_app app = {0};
    for (int i = 0; i < 20000; i++) {
        OK(keeper_get(fixture->keeper, id, &app, &failure));
        if (app.state == state)
            return app;
        clock_sleep_ms(1);
    }
    fail_msg("state '%s', '%s' expected (%s)", store_state_name(app.state), store_state_name(state),
             app.reason);
    return app;
}

static struct store_app start_one(struct fixture *fixture)
{
    struct store_app app = {0};
    OK(create(fixture, id_a, NULL, &app, &failure));
    return wait_state(fixture, id_a, STORE_RUNNING);
}

static void create_and_stop_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app = start_one(fixture);
    assert_int_equal(app.provisioned, 1);
    assert_in_range(app.port, fixture->config.ports.first, fixture->config.ports.last);
    assert_true(has_folder(fixture, id_a));
    assert_false(gateway_port_free(loopback, 1, (uint16_t)app.port));
    OK(keeper_stop(fixture->keeper, id_a, &failure));
    app = wait_state(fixture, id_a, STORE_STOPPED);
    assert_false(has_folder(fixture, id_a));
    assert_true(gateway_port_free(loopback, 1, (uint16_t)app.port));
    assert_int_equal(fixture->runner.destroys, 1);
    OK(keeper_stop(fixture->keeper, id_a, &failure)); /* once more: nothing to do */
}

/* An app whose supervisor does not end is not stopped: it says so, nobody else gets its user or its
 * port, who waits for it is told, and it is tried again, by the next keeper too. */
static void stuck_supervisor_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app = start_one(fixture);
    struct store_app other = {0};
    struct err err = ERR_INIT;
    const struct named named = {id_b, "uid:2", "other", "localhost", NULL};
    fixture->runner.stuck = true;
    assert_int_equal(keeper_stop(fixture->keeper, id_a, &err), -1);
    assert_int_equal(err.kind, ERR_TIMEOUT);
    assert_non_null(strstr(err.message, "the supervisor does not end"));
    struct store_app stuck = wait_state(fixture, id_a, STORE_ON_ERROR);
    assert_non_null(strstr(stuck.reason, "cannot be removed yet"));
    assert_int_equal(stuck.desired, STORE_DESIRED_STOP);
    assert_true(has_folder(fixture, id_a));
    assert_int_equal(fixture->runner.destroys, 0);
    assert_int_equal(keeper_restart(fixture->keeper, id_a, 0, &err), -1);
    OK(create_named(fixture, &named, &other, &failure));
    assert_int_not_equal(other.port, app.port);
    if (geteuid() == 0)
        assert_int_not_equal(other.run_uid, app.run_uid);
    fixture->runner.stuck = false; /* the pretended one runs one enclave: the other's, by now */
    OK(keeper_stop(fixture->keeper, id_a, &failure));
    (void)wait_state(fixture, id_a, STORE_STOPPED);
    assert_false(has_folder(fixture, id_a));
}

static void stuck_over_a_restart_test(void **state)
{
    struct fixture *fixture = *state;
    (void)start_one(fixture);
    fixture->runner.stuck = true;
    keeper_stop_all(fixture->keeper); /* comes back */
    assert_int_equal(wait_state(fixture, id_a, STORE_ON_ERROR).desired, STORE_DESIRED_STOP);
    keeper_free(fixture->keeper);
    fixture->keeper = NULL;
    fixture->runner.stuck = false;
    open_keeper(fixture);
    OK(keeper_adopt(fixture->keeper, &failure));
    (void)wait_state(fixture, id_a, STORE_STOPPED);
    assert_false(has_folder(fixture, id_a));
}

/* What belongs to no app and could not be removed may live, as the user that its folder names. */
static void user_of_a_leftover_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app = {0};
    char path[160];
    if (geteuid() != 0)
        skip();
    (void)snprintf(path, sizeof(path), "%s/leftover", fixture->folders.apps);
    OK(folder_create(path, 0710, &failure));
    assert_int_equal(chown(path, 0, KEEPER_UID_FIRST), 0);
    OK(create(fixture, id_a, NULL, &app, &failure));
    assert_int_equal(app.run_uid, KEEPER_UID_FIRST + 1);
}

/* They are those of the enclave that runs, and of no other. */
static void counters_come_and_go_test(void **state)
{
    struct fixture *fixture = *state;
    (void)start_one(fixture);
    assert_int_equal(wait_stats(fixture->keeper, id_a, false).counters.requests, 0);
    say(&fixture->runner, "s");
    struct keeper_stats stats = wait_stats(fixture->keeper, id_a, true);
    assert_int_equal(stats.counters.requests, 7);
    assert_int_equal(wait_state(fixture, id_a, STORE_RUNNING).restarts, 0);
    say(&fixture->runner, "e");
    (void)wait_stats(fixture->keeper, id_a, false);
    assert_int_equal(wait_stats(fixture->keeper, id_b, false).reported, 0); /* no such app */
}

static void same_id_and_name_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = start_one(fixture);
    assert_int_equal(create(fixture, id_a, NULL, &app, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_true(has_folder(fixture, id_a));
    err_clear(&err);
    assert_int_equal(create(fixture, id_b, NULL, &app, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_non_null(strstr(err.message, id_a));
    assert_false(has_folder(fixture, id_b));
}

static int count_record(void *context, const struct store_app *app, struct err *err)
{
    (void)app;
    (void)err;
    ++*(size_t *)context;
    return 0;
}

/* Records of stopped apps are kept for their owner, who makes as many as it likes: neither the
 * database nor the operator's lists grow without end. */
static void stopped_records_test(void **state)
{
    enum { MANY = 200 };
    struct fixture *fixture = *state;
    const struct store_filter filter = {.owner = "uid:1"};
    const struct store_filter others = {.owner = "uid:2"};
    struct store_app app = {.state = STORE_STOPPED, .desired = STORE_DESIRED_STOP};
    struct err err = ERR_INIT;
    size_t count = 0;
    (void)snprintf(app.project, sizeof(app.project), "default");
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(app.owner, sizeof(app.owner), "uid:%d", i < MANY / 2 ? 2 : 1);
        (void)snprintf(app.id, sizeof(app.id), "00000000-0000-4000-8000-%012d", i);
        (void)snprintf(app.name, sizeof(app.name), "old-%d", i);
        app.created = app.updated = 1000 + i;
        OK(store_app_create(fixture->store, &app, NULL, &failure));
    }
    (void)start_one(fixture);
    OK(keeper_stop(fixture->keeper, id_a, &failure));
    (void)wait_state(fixture, id_a, STORE_STOPPED);
    OK(store_app_each(fixture->store, &filter, count_record, &count, &failure));
    assert_int_equal(count, RECORDS_KEPT);
    count = 0;
    OK(store_app_each(fixture->store, &others, count_record, &count, &failure));
    assert_int_equal(count, MANY / 2); /* nobody else's */
    OK(store_app_get(fixture->store, "00000000-0000-4000-8000-000000000199", &app, &failure));
    assert_int_equal(
        store_app_get(fixture->store, "00000000-0000-4000-8000-000000000100", &app, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void replace_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app = start_one(fixture);
    OK(create(fixture, id_b, id_a, &app, &failure));
    (void)wait_state(fixture, id_a, STORE_STOPPED);
    assert_false(has_folder(fixture, id_a));
    (void)wait_state(fixture, id_b, STORE_RUNNING);
}

static void crash_comes_back_test(void **state)
{
    struct fixture *fixture = *state;
    (void)start_one(fixture);
    say(&fixture->runner, "e");
    for (int i = 0; i < 20000 && fixture->runner.starts < 2; i++)
        clock_sleep_ms(1);
    const struct store_app app = wait_state(fixture, id_a, STORE_RUNNING);
    assert_int_equal(app.restarts, 1);
}

static void first_failure_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = {0};
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "ie");
    OK(create(fixture, id_a, NULL, &app, &failure));
    app = wait_state(fixture, id_a, STORE_ON_ERROR);
    assert_string_equal(app.reason, "signal 11");
    assert_int_equal(fixture->runner.starts, 1);
    assert_int_equal(keeper_restart(fixture->keeper, id_a, 0, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    OK(keeper_stop(fixture->keeper, id_a, &failure));
    assert_false(has_folder(fixture, id_a));
}

static void restart_test(void **state)
{
    struct fixture *fixture = *state;
    (void)start_one(fixture);
    OK(keeper_restart(fixture->keeper, id_a, 0, &failure));
    for (int i = 0; i < 20000 && fixture->runner.starts < 2; i++)
        clock_sleep_ms(1);
    const struct store_app app = wait_state(fixture, id_a, STORE_RUNNING);
    assert_int_equal(app.restarts, 1);
    assert_int_equal(app.quick_crashes, 0);
}

enum { TEN_YEARS_S = 10 * 365 * 86400 };

/* An app that runs and expires at `expires`. */
static void start_expiring(struct fixture *fixture, int64_t expires)
{
    struct store_app app = {0};
    char package[160];
    (void)snprintf(package, sizeof(package), "%s/new", fixture->folders.uploads);
    OK(folder_create(package, 0755, &failure));
    write_manifest(package, id_a);
    app.expires = expires;
    (void)snprintf(app.id, sizeof(app.id), "%s", id_a);
    (void)snprintf(app.environment, sizeof(app.environment), "mse-flask");
    OK(keeper_create(fixture->keeper, &app, package, NULL, &app, &failure));
}

static void expiry_keeps_the_storage_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start_expiring(fixture, 1); /* long ago */
    struct store_app app = wait_state(fixture, id_a, STORE_EXPIRED);
    assert_true(has_folder(fixture, id_a));
    assert_int_equal(fixture->runner.destroys, 0);
    assert_in_range(keeper_kept_left(fixture->keeper, &app), 7 * 86400 - 60, 7 * 86400);
    app.provisioned = 1;
    keeper_free(fixture->keeper); /* a restart of msed does not begin it anew, nor end it */
    gateway_remove(fixture->gateway, id_a);
    app.kept_s = 86400;
    OK(store_app_save(fixture->store, &app, &failure));
    open_keeper(fixture);
    OK(keeper_adopt(fixture->keeper, &failure));
    app = wait_state(fixture, id_a, STORE_EXPIRED);
    assert_in_range(keeper_kept_left(fixture->keeper, &app), 6 * 86400 - 60, 6 * 86400);
    assert_int_equal(keeper_restart(fixture->keeper, id_a, 0, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    OK(keeper_restart(fixture->keeper, id_a, clock_unix() + 3600, &failure));
    (void)wait_state(fixture, id_a, STORE_RUNNING);
    OK(keeper_stop(fixture->keeper, id_a, &failure));
    assert_false(has_folder(fixture, id_a));
}

static void expired_storage_goes_in_the_end_test(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.limits.expired_kept_s = 1;
    start_expiring(fixture, 1);
    const struct store_app app = wait_state(fixture, id_a, STORE_STOPPED);
    assert_non_null(strstr(app.reason, "expired"));
    assert_false(has_folder(fixture, id_a));
    assert_int_equal(fixture->runner.destroys, 1);
}

/* The clock shows another decade for a while, before the app's thread looks and after. */
static void clock_jump_ends_nothing_test(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.limits.expired_kept_s = 1;
    start_expiring(fixture, clock_unix() + 3600);
    (void)wait_state(fixture, id_a, STORE_RUNNING);
    clock_shift_s = TEN_YEARS_S;
    keeper_tick(fixture->keeper);
    assert_false(keeper_clock_believed(fixture->keeper));
    say(&fixture->runner, "s"); /* the thread wakes and looks */
    (void)wait_stats(fixture->keeper, id_a, true);
    say(&fixture->runner, "e");
    for (int i = 0; i < 20000 && fixture->runner.starts < 2; i++)
        clock_sleep_ms(1);
    (void)wait_state(fixture, id_a, STORE_RUNNING); /* a crash is mended meanwhile */
    clock_shift_s = 0;
    assert_true(keeper_clock_believed(fixture->keeper));
    assert_int_equal(wait_state(fixture, id_a, STORE_RUNNING).restarts, 1);
    assert_true(has_folder(fixture, id_a));
}

/* The same between two starts of msed. */
static void clock_jump_at_adoption_test(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.limits.expired_kept_s = 1;
    start_expiring(fixture, clock_unix() + 3600);
    (void)wait_state(fixture, id_a, STORE_RUNNING);
    for (int i = 0; i < 2; i++) {
        clock_shift_s = i == 0 ? TEN_YEARS_S : 0;
        keeper_free(fixture->keeper);
        gateway_remove(fixture->gateway, id_a);
        open_keeper(fixture);
        assert_int_equal(keeper_clock_believed(fixture->keeper), i == 1);
        OK(keeper_adopt(fixture->keeper, &failure));
        say(&fixture->runner, "r");
        (void)wait_state(fixture, id_a, STORE_RUNNING);
        say(&fixture->runner, "s");
        (void)wait_stats(fixture->keeper, id_a, true);
    }
    assert_int_equal(fixture->runner.starts, 1);
    assert_true(has_folder(fixture, id_a));
}

/* What a wrong clock has ended, once it was believed, comes back with the right one. */
static void ended_too_early_test(void **state)
{
    struct fixture *fixture = *state;
    start_expiring(fixture, 1);
    struct store_app app = wait_state(fixture, id_a, STORE_EXPIRED);
    keeper_free(fixture->keeper);
    gateway_remove(fixture->gateway, id_a);
    app.expires = clock_unix() + 3600;
    OK(store_app_save(fixture->store, &app, &failure));
    open_keeper(fixture);
    OK(keeper_adopt(fixture->keeper, &failure));
    (void)wait_state(fixture, id_a, STORE_RUNNING);
}

/* msed is killed while an enclave runs: the next one finds it and starts no other. */
static void adopt_running_test(void **state)
{
    struct fixture *fixture = *state;
    const struct store_app before = start_one(fixture);
    keeper_free(fixture->keeper);
    gateway_remove(fixture->gateway, id_a); /* as if its process had ended */
    open_keeper(fixture);
    OK(keeper_adopt(fixture->keeper, &failure));
    say(&fixture->runner, "r");
    const struct store_app app = wait_state(fixture, id_a, STORE_RUNNING);
    assert_int_equal(app.port, before.port);
    assert_int_equal(fixture->runner.starts, 1);
    OK(keeper_stop(fixture->keeper, id_a, &failure));
}

/* ... and one that died meanwhile is started again. */
static void adopt_dead_test(void **state)
{
    struct fixture *fixture = *state;
    (void)start_one(fixture);
    keeper_free(fixture->keeper);
    gateway_remove(fixture->gateway, id_a);
    OK(pretend_stop(&fixture->runner.runner, fixture->runner.folder, &failure));
    open_keeper(fixture);
    OK(keeper_adopt(fixture->keeper, &failure));
    for (int i = 0; i < 20000 && fixture->runner.starts < 2; i++)
        clock_sleep_ms(1);
    (void)wait_state(fixture, id_a, STORE_RUNNING);
}

/* Stops that were ordered go on; folders of no app, and half an upload, go away. */
static void adopt_half_done_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app = start_one(fixture);
    keeper_free(fixture->keeper);
    gateway_remove(fixture->gateway, id_a);
    app.desired = STORE_DESIRED_STOP;
    OK(store_app_save(fixture->store, &app, &failure));
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->folders.apps, id_b);
    OK(folder_create(path, 0700, &failure));
    (void)snprintf(path, sizeof(path), "%s/AbCdEf", fixture->folders.uploads);
    OK(folder_create(path, 0700, &failure));
    open_keeper(fixture);
    OK(keeper_adopt(fixture->keeper, &failure));
    (void)wait_state(fixture, id_a, STORE_STOPPED);
    assert_false(has_folder(fixture, id_a));
    assert_false(has_folder(fixture, id_b));
    assert_false(file_exists(path));
}

#define FIRST "11111111-1111-4111-8111-111111111111"
#define OTHER "22222222-2222-4222-8222-222222222222"

static void put(const struct fixture *fixture, const char *name, const char *text)
{
    char path[192];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->folders.apps, name);
    AUTO_FREE char *folder = path_folder(path, NULL);
    OK(folder_create_all(folder, 0700, &failure));
    OK(file_write_atomic(path, slice_str(text), 0600, &failure));
}

/* The database was lost, or an older copy of it was put back: what it does not know is not touched,
 * and nothing else is. */
static void lost_database_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    (void)start_one(fixture);
    put(fixture, OTHER "/package", "somebody's app");
    put(fixture, OTHER "/storage.img", "what it stored");
    keeper_free(fixture->keeper);
    gateway_remove(fixture->gateway, id_a);
    char upload[160];
    (void)snprintf(upload, sizeof(upload), "%s/AbCdEf", fixture->folders.uploads);
    OK(folder_create(upload, 0700, &failure));
    open_keeper(fixture);
    assert_int_equal(keeper_check_folders(&fixture->folders, fixture->store, &err), -1);
    assert_int_equal(keeper_adopt(fixture->keeper, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_non_null(strstr(err.message, id_b));
    assert_non_null(strstr(err.message, "state database"));
    assert_non_null(strstr(err.hint, "put the right one back"));
    assert_true(has_folder(fixture, OTHER "/storage.img"));
    assert_true(file_exists(upload));
    assert_int_equal(fixture->runner.destroys, 0);
    AUTO_FREE char *stray = path_join(fixture->folders.apps, id_b, NULL);
    OK(folder_remove_tree(stray, &failure)); /* the operator does not want it */
    OK(keeper_adopt(fixture->keeper, &failure));
    (void)wait_state(fixture, id_a, STORE_RUNNING);
    assert_false(file_exists(upload));
}

/* What was being made or being removed goes; who has a record stays, mark or not. */
static void cut_short_test(void **state)
{
    static const char *const gone[] = {OTHER "/creating", ".removed-" OTHER "/storage.img"};
    struct fixture *fixture = *state;
    (void)start_one(fixture);
    assert_false(has_folder(fixture, FIRST "/creating"));
    keeper_free(fixture->keeper);
    gateway_remove(fixture->gateway, id_a);
    put(fixture, OTHER "/package", "");
    put(fixture, FIRST "/creating", ""); /* killed between record and mark */
    for (size_t i = 0; i < ARRAY_LEN(gone); i++)
        put(fixture, gone[i], "");
    open_keeper(fixture);
    OK(keeper_adopt(fixture->keeper, &failure));
    assert_false(has_folder(fixture, id_b));
    assert_false(has_folder(fixture, ".removed-" OTHER));
    assert_false(has_folder(fixture, FIRST "/creating"));
    assert_true(has_folder(fixture, FIRST "/package"));
    (void)wait_state(fixture, id_a, STORE_RUNNING);
}

/* An app that is down keeps its port, over a start of the node too, until it is removed. */
static void port_is_kept_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app = {0};
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "ie");
    OK(create(fixture, id_a, NULL, &app, &failure));
    app = wait_state(fixture, id_a, STORE_ON_ERROR);
    assert_false(gateway_port_free(loopback, 1, (uint16_t)app.port));
    const struct named other = {id_b, "uid:2", "other", "localhost", NULL};
    struct store_app second = {0};
    OK(create_named(fixture, &other, &second, &failure));
    assert_int_not_equal(second.port, app.port);
    keeper_free(fixture->keeper);
    gateway_remove(fixture->gateway, id_a);
    gateway_remove(fixture->gateway, id_b);
    open_keeper(fixture);
    OK(keeper_adopt(fixture->keeper, &failure));
    assert_false(gateway_port_free(loopback, 1, (uint16_t)app.port));
    OK(keeper_stop(fixture->keeper, id_a, &failure));
    assert_true(gateway_port_free(loopback, 1, (uint16_t)app.port));
    OK(keeper_stop(fixture->keeper, id_b, &failure));
}

/* The node that gives apps names instead of ports. */
static void use_domain(struct fixture *fixture)
{
    static const char *const shared[] = {"127.0.0.1:0"};
    const struct gateway_options options = {.shared = shared,
                                            .shared_count = 1,
                                            .connections_per_app = 4,
                                            .waiting = 64,
                                            .idle_ms = 1000};
    keeper_free(fixture->keeper);
    gateway_free(fixture->gateway);
    free(fixture->config.domain);
    fixture->config.domain = str_copy("apps.test", &(struct err){0});
    OK(gateway_new(&options, &fixture->gateway, &failure));
    open_keeper(fixture);
}

static void claim_fails(struct fixture *fixture, const struct named *named, const char *words)
{
    struct err err = ERR_INIT;
    struct store_app app = {0};
    assert_int_equal(create_named(fixture, named, &app, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    if (strstr(err.message, words) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, words);
}

/* The name of an app that is down is claimed by somebody else: while it is on_error, after a start
 * of the node, as its replacement. */
static void name_is_kept_test(void **state)
{
    struct fixture *fixture = *state;
    const struct named mine = {id_a, "uid:1", "hello", "www.example.com", NULL};
    const struct named claim = {id_b, "uid:2", "other", "www.example.com", NULL};
    const struct named replace = {id_b, "uid:2", "other", "www.example.com", id_a};
    struct store_app app = {0};
    use_domain(fixture);
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "ie");
    OK(create_named(fixture, &mine, &app, &failure));
    (void)wait_state(fixture, id_a, STORE_ON_ERROR);
    claim_fails(fixture, &claim, "in use by another app of the node");
    claim_fails(fixture, &replace, "in use by another app of the node");
    keeper_free(fixture->keeper);
    gateway_remove(fixture->gateway, id_a);
    open_keeper(fixture);
    OK(keeper_adopt(fixture->keeper, &failure));
    claim_fails(fixture, &claim, "in use by another app of the node");
    OK(keeper_stop(fixture->keeper, id_a, &failure));
    OK(create_named(fixture, &claim, &app, &failure));
    OK(keeper_stop(fixture->keeper, id_b, &failure));
}

/* Its owner's next version takes the name over while the old one still has it. */
static void name_is_handed_on_test(void **state)
{
    struct fixture *fixture = *state;
    const struct named old = {id_a, "uid:1", "hello", "www.example.com", NULL};
    const struct named second = {id_b, "uid:1", "second", "www.example.com", NULL};
    const struct named new = {id_b, "uid:1", "hello", "www.example.com", id_a};
    struct store_app app = {0};
    use_domain(fixture);
    OK(create_named(fixture, &old, &app, &failure));
    (void)wait_state(fixture, id_a, STORE_RUNNING);
    claim_fails(fixture, &second, id_a);
    OK(create_named(fixture, &new, &app, &failure));
    (void)wait_state(fixture, id_a, STORE_STOPPED);
    (void)wait_state(fixture, id_b, STORE_RUNNING);
    OK(keeper_stop(fixture->keeper, id_b, &failure));
}

static void limit_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = start_one(fixture);
    fixture->config.limits.apps = 1;
    assert_int_equal(create(fixture, id_b, NULL, &app, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
}

/* One account takes all that it may have: another one still gets its app. */
static void account_limit_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = start_one(fixture);
    assert_string_equal(app.owner, "uid:1");
    fixture->config.account.apps = 1;
    assert_int_equal(create(fixture, id_b, NULL, &app, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_non_null(strstr(err.hint, "account.apps"));
    assert_false(has_folder(fixture, id_b));
    OK(create(fixture, id_b, id_a, &app, &failure)); /* in place of its own it may */
}

/* A disk that is full: an error that says the sizes, and nothing is left of the attempt. */
static void no_room_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = {0};
    fixture->runner.full = true;
    assert_int_equal(create(fixture, id_a, NULL, &app, &err), -1);
    assert_int_equal(err.kind, ERR_NO_ROOM);
    assert_false(has_folder(fixture, id_a));
    fixture->runner.full = false;
    fixture->config.limits.disk_reserve_bytes = INT64_C(1) << 50;
    err_clear(&err);
    assert_int_equal(create(fixture, id_a, NULL, &app, &err), -1);
    assert_int_equal(err.kind, ERR_NO_ROOM);
    assert_non_null(strstr(err.message, "1073741824 MiB"));
    assert_false(has_folder(fixture, id_a));
    fixture->config.limits.disk_reserve_bytes = 0;
    (void)start_one(fixture);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name##_test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(create_and_stop),
        TEST(stuck_supervisor),
        TEST(stuck_over_a_restart),
        TEST(user_of_a_leftover),
        TEST(counters_come_and_go),
        TEST(same_id_and_name),
        TEST(stopped_records),
        TEST(replace),
        TEST(crash_comes_back),
        TEST(first_failure),
        TEST(restart),
        TEST(expiry_keeps_the_storage),
        TEST(expired_storage_goes_in_the_end),
        TEST(clock_jump_ends_nothing),
        TEST(clock_jump_at_adoption),
        TEST(ended_too_early),
        TEST(adopt_running),
        TEST(adopt_dead),
        TEST(adopt_half_done),
        TEST(lost_database),
        TEST(cut_short),
        TEST(port_is_kept),
        TEST(name_is_kept),
        TEST(name_is_handed_on),
        TEST(limit),
        TEST(no_room),
        TEST(account_limit),
    };
    return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
