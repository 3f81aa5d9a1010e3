// SPDX-License-Identifier: Apache-2.0
/*
 * A blocking HTTP/1.1 client: used by the command line for the node's API and for the enclave. The
 * socket is non-blocking and every wait is a poll, so that deadlines and Ctrl-C hold everywhere.
 */
#include "http/client.h"

#include "base/clock.h"
#include "base/fd.h"
#include "crypto/x509.h"
#include "http/client_response.h"
#include "net/proxy.h"
#include "http/output.h"
#include "http/syntax.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    SILENCE_TIMEOUT_MS = 60 * 1000,
    WAIT_SLICE_MS = 100, /* how long an interruption may go unnoticed */
    PIECE = 64 * 1024,
    HEAD_MAX = 64 * 1024,
    BODY_MAX_DEFAULT = 1024 * 1024,
};

struct http_client {
    int fd;
    SSL *ssl;
    char *host; /* for Host */
    char *name; /* for errors: "host port 443" or "'/path'" */
    int silence_timeout_ms;
    const volatile sig_atomic_t *interrupted;
    struct err failure; /* of a verify callback */
    bool used_up;       /* cannot carry another request */
};

/* --- waiting --- */

/* Until the descriptor is ready for `events`, or until `deadline_ms` (monotonic). */
static int wait_ready(struct http_client *client, short events, int64_t deadline_ms,
                      short *ret_events, struct err *err)
{
    for (;;) {
        if (client->interrupted != NULL && *client->interrupted != 0)
            return FAIL(err, ERR_INTERRUPTED, "interrupted");
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        if (left_ms <= 0)
            return FAIL(err, ERR_TIMEOUT, "%s did not answer in time", client->name);
        if (client->interrupted != NULL && left_ms > WAIT_SLICE_MS)
            left_ms = WAIT_SLICE_MS;
        struct pollfd poll_fd = {.fd = client->fd, .events = events};
        int ready = poll(&poll_fd, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
        if (ready < 0 && errno != EINTR)
            return FAIL_ERRNO(err, ERR_IO, "cannot wait for %s", client->name);
        if (ready > 0) {
            *ret_events = poll_fd.revents;
            return 0;
        }
    }
}

/* --- connecting --- */

static int connect_address(struct http_client *client, const struct addrinfo *address,
                           int64_t deadline_ms, struct err *err)
{
    client->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0)
        return FAIL_ERRNO(err, ERR_UNREACHABLE, "cannot make a socket");
    if (connect(client->fd, address->ai_addr, address->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return FAIL_ERRNO(err, ERR_UNREACHABLE, "cannot reach %s", client->name);
    short events;
    if (wait_ready(client, POLLOUT, deadline_ms, &events, err) < 0)
        return -1;
    int failure = 0;
    socklen_t size = sizeof(failure);
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0)
        failure = errno;
    if (failure != 0)
        return (err_set(err, ERR_UNREACHABLE, failure, "cannot reach %s", client->name), -1);
    return 0;
}

static int connect_tcp(struct http_client *client, const struct http_client_config *config,
                       int64_t deadline_ms, struct err *err)
{
    char service[16];
    (void)snprintf(service, sizeof(service), "%d", config->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    int result = getaddrinfo(config->host, service, &hints, &addresses);
    if (result != 0)
        return FAIL(err, ERR_UNREACHABLE, "cannot find %s: %s", client->name, gai_strerror(result));
    result = -1;
    for (struct addrinfo *at = addresses; at != NULL && result < 0; at = at->ai_next) {
        fd_close(client->fd);
        client->fd = -1;
        result = connect_address(client, at, deadline_ms, err);
    }
    freeaddrinfo(addresses);
    if (result < 0)
        return -1;
    int on = 1;
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return 0;
}

static int connect_unix(struct http_client *client, const char *path, struct err *err)
{
    if (unix_connect(path, &client->fd, err) < 0) {
        if (err != NULL && err->kind != ERR_INVALID)
            err->kind = ERR_UNREACHABLE;
        return -1;
    }
    return fd_set_nonblocking(client->fd, true, err);
}

static int adopt_socket(struct http_client *client, int fd, struct err *err)
{
    client->fd = fd;
    return fd_set_nonblocking(fd, true, err);
}

static int shake_hands(struct http_client *client, const struct http_client_config *config,
                       int64_t deadline_ms, struct err *err)
{
    if (tls_client_session(config->tls, client->host, &client->failure, &client->ssl, err) < 0 ||
        tls_attach(client->ssl, client->fd, err) < 0)
        return -1;
    for (;;) {
        int result = SSL_do_handshake(client->ssl);
        if (result == 1)
            return 0;
        int reason = SSL_get_error(client->ssl, result);
        if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
            if (tls_fail(client->ssl, result, err, "TLS handshake") < 0 &&
                client->failure.kind != ERR_NONE && err != NULL)
                *err = client->failure;
            else if (err != NULL && err->kind == ERR_IO)
                err->kind = ERR_UNREACHABLE;
            return FAIL_CONTEXT(err, "%s", client->name);
        }
        short events = reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        if (wait_ready(client, events, deadline_ms, &events, err) < 0)
            return -1;
    }
}

/* The first bytes of a new connection: its buffer has room for them. */
static int say_local(struct http_client *client, struct err *err)
{
    AUTO_BUF struct buf header = BUF_INIT(PROXY_MAX_SIZE);
    if (proxy_header_write(NULL, NULL, &header, err) < 0)
        return -1;
    ssize_t sent = send(client->fd, header.data, header.len, MSG_NOSIGNAL);
    return sent == (ssize_t)header.len
               ? 0
               : FAIL_ERRNO(err, ERR_UNREACHABLE, "%s: cannot begin", client->name);
}

static int open_connection(struct http_client *client, const struct http_client_config *config,
                           struct err *err)
{
    int timeout_ms =
        config->connect_timeout_ms > 0 ? config->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    int result = -1;
    if (config->use_fd)
        result = adopt_socket(client, config->fd, err);
    else if (config->unix_path != NULL)
        result = connect_unix(client, config->unix_path, err);
    else
        result = connect_tcp(client, config, deadline_ms, err);
    if (result < 0 || (config->proxy_local && say_local(client, err) < 0))
        return -1;
    return config->tls == NULL ? 0 : shake_hands(client, config, deadline_ms, err);
}

static int name_client(struct http_client *client, const struct http_client_config *config,
                       struct err *err)
{
    if (config->unix_path == NULL && config->host == NULL && !config->use_fd)
        return FAIL(err, ERR_INVALID, "expected a path or a host to connect to");
    const char *host = config->server_name != NULL ? config->server_name
                       : config->host != NULL      ? config->host
                                                   : "localhost";
    client->host = str_copy(host, err);
    if (config->use_fd)
        client->name = str_copy("the other end", err);
    else if (config->unix_path != NULL)
        client->name = str_printf(err, "'%s'", config->unix_path);
    else
        client->name = str_printf(err, "%s port %d", config->host, config->port);
    return client->host == NULL || client->name == NULL ? -1 : 0;
}

int http_client_connect(const struct http_client_config *config, struct http_client **ret,
                        struct err *err)
{
    AUTO_HTTP_CLIENT struct http_client *client = mem_alloc(sizeof(*client), err);
    if (client == NULL)
        return -1;
    client->fd = -1;
    client->interrupted = config->interrupted;
    client->silence_timeout_ms =
        config->silence_timeout_ms > 0 ? config->silence_timeout_ms : SILENCE_TIMEOUT_MS;
    if (name_client(client, config, err) < 0 || open_connection(client, config, err) < 0)
        return -1;
    *ret = STEAL(client);
    return 0;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    if (client->ssl != NULL && SSL_is_init_finished(client->ssl) == 1)
        (void)SSL_shutdown(client->ssl);
    SSL_free(client->ssl);
    fd_close(client->fd);
    free(client->host);
    free(client->name);
    free(client);
}

int http_client_fd(const struct http_client *client)
{
    return client->fd;
}

const char *http_client_key_exchange(const struct http_client *client)
{
    return client->ssl == NULL ? "" : tls_key_exchange(client->ssl);
}

int http_client_channel_binding(struct http_client *client,
                                uint8_t ret[static TLS_CHANNEL_BINDING_SIZE], struct err *err)
{
    if (client->ssl == NULL)
        return FAIL(err, ERR_CRYPTO, "no channel binding on a connection without TLS");
    return tls_channel_binding(client->ssl, ret, err);
}

int http_client_certificate(struct http_client *client, struct buf *out, struct err *err)
{
    X509 *shown = client->ssl == NULL ? NULL : SSL_get0_peer_certificate(client->ssl);
    if (shown == NULL)
        return FAIL(err, ERR_CRYPTO, "%s has shown no certificate", client->name);
    return certificate_to_der(shown, out, err);
}

/* --- one request --- */

struct exchange {
    struct http_client *client;
    const struct http_client_request *request;
    struct client_response parsing;
    int64_t deadline_ms;  /* of all */
    int64_t last_byte_ms; /* when something moved */
    struct output out;    /* what is to be sent next */
    bool body_ended;      /* all of it has been put into `out` */
    int64_t body_taken;
    int64_t body_sent;
    bool answered; /* the final response's head is there */
    bool complete;
    uint8_t *piece; /* PIECE bytes */
};

static int64_t wait_deadline(const struct exchange *exchange)
{
    int64_t silence = exchange->last_byte_ms + exchange->client->silence_timeout_ms;
    return silence < exchange->deadline_ms ? silence : exchange->deadline_ms;
}

/* What a socket call came to. */
enum moved { MOVED, WANTS_READ, WANTS_WRITE, ENDED, BROKEN };

static enum moved tls_result(struct exchange *exchange, int result, struct err *err)
{
    SSL *ssl = exchange->client->ssl;
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return ENDED;
    default:
        break;
    }
    if (tls_fail(ssl, result, err, "connection") < 0)
        (void)FAIL_CONTEXT(err, "%s", exchange->client->name);
    return BROKEN;
}

