// SPDX-License-Identifier: Apache-2.0
/*
 * A connection of the server: PROXY header, TLS handshake, bytes in and out, closing. It belongs to
 * one I/O thread. What the bytes mean is the protocol's business. Bytes are read into the thread's
 * scratch memory and handed on from there; a connection keeps memory of its own only for what could
 * not be used yet, so an idle one is small.
 */
#include "http/connection.h"

#include "base/fd.h"
#include "net/proxy.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BUFFER_MAX = IO_SCRATCH, TLS_READS = 16 };

static void on_ready(struct loop_watch *watch, uint32_t events);
static void on_timer(struct loop_timer *timer);
static void read_http(struct connection *connection);

/* --- life --- */

static void start_http(struct connection *connection)
{
    const unsigned char *selected = NULL;
    unsigned len = 0;
    if (connection->ssl != NULL)
        SSL_get0_alpn_selected(connection->ssl, &selected, &len);
    connection->phase = PHASE_HTTP;
    connection->protocol =
        slice_is_str(slice_of(selected, len), "h2") ? &protocol_http2 : &protocol_http1;
    connection->protocol->open(connection);
}

static void begin(struct connection *connection)
{
    if (connection->listener->tls != NULL)
        connection->phase = PHASE_HANDSHAKE;
    else
        start_http(connection);
}

