// SPDX-License-Identifier: Apache-2.0
/*
 * The front over a real TLS server: which paths are ours, in which spelling, and who answers when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "enclave/front.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "crypto/x509.h"
#include "http/client.h"
#include "http/server.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct front *front;
    struct http_server *server;
    struct tls_server *tls;
    struct tls_client *client_tls;
    struct http_client *client;
    int calls; /* of the routes */
};

static struct err err;

static int answer_echo(void *context, const struct front_request *request, struct buf *out,
                       struct err *error)
{
    struct fixture *f = context;
    f->calls++;
    return buf_bytes(out, request->body, error);
}

/* As evidence of real hardware is. */
static int answer_slowly(void *context, const struct front_request *request, struct buf *out,
                         struct err *error)
{
    (void)context;
    (void)request;
    clock_sleep_ms(100);
    return buf_str(out, "slow", error);
}

static int answer_binding(void *context, const struct front_request *request, struct buf *out,
                          struct err *error)
{
    (void)context;
    return buf_bytes(out, slice_of(request->channel_binding, TLS_CHANNEL_BINDING_SIZE), error);
}

static int answer_failure(void *context, const struct front_request *request, struct buf *out,
                          struct err *error)
{
    (void)context;
    (void)request;
    (void)out;
    (void)FAIL(error, ERR_CONFLICT, "a \"quoted\" refusal");
    err_hint(error, "do something else");
    return -1;
}

static const struct front_route routes[] = {
    {"POST", "echo", answer_echo, NULL, 0, FRONT_BODY_MAX, FRONT_LANE_MESSAGES},
    {"POST", "short", answer_echo, NULL, 0, 16, FRONT_LANE_MESSAGES},
    {"GET", "slow", answer_slowly, NULL, 0, 0, FRONT_LANE_EVIDENCE},
    {"GET", "binding", answer_binding, NULL, 0, 0, FRONT_LANE_MESSAGES},
    {"GET", "failure", answer_failure, NULL, 0, 0, FRONT_LANE_MESSAGES},
};

static void app_request(void *context, struct http_exchange *exchange)
{
    (void)context;
    struct err ignored = ERR_INIT;
    (void)!http_respond(exchange, 200, NULL, 0, slice_str("the app"), &ignored);
    http_release(exchange);
}

static const struct http_handler app_handler = {.request = app_request};

static int accept_any(void *context, struct slice der, struct err *error)
{
    (void)context;
    (void)der;
    (void)error;
    return 0;
}

static void start_server(struct fixture *f)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    const char *names[] = {"localhost"};
    const struct certificate_spec spec = {
        .common_name = "front",
        .dns_names = names,
        .dns_name_count = 1,
        .not_before = clock_unix() - 60,
        .not_after = clock_unix() + 3600,
    };
    assert_int_equal(p256_key_new(&key, &err), 0);
    assert_int_equal(certificate_new(key, &spec, NULL, NULL, &certificate, &err), 0);
    const struct tls_server_config tls = {.key = key, .certificate = certificate};
    assert_int_equal(tls_server_new(&tls, &f->tls, &err), 0);
    const struct http_listener listener = {.host = "127.0.0.1", .tls = f->tls};
    const struct http_server_config config = {
        .listeners = &listener,
        .listener_count = 1,
        .handler = front_handler(),
        .context = f->front,
        .round_end = front_round_end,
    };
    assert_int_equal(http_server_start(&config, &f->server, &err), 0);
}