static enum moved send_some(struct exchange *exchange, struct err *err)
{
    struct http_client *client = exchange->client;
    struct output *out = &exchange->out;
    size_t sent = 0;
    if (client->ssl != NULL) {
        int result = SSL_write_ex(client->ssl, out->data + out->pos, output_left(out), &sent);
        if (result != 1)
            return tls_result(exchange, result, err);
    } else {
        ssize_t result = send(client->fd, out->data + out->pos, output_left(out), MSG_NOSIGNAL);
        if (result < 0 && (errno == EAGAIN || errno == EINTR))
            return WANTS_WRITE;
        if (result < 0) {
            (void)FAIL_ERRNO(err, ERR_IO, "cannot send to %s", client->name);
            return BROKEN;
        }
        sent = (size_t)result;
    }
    output_consume(out, sent);
    return MOVED;
}

static enum moved receive_some(struct exchange *exchange, size_t *ret_len, struct err *err)
{
    struct http_client *client = exchange->client;
    if (client->ssl != NULL) {
        int result = SSL_read_ex(client->ssl, exchange->piece, PIECE, ret_len);
        return result == 1 ? MOVED : tls_result(exchange, result, err);
    }
    ssize_t result = recv(client->fd, exchange->piece, PIECE, 0);
    if (result < 0 && (errno == EAGAIN || errno == EINTR))
        return WANTS_READ;
    if (result < 0) {
        (void)FAIL_ERRNO(err, ERR_IO, "cannot receive from %s", client->name);
        return BROKEN;
    }
    *ret_len = (size_t)result;
    return result == 0 ? ENDED : MOVED;
}