static void learn_peer(struct connection *connection)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);
    if (getsockopt(connection->watch.fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return;
    connection->peer_known = true;
    connection->peer_uid = credentials.uid;
    connection->peer_pid = (unsigned)credentials.pid;
}

static void link_connection(struct connection *connection)
{
    struct io_thread *io = connection->io;
    connection->next = io->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    io->connections = connection;
    (void)atomic_fetch_add(&io->server->connections, 1);
    count(&io->stats.connections, 1);
    count(&io->stats.open, 1);
}

void connection_accept(struct io_thread *io, const struct listener *listener,
                       const struct accepted *accepted)
{
    int fd = accepted->fd;
    struct slice address = accepted->address;
    struct connection *connection = mem_alloc(sizeof(*connection), NULL);
    if (connection == NULL) {
        fd_close(fd);
        return;
    }
    connection->io = io;
    connection->listener = listener;
    connection->watch = (struct loop_watch){.ready = on_ready, .data = connection, .fd = fd};
    connection->timer = (struct loop_timer){.fire = on_timer, .data = connection};
    connection->since_us = connection->accepted_us = loop_now_us(io->loop);
    connection->surplus = accepted->surplus;
    connection->port = accepted->port;
    connection->member.owner = connection;
    if (address.len < sizeof(connection->address))
        memcpy(connection->address, address.data, address.len);
    if (listener->is_tcp) {
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    } else {
        learn_peer(connection);
    }
    link_connection(connection);
    idle_enter(connection);
    if (!listener->proxy) /* who it is comes with the header, and the gateway has seen to it */
        crowd_enter(&io->crowd, &connection->member, accepted->peer);
    if (loop_watch_add(io->loop, &connection->watch, EPOLLIN, NULL) < 0) {
        connection_close(connection);
        return;
    }
    if (!listener->proxy)
        begin(connection);
    connection_update(connection);
}

void connection_unreference(struct connection *connection)
{
    connection->references--;
    if (connection->phase != PHASE_CLOSED || connection->references > 0)
        return;
    struct io_thread *io = connection->io;
    connection->next = io->graveyard;
    io->graveyard = connection;
    loop_post(io->loop, &io->bury);
}

static void unlink_connection(struct connection *connection)
{
    struct io_thread *io = connection->io;
    if (connection->previous == NULL)
        io->connections = connection->next;
    else
        connection->previous->next = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    crowd_leave(&io->crowd, &connection->member);
    count(&io->stats.open, (uint64_t)-1);
}

void connection_drop_exchanges(struct connection *connection)
{
    while (connection->first != NULL) {
        struct http_exchange *exchange = connection->first;
        exchange_unlink(exchange);
        exchange_gone(exchange);
        exchange_let_go(exchange);
    }
}

static void free_in(struct connection *connection)
{
    if (connection->secret && connection->in != NULL)
        mem_wipe(connection->in, connection->in_cap);
    free(connection->in);
    connection->in = NULL;
    connection->in_len = connection->in_cap = 0;
}

void connection_close(struct connection *connection)
{
    if (connection->phase == PHASE_CLOSED)
        return;
    struct io_thread *io = connection->io;
    connection->phase = PHASE_CLOSED;
    connection->references++; /* ours: the callbacks below may let go of the others */
    loop_watch_remove(io->loop, &connection->watch);
    loop_timer_cancel(io->loop, &connection->timer);
    idle_leave(connection);
    handshake_end(connection);
    unlink_connection(connection);
    if (connection->protocol != NULL)
        connection->protocol->close(connection);
    if (connection->ssl != NULL) {
        SSL_free(connection->ssl);
        connection->ssl = NULL;
        ERR_clear_error();
    }
    fd_close(connection->watch.fd);
    connection->watch.fd = -1;
    free_in(connection);
    connection_unreference(connection);
    server_note_connection_gone(io->server); /* who waits for it finds all callbacks done */
}

static void send_shutdown(struct connection *connection)
{
    if (connection->ssl != NULL) {
        tls_set_more(connection->ssl, true); /* goes out with the FIN */
        (void)SSL_shutdown(connection->ssl); /* close_notify; what the client answers is dropped */
        ERR_clear_error();
    }
    (void)shutdown(connection->watch.fd, SHUT_WR);
}

/* Bytes of ours that the client's kernel has not acknowledged. */
static int count_unsent(const struct connection *connection)
{
    int unsent;
    return ioctl(connection->watch.fd, SIOCOUTQ, &unsent) < 0 ? 0 : unsent;
}

bool connection_is_sending(const struct connection *connection)
{
    return count_unsent(connection) > 0;
}

void connection_finish(struct connection *connection)
{
    if (connection->phase == PHASE_CLOSED)
        return;
    if (connection->ssl != NULL || connection->linger)
        send_shutdown(connection);
    if (!connection->linger || connection->end_of_input) {
        connection_close(connection);
        return;
    }
    /* Closing now could reset the connection, and the client would lose the end of the answer (RFC
     * 9112 section 9.6). */
    connection->phase = PHASE_LINGER;
    connection->unsent = count_unsent(connection);
    idle_leave(connection);
    connection->protocol->close(connection);
    connection->write_blocked = false;
    connection->since_us = loop_now_us(connection->io->loop);
    connection->in_len = 0;
    connection_update(connection);
}

/* --- time --- */

/* One that is over the limit gets the time of one head, whatever it does. */
static int64_t surplus_deadline_us(const struct connection *connection)
{
    int64_t patience_ms = connection->io->server->limits.header_timeout_ms;
    return connection->surplus ? connection->accepted_us + patience_ms * 1000 : INT64_MAX;
}

static int64_t phase_deadline_us(const struct connection *connection)
{
    const struct http_limits *limits = &connection->io->server->limits;
    switch (connection->phase) {
    case PHASE_PROXY:
    case PHASE_HANDSHAKE:
        return connection->since_us + (int64_t)limits->header_timeout_ms * 1000;
    case PHASE_HTTP:
        return connection->protocol->deadline_us(connection);
    case PHASE_LINGER:
        return connection->since_us + LINGER_MS * 1000;
    default:
        return INT64_MAX;
    }
}

static int64_t deadline_us(const struct connection *connection)
{
    int64_t phase_us = phase_deadline_us(connection);
    int64_t surplus_us = surplus_deadline_us(connection);
    return phase_us < surplus_us ? phase_us : surplus_us;
}

static void arm(struct connection *connection)
{
    int64_t due_us = deadline_us(connection);
    struct loop_timer *timer = &connection->timer;
    /* A timer that fires too early looks again; only an earlier deadline must move it. */
    if (due_us == INT64_MAX || (timer->set && timer->due_us <= due_us))
        return;
    int64_t left_us = due_us - loop_now_us(connection->io->loop);
    loop_timer_set(connection->io->loop, timer, left_us < 0 ? 0 : (left_us + 999) / 1000);
}

/* Has the client taken more of what was written before the end? Then it has as long again. */
static bool lingers_on(struct connection *connection)
{
    int before = connection->unsent;
    if (connection->phase != PHASE_LINGER || before == 0)
        return false;
    connection->unsent = count_unsent(connection);
    if (connection->unsent >= before)
        return false;
    connection->since_us = loop_now_us(connection->io->loop);
    return true;
}

static void on_timer(struct loop_timer *timer)
{
    struct connection *connection = timer->data;
    if (connection->read_again) {
        connection->read_again = false;
        if (connection->phase == PHASE_HTTP)
            read_http(connection);
        connection_update(connection);
        return;
    }
    int64_t due_us = deadline_us(connection);
    if (due_us > loop_now_us(connection->io->loop) || lingers_on(connection)) {
        arm(connection);
        return;
    }
    bool over = surplus_deadline_us(connection) <= loop_now_us(connection->io->loop);
    if (connection->phase == PHASE_HTTP && !over) {
        connection->protocol->late(connection);
        return;
    }
    count(&connection->io->stats.timeouts, 1);
    connection_close(connection);
}

void connection_update(struct connection *connection)
{
    if (connection->phase == PHASE_CLOSED)
        return;
    bool read = !connection->end_of_input && !connection->reading_paused;
    read = read || connection->phase == PHASE_LINGER;
    /* Where nothing is read, the client's leaving would go unnoticed. */
    uint32_t events = (read ? (uint32_t)EPOLLIN : 0) |
                      (!read && !connection->peer_shut ? (uint32_t)EPOLLRDHUP : 0) |
                      (connection->write_blocked ? (uint32_t)EPOLLOUT : 0);
    if (loop_watch_change(connection->io->loop, &connection->watch, events, NULL) < 0) {
        connection_close(connection);
        return;
    }
    arm(connection);
}

/* --- out --- */

/* Several records. */
static ssize_t write_much(struct connection *connection, struct slice bytes, bool more)
{
    size_t written;
    tls_set_more(connection->ssl, more);
    int sent = tls_write_records(connection->ssl, &connection->io->batch, bytes, &written);
    if (sent < 0) {
        ERR_clear_error();
        return -1;
    }
    connection->write_blocked = sent == 0;
    return (ssize_t)written;
}

/* One record. */
static ssize_t write_tls(struct connection *connection, const uint8_t *data, size_t len, bool more)
{
    size_t written = 0;
    tls_set_more(connection->ssl, more);
    connection->write_blocked = false;
    if (SSL_write_ex(connection->ssl, data, len, &written) == 1)
        return (ssize_t)written;
    int reason = SSL_get_error(connection->ssl, 0);
    connection->write_blocked = reason == SSL_ERROR_WANT_WRITE || reason == SSL_ERROR_WANT_READ;
    if (connection->write_blocked)
        return 0;
    ERR_clear_error();
    return -1;
}

static ssize_t write_plain(struct connection *connection, const uint8_t *data, size_t len,
                           bool more)
{
    ssize_t written =
        send(connection->watch.fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
    if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        written = 0;
    connection->write_blocked = (size_t)written < len;
    return written;
}

ssize_t connection_write(struct connection *connection, const uint8_t *data, size_t len, bool more)
{
    ssize_t written;
    if (connection->ssl == NULL)
        written = write_plain(connection, data, len, more);
    else if (len > SSL3_RT_MAX_PLAIN_LENGTH)
        written = write_much(connection, slice_of(data, len), more);
    else
        written = write_tls(connection, data, len, more);
    if (written < 0) {
        connection_close(connection);
        return -1;
    }
    if (written > 0) {
        count(&connection->io->stats.bytes_out, (uint64_t)written);
        connection->since_us = loop_now_us(connection->io->loop);
    }
    return written;
}

/* From file systems that have no sendfile. */
static ssize_t send_read(const struct connection *connection, int fd, int64_t offset, size_t len)
{
    uint8_t piece[16 * 1024];
    ssize_t got = pread(fd, piece, len < sizeof(piece) ? len : sizeof(piece), offset);
    if (got <= 0)
        return got;
    return send(connection->watch.fd, piece, (size_t)got, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t connection_send_file(struct connection *connection, int fd, int64_t offset, size_t len)
{
    off_t at = offset;
    ssize_t sent = sendfile(connection->watch.fd, fd, &at, len);
    if (sent < 0 && (errno == EINVAL || errno == ENOSYS))
        sent = send_read(connection, fd, offset, len);
    connection->write_blocked = sent < 0 && (errno == EAGAIN || errno == EINTR);
    if (connection->write_blocked)
        return 0;
    if (sent <= 0) {
        connection_close(connection);
        return -1;
    }
    count(&connection->io->stats.bytes_out, (uint64_t)sent);
    connection->since_us = loop_now_us(connection->io->loop);
    return sent;
}

/* What TLS has kept back goes first. Is the way free for more? */
static bool send_rest(struct connection *connection)
{
    bool progress = false;
    int sent = connection->ssl == NULL ? 1 : tls_send_rest(connection->ssl, &progress);
    if (sent < 0) {
        connection_close(connection);
        return false;
    }
    if (progress)
        connection->since_us = loop_now_us(connection->io->loop);
    connection->write_blocked = sent == 0;
    return sent == 1;
}

/* --- in --- */

/* Returns bytes read, 0: the end, -1: nothing there now, -2: broken. */
static ssize_t read_some(struct connection *connection, uint8_t *to, size_t size)
{
    if (connection->ssl == NULL) {
        ssize_t got = recv(connection->watch.fd, to, size, MSG_DONTWAIT);
        if (got >= 0)
            return got;
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? -1 : -2;
    }
    size_t got;
    if (SSL_read_ex(connection->ssl, to, size, &got) == 1)
        return (ssize_t)got;
    switch (SSL_get_error(connection->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default: {
        /* A connection that is cut without close_notify: the protocol knows whether all was there.
         */
        bool cut = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
        ERR_clear_error();
        return cut ? 0 : -2;
    }
    }
}

static int keep(struct connection *connection, const uint8_t *data, size_t len)
{
    if (len == 0) {
        connection->in_len = 0;
        return 0;
    }
    if (len > connection->in_cap) {
        size_t cap = connection->in_cap < 1024 ? 1024 : connection->in_cap;
        while (cap < len)
            cap *= 2;
        free_in(connection); /* `data` is elsewhere: what is there has no room for it */
        connection->in = mem_resize_array(NULL, cap, 1, NULL);
        if (connection->in == NULL)
            return -1;
        connection->in_cap = cap;
    }
    memmove(connection->in, data, len);
    connection->in_len = len;
    return 0;
}

/* Hands bytes to the protocol, keeps the rest. */
static void feed(struct connection *connection, const uint8_t *data, size_t len)
{
    connection->processing = true;
    size_t used = connection->protocol->input(connection, data, len);
    connection->processing = false;
    if (connection->phase != PHASE_HTTP)
        return;
    if (keep(connection, data + used, len - used) < 0)
        connection_close(connection);
}

void connection_process(struct connection *connection)
{
    if (connection->phase != PHASE_HTTP || connection->processing)
        return;
    if (connection->in_len > 0)
        feed(connection, connection->in, connection->in_len);
    if (connection->phase == PHASE_HTTP && connection->end_of_input)
        connection->protocol->end_of_input(connection);
    if (connection->phase == PHASE_HTTP && connection->in_len == 0 && connection->in != NULL)
        free_in(connection);
}

/* One read; returns whether another may find more without waiting. */
static bool read_once(struct connection *connection)
{
    uint8_t *scratch = connection->io->scratch;
    size_t kept = connection->in_len;
    if (kept >= READ_BUFFER_MAX)
        return false; /* the protocol has not paused the reading though: it will take it */
    ssize_t got = read_some(connection, scratch + kept, IO_SCRATCH - kept);
    if (got == -1)
        return false;
    if (got == -2) {
        connection_close(connection);
        return false;
    }
    if (got == 0) {
        connection->end_of_input = connection->peer_shut = true;
        connection->half_closed_us = loop_now_us(connection->io->loop);
        connection->protocol->end_of_input(connection);
        return false;
    }
    count(&connection->io->stats.bytes_in, (uint64_t)got);
    connection->half_closed_us = loop_now_us(connection->io->loop); /* there was more to come */
    if (kept > 0)
        memcpy(scratch, connection->in, kept);
    feed(connection, scratch, kept + (size_t)got);
    if (connection->secret)
        mem_wipe(scratch, kept + (size_t)got);
    return connection->phase == PHASE_HTTP && connection->ssl != NULL &&
           SSL_has_pending(connection->ssl) == 1;
}

static void read_http(struct connection *connection)
{
    int reads = 0;
    while (!connection->reading_paused && !connection->end_of_input && read_once(connection)) {
        if (++reads < TLS_READS)
            continue;
        /* What lies in the SSL raises no event: come back by the timer, after the others. */
        loop_timer_set(connection->io->loop, &connection->timer, 0);
        connection->read_again = true;
        break;
    }
}

static void read_linger(struct connection *connection)
{
    ssize_t got = read(connection->watch.fd, connection->io->scratch, IO_SCRATCH);
    if (got > 0)
        connection->lingered += (size_t)got;
    bool again = got < 0 && (errno == EAGAIN || errno == EINTR);
    if ((got <= 0 && !again) || connection->lingered > LINGER_MAX)
        connection_close(connection);
}

void connection_progress(struct connection *connection, size_t bytes)
{
    connection->since_us =
        progress_us(connection->since_us, loop_now_us(connection->io->loop), bytes);
}

void connection_set_paused(struct connection *connection, bool paused)
{
    if (connection->reading_paused == paused)
        return;
    connection->reading_paused = paused;
    if (!paused) /* it was us who did not go on */
        connection->since_us = loop_now_us(connection->io->loop);
    if (!paused && connection->phase == PHASE_HTTP && connection->ssl != NULL &&
        SSL_has_pending(connection->ssl) == 1) {
        connection->read_again = true;
        loop_timer_set(connection->io->loop, &connection->timer, 0);
    }
}

/* --- the stages before HTTP --- */

/* Exactly the header's bytes: what follows belongs to TLS or HTTP. 1: complete, 0: not yet, -1. */
static int read_proxy_part(struct connection *connection, size_t want)
{
    uint8_t *scratch = connection->io->scratch;
    size_t have = connection->in_len;
    if (have >= want)
        return 1;
    if (have > 0)
        memcpy(scratch, connection->in, have);
    ssize_t got = recv(connection->watch.fd, scratch + have, want - have, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0 || keep(connection, scratch, have + (size_t)got) < 0)
        return -1;
    return connection->in_len >= want;
}

/* 1: the header was taken, 0: not yet, -1: refused */
static int read_proxy(struct connection *connection)
{
    int result = read_proxy_part(connection, PROXY_FIXED_SIZE);
    if (result <= 0)
        return result;
    size_t size;
    if (proxy_header_size(slice_of(connection->in, PROXY_FIXED_SIZE), &size, NULL) < 0)
        return -1;
    result = read_proxy_part(connection, size);
    if (result <= 0)
        return result;
    struct proxy_peer peer;
    if (proxy_header_parse(slice_of(connection->in, size), &peer, NULL) < 0)
        return -1;
    if (peer.known) {
        memcpy(connection->address, peer.address, sizeof(connection->address));
        connection->port = peer.port;
    }
    connection->peer_known = false; /* that was the gateway */
    connection->in_len = 0;
    begin(connection);
    return 1;
}

/* Not before the first byte: who only connects costs no session. */
static int start_tls(struct connection *connection)
{
    if (tls_server_session(connection->listener->tls, &connection->ssl, NULL) < 0)
        return -1;
    handshake_begin(connection);
    return tls_attach(connection->ssl, connection->watch.fd, NULL);
}

/* 1: done, 0: not yet, -1: failed */
static int shake_hands(struct connection *connection)
{
    struct http_server_stats *stats = &connection->io->stats;
    if (connection->ssl == NULL && start_tls(connection) < 0)
        return -1;
    int result = SSL_do_handshake(connection->ssl);
    if (result != 1) {
        int reason = SSL_get_error(connection->ssl, result);
        connection->write_blocked = reason == SSL_ERROR_WANT_WRITE;
        if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
            return 0;
        ERR_clear_error();
        count(&stats->handshake_failures, 1);
        return -1;
    }
    connection->write_blocked = false;
    handshake_end(connection);
    count(&stats->handshakes, 1);
    if (SSL_session_reused(connection->ssl) == 1)
        count(&stats->resumed, 1);
    if (tls_key_exchange_is_pq(tls_key_exchange(connection->ssl)))
        count(&stats->post_quantum, 1);
    connection->since_us = loop_now_us(connection->io->loop);
    start_http(connection);
    return 1;
}

static void on_readable(struct connection *connection)
{
    int result = 1;
    if (connection->phase == PHASE_PROXY)
        result = read_proxy(connection);
    if (result == 1 && connection->phase == PHASE_HANDSHAKE)
        result = shake_hands(connection);
    if (result < 0)
        connection_close(connection);
    else if (result == 1 && connection->phase == PHASE_HTTP)
        read_http(connection);
    else if (connection->phase == PHASE_LINGER)
        read_linger(connection);
}

static void on_ready(struct loop_watch *watch, uint32_t events)
{
    struct connection *connection = watch->data;
    bool reading = (watch->events & EPOLLIN) != 0;
    bool dead = (events & EPOLLERR) != 0 || ((events & EPOLLHUP) != 0 && !reading);
    if (dead) {
        connection_close(connection);
        return;
    }
    if ((events & EPOLLRDHUP) != 0 && !reading) {
        connection->peer_shut = true;
        connection->half_closed_us = loop_now_us(connection->io->loop);
    }
    if ((events & EPOLLOUT) != 0) {
        connection->write_blocked = false;
        if (connection->phase == PHASE_HANDSHAKE)
            on_readable(connection);
        else if (connection->phase == PHASE_HTTP && send_rest(connection))
            connection->protocol->flush(connection);
    }
    if (reading && (events & (EPOLLIN | EPOLLHUP)) != 0 && connection->phase != PHASE_CLOSED)
        on_readable(connection);
    connection_update(connection);
}
