// SPDX-License-Identifier: Apache-2.0
/*
 * What is kept of an exchange when it is over: counters, times, a line of the access log; and what
 * its client is told of it (Server-Timing). On I/O threads where nothing else is said.
 */
#include "base/lock.h"
#include "http/connection.h"

#include "base/clock.h"

#include <stdio.h>

static size_t latency_bucket(int64_t us)
{
    size_t bucket = us <= 0 ? 0 : (size_t)(64 - __builtin_clzll((uint64_t)us));
    return bucket < HTTP_LATENCY_BUCKETS ? bucket : HTTP_LATENCY_BUCKETS - 1;
}

static void note_time(uint64_t buckets[static HTTP_LATENCY_BUCKETS], uint64_t *sum, int64_t us)
{
    count(&buckets[latency_bucket(us)], 1);
    count(sum, us > 0 ? (uint64_t)us : 0);
}

void http_begin(struct http_exchange *exchange)
{
    __atomic_store_n(&exchange->begun_us, clock_monotonic_us(), __ATOMIC_RELAXED);
}

/* Microseconds until the handler began; -1: it did not. */
static int64_t queue_us(const struct http_exchange *exchange)
{
    int64_t begun_us = __atomic_load_n(&exchange->begun_us, __ATOMIC_RELAXED);
    int64_t us = begun_us - exchange->started_us;
    return begun_us == 0 ? -1 : us > 0 ? us : 0;
}

static void write_log(struct http_exchange *exchange, bool aborted)
{
    struct access_log *log = exchange->io->server->access_log;
    if (log == NULL)
        return;
    /* the loop's own time is that of its last wake-up, which may be the request's */
    int64_t duration_us = clock_monotonic_us() - exchange->started_us;
    lock_acquire(&exchange->lock);
    const struct access_record record = {
        .request = &exchange->request,
        .client = exchange->connection->address,
        .status = exchange->status,
        .body_bytes = exchange->body_sent,
        .duration_us = duration_us > 0 ? duration_us : 0,
        .queue_us = queue_us(exchange),
        .aborted = aborted,
    };
    lock_release(&exchange->lock);
    access_log_append(log, &record);
}

void observe_gone(struct http_exchange *exchange)
{
    count(&exchange->io->stats.aborted, 1);
    write_log(exchange, true);
}

void observe_done(struct http_exchange *exchange)
{
    struct http_server_stats *stats = &exchange->io->stats;
    int class = exchange->status / 100;
    if (class >= 0 && class < 6)
        count(&stats->responses[class], 1);
    note_time(stats->latency, &stats->latency_us,
              loop_now_us(exchange->io->loop) - exchange->started_us);
    int64_t waited_us = queue_us(exchange);
    if (waited_us >= 0)
        note_time(stats->queue, &stats->queue_us, waited_us);
    write_log(exchange, false);
}

size_t observe_timing(const struct http_exchange *exchange, char to[static TIMING_SIZE])
{
    to[0] = '\0';
    if (!exchange->io->server->server_timing || exchange->started_us == 0)
        return 0;
    double total_ms = (double)(clock_monotonic_us() - exchange->started_us) / 1000.0;
    double queue_ms = (double)queue_us(exchange) / 1000.0;
    /* https://www.w3.org/TR/server-timing/: durations in milliseconds */
    int len = queue_ms < 0
                  ? snprintf(to, TIMING_SIZE, "total;dur=%.3f", total_ms)
                  : snprintf(to, TIMING_SIZE, "queue;dur=%.3f, app;dur=%.3f, total;dur=%.3f",
                             queue_ms, total_ms > queue_ms ? total_ms - queue_ms : 0, total_ms);
    return len < 0 ? 0 : (size_t)len;
}
