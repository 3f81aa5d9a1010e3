// SPDX-License-Identifier: Apache-2.0
/*
 * The SQLite store: round trips, uniqueness, replacement in one transaction, what a damaged, newer
 * or full database answers, and that what was answered is there after the process is gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "store/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char folder[64];
    char path[128];
    struct store *store;
};

static void reopen(struct fixture *fixture)
{
    struct err err = ERR_INIT;
    store_close(fixture->store);
    fixture->store = NULL;
    const struct store_sqlite_options options = {.path = fixture->path};
    if (store_sqlite_open(&options, &fixture->store, &err) < 0)
        fail_msg("%s", err.message);
}

static int set_up(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture), NULL);
    assert_non_null(fixture);
    (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/mse-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->path, sizeof(fixture->path), "%s/state.db", fixture->folder);
    reopen(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    store_close(fixture->store);
    assert_int_equal(folder_remove_tree(fixture->folder, &err), 0);
    free(fixture);
    return 0;
}

static struct store_app make_app(const char *id, const char *name)
{
    struct store_app app = {.state = STORE_SPAWNING, .created = 100, .updated = 100};
    (void)snprintf(app.id, sizeof(app.id), "%s", id);
    (void)snprintf(app.name, sizeof(app.name), "%s", name);
    (void)snprintf(app.owner, sizeof(app.owner), "uid:1000");
    (void)snprintf(app.project, sizeof(app.project), "default");
    return app;
}

static const char id_a[] = "11111111-1111-4111-8111-111111111111";
static const char id_b[] = "22222222-2222-4222-8222-222222222222";

static void must_create(struct fixture *fixture, const struct store_app *app, const char *replaces)
{
    struct err err = ERR_INIT;
    if (store_app_create(fixture->store, app, replaces, &err) < 0)
        fail_msg("%s", err.message);
}

static void round_trip_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = make_app(id_a, "hello");
    app.port = 4321;
    app.run_uid = 1000001;
    (void)snprintf(app.host_name, sizeof(app.host_name), "localhost");
    app.expires = 1893456000;
    app.quota_bytes = (int64_t)10 << 30;
    (void)snprintf(app.reason, sizeof(app.reason), "line one\nline \"two\" '; DROP TABLE app; --");
    must_create(fixture, &app, NULL);
    reopen(fixture);
    struct store_app read = {0};
    assert_int_equal(store_app_get(fixture->store, id_a, &read, &err), 0);
    assert_memory_equal(&app, &read, sizeof(app));
    read.state = STORE_RUNNING;
    read.provisioned = 1;
    assert_int_equal(store_app_save(fixture->store, &read, &err), 0);
    struct store_app again = {0};
    assert_int_equal(store_app_get(fixture->store, id_a, &again, &err), 0);
    assert_memory_equal(&read, &again, sizeof(read));
}

static void missing_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = make_app(id_a, "hello");
    assert_int_equal(store_app_get(fixture->store, id_a, &app, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    err_clear(&err);
    assert_int_equal(store_app_save(fixture->store, &app, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(store_app_delete(fixture->store, id_a, &err), 0);
}

static void same_id_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = make_app(id_a, "hello");
    must_create(fixture, &app, NULL);
    struct store_app other = make_app(id_a, "other");
    assert_int_equal(store_app_create(fixture->store, &other, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_non_null(strstr(err.message, id_a));
}

static void same_name_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = make_app(id_a, "hello");
    must_create(fixture, &app, NULL);
    struct store_app other = make_app(id_b, "hello");
    assert_int_equal(store_app_create(fixture->store, &other, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_non_null(strstr(err.message, id_a));
    /* another owner, and another project, may use the name */
    (void)snprintf(other.owner, sizeof(other.owner), "uid:1001");
    must_create(fixture, &other, NULL);
}

