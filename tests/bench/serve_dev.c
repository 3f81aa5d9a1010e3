// SPDX-License-Identifier: Apache-2.0
/*
 * Serves a Python app as the enclave does, without enclave: for the tests in tests/serve and the
 * benchmark tests/bench/serve. Not installed.
 *
 *     mse-serve-dev [options] MODULE:VARIABLE
 *
 * Prints "listening on PORT" when it can be reached, and its counters when it is stopped by
 * SIGINT or SIGTERM.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/text.h"
#include "crypto/x509.h"
#include "http/server.h"
#include "serve/serve.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct option_spec specs[] = {
    {.name = "path", .value_name = "FOLDER", .help = "the app's folder (.)"},
    {.name = "port", .value_name = "PORT", .help = "0 (the default): any"},
    {.name = "tls", .help = "HTTPS with a self-signed certificate for localhost"},
    {.name = "http2", .help = "offer HTTP/2 by ALPN as well"},
    {.name = "cert-file", .value_name = "FILE", .help = "where to write that certificate"},
    {.name = "site", .value_name = "FOLDER", .help = "further site-packages", .repeats = true},
    {.name = "threads", .value_name = "N", .help = "Python threads"},
    {.name = "io-threads", .value_name = "N", .help = "I/O threads"},
    {.name = "queue", .value_name = "N", .help = "requests in queue"},
    {.name = "body-limit", .value_name = "SIZE", .help = "largest body or WebSocket message"},
    {.name = "body-timeout", .value_name = "MS", .help = "without a byte of a body"},
    {.name = "header-timeout", .value_name = "MS", .help = "until the head is there"},
    {.name = "write-timeout", .value_name = "MS", .help = "without a byte being taken"},
    {.name = "watchdog", .value_name = "MS", .help = "until an app is stuck"},
    {.name = "request-timeout", .value_name = "MS", .help = "that a request may wait for Python"},
    {.name = "stop-timeout", .value_name = "MS", .help = "for what is in flight at the end"},
};

enum { MAX_SITES = 8 };

static uint64_t number(const struct options *options, const char *name, uint64_t otherwise)
{
    const char *text = options_value(options, name);
    uint64_t value = otherwise;
    if (text != NULL && parse_u64(text, name, 0, UINT32_MAX, &value, NULL) < 0)
        fprintf(stderr, "--%s %s: not a number\n", name, text);
    return value;
}

static int make_certificate(const char *file, EVP_PKEY **ret_key, X509 **ret_certificate,
                            struct err *err)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    struct certificate_spec spec = {.common_name = "localhost",
                                    .dns_names = names,
                                    .dns_name_count = 2,
                                    .not_before = clock_unix() - 3600,
                                    .not_after = clock_unix() + 86400};
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    AUTO_BUF struct buf pem = BUF_INIT(64 * 1024);
    if (p256_key_new(&key, err) < 0 ||
        certificate_new(key, &spec, NULL, NULL, &certificate, err) < 0 ||
        certificate_to_pem(certificate, &pem, err) < 0)
        return -1;
    if (file != NULL && file_write_atomic(file, buf_slice(&pem), 0644, err) < 0)
        return -1;
    *ret_key = STEAL(key);
    *ret_certificate = STEAL(certificate);
    return 0;
}

static int make_tls(const struct options *options, struct tls_server **ret, struct err *err)
{
    if (!options_has(options, "tls"))
        return 0;
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    if (make_certificate(options_value(options, "cert-file"), &key, &certificate, err) < 0)
        return -1;
    return tls_server_new(&(struct tls_server_config){.key = key,
                                                      .certificate = certificate,
                                                      .http2 = options_has(options, "http2")},
                          ret, err);
}

static size_t collect_sites(const struct options *options, const char *sites[static MAX_SITES])
{
    size_t count = 0;
    for (size_t i = 0; i < options->count && count < MAX_SITES; i++) {
        if (strcmp(options->values[i].spec->name, "site") == 0)
            sites[count++] = options->values[i].value;
    }
    return count;
}

static int body_limit(const struct options *options, uint64_t *ret_bytes, struct err *err)
{
    const char *text = options_value(options, "body-limit");
    return text == NULL ? 0 : parse_size(text, "body-limit", ret_bytes, err);
}

static struct serve *start_app(const struct options *options, struct err *err)
{
    const char *sites[MAX_SITES];
    const char *path = options_value(options, "path");
    struct serve_config config = {
        .module_path = path == NULL ? "." : path,
        .python_application = options->argument_count > 0 ? options->arguments[0] : NULL,
        .site_folders = sites,
        .site_folder_count = collect_sites(options, sites),
        .threads = (unsigned)number(options, "threads", 0),
        .queue = (unsigned)number(options, "queue", 0),
        .watchdog_ms = (unsigned)number(options, "watchdog", 0),
        .timeout_ms = (unsigned)number(options, "request-timeout", 0),
        .rounds = true,
    };
    if (body_limit(options, &config.message_bytes, err) < 0)
        return NULL;
    return serve_new(&config, err);
}

static int start_server(const struct options *options, struct serve *serve, struct tls_server *tls,
                        struct http_server **ret, struct err *err)
{
    struct http_listener listener = {
        .host = "127.0.0.1", .port = (int)number(options, "port", 0), .tls = tls};
    uint64_t body_bytes = 0;
    if (body_limit(options, &body_bytes, err) < 0)
        return -1;
    struct http_server_config config = {
        .listeners = &listener,
        .listener_count = 1,
        .limits = {.io_threads = (unsigned)number(options, "io-threads", 0),
                   .body_bytes = (int64_t)body_bytes,
                   .body_timeout_ms = (unsigned)number(options, "body-timeout", 0),
                   .header_timeout_ms = (unsigned)number(options, "header-timeout", 0),
                   .write_timeout_ms = (unsigned)number(options, "write-timeout", 0)},
        .handler = serve_handler(serve),
        .context = serve_handler_context(serve),
        .extended_connect = true,
        .round_end = serve_round_end,
        .rest_us = serve_rest_us,
    };
    return http_server_start(&config, ret, err);
}

static void print_counters(struct serve *serve, const struct http_server *server)
{
    struct serve_stats app;
    struct http_server_stats net;
    serve_stats(serve, &app);
    http_server_stats(server, &net);
    printf("served %llu, failed %llu, refused %llu, takeover %llu, requests %llu, aborted %llu, "
           "open %llu, rejected %llu, timeouts %llu, evicted %llu, handshake_failures %llu, "
           "handshakes %llu, resumed %llu, late %llu, hanging %llu\n",
           (unsigned long long)app.served, (unsigned long long)app.failed,
           (unsigned long long)app.refused, (unsigned long long)app.takeover,
           (unsigned long long)net.requests, (unsigned long long)net.aborted,
           (unsigned long long)net.open, (unsigned long long)net.rejected,
           (unsigned long long)net.timeouts, (unsigned long long)net.evicted,
           (unsigned long long)net.handshake_failures, (unsigned long long)net.handshakes,
           (unsigned long long)net.resumed, (unsigned long long)app.late,
           (unsigned long long)app.hanging);
    (void)fflush(stdout);
}

static int run(const struct options *options, const sigset_t *ends, struct err *err)
{
    AUTO_TLS_SERVER struct tls_server *tls = NULL;
    struct http_server *server = NULL;
    if (make_tls(options, &tls, err) < 0)
        return -1;
    struct serve *serve = start_app(options, err);
    if (serve == NULL)
        return -1;
    if (start_server(options, serve, tls, &server, err) < 0)
        return -1;
    printf("listening on %d\n", http_server_port(server, 0));
    (void)fflush(stdout);
    int got;
    (void)sigwait(ends, &got);
    int64_t timeout_ms = (int64_t)number(options, "stop-timeout", 5000);
    unsigned aborted = http_server_stop(server, timeout_ms);
    int status = serve_drain(serve, timeout_ms, err);
    print_counters(serve, server);
    if (serve_stopped(serve)) {
        http_server_free(server);
        serve_free(serve);
    }
    return aborted > 0 ? FAIL(err, ERR_TIMEOUT, "%u request(s) aborted", aborted) : status;
}

int main(int argc, char **argv)
{
    mem_share_arena(); /* as the enclave does */
    struct options options;
    struct err err = ERR_INIT;
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
    int status = options_parse(specs, ARRAY_LEN(specs), argc - 1, (const char *const *)argv + 1,
                               &options, &err);
    if (status == 0)
        status = run(&options, &ends, &err);
    if (status == 0)
        return 0;
    fprintf(stderr, "mse-serve-dev: %s\n", err.message);
    if (err.hint[0] != '\0')
        fprintf(stderr, "%s\n", err.hint);
    _exit(err_exit_status(err.kind)); /* threads of the app may be at work */
}
