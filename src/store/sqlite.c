// SPDX-License-Identifier: Apache-2.0
/*
 * The store in one SQLite file: write-ahead log, synchronous FULL, so that what a function has
 * answered survives the machine. Owns the connection and its prepared statements; one mutex
 * serialises all of it (the node's rate of changes is a few a second). Runs in msed, untrusted.
 */
#include "base/lock.h"
#include "store/store.h"

#include "base/fd.h"
#include "store/sqlite_statement.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Schema versions: entry N brings a database from version N to N + 1 (PRAGMA user_version). Never
 * change an entry that was released, append. */
static const char *const migrations[] = {
    "CREATE TABLE app ("
    " id TEXT PRIMARY KEY NOT NULL, owner TEXT NOT NULL, project TEXT NOT NULL,"
    " name TEXT NOT NULL, resource TEXT NOT NULL, environment TEXT NOT NULL, layer TEXT NOT NULL,"
    " fingerprint TEXT NOT NULL, host_name TEXT NOT NULL, reason TEXT NOT NULL, state INTEGER NOT "
    "NULL,"
    " desired INTEGER NOT NULL, provisioned INTEGER NOT NULL, port INTEGER NOT NULL,"
    " run_uid INTEGER NOT NULL, quota_bytes INTEGER NOT NULL, created INTEGER NOT NULL,"
    " updated INTEGER NOT NULL, started INTEGER NOT NULL, expires INTEGER NOT NULL,"
    " restarts INTEGER NOT NULL, quick_crashes INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    /* 0 is STORE_DESIRED_RUN, 4 is STORE_STOPPED */
    "CREATE UNIQUE INDEX app_name ON app (owner, project, name) WHERE desired = 0;"
    "CREATE UNIQUE INDEX app_port ON app (port) WHERE port <> 0 AND state <> 4;"
    "CREATE UNIQUE INDEX app_uid ON app (run_uid) WHERE run_uid <> 0 AND state <> 4;"
    "CREATE TABLE layer ("
    " key TEXT PRIMARY KEY NOT NULL, environment TEXT NOT NULL, state INTEGER NOT NULL,"
    " size_bytes INTEGER NOT NULL, created INTEGER NOT NULL, last_used INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE event ("
    " number INTEGER PRIMARY KEY, app TEXT NOT NULL, time INTEGER NOT NULL, text TEXT NOT NULL)"
    " STRICT;"
    "CREATE INDEX event_app ON event (app, number);",
    "ALTER TABLE app ADD COLUMN kept_s INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE app ADD COLUMN memory_bytes INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE clock ("
    " one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1), wall INTEGER NOT NULL,"
    " since_boot INTEGER NOT NULL, boot TEXT NOT NULL) STRICT;",
    "ALTER TABLE app ADD COLUMN release INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE app ADD COLUMN fallback INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE app ADD COLUMN trial INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE app ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE release ("
    " app TEXT NOT NULL, number INTEGER NOT NULL, resource TEXT NOT NULL,"
    " environment TEXT NOT NULL, layer TEXT NOT NULL, fingerprint TEXT NOT NULL,"
    " memory_bytes INTEGER NOT NULL, quota_bytes INTEGER NOT NULL, created INTEGER NOT NULL,"
    " state INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (app, number))"
    " STRICT, WITHOUT ROWID;",
};

#define APP_COLUMNS                                                                                \
    "id, owner, project, name, resource, environment, layer, fingerprint, host_name, reason,"      \
    " state, desired, provisioned, port, run_uid, quota_bytes, created, updated, started,"         \
    " expires, restarts, quick_crashes, kept_s, memory_bytes, release, fallback, trial, hold"

