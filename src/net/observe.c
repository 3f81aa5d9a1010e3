// SPDX-License-Identifier: Apache-2.0
/*
 * What is kept of an exchange when it is over: counters and times. On I/O threads, apart from
 * http_begin.
 */
#include "net/connection.h"

#include "base/clock.h"

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

void observe_done(struct http_exchange *exchange)
{
    struct http_server_stats *stats = &exchange->io->stats;
    int class = exchange->status / 100;
    if (class >= 0 && class < 6)
        count(&stats->responses[class], 1);
    note_time(stats->latency, &stats->latency_us,
              loop_now_us(exchange->io->loop) - exchange->started_us);
    int64_t begun_us = __atomic_load_n(&exchange->begun_us, __ATOMIC_RELAXED);
    if (begun_us != 0)
        note_time(stats->queue, &stats->queue_us, begun_us - exchange->started_us);
}
