// SPDX-License-Identifier: Apache-2.0
/*
 * A server in this process with a handler that tells what it was asked, and a raw client, for the
 * tests of net/.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "crypto/x509.h"
#include "http/server.h"

#include <stdatomic.h>

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef __clang__
#pragma GCC diagnostic ignored "-Wunused-function"
#else
#pragma clang diagnostic ignored "-Wunused-function"
#endif

static struct err err;

/* --- the handler --- */

struct seen {
    struct buf body;
    bool held; /* nothing is read, nothing is answered */
};

static atomic_int requests_seen;
static atomic_int aborts_seen;
static atomic_int smuggled_seen; /* requests for /smuggled */

static void end_exchange(struct http_exchange *exchange)
{
    struct seen *seen = http_data(exchange);
    buf_done(&seen->body);
    free(seen);
    http_release(exchange);
}

static void tell(struct http_exchange *exchange)
{
    const struct http_request *request = http_request(exchange);
    struct seen *seen = http_data(exchange);
    http_begin(exchange);
    AUTO_BUF struct buf text = BUF_INIT(4 * 1024 * 1024);
    struct err failure = ERR_INIT;
    const struct http_header *host = http_request_header(request, "host");
    assert_int_equal(buf_printf(&text, &failure, "%.*s %.*s ?%.*s host=%.*s from=%s:%d body=",
                                (int)request->method.len, (const char *)request->method.data,
                                (int)request->path.len, (const char *)request->path.data,
                                (int)request->query.len, (const char *)request->query.data,
                                host == NULL ? 0 : (int)host->value.len,
                                host == NULL ? "" : (const char *)host->value.data,
                                request->client_address, request->client_port),
                     0);
    assert_int_equal(buf_bytes(&text, buf_slice(&seen->body), &failure), 0);
    struct http_header headers[] = {
        {slice_str("Content-Type"), slice_str("text/plain")},
        {slice_str("Transfer-Encoding"), slice_str("gzip")}, /* the server's own business */
        {slice_str("Content-Length"), slice_str("999")},
    };
    size_t count = slice_is_str(request->path, "/own-length") ? 3 : 2;
    if (http_respond(exchange, 200, headers, count, buf_slice(&text), &failure) < 0)
        assert_int_equal(failure.kind, ERR_INTERRUPTED);
    end_exchange(exchange);
}

/* Reads what is there; answers when the body has ended. */
static void on_body(void *context, struct http_exchange *exchange)
{
    (void)context;
    struct seen *seen = http_data(exchange);
    struct err failure = ERR_INIT;
    while (!seen->held) {
        uint8_t piece[4096];
        size_t len;
        bool end;
        if (http_body_read(exchange, piece, sizeof(piece), &len, &end, &failure) < 0) {
            return; /* the server has answered; `aborted` follows */
        }
        assert_int_equal(buf_bytes(&seen->body, slice_of(piece, len), &failure), 0);
        if (end) {
            tell(exchange);
            return;
        }
        if (len == 0)
            return;
    }
}

static void respond_in_parts(struct http_exchange *exchange, int64_t length)
{
    struct err failure = ERR_INIT;
    assert_int_equal(http_respond_start(exchange, 200, NULL, NULL, 0, length, &failure), 0);
    (void)!http_respond_write(exchange, slice_str("one"), NULL, &failure);
    (void)!http_respond_write(exchange, slice_str("three"), NULL, &failure);
    (void)!http_respond_end(exchange, &failure);
    end_exchange(exchange);
}

static void respond_with(struct http_exchange *exchange, int status, const char *name,
                         const char *value)
{
    struct err failure = ERR_INIT;
    struct http_header header = {slice_str(name), slice_str(value)};
    if (http_respond(exchange, status, &header, 1, slice_of(NULL, 0), &failure) < 0)
        assert_int_equal(failure.kind, ERR_INVALID);
    end_exchange(exchange);
}

static void respond_with_cookie(struct http_exchange *exchange)
{
    struct err failure = ERR_INIT;
    const struct http_header *cookie = http_request_header(http_request(exchange), "cookie");
    assert_non_null(cookie);
    assert_int_equal(http_respond(exchange, 200, NULL, 0, cookie->value, &failure), 0);
    end_exchange(exchange);
}

static void on_request(void *context, struct http_exchange *exchange)
{
    struct err failure = ERR_INIT;
    struct seen *seen = mem_alloc(sizeof(*seen), &failure);
    assert_non_null(seen);
    seen->body = BUF_INIT(64 * 1024 * 1024);
    http_set_data(exchange, seen);
    (void)atomic_fetch_add(&requests_seen, 1);
    struct slice path = http_request(exchange)->path;
    if (slice_is_str(path, "/smuggled"))
        (void)atomic_fetch_add(&smuggled_seen, 1);
    if (slice_is_str(path, "/chunked"))
        respond_in_parts(exchange, -1);
    else if (slice_is_str(path, "/eight"))
        respond_in_parts(exchange, 8);
    else if (slice_is_str(path, "/short"))
        respond_in_parts(exchange, 20);
    else if (slice_is_str(path, "/long"))
        respond_in_parts(exchange, 4);
    else if (slice_is_str(path, "/204"))
        respond_with(exchange, 204, "X-A", "b");
    else if (slice_is_str(path, "/304"))
        respond_with(exchange, 304, "Content-Length", "77");
    else if (slice_is_str(path, "/head-length"))
        respond_with(exchange, 200, "content-length", "1234");
    else if (slice_is_str(path, "/close"))
        respond_with(exchange, 200, "Connection", "close");
    else if (slice_is_str(path, "/inject-value"))
        respond_with(exchange, 200, "X-A", "b\r\nSet-Cookie: c=d");
    else if (slice_is_str(path, "/inject-name"))
        respond_with(exchange, 200, "X A", "b");
    else if (slice_is_str(path, "/status-99"))
        respond_with(exchange, 99, "X-A", "b");
    else if (slice_is_str(path, "/101"))
        respond_with(exchange, 101, "X-A", "b");
    else if (slice_is_str(path, "/release"))
        end_exchange(exchange);
    else if (slice_is_str(path, "/hold"))
        seen->held = true; /* until the client goes */
    else if (slice_is_str(path, "/cookie"))
        respond_with_cookie(exchange);
    else if (slice_is_str(path, "/ignore-body"))
        respond_with(exchange, 200, "X-A", "b");
    else
        on_body(context, exchange);
}

