// SPDX-License-Identifier: Apache-2.0
/*
 * The counters of an app's server, as the enclave reports them and the node shows them: one table
 * of names, from which come the line of JSON, its strict reading, and the text that Prometheus
 * reads.
 *
 * They leave the enclave: numbers only, about all requests together (docs/threat-model.md says what
 * they tell). What the node reads of them is the enclave's claim about itself.
 */
#pragma once

#include "format/json.h"

enum {
    APP_STATS_BUCKETS = 28,
    APP_STATS_MAX = 4000, /* bytes of a line, less than a pipe takes in one piece */
};

/* member, unit, Prometheus family and label, what it counts. C: counter, G: gauge. */
#define APP_STATS_NUMBERS(X)                                                                       \
    X(connections, C, "connections_total", "", "Connections accepted.")                            \
    X(open, G, "connections_open", "", "Connections open now.")                                    \
    X(refused, C, "connections_refused_total", "", "Connections over the limit, none being idle.") \
    X(evicted, C, "connections_evicted_total", "", "Idle connections closed to make room.")        \
    X(handshakes, C, "tls_handshakes_total", "", "TLS handshakes completed.")                      \
    X(resumed, C, "tls_resumed_total", "", "TLS handshakes with a session ticket.")                \
    X(post_quantum, C, "tls_post_quantum_total", "",                                               \
      "TLS handshakes whose key exchange was post-quantum.")                                       \
    X(handshake_failures, C, "tls_failures_total", "", "TLS handshakes that failed.")              \
    X(requests, C, "requests_total", "", "Requests handed to the app or to the enclave itself.")   \
    X(responses_1xx, C, "responses_total", "class=\"1xx\"", "Complete responses by status.")       \
    X(responses_2xx, C, "responses_total", "class=\"2xx\"", "Complete responses by status.")       \
    X(responses_3xx, C, "responses_total", "class=\"3xx\"", "Complete responses by status.")       \
    X(responses_4xx, C, "responses_total", "class=\"4xx\"", "Complete responses by status.")       \
    X(responses_5xx, C, "responses_total", "class=\"5xx\"", "Complete responses by status.")       \
    X(rejected, C, "rejected_total", "",                                                           \
      "Requests that the server answered itself: malformed, "                                      \
      "over a limit, late.")                                                                       \
    X(aborted, C, "aborted_total", "", "Requests whose client left or that the app gave up.")      \
    X(timeouts, C, "timeouts_total", "", "Time-outs of clients.")                                  \
    X(bytes_in, C, "received_bytes_total", "", "Bytes of HTTP received, inside TLS.")              \
    X(bytes_out, C, "sent_bytes_total", "", "Bytes of HTTP sent, inside TLS.")                     \
    X(busy, C, "busy_total", "", "Requests answered 503 because the queue was full.")              \
    X(exceptions, C, "exceptions_total", "", "Requests in which the app raised an exception.")     \
    X(late, C, "late_total", "", "Requests answered 503 after request_timeout of waiting.")        \
    X(hanging, C, "hanging_total", "",                                                             \
      "Requests in the app for longer than request_timeout without an answer begun.")              \
    X(health_checks, C, "health_checks_total", "", "Health checks that the enclave has made.")     \
    X(health_failures, C, "health_failures_total", "", "Health checks that failed.")               \
    X(health_failing, G, "health_failing", "", "Health checks that failed in a row, until now.")   \
    X(health_status, G, "health_status", "", "What the last health check was answered.")           \
    X(queued, G, "requests_queued", "", "Requests that wait for Python now.")                      \
    X(running, G, "requests_running", "", "Requests in the app now.")                              \
    X(log_dropped, C, "access_log_dropped_total", "", "Lines that the access log lost.")           \
    X(memory_bytes, G, "memory_bytes", "", "Resident memory of the app's process.")

/* Bucket i counts those of less than 2^i microseconds that are in no earlier one; the last takes
 * the rest. The sum is in microseconds. */
#define APP_STATS_HISTOGRAMS(X)                                                                    \
    X(latency, "request_seconds", "From the last byte of a head to the last of its response.")     \
    X(queue, "queue_seconds", "From the last byte of a head until the app began with it.")

struct app_stats {
#define X(member, unit, family, label, text) uint64_t member;
    APP_STATS_NUMBERS(X)
#undef X
#define X(member, family, text)                                                                    \
    uint64_t member[APP_STATS_BUCKETS];                                                            \
    uint64_t member##_us;
    APP_STATS_HISTOGRAMS(X)
#undef X
};

/* {"open":1,...,"latency":[...],"latency_us":1}: a new reference. Numbers above 2^53 - 1 are shown
 * as that. Errors: MEMORY. */
int app_stats_to_json(const struct app_stats *stats, json_t **ret, struct err *err) MUST_USE;
/* Strict: no other members, whole numbers up to 2^53 - 1. A number that is missing is 0: an earlier
 * version did not count it. Errors: INVALID. */
int app_stats_from_json(const struct json_at *in, struct app_stats *ret, struct err *err) MUST_USE;

/* The line in which an enclave reports them: {"stats":{...}} and its end, at most APP_STATS_MAX. */
int app_stats_line(const struct app_stats *stats, struct buf *out, struct err *err) MUST_USE;
/* The member "stats" of such a line. */
int app_stats_from_line(const struct json_at *line, struct app_stats *ret,
                        struct err *err) MUST_USE;

/* Microseconds below which a share `quantile` (0 to 1) of a histogram's values lie, interpolated
 * inside a bucket; 0 where it is empty. */
double app_stats_quantile(const uint64_t buckets[static APP_STATS_BUCKETS], double quantile);

struct app_stats_row {
    const char *labels; /* "id=\"…\",name=\"…\"": escaped by the caller */
    struct app_stats stats;
};
/* Appends the text exposition format (version 0.0.4), metrics named mse_app_…. */
int app_stats_prometheus(const struct app_stats_row *rows, size_t count, struct buf *out,
                         struct err *err) MUST_USE;