static const struct column app_columns[] = {
    COLUMN_OF(COLUMN_TEXT, store_app, id),         COLUMN_OF(COLUMN_TEXT, store_app, owner),
    COLUMN_OF(COLUMN_TEXT, store_app, project),    COLUMN_OF(COLUMN_TEXT, store_app, name),
    COLUMN_OF(COLUMN_TEXT, store_app, resource),   COLUMN_OF(COLUMN_TEXT, store_app, environment),
    COLUMN_OF(COLUMN_TEXT, store_app, layer),      COLUMN_OF(COLUMN_TEXT, store_app, fingerprint),
    COLUMN_OF(COLUMN_TEXT, store_app, host_name),  COLUMN_OF(COLUMN_TEXT, store_app, reason),
    COLUMN_OF(COLUMN_INT, store_app, state),       COLUMN_OF(COLUMN_INT, store_app, desired),
    COLUMN_OF(COLUMN_INT, store_app, provisioned), COLUMN_OF(COLUMN_INT, store_app, port),
    COLUMN_OF(COLUMN_INT, store_app, run_uid),     COLUMN_OF(COLUMN_INT, store_app, quota_bytes),
    COLUMN_OF(COLUMN_INT, store_app, created),     COLUMN_OF(COLUMN_INT, store_app, updated),
    COLUMN_OF(COLUMN_INT, store_app, started),     COLUMN_OF(COLUMN_INT, store_app, expires),
    COLUMN_OF(COLUMN_INT, store_app, restarts),    COLUMN_OF(COLUMN_INT, store_app, quick_crashes),
    COLUMN_OF(COLUMN_INT, store_app, kept_s),      COLUMN_OF(COLUMN_INT, store_app, memory_bytes),
    COLUMN_OF(COLUMN_INT, store_app, release),     COLUMN_OF(COLUMN_INT, store_app, fallback),
    COLUMN_OF(COLUMN_INT, store_app, trial),       COLUMN_OF(COLUMN_INT, store_app, hold),
};

#define RELEASE_COLUMNS                                                                            \
    "app, number, resource, environment, layer, fingerprint, memory_bytes, quota_bytes, created,"  \
    " state, reason"

static const struct column release_columns[] = {
    COLUMN_OF(COLUMN_TEXT, store_release, app),
    COLUMN_OF(COLUMN_INT, store_release, number),
    COLUMN_OF(COLUMN_TEXT, store_release, resource),
    COLUMN_OF(COLUMN_TEXT, store_release, environment),
    COLUMN_OF(COLUMN_TEXT, store_release, layer),
    COLUMN_OF(COLUMN_TEXT, store_release, fingerprint),
    COLUMN_OF(COLUMN_INT, store_release, memory_bytes),
    COLUMN_OF(COLUMN_INT, store_release, quota_bytes),
    COLUMN_OF(COLUMN_INT, store_release, created),
    COLUMN_OF(COLUMN_INT, store_release, state),
    COLUMN_OF(COLUMN_TEXT, store_release, reason),
};

static const struct column clock_columns[] = {
    COLUMN_OF(COLUMN_INT, store_clock, wall),
    COLUMN_OF(COLUMN_INT, store_clock, since_boot),
    COLUMN_OF(COLUMN_TEXT, store_clock, boot),
};

static const struct column layer_columns[] = {
    COLUMN_OF(COLUMN_TEXT, store_layer, key),    COLUMN_OF(COLUMN_TEXT, store_layer, environment),
    COLUMN_OF(COLUMN_INT, store_layer, state),   COLUMN_OF(COLUMN_INT, store_layer, size_bytes),
    COLUMN_OF(COLUMN_INT, store_layer, created), COLUMN_OF(COLUMN_INT, store_layer, last_used),
};

static const struct column event_columns[] = {
    COLUMN_OF(COLUMN_TEXT, store_event, app),
    COLUMN_OF(COLUMN_INT, store_event, time),
    COLUMN_OF(COLUMN_TEXT, store_event, text),
};

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_APP_INSERT,
    SQL_APP_UPDATE,
    SQL_APP_GET,
    SQL_APP_EACH,
    SQL_APP_SAME_NAME,
    SQL_APP_REPLACE,
    SQL_APP_FORGET,
    SQL_APP_DELETE,
    SQL_RELEASE_SAVE,
    SQL_RELEASE_GET,
    SQL_RELEASE_EACH,
    SQL_RELEASE_DELETE,
    SQL_RELEASE_DELETE_ALL,
    SQL_CLOCK_SAVE,
    SQL_CLOCK_GET,
    SQL_LAYER_SAVE,
    SQL_LAYER_GET,
    SQL_LAYER_EACH,
    SQL_LAYER_DELETE,
    SQL_EVENT_ADD,
    SQL_EVENT_PRUNE,
    SQL_EVENT_EACH,
    SQL_EVENT_DELETE,
    SQL_COUNT,
};

