// SPDX-License-Identifier: Apache-2.0
/*
 * One client of mse-soak: connects, asks what its plan says, holds the answers against it, leaves
 * in the way that was drawn, and begins again. Whatever else happens is an error.
 */
#include "soak.h"

#include "base/fd.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 64 * 1024, DAWDLE_PIECE = 700, REST_MS = 40 };

static void proceed(struct client *client);
static void on_ready(struct loop_watch *watch, uint32_t events);

bool client_is_cut(const struct client *client)
{
    return client->plan.ending >= CUT_CONNECT;
}

/* --- leaving --- */

static void disconnect(struct client *client)
{
    struct soak *soak = client->soak;
    loop_timer_cancel(soak->loop, &client->timer);
    loop_watch_remove(soak->loop, &client->watch);
    if (client->ssl != NULL) {
        SSL_free(client->ssl);
        client->ssl = NULL;
        ERR_clear_error();
    }
    client->dialogue->close(client);
    fd_close(client->watch.fd);
    client->watch.fd = -1;
    client->state = CLIENT_OFF;
    soak->active--;
    client_begin(client);
}

/* As the plan says, whatever is under way. */
static void leave(struct client *client)
{
    client->dialogue->give_up(client, false);
    client->soak->endings[client->plan.ending]++;
    if (client->plan.reset && client_is_cut(client)) {
        struct linger reset = {.l_onoff = 1};
        (void)setsockopt(client->watch.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    } else if (client->ssl != NULL && client->state == CLIENT_OPEN) {
        (void)SSL_shutdown(client->ssl);
    }
    disconnect(client);
}

void client_fail(struct client *client, const char *what)
{
    soak_error(client->soak, client, what);
    client->dialogue->give_up(client, true);
    disconnect(client);
}

/* The server has closed. */
static void on_end(struct client *client)
{
    struct soak *soak = client->soak;
    const char *wrong = client->dialogue->ended(client);
    if (wrong != NULL) {
        client_fail(client, wrong);
        return;
    }
    soak->endings[client->plan.ending]++;
    disconnect(client);
}

/* --- out --- */

static ssize_t write_some(struct client *client, const uint8_t *data, size_t len)
{
    size_t written = 0;
    if (client->ssl == NULL) {
        ssize_t sent = send(client->watch.fd, data, len, MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    if (SSL_write_ex(client->ssl, data, len, &written) == 1)
        return (ssize_t)written;
    int reason = SSL_get_error(client->ssl, 0);
    ERR_clear_error();
    return reason == SSL_ERROR_WANT_WRITE || reason == SSL_ERROR_WANT_READ ? 0 : -1;
}

bool client_wants_request(struct client *client)
{
    if (client->made >= client->plan.requests || client->count >= client->plan.depth ||
        client->out.len >= OUT_MAX / 2)
        return false;
    if (!client->soak->finishing || client_is_cut(client))
        return true;
    client->plan.requests = client->made; /* enough: that one was the last */
    client->plan.ending = END_IDLE;
    return false;
}

static void write_out(struct client *client, uint64_t limit)
{
    while (client->out.len > 0 && client->sent < limit) {
        size_t len = client->out.len < PIECE ? client->out.len : PIECE;
        if (len > limit - client->sent)
            len = (size_t)(limit - client->sent);
        ssize_t sent = write_some(client, client->out.data, len);
        if (sent < 0) {
            /* The server may have answered and closed already: what it said comes first. */
            client->out.len = 0;
            client->write_blocked = false;
            return;
        }
        buf_consume(&client->out, (size_t)sent);
        client->sent += (uint64_t)sent;
        client->write_blocked = sent == 0;
        if (sent == 0)
            return;
    }
}

/* false: the client has gone. */
static bool send_requests(struct client *client)
{
    struct err err = ERR_INIT;
    if (client->dialogue->speak(client, &err) < 0) {
        soak_error(client->soak, NULL, err.message);
        leave(client);
        return false;
    }
    uint64_t limit = client->dialogue->send_limit(client);
    write_out(client, limit);
    client->dialogue->sent(client);
    bool last_made = client->made == client->plan.requests;
    bool at_cut = client->plan.ending >= CUT_HEAD && client->plan.ending <= CUT_WAITING;
    if (at_cut && last_made && client->sent >= limit && client->sent > 0) {
        leave(client);
        return false;
    }
    return true;
}

static void shut_down(struct client *client)
{
    if (client->shut)
        return;
    client->shut = client->leaving = true;
    if (client->ssl != NULL) {
        (void)SSL_shutdown(client->ssl);
        ERR_clear_error();
    } else {
        (void)shutdown(client->watch.fd, SHUT_WR);
    }
}

/* --- in --- */

static ssize_t read_some(struct client *client, uint8_t *to, size_t size)
{
    if (client->ssl == NULL) {
        ssize_t got = recv(client->watch.fd, to, size, 0);
        if (got >= 0)
            return got;
        return errno == EAGAIN || errno == EINTR ? -1 : -2;
    }
    size_t got = 0;
    if (SSL_read_ex(client->ssl, to, size, &got) == 1)
        return (ssize_t)got;
    int reason = SSL_get_error(client->ssl, 0);
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
        return -1;
    ERR_clear_error();
    return reason == SSL_ERROR_ZERO_RETURN ? 0 : -2;
}

void client_count_verified(struct client *client, const struct request *request, size_t body,
                           bool was_sent)
{
    struct soak *soak = client->soak;
    soak->verified++;
    soak->kinds[request->kind]++;
    soak->body_bytes += body;
    client->progress_us = loop_now_us(soak->loop);
    /* An answer may be there before all of its request is sent: to a body that is not read. */
    soak->sent += !was_sent;
}

/* false: the client has gone. */
static bool receive(struct client *client)
{
    uint8_t piece[PIECE];
    size_t size = client->plan.dawdle ? DAWDLE_PIECE : sizeof(piece);
    for (;;) {
        ssize_t got = read_some(client, piece, size);
        if (got == -1)
            return true;
        if (got <= 0) {
            on_end(client);
            return false;
        }
        client->received += (uint64_t)got;
        client->progress_us = loop_now_us(client->soak->loop);
        bool last = client->made == client->plan.requests;
        if (client->plan.ending == CUT_RESPONSE && last && client->count <= 1 &&
            client->received >= client->plan.cut_at) {
            leave(client);
            return false;
        }
        if (!client->dialogue->hear(client, slice_of(piece, (size_t)got)))
            return false;
        if (client->plan.dawdle && client->count > 0 && rng_percent(&client->rng, 2)) {
            client->resting = true;
            loop_timer_set(client->soak->loop, &client->timer, REST_MS);
            return true;
        }
    }
}

/* --- stages --- */

static bool is_done(const struct client *client)
{
    bool sent = client->out.len == 0 || client->leaving;
    return client->made == client->plan.requests && client->count == 0 && sent;
}

static void update(struct client *client)
{
    uint32_t events = client->resting ? 0 : EPOLLIN;
    bool write = client->state == CLIENT_CONNECTING || client->write_blocked;
    events |= write ? (uint32_t)EPOLLOUT : 0;
    if (loop_watch_change(client->soak->loop, &client->watch, events, NULL) < 0)
        client_fail(client, "epoll failed");
}

static void talk(struct client *client)
{
    for (;;) {
        uint64_t before = client->sent + client->received;
        bool speaks = !client->leaving || client->dialogue->goes_on;
        if (speaks && !send_requests(client))
            return;
        bool all_sent = client->made == client->plan.requests && client->out.len == 0;
        if (client->plan.ending == END_HALF && all_sent && client->count > 0)
            shut_down(client);
        if (!client->resting && !receive(client))
            return;
        if (is_done(client) && client->plan.ending == END_IDLE && !client->leaving) {
            leave(client);
            return;
        }
        if (is_done(client) && client_is_cut(client)) { /* the answers came before the cut */
            leave(client);
            return;
        }
        if (is_done(client) && client->plan.ending == END_HALF)
            shut_down(client);
        client->leaving |= is_done(client) && client->plan.ending == END_ASKED;
        if (client->resting || client->sent + client->received == before)
            break;
    }
    update(client);
}

static void begin_dialogue(struct client *client)
{
    struct err err = ERR_INIT;
    client->state = CLIENT_OPEN;
    if (client->dialogue->open(client, &err) < 0)
        client_fail(client, err.message);
}

/* false: not yet, or gone */
static bool shake_hands(struct client *client)
{
    int result = SSL_do_handshake(client->ssl);
    if (result == 1) {
        client->soak->handshakes++;
        client->soak->resumed += SSL_session_reused(client->ssl) == 1;
        begin_dialogue(client);
        return client->state == CLIENT_OPEN;
    }
    int reason = SSL_get_error(client->ssl, result);
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
        ERR_clear_error();
        if (client->soak->options.until_stopped)
            disconnect(client);
        else
            client_fail(client, "the TLS handshake failed");
        return false;
    }
    client->write_blocked = reason == SSL_ERROR_WANT_WRITE;
    if (client->plan.ending == CUT_HANDSHAKE)
        leave(client);
    else
        update(client);
    return false;
}

static int start_tls(struct client *client)
{
    struct soak *soak = client->soak;
    client->ssl = SSL_new(soak->tls);
    if (client->ssl == NULL || SSL_set_fd(client->ssl, client->watch.fd) != 1)
        return -1;
    SSL_set_connect_state(client->ssl);
    if (client->plan.resume && soak->session != NULL)
        (void)SSL_set_session(client->ssl, soak->session);
    client->state = CLIENT_HANDSHAKE;
    return 0;
}

/* The beginning of a ClientHello: a record of 512 bytes is announced, and never comes whole. */
static void send_part_of_hello(struct client *client)
{
    static const uint8_t hello[256] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
    (void)send(client->watch.fd, hello, client->plan.cut_at, MSG_NOSIGNAL);
    leave(client);
}

static void connected(struct client *client)
{
    client->soak->connections++;
    if (client->plan.ending == CUT_CONNECT)
        leave(client);
    else if (client->plan.ending == CUT_HELLO)
        send_part_of_hello(client);
    else if (!client->soak->options.tls)
        begin_dialogue(client);
    else if (start_tls(client) < 0)
        client_fail(client, "no TLS session");
}

static void check_connection(struct client *client)
{
    int error = client->refused ? ECONNREFUSED : 0;
    socklen_t size = sizeof(error);
    if (error == 0)
        (void)getsockopt(client->watch.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == 0) {
        connected(client);
        return;
    }
    if (client->soak->options.until_stopped) {
        client->soak->server_gone = true;
        disconnect(client);
    } else {
        client_fail(client, "cannot connect");
    }
}

static void proceed(struct client *client)
{
    if (client->state == CLIENT_CONNECTING)
        check_connection(client);
    if (client->state == CLIENT_HANDSHAKE && !shake_hands(client))
        return;
    if (client->state == CLIENT_OPEN)
        talk(client);
}

static void on_ready(struct loop_watch *watch, uint32_t events)
{
    struct client *client = watch->data;
    if ((events & EPOLLOUT) != 0)
        client->write_blocked = false;
    proceed(client);
}

static void on_rested(struct loop_timer *timer)
{
    struct client *client = timer->data;
    client->resting = false;
    proceed(client);
}

static int start_connecting(struct client *client)
{
    const struct soak_options *options = &client->soak->options;
    const struct sockaddr *address = (const struct sockaddr *)&options->address;
    /* What became of it is asked for when the socket is ready, also where it is refused at once. */
    errno = 0;
    bool begun = connect(client->watch.fd, address, sizeof(options->address)) == 0 ||
                 errno == EINPROGRESS || errno == ECONNREFUSED;
    client->refused = begun && errno == ECONNREFUSED;
    return begun ? loop_watch_add(client->soak->loop, &client->watch, EPOLLOUT, NULL) : -1;
}

void client_begin(struct client *client)
{
    struct soak *soak = client->soak;
    if (soak->finishing || soak->server_gone)
        return;
    plan_connection(soak, &client->rng, &client->plan);
    client->out.len = 0;
    client->sent = client->made_len = client->received = 0;
    client->made = client->count = 0;
    client->write_blocked = client->shut = client->leaving = client->resting = false;
    client->progress_us = loop_now_us(soak->loop);
    client->watch.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    soak->active++;
    client->state = CLIENT_CONNECTING;
    if (client->watch.fd < 0 || start_connecting(client) < 0) {
        soak_error(soak, NULL, "no socket");
        soak->finishing = true;
    }
}

void client_check(struct client *client)
{
    int64_t waited_us = loop_now_us(client->soak->loop) - client->progress_us;
    if (client->state != CLIENT_OFF && waited_us > client->soak->options.patience_ms * 1000)
        client_fail(client, client->count > 0 ? "no answer" : "the server does not close");
}

int client_init(struct client *client, struct soak *soak, uint64_t number)
{
    *client = (struct client){.soak = soak};
    client->dialogue = soak->options.http2 ? &dialogue_http2 : &dialogue_http1;
    client->watch = (struct loop_watch){.ready = on_ready, .data = client, .fd = -1};
    client->timer = (struct loop_timer){.fire = on_rested, .data = client};
    client->out = BUF_INIT(OUT_MAX);
    rng_seed(&client->rng, soak->options.seed, number);
    return 0;
}

void client_done(struct client *client)
{
    if (client->ssl != NULL)
        SSL_free(client->ssl);
    client->dialogue->close(client);
    fd_close(client->watch.fd);
    buf_done(&client->out);
}