/* --- sending --- */

static int build_head(struct exchange *exchange, struct err *err)
{
    const struct http_client_request *request = exchange->request;
    AUTO_BUF struct buf head = BUF_INIT(HEAD_MAX);
    bool streamed = request->use_fd || request->body_read != NULL;
    int64_t length = streamed ? request->body_length : (int64_t)request->body.len;
    bool has_body = streamed || length > 0 || strcmp(request->method, "POST") == 0 ||
                    strcmp(request->method, "PUT") == 0;
    if (!http_is_token(slice_str(request->method)) || request->target[0] != '/' ||
        !http_is_field_value(slice_str(request->target)) || strchr(request->target, ' ') != NULL)
        return FAIL(err, ERR_INVALID, "'%s %s' is no request line", request->method,
                    request->target);
    if (buf_printf(&head, err, "%s %s HTTP/1.1\r\nHost: %s\r\n", request->method, request->target,
                   exchange->client->host) < 0)
        return -1;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (!http_is_token(header->name) || !http_is_field_value(header->value))
            return FAIL(err, ERR_INVALID, "malformed request header %zu", i + 1);
        if (buf_bytes(&head, header->name, err) < 0 || buf_str(&head, ": ", err) < 0 ||
            buf_bytes(&head, header->value, err) < 0 || buf_str(&head, "\r\n", err) < 0)
            return -1;
    }
    if (has_body && length >= 0 &&
        buf_printf(&head, err, "Content-Length: %lld\r\n", (long long)length) < 0)
        return -1;
    if (has_body && length < 0 && buf_str(&head, "Transfer-Encoding: chunked\r\n", err) < 0)
        return -1;
    if (buf_str(&head, "\r\n", err) < 0 ||
        output_bytes(&exchange->out, head.data, head.len, err) < 0)
        return -1;
    exchange->body_ended = !streamed;
    return streamed ? 0 : output_bytes(&exchange->out, request->body.data, request->body.len, err);
}