static const char *const statements[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_APP_INSERT] =
        "INSERT INTO app (" APP_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
        " ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)",
    [SQL_APP_UPDATE] =
        "UPDATE app SET owner = ?2, project = ?3, name = ?4, resource = ?5, environment = ?6,"
        " layer = ?7, fingerprint = ?8, host_name = ?9, reason = ?10, state = ?11, desired = ?12,"
        " provisioned = ?13, port = ?14, run_uid = ?15, quota_bytes = ?16, created = ?17,"
        " updated = ?18, started = ?19, expires = ?20, restarts = ?21, quick_crashes = ?22,"
        " kept_s = ?23, memory_bytes = ?24, release = ?25, fallback = ?26, trial = ?27,"
        " hold = ?28"
        " WHERE id = ?1",
    [SQL_APP_GET] = "SELECT " APP_COLUMNS " FROM app WHERE id = ?1",
    [SQL_APP_EACH] = "SELECT " APP_COLUMNS " FROM app WHERE (?1 IS NULL OR owner = ?1)"
                     " AND (?2 IS NULL OR project = ?2) AND (?3 IS NULL OR name = ?3)"
                     " AND (?4 = 0 OR desired = 0) AND (created, id) > (?5, ?6)"
                     " ORDER BY created, id LIMIT ?7",
    [SQL_APP_SAME_NAME] = "SELECT " APP_COLUMNS " FROM app WHERE owner = ?1 AND project = ?2"
                          " AND name = ?3 AND desired = 0",
    [SQL_APP_REPLACE] = "UPDATE app SET desired = 1, updated = ?3 WHERE id = ?1 AND owner = ?2",
    [SQL_APP_FORGET] = "DELETE FROM app WHERE id = ?1 AND state = 4", /* STORE_STOPPED */
    [SQL_APP_DELETE] = "DELETE FROM app WHERE id = ?1",
    [SQL_RELEASE_SAVE] = "INSERT OR REPLACE INTO release (" RELEASE_COLUMNS ") VALUES (?1, ?2, ?3,"
                         " ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQL_RELEASE_GET] = "SELECT " RELEASE_COLUMNS " FROM release WHERE app = ?1 AND number = ?2",
    [SQL_RELEASE_EACH] =
        "SELECT " RELEASE_COLUMNS " FROM release WHERE app = ?1 ORDER BY number DESC",
    [SQL_RELEASE_DELETE] = "DELETE FROM release WHERE app = ?1 AND number = ?2",
    [SQL_RELEASE_DELETE_ALL] = "DELETE FROM release WHERE app = ?1",
    [SQL_CLOCK_SAVE] =
        "INSERT OR REPLACE INTO clock (one, wall, since_boot, boot) VALUES (1, ?1, ?2, ?3)",
    [SQL_CLOCK_GET] = "SELECT wall, since_boot, boot FROM clock",
    [SQL_LAYER_SAVE] =
        "INSERT OR REPLACE INTO layer (key, environment, state, size_bytes, created, last_used)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_LAYER_GET] =
        "SELECT key, environment, state, size_bytes, created, last_used FROM layer WHERE key = ?1",
    [SQL_LAYER_EACH] = "SELECT key, environment, state, size_bytes, created, last_used FROM layer"
                       " ORDER BY last_used, key",
    [SQL_LAYER_DELETE] = "DELETE FROM layer WHERE key = ?1",
    [SQL_EVENT_ADD] = "INSERT INTO event (app, time, text) VALUES (?1, ?2, ?3)",
    [SQL_EVENT_PRUNE] = "DELETE FROM event WHERE app = ?1 AND number <= (SELECT number FROM event"
                        " WHERE app = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
    [SQL_EVENT_EACH] =
        "SELECT app, time, text FROM event WHERE app = ?1 ORDER BY number DESC LIMIT ?2",
    [SQL_EVENT_DELETE] = "DELETE FROM event WHERE app = ?1",
};

enum { STORE_PAGE = 64 };

struct sqlite_store {
    struct store store; /* first: the two addresses are the same */
    sqlite3 *db;
    struct lock mutex;
    sqlite3_stmt *prepared[SQL_COUNT];
};

static struct sqlite_store *from_store(struct store *store)
{
    return (struct sqlite_store *)store;
}