static void on_aborted(void *context, struct http_exchange *exchange)
{
    (void)context;
    (void)atomic_fetch_add(&aborts_seen, 1);
    end_exchange(exchange);
}

static const struct http_handler telling_handler = {
    .request = on_request,
    .body = on_body,
    .aborted = on_aborted,
};

/* --- the server --- */

static struct http_server *server;

static void start_server_with(const struct http_limits *limits, struct http_listener *listener,
                              const struct http_handler *handler)
{
    err = ERR_INIT;
    atomic_store(&requests_seen, 0);
    atomic_store(&aborts_seen, 0);
    if (listener->unix_path == NULL && !listener->use_fd && listener->host == NULL)
        listener->host = "127.0.0.1";
    struct http_server_config config = {
        .listeners = listener, .listener_count = 1, .handler = handler};
    if (limits != NULL)
        config.limits = *limits;
    if (http_server_start(&config, &server, &err) < 0)
        fail_msg("%s", err.message);
}

static void start_server(const struct http_limits *limits)
{
    struct http_listener listener = {0};
    start_server_with(limits, &listener, &telling_handler);
}

static int stop_server(void **state)
{
    (void)state;
    http_server_free(server);
    server = NULL;
    return 0;
}

static struct http_server_stats stats_now(void)
{
    struct http_server_stats stats;
    http_server_stats(server, &stats);
    return stats;
}

/* --- TLS --- */

static struct tls_server *make_tls(bool http2)
{
    static const char *const names[] = {"127.0.0.1"};
    struct certificate_spec spec = {.common_name = "a",
                                    .dns_names = names,
                                    .dns_name_count = 1,
                                    .not_before = clock_unix() - 60,
                                    .not_after = clock_unix() + 3600};
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    assert_int_equal(p256_key_new(&key, &err), 0);
    assert_int_equal(certificate_new(key, &spec, NULL, NULL, &certificate, &err), 0);
    struct tls_server_config config = {.key = key, .certificate = certificate, .http2 = http2};
    struct tls_server *tls;
    assert_int_equal(tls_server_new(&config, &tls, &err), 0);
    return tls;
}

static int trust_all(void *context, struct slice der, struct err *failure)
{
    (void)context;
    (void)der;
    (void)failure;
    return 0;
}

/* --- the client --- */

#define HOST "Host: a\r\n"

enum { PATIENCE_MS = 10000 };

static int connect_client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)http_server_port(server, 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (void *)&address, sizeof(address)), 0);
    return fd;
}

static void send_bytes(int fd, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the server has closed: what it said is looked at */
        at += sent;
        len -= (size_t)sent;
    }
}

static void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

/* One read of what comes, bounded by the patience; 0: the end. */
static size_t receive_some(int fd, void *to, size_t size)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    if (poll(&poll_fd, 1, PATIENCE_MS) != 1)
        fail_msg("the server neither answers nor closes");
    ssize_t got = recv(fd, to, size, 0);
    return got < 0 ? 0 : (size_t)got;
}

/* Appends up to the end of the connection. */
static void receive_all(int fd, struct buf *out)
{
    char piece[65536];
    size_t got = receive_some(fd, piece, sizeof(piece));
    while (got > 0) {
        assert_int_equal(buf_bytes(out, slice_of(piece, got), &err), 0);
        got = receive_some(fd, piece, sizeof(piece));
    }
}

/* Appends until `text` is among it. */
static void receive_until(int fd, struct buf *out, const char *text)
{
    char piece[65536];
    while (strstr(buf_text(out), text) == NULL) {
        size_t got = receive_some(fd, piece, sizeof(piece));
        if (got == 0)
            fail_msg("'%s' did not come, but: %s", text, buf_text(out));
        assert_int_equal(buf_bytes(out, slice_of(piece, got), &err), 0);
    }
}

/* "200 400": the statuses in a run of responses. */
static const char *statuses(const struct buf *responses)
{
    static char text[256];
    text[0] = '\0';
    const char *at = buf_text(responses);
    while (at != NULL) {
        at = strstr(at, "HTTP/1.1 ");
        if (at == NULL)
            break;
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.3s",
                       text[0] == '\0' ? "" : " ", at + 9);
        at += 9;
    }
    return text;
}

/* Waits, with patience, until a counter that another thread moves has a value. */
static void wait_for(atomic_int *counter, int value)
{
    for (int i = 0; i < PATIENCE_MS && atomic_load(counter) < value; i++)
        clock_sleep_ms(1);
    assert_int_equal(atomic_load(counter), value);
}
