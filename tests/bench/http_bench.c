// SPDX-License-Identifier: Apache-2.0
/*
 * A server that answers every request with the same few bytes, for measuring net/ alone:
 *
 *     http-bench PORT [tls] [threads=N] [size=BYTES]
 *
 * "threads": answer from N worker threads instead of the I/O thread. Stops on SIGINT or SIGTERM and
 * prints its counters.
 */
#include "base/clock.h"
#include "base/text.h"
#include "crypto/x509.h"
#include "http/server.h"
#include "net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { QUEUE = 65536, MAX_THREADS = 64 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct http_exchange *items[QUEUE];
    size_t first;
    size_t count;
    unsigned threads;
    bool end;
} work = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static uint8_t *body;
static size_t body_size = 13;

static void answer(struct http_exchange *exchange)
{
    static const char type[] = "text/plain; charset=utf-8";
    struct http_header header = {slice_str("Content-Type"), slice_str(type)};
    struct err err = ERR_INIT;
    if (http_respond(exchange, 200, &header, 1, slice_of(body, body_size), &err) < 0)
        http_abort(exchange);
    http_release(exchange);
}

static void on_request(void *context, struct http_exchange *exchange)
{
    (void)context;
    if (work.threads == 0) {
        answer(exchange);
        return;
    }
    (void)pthread_mutex_lock(&work.lock);
    work.items[(work.first + work.count++) % QUEUE] = exchange;
    (void)pthread_mutex_unlock(&work.lock);
}

static void on_round_end(void *context)
{
    (void)context;
    if (work.threads > 0)
        (void)pthread_cond_signal(&work.filled);
}

static void *run_worker(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&work.lock);
    while (!work.end) {
        if (work.count == 0) {
            (void)pthread_cond_wait(&work.filled, &work.lock);
            continue;
        }
        loop_hold_wakeups();
        while (work.count > 0) {
            struct http_exchange *exchange = work.items[work.first];
            work.first = (work.first + 1) % QUEUE;
            work.count--;
            (void)pthread_mutex_unlock(&work.lock);
            answer(exchange);
            (void)pthread_mutex_lock(&work.lock);
        }
        loop_release_wakeups();
    }
    (void)pthread_mutex_unlock(&work.lock);
    return NULL;
}

static int make_tls(struct tls_server **ret, struct err *err)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    struct certificate_spec spec = {.common_name = "localhost",
                                    .dns_names = names,
                                    .dns_name_count = ARRAY_LEN(names),
                                    .not_before = clock_unix() - 3600,
                                    .not_after = clock_unix() + 86400};
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    if (p256_key_new(&key, err) < 0 ||
        certificate_new(key, &spec, NULL, NULL, &certificate, err) < 0)
        return -1;
    struct tls_server_config config = {.key = key, .certificate = certificate, .http2 = true};
    return tls_server_new(&config, ret, err);
}

static int serve(int port, struct tls_server *tls, struct err *err)
{
    static const struct http_handler handler = {.request = on_request};
    struct http_listener listener = {.host = "127.0.0.1", .port = port, .tls = tls};
    struct http_server_config config = {.listeners = &listener,
                                        .listener_count = 1,
                                        .handler = &handler,
                                        .round_end = on_round_end};
    struct http_server *server;
    if (http_server_start(&config, &server, err) < 0)
        return -1;
    pthread_t threads[MAX_THREADS];
    for (unsigned i = 0; i < work.threads; i++)
        (void)pthread_create(&threads[i], NULL, run_worker, NULL);
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    int number;
    (void)sigwait(&ends, &number);
    (void)http_server_stop(server, 1000);
    struct http_server_stats stats;
    http_server_stats(server, &stats);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    double user = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    double system = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    double count = stats.requests > 0 ? (double)stats.requests : 1.0;
    (void)printf("%llu requests, %llu connections, %llu handshakes; CPU per request: user %.2f us, "
                 "system %.2f us\n",
                 (unsigned long long)stats.requests, (unsigned long long)stats.connections,
                 (unsigned long long)stats.handshakes, user / count * 1e6, system / count * 1e6);
    http_server_free(server);
    (void)pthread_mutex_lock(&work.lock);
    work.end = true;
    (void)pthread_cond_broadcast(&work.filled);
    (void)pthread_mutex_unlock(&work.lock);
    for (unsigned i = 0; i < work.threads; i++)
        (void)pthread_join(threads[i], NULL);
    return 0;
}

static int run(int argc, char **argv, struct err *err)
{
    uint64_t port;
    uint64_t number;
    bool use_tls = false;
    if (parse_u64(argv[1], "port", 1, 65535, &port, err) < 0)
        return -1;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "tls") == 0) {
            use_tls = true;
        } else if (str_starts_with(argv[i], "threads=")) {
            if (parse_u64(argv[i] + 8, "threads", 0, MAX_THREADS, &number, err) < 0)
                return -1;
            work.threads = (unsigned)number;
        } else if (str_starts_with(argv[i], "size=")) {
            if (parse_u64(argv[i] + 5, "size", 0, 1 << 30, &number, err) < 0)
                return -1;
            body_size = number;
        } else {
            return FAIL(err, ERR_USAGE, "unknown argument '%s'", argv[i]);
        }
    }
    AUTO_FREE uint8_t *bytes = mem_alloc(body_size + 1, err);
    AUTO_TLS_SERVER struct tls_server *tls = NULL;
    if (bytes == NULL || (use_tls && make_tls(&tls, err) < 0))
        return -1;
    memset(bytes, 'x', body_size);
    body = bytes;
    return serve((int)port, tls, err);
}

int main(int argc, char **argv)
{
    sigset_t ends; /* before any thread, so that only sigwait takes them */
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
    struct err err = ERR_INIT;
    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s PORT [tls] [threads=N] [size=BYTES]\n", argv[0]);
        return 2;
    }
    if (crypto_init(&err) == 0 && run(argc, argv, &err) == 0)
        return 0;
    (void)fprintf(stderr, "%s\n", err.message);
    return err_exit_status(err.kind);
}