static int setup(void **state)
{
    err = ERR_INIT;
    struct fixture *f = mem_alloc(sizeof(*f), &err);
    assert_non_null(f);
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(front_new(routes, ARRAY_LEN(routes), f, &f->front, &err), 0);
    start_server(f);
    const struct tls_client_config tls = {.verify = accept_any};
    assert_int_equal(tls_client_new(&tls, &f->client_tls, &err), 0);
    const struct http_client_config config = {
        .host = "127.0.0.1", .port = http_server_port(f->server, 0), .tls = f->client_tls};
    assert_int_equal(http_client_connect(&config, &f->client, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_client_free(f->client);
    (void)http_server_stop(f->server, 1000);
    http_server_free(f->server);
    front_free(f->front);
    tls_server_free(f->tls);
    tls_client_free(f->client_tls);
    free(f);
    return 0;
}

static int ask(struct fixture *f, const char *method, const char *target, struct slice body,
               struct buf *out)
{
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    const struct http_client_request request = {.method = method, .target = target, .body = body};
    if (http_client_request(f->client, &request, &response, &err) < 0)
        fail_msg("%s %s: %s", method, target, err.message);
    buf_clear(out);
    assert_int_equal(buf_bytes(out, buf_slice(&response.body), &err), 0);
    return response.status;
}

static void waits_until_the_app_is_there(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    front_set_waiting_text(f->front, "not yet");
    assert_int_equal(ask(f, "GET", "/", slice_of(NULL, 0), &out), 503);
    assert_non_null(strstr(buf_text(&out), "not yet"));
    front_open(f->front, &(struct front_app){.handler = &app_handler});
    assert_int_equal(ask(f, "GET", "/", slice_of(NULL, 0), &out), 200);
    assert_string_equal(buf_text(&out), "the app");
}

static void reserved_paths_never_reach_the_app(void **state)
{
    struct fixture *f = *state;
    static const char *const ours[] = {
        "/.well-known/mse/echo",   "/%2ewell-known/mse/echo", "/%2Ewell-known/mse/echo",
        "/.well-known/%6dse/echo", "/.well-known%2fmse/echo", "/.well-known/mse/echo?x=1",
    };
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    front_open(f->front, &(struct front_app){.handler = &app_handler});
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        int before = f->calls;
        assert_int_equal(ask(f, "POST", ours[i], slice_str("x"), &out), 200);
        assert_int_equal(f->calls, before + 1);
    }
    assert_int_equal(ask(f, "POST", "/.well-known/mse/unknown", slice_str("x"), &out), 404);
    assert_int_equal(ask(f, "GET", "/.well-known/mse/echo", slice_of(NULL, 0), &out), 404);
    assert_int_equal(ask(f, "GET", "/.well-known/mse/", slice_of(NULL, 0), &out), 404);
}

static void other_paths_are_the_apps(void **state)
{
    struct fixture *f = *state;
    static const char *const theirs[] = {"/",
                                         "/.well-known/acme-challenge/x",
                                         "/.well-known/mse",
                                         "/.well-known/mse2/echo",
                                         "//.well-known/mse/echo",
                                         "/a/.well-known/mse/echo",
                                         "/%252ewell-known/mse/echo",
                                         "/.Well-Known/mse/echo",
                                         "/.%"};
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    front_open(f->front, &(struct front_app){.handler = &app_handler});
    for (size_t i = 0; i < ARRAY_LEN(theirs); i++) {
        assert_int_equal(ask(f, "GET", theirs[i], slice_of(NULL, 0), &out), 200);
        assert_string_equal(buf_text(&out), "the app");
    }
}

static void collects_a_large_body_and_refuses_a_larger_one(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf out = BUF_INIT(8 << 20);
    AUTO_FREE uint8_t *body = mem_alloc(FRONT_BODY_MAX + 1, &err);
    assert_non_null(body);
    memset(body, 'x', FRONT_BODY_MAX + 1);
    assert_int_equal(ask(f, "POST", "/.well-known/mse/echo", slice_of(body, 1 << 20), &out), 200);
    assert_int_equal(out.len, 1 << 20);
    assert_int_equal(
        ask(f, "POST", "/.well-known/mse/echo", slice_of(body, FRONT_BODY_MAX + 1), &out), 413);
}

/* A stranger: says so much, and then nothing. */
struct stranger {
    SSL *ssl;
    int fd;
};

static struct stranger begin(struct fixture *f, SSL_CTX *context, const char *said)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)http_server_port(f->server, 0)),
                                   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    struct stranger stranger = {SSL_new(context), socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(connect(stranger.fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(SSL_set_fd(stranger.ssl, stranger.fd), 1);
    assert_int_equal(SSL_connect(stranger.ssl), 1);
    assert_true(SSL_write(stranger.ssl, said, (int)strlen(said)) > 0);
    return stranger;
}

static void end(struct stranger *strangers, size_t count, SSL_CTX *context)
{
    for (size_t i = 0; i < count; i++) {
        SSL_free(strangers[i].ssl);
        fd_close(strangers[i].fd);
    }
    SSL_CTX_free(context);
}

/* The attack: as many bodies as there are places, and far more, that never come. */
static void strangers_block_nobody(void **state)
{
    struct fixture *f = *state;
    static const char head[] = "POST /.well-known/mse/echo HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 1000000\r\n\r\nxx";
    struct stranger strangers[40];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++)
        strangers[i] = begin(f, context, head);
    int64_t start = clock_monotonic_ms();
    assert_int_equal(ask(f, "POST", "/.well-known/mse/short", slice_str("owner"), &out), 200);
    /* one that does not come with its head, from the same address */
    AUTO_FREE uint8_t *body = mem_alloc(600000, &err);
    assert_non_null(body);
    assert_int_equal(ask(f, "POST", "/.well-known/mse/echo", slice_of(body, 600000), &out), 200);
    assert_int_equal(out.len, 600000);
    assert_true(clock_monotonic_ms() - start < 2000);
    end(strangers, ARRAY_LEN(strangers), context);
}

static void a_flood_for_evidence_keeps_no_owner_waiting(void **state)
{
    struct fixture *f = *state;
    static const char head[] = "GET /.well-known/mse/slow HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct stranger strangers[40];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++)
        strangers[i] = begin(f, context, head);
    int64_t start = clock_monotonic_ms();
    assert_int_equal(ask(f, "POST", "/.well-known/mse/short", slice_str("owner"), &out), 200);
    assert_true(clock_monotonic_ms() - start < 500);
    /* the address has its part of the queue, and no more */
    assert_int_equal(ask(f, "GET", "/.well-known/mse/slow", slice_of(NULL, 0), &out), 503);
    end(strangers, ARRAY_LEN(strangers), context);
}

static void each_path_takes_what_it_needs(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    assert_int_equal(ask(f, "POST", "/.well-known/mse/short", slice_str("exactly sixteen!"), &out),
                     200);
    assert_int_equal(ask(f, "POST", "/.well-known/mse/short", slice_str("exactly sixteen!+"), &out),
                     413);
    assert_int_equal(ask(f, "GET", "/.well-known/mse/binding", slice_str("x"), &out), 413);
}

static void tells_errors_as_json(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    assert_int_equal(ask(f, "GET", "/.well-known/mse/failure", slice_of(NULL, 0), &out), 409);
    assert_string_equal(
        buf_text(&out),
        "{\"error\":{\"kind\":\"conflict\",\"message\":\"a \\\"quoted\\\" refusal\","
        "\"hint\":\"do something else\"}}\n");
}

static void knows_the_session_of_a_request(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    uint8_t binding[TLS_CHANNEL_BINDING_SIZE];
    assert_int_equal(http_client_channel_binding(f->client, binding, &err), 0);
    assert_int_equal(ask(f, "GET", "/.well-known/mse/binding", slice_of(NULL, 0), &out), 200);
    assert_int_equal(out.len, sizeof(binding));
    assert_memory_equal(out.data, binding, sizeof(binding));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waits_until_the_app_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(reserved_paths_never_reach_the_app, setup, teardown),
        cmocka_unit_test_setup_teardown(other_paths_are_the_apps, setup, teardown),
        cmocka_unit_test_setup_teardown(collects_a_large_body_and_refuses_a_larger_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(strangers_block_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_for_evidence_keeps_no_owner_waiting, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(each_path_takes_what_it_needs, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_errors_as_json, setup, teardown),
        cmocka_unit_test_setup_teardown(knows_the_session_of_a_request, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