/* The next bytes of a streamed body, at most PIECE, behind `room` bytes of the piece. */
static int read_body(struct exchange *exchange, size_t *ret_len, struct err *err)
{
    const struct http_client_request *request = exchange->request;
    size_t want = PIECE;
    int64_t left = request->body_length - exchange->body_taken;
    if (request->body_length >= 0 && left < PIECE)
        want = (size_t)left;
    size_t got = 0;
    if (want > 0 && request->body_read != NULL) {
        if (request->body_read(request->context, exchange->piece, want, &got, err) < 0)
            return -1;
    } else if (want > 0) {
        ssize_t result = read(request->body_fd, exchange->piece, want);
        if (result < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot read what is being sent");
        got = (size_t)result;
    }
    if (got == 0 && left > 0 && request->body_length >= 0)
        return FAIL(err, ERR_IO, "what is being sent ends %lld bytes too early", (long long)left);
    exchange->body_taken += (int64_t)got;
    *ret_len = got;
    return 0;
}

static int refill(struct exchange *exchange, struct err *err)
{
    const struct http_client_request *request = exchange->request;
    size_t len = 0;
    if (read_body(exchange, &len, err) < 0)
        return -1;
    exchange->body_ended = len == 0 || exchange->body_taken == request->body_length;
    if (request->body_length >= 0)
        return output_bytes(&exchange->out, exchange->piece, len, err);
    char size[20];
    int size_len = snprintf(size, sizeof(size), "%zx\r\n", len);
    if (output_bytes(&exchange->out, size, (size_t)size_len, err) < 0 ||
        output_bytes(&exchange->out, exchange->piece, len, err) < 0)
        return -1;
    return output_bytes(&exchange->out, "\r\n", 2, err);
}

static bool has_more_to_send(const struct exchange *exchange)
{
    return !exchange->answered && (output_left(&exchange->out) > 0 || !exchange->body_ended);
}

static void report(struct exchange *exchange)
{
    const struct http_client_request *request = exchange->request;
    if (request->progress == NULL || exchange->body_sent == exchange->body_taken)
        return;
    exchange->body_sent = exchange->body_taken;
    request->progress(request->context, exchange->body_sent);
}

/* Sends until the socket is full. *ret_wants: the poll event to wait for. */
static int push(struct exchange *exchange, short *ret_wants, struct err *err)
{
    while (has_more_to_send(exchange)) {
        if (output_left(&exchange->out) == 0 && refill(exchange, err) < 0)
            return -1;
        enum moved moved = send_some(exchange, err);
        if (moved == WANTS_READ || moved == WANTS_WRITE) {
            *ret_wants = moved == WANTS_READ ? POLLIN : POLLOUT;
            return 0;
        }
        if (moved != MOVED) {
            /* The server may have said why before it closed. */
            exchange->body_ended = true;
            output_reset(&exchange->out, 0);
            exchange->client->used_up = true;
            return 0;
        }
        exchange->last_byte_ms = clock_monotonic_ms();
        if (output_left(&exchange->out) == 0) {
            report(exchange);
            return 0; /* look whether an answer has come */
        }
    }
    return 0;
}

/* --- receiving --- */

static int take(struct exchange *exchange, struct slice bytes, bool end, struct err *err)
{
    enum client_parse result = client_response_feed(&exchange->parsing, bytes, end, err);
    exchange->answered = exchange->parsing.head_complete;
    exchange->complete = result == CLIENT_PARSE_COMPLETE;
    if (result == CLIENT_PARSE_FAILED)
        return FAIL_CONTEXT(err, "%s", exchange->client->name);
    if (end && !exchange->complete)
        return FAIL(err, ERR_IO, "%s closed the connection before it had answered",
                    exchange->client->name);
    return 0;
}

/* Receives until there is nothing more now. */
static int pull(struct exchange *exchange, short *ret_wants, struct err *err)
{
    while (!exchange->complete) {
        size_t len = 0;
        struct err broken = ERR_INIT;
        switch (receive_some(exchange, &len, &broken)) {
        case MOVED:
            exchange->last_byte_ms = clock_monotonic_ms();
            if (take(exchange, slice_of(exchange->piece, len), false, err) < 0)
                return -1;
            break;
        case WANTS_READ:
            *ret_wants |= POLLIN;
            return 0;
        case WANTS_WRITE:
            *ret_wants |= POLLOUT;
            return 0;
        case ENDED:
            exchange->client->used_up = true;
            return take(exchange, slice_of(NULL, 0), true, err);
        default:
            if (err != NULL)
                *err = broken;
            return -1;
        }
    }
    return 0;
}

static int run(struct exchange *exchange, struct err *err)
{
    if (build_head(exchange, err) < 0)
        return -1;
    while (!exchange->complete) {
        short wants = 0;
        bool sending = has_more_to_send(exchange);
        if (sending && push(exchange, &wants, err) < 0)
            return -1;
        if (pull(exchange, &wants, err) < 0)
            return -1;
        if (exchange->complete || (sending && (wants & POLLOUT) == 0 && has_more_to_send(exchange)))
            continue; /* the socket took all: more at once, after a look at the flag */
        short events;
        if (wait_ready(exchange->client, wants, wait_deadline(exchange), &events, err) < 0)
            return -1;
    }
    return 0;
}

int http_client_request(struct http_client *client, const struct http_client_request *request,
                        struct http_client_response *response, struct err *err)
{
    if (client->used_up)
        return FAIL(err, ERR_IO, "the connection to %s is closed", client->name);
    client->used_up = true; /* until all went well */
    size_t body_max = response->body.max;
    http_client_response_done(response);
    response->head = BUF_INIT(HEAD_MAX);
    response->body = BUF_INIT(body_max > 0 ? body_max : BODY_MAX_DEFAULT);
    int64_t now_ms = clock_monotonic_ms();
    struct exchange exchange = {.client = client, .request = request, .last_byte_ms = now_ms};
    exchange.deadline_ms = request->deadline_ms > 0 ? now_ms + request->deadline_ms : INT64_MAX;
    client_response_init(&exchange.parsing, request, response);
    AUTO_FREE uint8_t *piece = mem_resize_array(NULL, PIECE, 1, err);
    exchange.piece = piece;
    int result = piece == NULL ? -1 : run(&exchange, err);
    bool all_sent = exchange.body_ended && output_left(&exchange.out) == 0;
    output_reset(&exchange.out, 0);
    /* Whatever came in between: who has interrupted it wants to hear of that. */
    if (result < 0 && client->interrupted != NULL && *client->interrupted != 0)
        return FAIL(err, ERR_INTERRUPTED, "interrupted");
    if (result < 0)
        return -1;
    response->keep_alive = response->keep_alive && all_sent;
    client->used_up = !response->keep_alive;
    return 0;
}