static int prepared(struct sqlite_store *self, enum statement which, sqlite3_stmt **ret,
                    struct err *err)
{
    if (self->prepared[which] == NULL &&
        sqlite3_prepare_v3(self->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
                           &self->prepared[which], NULL) != SQLITE_OK)
        return sql_fail(self->db, "prepare", err);
    *ret = self->prepared[which];
    return 0;
}

typedef int (*row_fn)(void *context, sqlite3_stmt *statement, struct err *err);

struct query {
    enum statement which;
    const struct sql_value *values;
    size_t count;
    row_fn row;
    void *context;
};

static int run(struct sqlite_store *self, const struct query *query, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (prepared(self, query->which, &statement, err) < 0)
        return -1;
    return sql_run(statement, query->values, query->count, query->row, query->context, err);
}

/* Best effort: what fails here leaves a transaction that the next open rolls back. */
static void roll_back(sqlite3 *db)
{
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

static int run_one(struct sqlite_store *self, enum statement which, struct err *err)
{
    return run(self, &(struct query){.which = which}, err);
}

static int run_locked(struct store *store, const struct query *query, struct err *err)
{
    struct sqlite_store *self = from_store(store);
    lock_acquire(&self->mutex);
    int result = run(self, query, err);
    lock_release(&self->mutex);
    return result;
}

/* Runs `body` inside one transaction: all of it is on disk afterwards, or nothing. */
static int transact(struct store *store,
                    int (*body)(struct sqlite_store *self, const void *input, struct err *err),
                    const void *input, struct err *err)
{
    struct sqlite_store *self = from_store(store);
    lock_acquire(&self->mutex);
    int result = run_one(self, SQL_BEGIN, err);
    if (result == 0) {
        result = body(self, input, err);
        if (result == 0)
            result = run_one(self, SQL_COMMIT, err);
        if (result < 0 && sqlite3_get_autocommit(self->db) == 0)
            roll_back(self->db);
    }
    lock_release(&self->mutex);
    return result;
}

/* --- apps --- */

struct app_creation {
    const struct store_app *app;
    const char *replaces;
};

static int take_app(void *context, sqlite3_stmt *statement, struct err *err)
{
    return sql_row_to(statement, app_columns, ARRAY_LEN(app_columns), context, err);
}

static int insert_app(struct sqlite_store *self, const struct store_app *app, struct err *err)
{
    struct sql_value values[ARRAY_LEN(app_columns)];
    sql_values_from(app, app_columns, ARRAY_LEN(app_columns), values);
    const struct query query = {SQL_APP_INSERT, values, ARRAY_LEN(values), NULL, NULL};
    if (run(self, &query, err) == 0)
        return 0;
    if (sqlite3_extended_errcode(self->db) == SQLITE_CONSTRAINT_PRIMARYKEY)
        return FAIL(err, ERR_EXISTS, "an app with the id '%s' exists already", app->id);
    return -1;
}

static int replace_app(struct sqlite_store *self, const struct app_creation *creation,
                       struct err *err)
{
    const struct sql_value values[] = {SQL_TEXT(creation->replaces), SQL_TEXT(creation->app->owner),
                                       SQL_INT(creation->app->created)};
    const struct query query = {SQL_APP_REPLACE, values, ARRAY_LEN(values), NULL, NULL};
    if (run(self, &query, err) < 0)
        return -1;
    if (sqlite3_changes(self->db) != 1)
        return FAIL(err, ERR_NOT_FOUND, "no app with the id '%s' to replace", creation->replaces);
    return 0;
}

static int refuse_same_name(struct sqlite_store *self, const struct store_app *app, struct err *err)
{
    struct store_app other = {0};
    const struct sql_value values[] = {SQL_TEXT(app->owner), SQL_TEXT(app->project),
                                       SQL_TEXT(app->name)};
    const struct query query = {SQL_APP_SAME_NAME, values, ARRAY_LEN(values), take_app, &other};
    if (run(self, &query, err) < 0)
        return -1;
    if (other.id[0] == '\0')
        return 0;
    err_set(err, ERR_CONFLICT, 0, "an app named '%s' exists in project '%s': %s (%s)", app->name,
            app->project, other.id, store_state_name(other.state));
    err_hint(err, "stop it first, or replace it");
    return -1;
}

static int create_app(struct sqlite_store *self, const void *input, struct err *err)
{
    const struct app_creation *creation = input;
    if (creation->replaces != NULL && replace_app(self, creation, err) < 0)
        return -1;
    const struct sql_value id[] = {SQL_TEXT(creation->app->id)};
    if (refuse_same_name(self, creation->app, err) < 0 ||
        run(self, &(struct query){SQL_APP_FORGET, id, 1, NULL, NULL}, err) < 0)
        return -1;
    if (sqlite3_changes(self->db) > 0 &&
        run(self, &(struct query){SQL_RELEASE_DELETE_ALL, id, 1, NULL, NULL}, err) < 0)
        return -1;
    return insert_app(self, creation->app, err);
}

static int sqlite_app_create(struct store *store, const struct store_app *app, const char *replaces,
                             struct err *err)
{
    return transact(store, create_app, &(struct app_creation){app, replaces}, err);
}

static int save_app(struct sqlite_store *self, const void *input, struct err *err)
{
    const struct store_app *app = input;
    struct sql_value values[ARRAY_LEN(app_columns)];
    sql_values_from(app, app_columns, ARRAY_LEN(app_columns), values);
    const struct query query = {SQL_APP_UPDATE, values, ARRAY_LEN(values), NULL, NULL};
    if (run(self, &query, err) < 0)
        return -1;
    if (sqlite3_changes(self->db) != 1)
        return FAIL(err, ERR_NOT_FOUND, "no app with the id '%s'", app->id);
    return 0;
}

static int sqlite_app_save(struct store *store, const struct store_app *app, struct err *err)
{
    return transact(store, save_app, app, err);
}

static int sqlite_app_get(struct store *store, const char *id, struct store_app *ret,
                          struct err *err)
{
    struct store_app app = {0};
    const struct sql_value values[] = {SQL_TEXT(id)};
    const struct query query = {SQL_APP_GET, values, ARRAY_LEN(values), take_app, &app};
    if (run_locked(store, &query, err) < 0)
        return -1;
    if (app.id[0] == '\0')
        return FAIL(err, ERR_NOT_FOUND, "no app with the id '%s'", id);
    *ret = app;
    return 0;
}

/* Rows as they were under the lock, given to the caller's function after it: a callback under a
 * lock waits for another lock one day, whose holder waits for this one. */
struct rows {
    void *items;
    size_t item_size;
    size_t count;
    size_t room;
    int (*take)(void *item, sqlite3_stmt *statement, struct err *err);
};

static int collect_row(void *context, sqlite3_stmt *statement, struct err *err)
{
    struct rows *rows = context;
    if (rows->count == rows->room) {
        size_t room = rows->room * 2 + 8;
        void *items = mem_resize_array(rows->items, room, rows->item_size, err);
        if (items == NULL)
            return -1;
        rows->items = items;
        rows->room = room;
    }
    void *item = (char *)rows->items + rows->count * rows->item_size;
    memset(item, 0, rows->item_size);
    if (rows->take(item, statement, err) < 0)
        return -1;
    rows->count++;
    return 0;
}

/* `query` without row and context. The caller frees rows->items. */
static int collect(struct store *store, struct query query, struct rows *rows, struct err *err)
{
    rows->count = 0;
    query.row = collect_row;
    query.context = rows;
    return run_locked(store, &query, err);
}

/* Apps are many and large: a page at a time. Their order never changes. */
static int sqlite_app_each(struct store *store, const struct store_filter *filter, store_app_fn fn,
                           void *context, struct err *err)
{
    static const struct store_filter any = {0};
    if (filter == NULL)
        filter = &any;
    struct rows rows = {.item_size = sizeof(struct store_app), .take = take_app};
    struct store_app last = {.created = INT64_MIN};
    int result = 0;
    do {
        const struct sql_value values[] = {SQL_TEXT(filter->owner), SQL_TEXT(filter->project),
                                           SQL_TEXT(filter->name),  SQL_INT(filter->wanted_only),
                                           SQL_INT(last.created),   SQL_TEXT(last.id),
                                           SQL_INT(STORE_PAGE)};
        result = collect(store, (struct query){SQL_APP_EACH, values, ARRAY_LEN(values), NULL, NULL},
                         &rows, err);
        const struct store_app *apps = rows.items;
        for (size_t i = 0; result == 0 && i < rows.count; i++)
            result = fn(context, &apps[i], err);
        if (rows.count > 0)
            last = apps[rows.count - 1];
    } while (result == 0 && rows.count == STORE_PAGE);
    free(rows.items);
    return result;
}

static int delete_app(struct sqlite_store *self, const void *input, struct err *err)
{
    const struct sql_value values[] = {SQL_TEXT(input)};
    if (run(self, &(struct query){SQL_EVENT_DELETE, values, 1, NULL, NULL}, err) < 0 ||
        run(self, &(struct query){SQL_RELEASE_DELETE_ALL, values, 1, NULL, NULL}, err) < 0)
        return -1;
    return run(self, &(struct query){SQL_APP_DELETE, values, 1, NULL, NULL}, err);
}

static int sqlite_app_delete(struct store *store, const char *id, struct err *err)
{
    return transact(store, delete_app, id, err);
}

/* --- releases --- */

static int sqlite_release_save(struct store *store, const struct store_release *release,
                               struct err *err)
{
    struct sql_value values[ARRAY_LEN(release_columns)];
    sql_values_from(release, release_columns, ARRAY_LEN(release_columns), values);
    return run_locked(
        store, &(struct query){SQL_RELEASE_SAVE, values, ARRAY_LEN(values), NULL, NULL}, err);
}

static int take_release(void *context, sqlite3_stmt *statement, struct err *err)
{
    return sql_row_to(statement, release_columns, ARRAY_LEN(release_columns), context, err);
}

static int sqlite_release_get(struct store *store, const char *app, int64_t number,
                              struct store_release *ret, struct err *err)
{
    struct store_release release = {0};
    const struct sql_value values[] = {SQL_TEXT(app), SQL_INT(number)};
    const struct query query = {SQL_RELEASE_GET, values, ARRAY_LEN(values), take_release, &release};
    if (run_locked(store, &query, err) < 0)
        return -1;
    if (release.app[0] == '\0')
        return FAIL(err, ERR_NOT_FOUND, "app %s has no release %lld", app, (long long)number);
    *ret = release;
    return 0;
}

static int sqlite_release_each(struct store *store, const char *app, store_release_fn fn,
                               void *context, struct err *err)
{
    struct rows rows = {.item_size = sizeof(struct store_release), .take = take_release};
    const struct sql_value values[] = {SQL_TEXT(app)};
    int result =
        collect(store, (struct query){SQL_RELEASE_EACH, values, 1, NULL, NULL}, &rows, err);
    const struct store_release *releases = rows.items;
    for (size_t i = 0; result == 0 && i < rows.count; i++)
        result = fn(context, &releases[i], err);
    free(rows.items);
    return result;
}

static int sqlite_release_delete(struct store *store, const char *app, int64_t number,
                                 struct err *err)
{
    const struct sql_value values[] = {SQL_TEXT(app), SQL_INT(number)};
    return run_locked(store, &(struct query){SQL_RELEASE_DELETE, values, 2, NULL, NULL}, err);
}

/* --- clock --- */

static int sqlite_clock_save(struct store *store, const struct store_clock *clock, struct err *err)
{
    struct sql_value values[ARRAY_LEN(clock_columns)];
    sql_values_from(clock, clock_columns, ARRAY_LEN(clock_columns), values);
    return run_locked(store, &(struct query){SQL_CLOCK_SAVE, values, ARRAY_LEN(values), NULL, NULL},
                      err);
}

struct found_clock {
    struct store_clock clock;
    bool any;
};

static int take_clock(void *context, sqlite3_stmt *statement, struct err *err)
{
    struct found_clock *found = context;
    found->any = true;
    return sql_row_to(statement, clock_columns, ARRAY_LEN(clock_columns), &found->clock, err);
}

static int sqlite_clock_get(struct store *store, struct store_clock *ret, struct err *err)
{
    struct found_clock found = {0};
    if (run_locked(store, &(struct query){SQL_CLOCK_GET, NULL, 0, take_clock, &found}, err) < 0)
        return -1;
    if (!found.any)
        return FAIL(err, ERR_NOT_FOUND, "no time was believed yet");
    *ret = found.clock;
    return 0;
}

/* --- layers --- */

static int sqlite_layer_save(struct store *store, const struct store_layer *layer, struct err *err)
{
    struct sql_value values[ARRAY_LEN(layer_columns)];
    sql_values_from(layer, layer_columns, ARRAY_LEN(layer_columns), values);
    return run_locked(store, &(struct query){SQL_LAYER_SAVE, values, ARRAY_LEN(values), NULL, NULL},
                      err);
}

static int take_layer(void *context, sqlite3_stmt *statement, struct err *err)
{
    return sql_row_to(statement, layer_columns, ARRAY_LEN(layer_columns), context, err);
}

static int sqlite_layer_get(struct store *store, const char *key, struct store_layer *ret,
                            struct err *err)
{
    struct store_layer layer = {0};
    const struct sql_value values[] = {SQL_TEXT(key)};
    const struct query query = {SQL_LAYER_GET, values, ARRAY_LEN(values), take_layer, &layer};
    if (run_locked(store, &query, err) < 0)
        return -1;
    if (layer.key[0] == '\0')
        return FAIL(err, ERR_NOT_FOUND, "no layer '%s'", key);
    *ret = layer;
    return 0;
}

static int sqlite_layer_each(struct store *store, store_layer_fn fn, void *context, struct err *err)
{
    struct rows rows = {.item_size = sizeof(struct store_layer), .take = take_layer};
    int result = collect(store, (struct query){SQL_LAYER_EACH, NULL, 0, NULL, NULL}, &rows, err);
    const struct store_layer *layers = rows.items;
    for (size_t i = 0; result == 0 && i < rows.count; i++)
        result = fn(context, &layers[i], err);
    free(rows.items);
    return result;
}

static int sqlite_layer_delete(struct store *store, const char *key, struct err *err)
{
    const struct sql_value values[] = {SQL_TEXT(key)};
    return run_locked(store, &(struct query){SQL_LAYER_DELETE, values, 1, NULL, NULL}, err);
}

/* --- events --- */

static int add_event(struct sqlite_store *self, const void *input, struct err *err)
{
    const struct store_event *event = input;
    struct sql_value values[ARRAY_LEN(event_columns)];
    sql_values_from(event, event_columns, ARRAY_LEN(event_columns), values);
    const struct query add = {SQL_EVENT_ADD, values, ARRAY_LEN(values), NULL, NULL};
    if (run(self, &add, err) < 0)
        return -1;
    const struct sql_value limits[] = {SQL_TEXT(event->app), SQL_INT(STORE_EVENTS_KEPT)};
    return run(self, &(struct query){SQL_EVENT_PRUNE, limits, ARRAY_LEN(limits), NULL, NULL}, err);
}

static int sqlite_event_add(struct store *store, const struct store_event *event, struct err *err)
{
    return transact(store, add_event, event, err);
}

static int take_event(void *context, sqlite3_stmt *statement, struct err *err)
{
    return sql_row_to(statement, event_columns, ARRAY_LEN(event_columns), context, err);
}

static int sqlite_event_each(struct store *store, const char *app, int64_t limit, store_event_fn fn,
                             void *context, struct err *err)
{
    const struct sql_value values[] = {SQL_TEXT(app), SQL_INT(limit)};
    struct rows rows = {.item_size = sizeof(struct store_event), .take = take_event};
    int result = collect(
        store, (struct query){SQL_EVENT_EACH, values, ARRAY_LEN(values), NULL, NULL}, &rows, err);
    const struct store_event *events = rows.items;
    for (size_t i = 0; result == 0 && i < rows.count; i++)
        result = fn(context, &events[i], err);
    free(rows.items);
    return result;
}

/* --- opening --- */

static void sqlite_close(struct store *store)
{
    struct sqlite_store *self = from_store(store);
    for (size_t i = 0; i < SQL_COUNT; i++)
        (void)sqlite3_finalize(self->prepared[i]);
    (void)sqlite3_close(self->db);
    lock_done(&self->mutex);
    free(self);
}

static const struct store_class sqlite_class = {
    .name = "sqlite",
    .close = sqlite_close,
    .app_create = sqlite_app_create,
    .app_save = sqlite_app_save,
    .app_get = sqlite_app_get,
    .app_each = sqlite_app_each,
    .app_delete = sqlite_app_delete,
    .release_save = sqlite_release_save,
    .release_get = sqlite_release_get,
    .release_each = sqlite_release_each,
    .release_delete = sqlite_release_delete,
    .clock_save = sqlite_clock_save,
    .clock_get = sqlite_clock_get,
    .layer_save = sqlite_layer_save,
    .layer_get = sqlite_layer_get,
    .layer_each = sqlite_layer_each,
    .layer_delete = sqlite_layer_delete,
    .event_add = sqlite_event_add,
    .event_each = sqlite_event_each,
};

static int read_number(void *context, sqlite3_stmt *statement, struct err *err)
{
    *(int64_t *)context = sqlite3_column_int64(statement, 0);
    return 0;
}

static int pragma_number(sqlite3 *db, const char *sql, int64_t *ret, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return sql_fail(db, "prepare", err);
    int result = sql_run(statement, NULL, 0, read_number, ret, err);
    (void)sqlite3_finalize(statement);
    return result;
}

static int migrate_one(sqlite3 *db, size_t from, struct err *err)
{
    char version[64];
    (void)snprintf(version, sizeof(version), "PRAGMA user_version = %zu", from + 1);
    if (sql_exec(db, "BEGIN IMMEDIATE", err) < 0)
        return -1;
    if (sql_exec(db, migrations[from], err) < 0 || sql_exec(db, version, err) < 0 ||
        sql_exec(db, "COMMIT", err) < 0) {
        roll_back(db);
        return FAIL_CONTEXT(err, "schema version %zu", from + 1);
    }
    return 0;
}

static int migrate(sqlite3 *db, struct err *err)
{
    int64_t version = 0;
    if (pragma_number(db, "PRAGMA user_version", &version, err) < 0)
        return -1;
    if (version < 0 || version > (int64_t)ARRAY_LEN(migrations)) {
        err_set(err, ERR_UNSUPPORTED, 0,
                "the state database has schema version %lld, this program knows up to %zu",
                (long long)version, ARRAY_LEN(migrations));
        err_hint(err, "it was written by a newer msed: run that one");
        return -1;
    }
    for (size_t i = (size_t)version; i < ARRAY_LEN(migrations); i++) {
        if (migrate_one(db, i, err) < 0)
            return -1;
    }
    return 0;
}

static int check_text(void *context, sqlite3_stmt *statement, struct err *err)
{
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (text != NULL && strcmp(text, "ok") == 0)
        return 0;
    err_set(err, ERR_INVALID, 0, "the state database is damaged: %s", text != NULL ? text : "?");
    err_hint(err, "restore it from a copy that is as new as the apps; without one msed starts over "
                  "when it and apps/ are moved away");
    return -1;
}

static int quick_check(sqlite3 *db, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL) != SQLITE_OK)
        return sql_fail(db, "check", err);
    int result = sql_run(statement, NULL, 0, check_text, NULL, err);
    (void)sqlite3_finalize(statement);
    return result;
}

