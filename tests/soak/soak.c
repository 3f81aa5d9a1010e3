// SPDX-License-Identifier: Apache-2.0
/*
 * mse-soak: loads a server with requests whose answers are known to the last byte, and leaves in
 * every way that a client can leave in. Not installed; driven by tests/soak/soak.
 *
 *     mse-soak --port PORT [options]
 *
 * Prints its counters, one "name value" a line. The exit status is 1 if any answer was wrong, late
 * or missing. Every request that was sent is answered rightly, cut off by ourselves, or an error:
 * sent = verified + cut + unread + errors of requests.
 */
#include "soak.h"

#include "base/clock.h"
#include "base/options.h"
#include "base/text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { ERRORS_SHOWN = 20 };

static const struct option_spec specs[] = {
    {.name = "port", .value_name = "PORT", .help = "of the server, on 127.0.0.1"},
    {.name = "tls", .help = "HTTPS; the certificate is not looked at"},
    {.name = "http2", .help = "HTTP/2, several requests of a connection at once; needs --tls"},
    {.name = "connections", .value_name = "N", .help = "at once (64)"},
    {.name = "requests", .value_name = "N", .help = "ends after so many were sent"},
    {.name = "seconds", .value_name = "N", .help = "or after so long (10)"},
    {.name = "seed", .value_name = "N", .help = "of everything that is drawn (1)"},
    {.name = "cuts", .value_name = "PERCENT", .help = "connections left amid something (30)"},
    {.name = "per-connection", .value_name = "N", .help = "requests, on average (40)"},
    {.name = "max-size", .value_name = "BYTES", .help = "largest body (1 MiB)"},
    {.name = "patience", .value_name = "MS", .help = "without a byte of an answer (30000)"},
    {.name = "until-stopped",
     .help = "the server will be stopped meanwhile: idle connections may "
             "end, and no new ones be taken"},
};

static const char *const ending_names[ENDING_COUNT] = {
    "end_idle",      "end_asked", "end_half", "cut_connect", "cut_hello",
    "cut_handshake", "cut_head",  "cut_body", "cut_waiting", "cut_response"};
static const char *const kind_names[KIND_COUNT] = {"token", "list",   "parts", "file",
                                                   "echo",  "ignore", "empty", "sleep"};

static void describe(const struct client *client)
{
    const struct soak *soak = client->soak;
    const struct request *request = client->dialogue->suspect(client);
    int64_t now_us = loop_now_us(soak->loop);
    (void)fprintf(stderr,
                  " (%s, %u of %u requests made, %u under way, %s%" PRId64 " ms after the last"
                  " byte, %" PRId64 " ms after the start",
                  ending_names[client->plan.ending], client->made, client->plan.requests,
                  client->count, client->shut ? "half closed, " : "",
                  (now_us - client->progress_us) / 1000, (now_us - soak->started_us) / 1000);
    if (request != NULL)
        (void)fprintf(stderr, "; %s%s %s, %zu bytes", request->head ? "HEAD " : "",
                      kind_names[request->kind], request->token, request->size);
    (void)fputc(')', stderr);
}

void soak_error(struct soak *soak, const struct client *client, const char *what)
{
    soak->errors++;
    if (soak->errors > ERRORS_SHOWN)
        return;
    (void)fprintf(stderr, "error: %s", what);
    if (client != NULL)
        describe(client);
    (void)fputc('\n', stderr);
}

/* --- the course of a run --- */

static bool is_enough(const struct soak *soak)
{
    const struct soak_options *options = &soak->options;
    int64_t passed_us = loop_now_us(soak->loop) - soak->started_us;
    bool counted = options->requests > 0 && soak->sent >= options->requests;
    bool timed = options->seconds > 0 && passed_us >= (int64_t)options->seconds * 1000000;
    return counted || timed || soak->server_gone;
}

static void on_second(struct loop_timer *timer)
{
    struct soak *soak = timer->data;
    int64_t now_us = clock_monotonic_us();
    if (soak->looked_us > 0 && now_us - soak->looked_us > soak->longest_gap_us)
        soak->longest_gap_us = now_us - soak->looked_us;
    soak->looked_us = now_us;
    for (unsigned i = 0; i < soak->options.connections; i++)
        client_check(&soak->clients[i]);
    soak->finishing |= is_enough(soak);
    if (soak->active == 0 && (soak->finishing || soak->server_gone))
        loop_stop(soak->loop);
    else
        loop_timer_set(soak->loop, timer, soak->finishing ? 20 : 100);
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct soak *soak = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(soak->session);
    soak->session = session;
    return 1; /* ours now */
}

