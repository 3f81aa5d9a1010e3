// SPDX-License-Identifier: Apache-2.0
/*
 * Counts the stopped apps of an account and deletes the oldest. Owns nothing; runs in msed, on the
 * thread of the app that was stopped last.
 */
#include "node/records.h"

#include "base/mem.h"
#include "node/kept_logs.h"

#include <stdlib.h>
#include <string.h>

struct record {
    char id[STORE_ID_SIZE];
    int64_t stopped;
};

struct records {
    const char *spared;
    struct record *items;
    size_t count;
    size_t room;
};

static void records_done(struct records *records)
{
    free(records->items);
}

static int collect(void *context, const struct store_app *app, struct err *err)
{
    struct records *records = context;
    if (app->state != STORE_STOPPED || strcmp(app->id, records->spared) == 0)
        return 0;
    if (records->count == records->room) {
        size_t room = records->room * 2 + RECORDS_KEPT;
        struct record *items = mem_resize_array(records->items, room, sizeof(*items), err);
        if (items == NULL)
            return -1;
        records->items = items;
        records->room = room;
    }
    struct record *record = &records->items[records->count++];
    memcpy(record->id, app->id, sizeof(record->id));
    record->stopped = app->updated;
    return 0;
}

static int by_age(const void *a, const void *b)
{
    const struct record *first = a;
    const struct record *second = b;
    return (first->stopped > second->stopped) - (first->stopped < second->stopped);
}

int records_forget(struct store *store, const char *logs, const char *id, struct err *err)
{
    if (kept_logs_forget_app(logs, id, err) < 0)
        return -1;
    return store_app_delete(store, id, err);
}

int records_trim(struct store *store, const char *logs, const struct store_app *last,
                 struct err *err)
{
    __attribute__((cleanup(records_done))) struct records records = {.spared = last->id};
    const struct store_filter filter = {.owner = last->owner};
    const size_t kept = RECORDS_KEPT - 1; /* and the spared one */
    if (store_app_each(store, &filter, collect, &records, err) < 0)
        return -1;
    if (records.count <= kept)
        return 0;
    qsort(records.items, records.count, sizeof(*records.items), by_age);
    for (size_t i = 0; i < records.count - kept; i++) {
        if (records_forget(store, logs, records.items[i].id, err) < 0)
            return -1;
    }
    return 0;
}