static int configure(sqlite3 *db, int64_t max_pages, struct err *err)
{
    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_timeout(db, 5000);
    /* A damaged file must give an error, never run what its schema says. */
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (sql_exec(db,
                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
                 err) < 0)
        return -1;
    if (max_pages > 0) {
        char limit[64];
        (void)snprintf(limit, sizeof(limit), "PRAGMA max_page_count = %lld", (long long)max_pages);
        if (sql_exec(db, limit, err) < 0)
            return -1;
    }
    if (quick_check(db, err) < 0)
        return -1;
    return migrate(db, err);
}

/* SQLite makes its files with the umask; ours is readable by the node alone from birth. */
static int make_file(const char *path, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    return fd_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, &fd, err);
}

int store_sqlite_open(const struct store_sqlite_options *options, struct store **ret,
                      struct err *err)
{
    if (make_file(options->path, err) < 0)
        return FAIL_CONTEXT(err, "state database");
    struct sqlite_store *self = mem_alloc(sizeof(*self), err);
    if (self == NULL)
        return -1;
    self->store.class = &sqlite_class;
    lock_init(&self->mutex, LOCK_STORE);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (sqlite3_open_v2(options->path, &self->db, flags, NULL) != SQLITE_OK) {
        int failed = sql_fail(self->db, "open", err);
        sqlite_close(&self->store);
        err_context(err, "'%s'", options->path);
        return failed;
    }
    if (configure(self->db, options->max_pages, err) < 0) {
        sqlite_close(&self->store);
        return FAIL_CONTEXT(err, "'%s'", options->path);
    }
    *ret = &self->store;
    return 0;
}
