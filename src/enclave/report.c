// SPDX-License-Identifier: Apache-2.0
/*
 * The enclave's words to its supervisor: JSON lines on descriptor 3. They leave the enclave: never
 * a secret in them.
 */
#include "enclave/enclave.h"
#include "enclave/json_text.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "model/app_stats.h"

#include <stdio.h>
#include <unistd.h>

void json_text_append(struct buf *out, const char *text)
{
    struct err ignored = ERR_INIT;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            (void)!buf_u8(out, '\\', &ignored);
        (void)!buf_u8(out, (unsigned char)*c < 0x20 ? ' ' : (uint8_t)*c, &ignored);
    }
}

void enclave_signals(sigset_t *ret)
{
    (void)sigemptyset(ret);
    (void)sigaddset(ret, SIGTERM);
    (void)sigaddset(ret, SIGINT);
    (void)sigaddset(ret, ENCLAVE_WAKE_SIGNAL);
}

void report_state(const char *state, const char *reason)
{
    AUTO_BUF struct buf line = BUF_INIT(2048);
    struct err err = ERR_INIT;
    (void)!buf_printf(&line, &err, "{\"state\":\"%s\"", state);
    if (reason != NULL) {
        (void)!buf_str(&line, ",\"reason\":\"", &err);
        json_text_append(&line, reason);
        (void)!buf_str(&line, "\"", &err);
    }
    (void)!buf_str(&line, "}\n", &err);
    if (fd_write_all(SANDBOX_STATUS_FD, buf_slice(&line), &err) < 0)
        log_err(LOG_WARNING, &err);
}

void report_stuck(const char *reason)
{
    char line[512];
    int len = snprintf(line, sizeof(line), "{\"state\":\"failed\",\"reason\":\"%s\"}\n", reason);
    if (len > 0 && (size_t)len < sizeof(line))
        (void)!write(SANDBOX_STATUS_FD, line, (size_t)len);
}

/* --- counters --- */

/* Resident bytes of this process; 0 where the kernel does not say. */
static uint64_t memory_bytes(void)
{
    AUTO_BUF struct buf text = BUF_INIT(256);
    struct err ignored = ERR_INIT;
    uint64_t pages;
    char *place = NULL;
    if (file_read("/proc/self/statm", &text, &ignored) < 0)
        return 0;
    (void)strtok_r((char *)text.data, " ", &place); /* proc(5): size, resident, in pages */
    const char *resident = strtok_r(NULL, " ", &place);
    if (resident == NULL || parse_u64(resident, "statm", 0, INT32_MAX, &pages, &ignored) < 0)
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void take_server(const struct http_server *server, struct app_stats *ret)
{
    struct http_server_stats stats;
    http_server_stats(server, &stats);
    ret->connections = stats.connections;
    ret->open = stats.open;
    ret->refused = stats.refused;
    ret->evicted = stats.evicted;
    ret->handshakes = stats.handshakes;
    ret->resumed = stats.resumed;
    ret->post_quantum = stats.post_quantum;
    ret->handshake_failures = stats.handshake_failures;
    ret->requests = stats.requests;
    ret->responses_1xx = stats.responses[1];
    ret->responses_2xx = stats.responses[2];
    ret->responses_3xx = stats.responses[3];
    ret->responses_4xx = stats.responses[4];
    ret->responses_5xx = stats.responses[5];
    ret->rejected = stats.rejected;
    ret->aborted = stats.aborted;
    ret->timeouts = stats.timeouts;
    ret->bytes_in = stats.bytes_in;
    ret->bytes_out = stats.bytes_out;
    _Static_assert(sizeof(ret->latency) == sizeof(stats.latency), "the same buckets");
    memcpy(ret->latency, stats.latency, sizeof(ret->latency));
    ret->latency_us = stats.latency_us;
    memcpy(ret->queue, stats.queue, sizeof(ret->queue));
    ret->queue_us = stats.queue_us;
}

static void take_app(struct serve *serve, struct app_stats *ret)
{
    struct serve_stats stats;
    serve_stats(serve, &stats);
    ret->busy = stats.refused;
    ret->exceptions = stats.failed;
    ret->late = stats.late;
    ret->hanging = stats.hanging;
    ret->queued = stats.queued;
    ret->running = stats.running;
}

void report_stats(const struct enclave *enclave)
{
    static struct app_stats last; /* the main thread's */
    AUTO_BUF struct buf line = BUF_INIT(APP_STATS_MAX);
    struct err err = ERR_INIT;
    struct app_stats stats = {0};
    take_server(enclave->server, &stats);
    take_app(enclave->serve, &stats);
    health_report(&stats);
    stats.memory_bytes = memory_bytes();
    stats.log_dropped = enclave->access_log == NULL ? 0 : access_log_dropped(enclave->access_log);
    if (memcmp(&stats, &last, sizeof(stats)) == 0)
        return;
    last = stats;
    if (app_stats_line(&stats, &line, &err) < 0 ||
        fd_write_all(SANDBOX_STATUS_FD, buf_slice(&line), &err) < 0)
        log_err(LOG_WARNING, &err);
}