static int make_tls(struct soak *soak, struct err *err)
{
    soak->tls = SSL_CTX_new(TLS_client_method());
    if (soak->tls == NULL)
        return FAIL(err, ERR_CRYPTO, "cannot make a TLS context");
    (void)SSL_CTX_set_mode(soak->tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                          SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(soak->tls,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    static const uint8_t http2[] = {2, 'h', '2'};
    if (soak->options.http2 && SSL_CTX_set_alpn_protos(soak->tls, http2, sizeof(http2)) != 0)
        return FAIL(err, ERR_CRYPTO, "cannot offer HTTP/2");
    SSL_CTX_sess_set_new_cb(soak->tls, on_session);
    SSL_CTX_set_app_data(soak->tls, soak);
    return 0;
}

static int start(struct soak *soak, struct err *err)
{
    if (loop_new(&soak->loop, err) < 0 || (soak->options.tls && make_tls(soak, err) < 0))
        return -1;
    soak->clients = mem_alloc_array(soak->options.connections, sizeof(*soak->clients), err);
    if (soak->clients == NULL)
        return -1;
    for (unsigned i = 0; i < soak->options.connections; i++)
        client_init(&soak->clients[i], soak, i);
    soak->started_us = clock_monotonic_us();
    soak->second = (struct loop_timer){.fire = on_second, .data = soak};
    loop_timer_set(soak->loop, &soak->second, 20);
    for (unsigned i = 0; i < soak->options.connections; i++)
        client_begin(&soak->clients[i]);
    return 0;
}

static void finish(struct soak *soak)
{
    for (unsigned i = 0; soak->clients != NULL && i < soak->options.connections; i++)
        client_done(&soak->clients[i]);
    free(soak->clients);
    SSL_SESSION_free(soak->session);
    SSL_CTX_free(soak->tls);
    loop_free(soak->loop);
}

static void report(const struct soak *soak)
{
    const struct {
        const char *name;
        uint64_t value;
    } lines[] = {
        {"sent", soak->sent},
        {"verified", soak->verified},
        {"cut", soak->cut},
        {"unread", soak->unread},
        {"partial", soak->partial},
        {"errors", soak->errors},
        {"connections", soak->connections},
        {"handshakes", soak->handshakes},
        {"resumed", soak->resumed},
        {"body_bytes", soak->body_bytes},
        {"longest_gap_ms", (uint64_t)soak->longest_gap_us / 1000},
        {"milliseconds", (uint64_t)(clock_monotonic_us() - soak->started_us) / 1000},
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        (void)printf("%s %" PRIu64 "\n", lines[i].name, lines[i].value);
    for (size_t i = 0; i < ENDING_COUNT; i++)
        (void)printf("%s %" PRIu64 "\n", ending_names[i], soak->endings[i]);
    for (size_t i = 0; i < KIND_COUNT; i++)
        (void)printf("of_%s %" PRIu64 "\n", kind_names[i], soak->kinds[i]);
}

static int read_number(const struct options *options, const char *name, uint64_t otherwise,
                       uint64_t min, uint64_t max, uint64_t *ret, struct err *err)
{
    const char *text = options_value(options, name);
    *ret = otherwise;
    return text == NULL ? 0 : parse_u64(text, name, min, max, ret, err);
}

static int read_options(const struct options *options, struct soak_options *ret, struct err *err)
{
    uint64_t port, connections, cuts, each, size, patience;
    bool counted = options_has(options, "requests");
    if (read_number(options, "port", 0, 1, 65535, &port, err) < 0 ||
        read_number(options, "connections", 64, 1, 100000, &connections, err) < 0 ||
        read_number(options, "requests", 0, 1, INT64_MAX, &ret->requests, err) < 0 ||
        read_number(options, "seconds", counted ? 0 : 10, 1, 86400, &ret->seconds, err) < 0 ||
        read_number(options, "seed", 1, 0, UINT32_MAX, &ret->seed, err) < 0 ||
        read_number(options, "cuts", 30, 0, 100, &cuts, err) < 0 ||
        read_number(options, "per-connection", 40, 1, 1000000, &each, err) < 0 ||
        read_number(options, "max-size", 1 << 20, 1, 1 << 20, &size, err) < 0 ||
        read_number(options, "patience", 30000, 1, 3600000, &patience, err) < 0)
        return -1;
    if (port == 0)
        return FAIL(err, ERR_USAGE, "expected --port");
    ret->address = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ret->connections = (unsigned)connections;
    ret->cut_percent = (uint32_t)cuts;
    ret->per_connection = (uint32_t)each;
    ret->max_size = (uint32_t)size;
    ret->patience_ms = (int64_t)patience;
    ret->tls = options_has(options, "tls");
    ret->http2 = options_has(options, "http2");
    if (ret->http2 && !ret->tls)
        return FAIL(err, ERR_USAGE, "expected --tls with --http2");
    ret->until_stopped = options_has(options, "until-stopped");
    return 0;
}

static int run(int argc, char **argv, struct soak *soak, struct err *err)
{
    struct options options;
    if (options_parse(specs, ARRAY_LEN(specs), argc - 1, (const char *const *)argv + 1, &options,
                      err) < 0 ||
        read_options(&options, &soak->options, err) < 0 || start(soak, err) < 0)
        return -1;
    return loop_run(soak->loop, err);
}

int main(int argc, char **argv)
{
    static struct soak soak;
    struct err err = ERR_INIT;
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to sockets that the server has closed */
    int status = run(argc, argv, &soak, &err);
    if (status == 0)
        report(&soak);
    finish(&soak);
    if (status == 0)
        return soak.errors > 0 || soak.verified == 0;
    (void)fprintf(stderr, "mse-soak: %s\n", err.message);
    return err_exit_status(err.kind);
}
