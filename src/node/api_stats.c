// SPDX-License-Identifier: Apache-2.0
/*
 * The API's handlers about counters: one app's as JSON, and all that the account may see for
 * Prometheus. The counters are what each enclave says of itself. Run in msed, each on the thread of
 * its request.
 */
#include "node/api.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROW_LABELS_SIZE = 320, METRICS_MAX = 64 << 20 };

/* --- one app --- */

static int put_quantiles(json_t *object, const struct app_stats *stats, struct err *err)
{
    const struct {
        const char *key;
        const uint64_t *buckets;
        double quantile;
    } rows[] = {
        {"latency_p50_us", stats->latency, 0.5},
        {"latency_p99_us", stats->latency, 0.99},
        {"queue_p50_us", stats->queue, 0.5},
        {"queue_p99_us", stats->queue, 0.99},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double us = app_stats_quantile(rows[i].buckets, rows[i].quantile);
        if (json_put_u64(object, rows[i].key, (uint64_t)(us + 0.5), err) < 0)
            return -1;
    }
    return 0;
}

static int fill_stats(const struct keeper_stats *stats, json_t *object, struct err *err)
{
    char reported[RFC3339_SIZE];
    AUTO_JSON json_t *counters = NULL;
    if (stats->reported == 0)
        return json_put(object, "reported", json_null(), err) < 0 ||
                       json_put(object, "counters", json_null(), err) < 0
                   ? -1
                   : 0;
    rfc3339_format(stats->reported, reported);
    if (json_put_text(object, "reported", reported, err) < 0 ||
        app_stats_to_json(&stats->counters, &counters, err) < 0 ||
        put_quantiles(counters, &stats->counters, err) < 0)
        return -1;
    return json_put(object, "counters", json_incref(counters), err);
}

int api_get_stats(struct api_call *call, struct err *err)
{
    struct keeper_stats stats;
    AUTO_JSON json_t *object = json_new_object(err);
    keeper_stats(call->node->keeper, call->id, &stats);
    if (object == NULL || fill_stats(&stats, object, err) < 0)
        return -1;
    return api_answer(call, 200, json_incref(object), err);
}

/* --- all of an account --- */

struct collection {
    struct keeper *keeper;
    struct app_stats_row *rows;
    char (*labels)[ROW_LABELS_SIZE];
    size_t count;
    size_t room;
};

static int make_room(struct collection *collection, struct err *err)
{
    if (collection->count < collection->room)
        return 0;
    size_t room = collection->room * 2 + 16;
    void *rows = mem_resize_array(collection->rows, room, sizeof(*collection->rows), err);
    if (rows == NULL)
        return -1;
    collection->rows = rows;
    void *labels = mem_resize_array(collection->labels, room, sizeof(*collection->labels), err);
    if (labels == NULL)
        return -1;
    collection->labels = labels;
    collection->room = room;
    return 0;
}

/* Ids, names and projects have no character that a label would have to escape. */
static int collect(void *context, const struct store_app *app, struct err *err)
{
    struct collection *collection = context;
    struct keeper_stats stats;
    keeper_stats(collection->keeper, app->id, &stats);
    if (stats.reported == 0)
        return 0;
    if (make_room(collection, err) < 0)
        return -1;
    size_t at = collection->count++;
    (void)snprintf(collection->labels[at], ROW_LABELS_SIZE, "id=\"%s\",name=\"%s\",project=\"%s\"",
                   app->id, app->name, app->project);
    collection->rows[at].stats = stats.counters;
    return 0;
}

static int answer_metrics(struct api_call *call, struct collection *collection, struct err *err)
{
    static const struct http_header headers[] = {
        {{(const uint8_t *)"content-type", 12}, {(const uint8_t *)"text/plain; version=0.0.4", 25}},
        {{(const uint8_t *)"cache-control", 13}, {(const uint8_t *)"no-store", 8}},
    };
    AUTO_BUF struct buf text = BUF_INIT(METRICS_MAX);
    for (size_t i = 0; i < collection->count; i++)
        collection->rows[i].labels = collection->labels[i]; /* they do not move any more */
    if (app_stats_prometheus(collection->rows, collection->count, &text, err) < 0)
        return -1;
    call->answered = true;
    return http_respond(call->exchange, 200, headers, ARRAY_LEN(headers), buf_slice(&text), err);
}

int api_get_metrics(struct api_call *call, struct err *err)
{
    const struct store_filter filter = {
        .owner = call->account.operator_of_node ? NULL : call->account.owner};
    struct collection collection = {.keeper = call->node->keeper};
    int result = store_app_each(call->node->store, &filter, collect, &collection, err);
    if (result == 0)
        result = answer_metrics(call, &collection, err);
    free(collection.rows);
    free(collection.labels);
    return result;
}