static void replace_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = make_app(id_a, "hello");
    must_create(fixture, &app, NULL);
    struct store_app other = make_app(id_b, "hello");
    must_create(fixture, &other, id_a);
    struct store_app old = {0};
    assert_int_equal(store_app_get(fixture->store, id_a, &old, &err), 0);
    assert_int_equal(old.desired, STORE_DESIRED_STOP);
    /* somebody else's app cannot be replaced, and nothing of the attempt stays */
    struct store_app third = make_app("33333333-3333-4333-8333-333333333333", "third");
    (void)snprintf(third.owner, sizeof(third.owner), "uid:7");
    assert_int_equal(store_app_create(fixture->store, &third, id_b, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(store_app_get(fixture->store, third.id, &old, &err), -1);
    assert_int_equal(store_app_get(fixture->store, id_b, &old, &err), 0);
    assert_int_equal(old.desired, STORE_DESIRED_RUN);
}

static void failed_replace_rolls_back_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = make_app(id_a, "hello");
    app.port = 5000;
    must_create(fixture, &app, NULL);
    struct store_app other = make_app(id_b, "hello");
    other.port = 5000; /* still held: the old one is only wanted stopped */
    assert_int_equal(store_app_create(fixture->store, &other, id_a, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    struct store_app old = {0};
    assert_int_equal(store_app_get(fixture->store, id_a, &old, &err), 0);
    assert_int_equal(old.desired, STORE_DESIRED_RUN);
}

static void same_user_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = make_app(id_a, "hello");
    app.run_uid = 1000001;
    must_create(fixture, &app, NULL);
    struct store_app other = make_app(id_b, "other");
    other.run_uid = 1000001;
    assert_int_equal(store_app_create(fixture->store, &other, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    app.state = STORE_STOPPED;
    app.desired = STORE_DESIRED_STOP;
    assert_int_equal(store_app_save(fixture->store, &app, &err), 0);
    must_create(fixture, &other, NULL);
}

static int count_app(void *context, const struct store_app *app, struct err *err)
{
    ++*(int *)context;
    return 0;
}

static int count_of(struct fixture *fixture, const struct store_filter *filter)
{
    struct err err = ERR_INIT;
    int count = 0;
    assert_int_equal(store_app_each(fixture->store, filter, count_app, &count, &err), 0);
    return count;
}

static void filter_test(void **state)
{
    struct fixture *fixture = *state;
    struct store_app app = make_app(id_a, "hello");
    struct store_app other = make_app(id_b, "other");
    other.desired = STORE_DESIRED_STOP;
    (void)snprintf(other.owner, sizeof(other.owner), "uid:1001");
    must_create(fixture, &app, NULL);
    must_create(fixture, &other, NULL);
    assert_int_equal(count_of(fixture, NULL), 2);
    assert_int_equal(count_of(fixture, &(struct store_filter){.owner = "uid:1001"}), 1);
    assert_int_equal(count_of(fixture, &(struct store_filter){.name = "hello"}), 1);
    assert_int_equal(count_of(fixture, &(struct store_filter){.project = "x"}), 0);
    assert_int_equal(count_of(fixture, &(struct store_filter){.wanted_only = true}), 1);
}

struct nested {
    struct store *store;
    int count;
};

static int nested_row(void *context, const struct store_event *event, struct err *err)
{
    (void)event;
    ++((struct nested *)context)->count;
    return 0;
}

/* What a listing gives to others is free to ask the store, and changes to rows still to come are
 * no reason to see one twice. */
static int nested_app(void *context, const struct store_app *app, struct err *err)
{
    struct nested *nested = context;
    struct store_app again = {0};
    struct store_event event = {.time = 1, .text = "seen"};
    (void)snprintf(event.app, sizeof(event.app), "%s", app->id);
    if (store_app_get(nested->store, app->id, &again, err) < 0)
        return -1;
    again.updated++;
    if (store_app_save(nested->store, &again, err) < 0 ||
        store_event_add(nested->store, &event, err) < 0)
        return -1;
    return store_event_each(nested->store, app->id, 10, nested_row, nested, err);
}

/* More than a page of them, some made in the same second. */
static void callback_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    enum { APPS = 150 };
    for (int i = 0; i < APPS; i++) {
        struct store_app app = make_app(id_a, "hello");
        app.created = 1000 + i / 7;
        (void)snprintf(app.id, sizeof(app.id), "11111111-1111-4111-8111-%012d", (i * 37) % APPS);
        (void)snprintf(app.name, sizeof(app.name), "app-%d", i);
        must_create(fixture, &app, NULL);
    }
    struct nested nested = {fixture->store, 0};
    assert_int_equal(store_app_each(fixture->store, NULL, nested_app, &nested, &err), 0);
    assert_int_equal(nested.count, APPS);
}

/* One moment, the last that was saved. */
static void clock_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_clock found = {0};
    assert_int_equal(store_clock_get(fixture->store, &found, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    for (int64_t i = 1; i <= 2; i++) {
        const struct store_clock clock = {.wall = 1000 * i, .since_boot = i, .boot = "b"};
        assert_int_equal(store_clock_save(fixture->store, &clock, &err), 0);
    }
    reopen(fixture);
    assert_int_equal(store_clock_get(fixture->store, &found, &err), 0);
    assert_int_equal(found.wall, 2000);
    assert_int_equal(found.since_boot, 2);
    assert_string_equal(found.boot, "b");
}

static int keep_layer(void *context, const struct store_layer *layer, struct err *err)
{
    ++*(int *)context;
    return 0;
}

static void layer_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    const struct store_layer layer = {.key = "abcd", .environment = "mse-flask", .created = 5};
    assert_int_equal(store_layer_save(fixture->store, &layer, &err), 0);
    struct store_layer ready = layer;
    ready.state = STORE_LAYER_READY;
    ready.last_used = 9;
    assert_int_equal(store_layer_save(fixture->store, &ready, &err), 0);
    struct store_layer read = {0};
    assert_int_equal(store_layer_get(fixture->store, "abcd", &read, &err), 0);
    assert_memory_equal(&ready, &read, sizeof(read));
    int count = 0;
    assert_int_equal(store_layer_each(fixture->store, keep_layer, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(store_layer_delete(fixture->store, "abcd", &err), 0);
    assert_int_equal(store_layer_get(fixture->store, "abcd", &read, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

struct seen_events {
    int count;
    char first[STORE_EVENT_SIZE];
};

static int see_event(void *context, const struct store_event *event, struct err *err)
{
    struct seen_events *seen = context;
    if (seen->count++ == 0)
        memcpy(seen->first, event->text, sizeof(seen->first));
    return 0;
}

static void event_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_event event = {.time = 1};
    (void)snprintf(event.app, sizeof(event.app), "%s", id_a);
    for (int i = 0; i < STORE_EVENTS_KEPT + 10; i++) {
        (void)snprintf(event.text, sizeof(event.text), "event %d", i);
        assert_int_equal(store_event_add(fixture->store, &event, &err), 0);
    }
    struct seen_events seen = {0};
    assert_int_equal(store_event_each(fixture->store, id_a, 10000, see_event, &seen, &err), 0);
    assert_int_equal(seen.count, STORE_EVENTS_KEPT);
    (void)snprintf(event.text, sizeof(event.text), "event %d", STORE_EVENTS_KEPT + 9);
    assert_string_equal(seen.first, event.text);
    assert_int_equal(store_app_delete(fixture->store, id_a, &err), 0);
    seen.count = 0;
    assert_int_equal(store_event_each(fixture->store, id_a, 10, see_event, &seen, &err), 0);
    assert_int_equal(seen.count, 0);
}

static void refused_open(const char *path, enum err_kind kind, const char *words)
{
    struct err err = ERR_INIT;
    struct store *store = NULL;
    const struct store_sqlite_options options = {.path = path};
    assert_int_equal(store_sqlite_open(&options, &store, &err), -1);
    assert_null(store);
    assert_int_equal(err.kind, kind);
    assert_non_null(strstr(err.message, words));
    assert_true(err.hint[0] != '\0');
}

static void newer_schema_test(void **state)
{
    struct fixture *fixture = *state;
    store_close(fixture->store);
    fixture->store = NULL;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    refused_open(fixture->path, ERR_UNSUPPORTED, "99");
}

static void not_a_database_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/other.db", fixture->folder);
    char junk[8192];
    memset(junk, 'x', sizeof(junk));
    assert_int_equal(file_write_atomic(path, slice_of(junk, sizeof(junk)), 0600, &err), 0);
    refused_open(path, ERR_INVALID, "other.db");
}

static void damaged_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct store_app app = make_app(id_a, "hello");
    must_create(fixture, &app, NULL);
    store_close(fixture->store); /* folds the write-ahead log into the file */
    fixture->store = NULL;
    AUTO_BUF struct buf bytes = BUF_INIT(1 << 24);
    assert_int_equal(file_read(fixture->path, &bytes, &err), 0);
    assert_true(bytes.len > 8192);
    memset(bytes.data + 4096, 0x5a, bytes.len - 4096); /* every page but the schema's */
    assert_int_equal(file_write_atomic(fixture->path, buf_slice(&bytes), 0600, &err), 0);
    refused_open(fixture->path, ERR_INVALID, "damaged");
}

static void full_disk_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    store_close(fixture->store);
    fixture->store = NULL;
    const struct store_sqlite_options options = {.path = fixture->path, .max_pages = 24};
    assert_int_equal(store_sqlite_open(&options, &fixture->store, &err), 0);
    int created = 0;
    for (;;) {
        char id[STORE_ID_SIZE];
        (void)snprintf(id, sizeof(id), "%08d-1111", created);
        struct store_app app = make_app(id, id);
        memset(app.reason, 'r', sizeof(app.reason) - 1);
        if (store_app_create(fixture->store, &app, NULL, &err) < 0)
            break;
        created++;
        assert_true(created < 1000);
    }
    assert_int_equal(err.kind, ERR_IO);
    assert_true(err.hint[0] != '\0');
    assert_int_equal(count_of(fixture, NULL), created);
    /* room is made, and the store goes on */
    char id[STORE_ID_SIZE];
    (void)snprintf(id, sizeof(id), "%08d-1111", 0);
    assert_int_equal(store_app_delete(fixture->store, id, &err), 0);
    struct store_app app = make_app(id_a, "fits");
    must_create(fixture, &app, NULL);
}

static void kill_test(void **state)
{
    struct fixture *fixture = *state;
    store_close(fixture->store);
    fixture->store = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct err err = ERR_INIT;
        struct store *store = NULL;
        const struct store_sqlite_options options = {.path = fixture->path};
        struct store_app app = make_app(id_a, "hello");
        if (store_sqlite_open(&options, &store, &err) == 0 &&
            store_app_create(store, &app, NULL, &err) == 0)
            (void)kill(getpid(), SIGKILL);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    reopen(fixture);
    assert_int_equal(count_of(fixture, NULL), 1);
}

static void file_mode_test(void **state)
{
    struct fixture *fixture = *state;
    struct stat info;
    assert_int_equal(stat(fixture->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name##_test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(round_trip),   TEST(missing),        TEST(same_id),
        TEST(same_name),    TEST(replace),        TEST(failed_replace_rolls_back),
        TEST(same_user),    TEST(filter),         TEST(callback),
        TEST(layer),        TEST(clock),          TEST(event),
        TEST(newer_schema), TEST(not_a_database), TEST(damaged),
        TEST(full_disk),    TEST(kill),           TEST(file_mode),
    };
    return cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
}
