// SPDX-License-Identifier: Apache-2.0
/*
 * One request and its response, between the I/O thread that owns the connection and whichever
 * thread the handler answers from. The functions of http/http.h are here; what the version of HTTP
 * makes of them is in its protocol table. Exchanges are recycled, so the hot path allocates
 * nothing.
 */
#include "base/lock.h"
#include "http/exchange_tail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_task(struct loop_task *task);

/* --- life, on the I/O thread --- */

static struct http_exchange *allocate(struct err *err)
{
    struct http_exchange *exchange = mem_alloc(sizeof(*exchange), err);
    if (exchange == NULL)
        return NULL;
    lock_init(&exchange->lock, LOCK_EXCHANGE);
    (void)pthread_cond_init(&exchange->changed, NULL);
    return exchange;
}

static size_t kept_by(const struct http_exchange *exchange)
{
    return exchange->in.cap + exchange->out.cap + exchange->sending.cap + exchange->fields.cap;
}

int exchange_new(struct connection *connection, struct http_exchange **ret, struct err *err)
{
    struct io_thread *io = connection->io;
    struct http_exchange *exchange = io->spare;
    if (exchange != NULL) {
        io->spare = exchange->next;
        io->spare_count--;
        io->kept_bytes -= kept_by(exchange);
    } else {
        exchange = allocate(err);
        if (exchange == NULL)
            return -1;
        exchange->head = exchange->head_inline;
        exchange->headers = exchange->headers_inline;
        exchange->header_capacity = HEADERS_INLINE;
    }
    io->exchange_count++;
    connection->references++;
    exchange->io = io;
    exchange->connection = connection;
    exchange->protocol = connection->protocol;
    exchange->task.run = on_task;
    exchange->task.data = exchange;
    exchange->left = -1;
    exchange->tell_below = HTTP_WRITE_LOW;
    exchange->next = NULL;
    exchange->request.tls = connection->ssl != NULL;
    exchange->request.client_address = connection->address;
    exchange->request.client_port = connection->port;
    exchange->request.peer_known = connection->peer_known;
    exchange->request.peer_uid = connection->peer_uid;
    exchange->request.peer_pid = connection->peer_pid;
    *ret = exchange;
    return 0;
}

int exchange_set_head(struct http_exchange *exchange, const uint8_t *data, size_t len,
                      struct err *err)
{
    if (len > HEAD_INLINE) {
        uint8_t *head = mem_resize_array(NULL, len, 1, err);
        if (head == NULL)
            return -1;
        exchange->head = head;
    }
    memcpy(exchange->head, data, len);
    return 0;
}

struct http_header *exchange_add_header(struct http_exchange *exchange, struct err *err)
{
    struct http_request *request = &exchange->request;
    if (request->header_count == exchange->header_capacity) {
        bool first = exchange->headers == exchange->headers_inline;
        size_t capacity = exchange->header_capacity * 2;
        struct http_header *headers =
            mem_resize_array(first ? NULL : exchange->headers, capacity, sizeof(*headers), err);
        if (headers == NULL)
            return NULL;
        if (first)
            memcpy(headers, exchange->headers_inline, sizeof(exchange->headers_inline));
        exchange->headers = headers;
        exchange->header_capacity = capacity;
    }
    struct http_header *header = &exchange->headers[request->header_count++];
    *header = (struct http_header){0};
    request->headers = exchange->headers;
    return header;
}

void exchange_link(struct http_exchange *exchange)
{
    struct connection *connection = exchange->connection;
    exchange->linked = true;
    exchange->next = NULL;
    if (connection->last == NULL)
        connection->first = exchange;
    else
        connection->last->next = exchange;
    connection->last = exchange;
    connection->linked_count++;
    connection->unsafe_count += !exchange->safe;
    idle_leave(connection);
}

void exchange_unlink(struct http_exchange *exchange)
{
    struct connection *connection = exchange->connection;
    struct http_exchange *before = NULL;
    for (struct http_exchange *at = connection->first; at != exchange; at = at->next)
        before = at;
    if (before == NULL)
        connection->first = exchange->next;
    else
        before->next = exchange->next;
    if (connection->last == exchange)
        connection->last = before;
    exchange->next = NULL;
    exchange->linked = false;
    connection->linked_count--;
    connection->unsafe_count -= !exchange->safe;
    if (connection->linked_count == 0)
        idle_enter(connection);
}

static void drop_memory(struct http_exchange *exchange)
{
    if (exchange->head != exchange->head_inline)
        free(exchange->head);
    if (exchange->headers != exchange->headers_inline)
        free(exchange->headers);
    output_reset(&exchange->trailers, 0);
}

void exchange_free(struct http_exchange *exchange)
{
    drop_memory(exchange);
    output_reset(&exchange->in, 0);
    output_reset(&exchange->out, 0);
    output_reset(&exchange->sending, 0);
    output_reset(&exchange->fields, 0);
    (void)pthread_cond_destroy(&exchange->changed);
    lock_done(&exchange->lock);
    free(exchange);
}

static void keep_buffer(struct output *buffer, size_t max, size_t *room)
{
    output_reset(buffer, max < *room ? max : *room);
    *room -= buffer->cap;
}

/* Large buffers are kept while they are few: a fresh megabyte costs more in page faults than in
 * TLS. */
static void keep_buffers(struct http_exchange *exchange)
{
    struct io_thread *io = exchange->io;
    if (exchange->sending.cap > exchange->out.cap) {
        struct output swap = exchange->out;
        exchange->out = exchange->sending;
        exchange->sending = swap;
    }
    size_t room = KEEP_TOTAL - io->kept_bytes;
    keep_buffer(&exchange->out, KEEP_TOTAL, &room);
    keep_buffer(&exchange->in, KEEP_BUFFER, &room);
    keep_buffer(&exchange->sending, KEEP_BUFFER, &room);
    keep_buffer(&exchange->fields, KEEP_BUFFER, &room);
    io->kept_bytes = KEEP_TOTAL - room;
}

/* Everything back to zero but the lock, the inline arrays and the buffers' memory. */
static void clear(struct http_exchange *exchange)
{
    drop_memory(exchange);
    keep_buffers(exchange);
    struct output kept[] = {exchange->in, exchange->out, exchange->sending, exchange->fields};
    memset(exchange, 0, offsetof(struct http_exchange, lock));
    exchange->in = kept[0];
    exchange->out = kept[1];
    exchange->sending = kept[2];
    exchange->fields = kept[3];
    exchange->head = exchange->head_inline;
    exchange->headers = exchange->headers_inline;
    exchange->header_capacity = HEADERS_INLINE;
}

void exchange_recycle(struct http_exchange *exchange)
{
    struct io_thread *io = exchange->io;
    struct connection *connection = exchange->connection;
    if (atomic_load(&exchange->task.queued))
        return; /* the release has posted it once more: then it is recycled from there */
    io->exchange_count--;
    exchange_unspool(exchange, 0);
    (void)atomic_fetch_sub(&io->server->held, atomic_load(&exchange->body_held));
    exchange_give_head(exchange);
    if (io->spare_count < SPARE_EXCHANGES) {
        clear(exchange);
        exchange->next = io->spare;
        io->spare = exchange;
        io->spare_count++;
    } else {
        exchange_free(exchange);
    }
    connection_unreference(connection);
    server_note_exchange_gone(io);
}

void exchange_let_go(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    exchange->released |= !exchange->handed; /* nobody knows of it */
    bool released = exchange->released;
    lock_release(&exchange->lock);
    if (released)
        exchange_recycle(exchange);
}

void exchange_hand_over(struct http_exchange *exchange)
{
    struct io_thread *io = exchange->io;
    count(&io->stats.requests, 1);
    exchange->handed = true;
    exchange->want_body = true;
    io->called_handler = true;
    lock_expect_none("the handler of requests");
    io->server->handler->request(io->server->context, exchange);
}

bool exchange_is_released(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    bool released = exchange->released;
    lock_release(&exchange->lock);
    return released;
}

bool exchange_is_upgraded(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    bool upgraded = exchange->upgraded;
    lock_release(&exchange->lock);
    return upgraded;
}

bool exchange_is_tunnel(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    bool tunnel = exchange->upgraded && exchange->stage != RESPONSE_ENDED;
    lock_release(&exchange->lock);
    return tunnel;
}

void exchange_gone(struct http_exchange *exchange)
{
    const struct http_server *server = exchange->io->server;
    lock_acquire(&exchange->lock);
    bool told = exchange->gone || exchange->released;
    exchange->gone = true;
    (void)pthread_cond_broadcast(&exchange->changed);
    lock_release(&exchange->lock);
    if (exchange->handed)
        observe_gone(exchange);
    exchange->want_body = false;
    exchange_end_loan(exchange);
    exchange_end_file(exchange);
    if (!told && exchange->handed && server->handler->aborted != NULL) {
        exchange->io->called_handler = true;
        lock_expect_none("the handler of lost clients");
        server->handler->aborted(server->context, exchange);
    }
}

void exchange_done(struct http_exchange *exchange)
{
    observe_done(exchange);
    exchange->want_body = false;
}

struct exchange_view exchange_take(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    bool tail = exchange->lent != NULL || exchange->sent_file != NULL;
    if (output_left(&exchange->sending) == 0 && !tail) {
        struct output empty = exchange->sending;
        exchange->sending = exchange->out;
        exchange->out = empty;
        exchange->out.pos = exchange->out.len = 0;
        exchange->sending_left = output_left(&exchange->sending);
        if (exchange->sending_left == 0) {
            exchange->lent = STEAL(exchange->loan);
            exchange->sent_file = STEAL(exchange->file);
        }
    }
    bool more = output_left(&exchange->out) > 0 || exchange->loan != NULL || exchange->file != NULL;
    bool all = exchange->stage == RESPONSE_STARTED && !exchange->no_body && exchange->left == 0;
    struct exchange_view view = {
        .ended = exchange->stage == RESPONSE_ENDED && !more,
        .whole = (exchange->stage == RESPONSE_ENDED || all) && !more,
        .aborted = exchange->aborted,
        .close_after = exchange->close_after,
        .upgraded = exchange->upgraded,
        .body_paused = exchange->body_paused,
        .more = more,
    };
    if (exchange->stage == RESPONSE_ENDED && exchange->body_paused) {
        /* What is left of the body is of no use to anybody. */
        output_reset(&exchange->in, KEEP_BUFFER);
        exchange_count_held(exchange);
        exchange->body_paused = view.body_paused = false;
    }
    lock_release(&exchange->lock);
    return view;
}

void exchange_sent(struct http_exchange *exchange, size_t sent)
{
    const struct http_server *server = exchange->io->server;
    if (output_left(&exchange->sending) == 0) {
        exchange_lent_sent(exchange, sent); /* the end of the response: nobody waits for room */
        return;
    }
    output_consume(&exchange->sending, sent);
    lock_acquire(&exchange->lock);
    exchange->sending_left -= sent;
    if (exchange->upgraded && exchange->sending_left == 0)
        output_reset(&exchange->sending, HTTP_WRITE_HIGH); /* it may stay for days */
    size_t queued = exchange->sending_left + output_left(&exchange->out);
    exchange_unspool(exchange, queued);
    bool tell = exchange->queued_high && queued < exchange->tell_below;
    if (tell) {
        exchange->queued_high = false;
        (void)pthread_cond_broadcast(&exchange->changed);
    }
    tell = tell && !exchange->released;
    lock_release(&exchange->lock);
    if (tell && exchange->handed && server->handler->writable != NULL) {
        exchange->io->called_handler = true;
        lock_expect_none("the handler of room to write");
        server->handler->writable(server->context, exchange);
    }
}

static int start(struct http_exchange *exchange, const struct response_head *head, struct err *err);
static int write_body(struct http_exchange *exchange, struct slice bytes, size_t *ret_queued,
                      struct err *err);
static int end(struct http_exchange *exchange, const struct http_header *trailers, size_t count,
               struct err *err);

/* Under the lock. */
static bool answer(struct http_exchange *exchange, int status, const char *text)
{
    struct http_header headers[] = {
        {slice_str("Content-Type"), slice_str("text/plain; charset=utf-8")},
        {slice_str("Retry-After"), slice_str("1")},
    };
    char body[256];
    int len = snprintf(body, sizeof(body), "%s\n", text);
    if (len < 0 || exchange->gone || exchange->stage != RESPONSE_NONE)
        return false;
    struct slice bytes = slice_of(body, strlen(body));
    struct response_head head = {.status = status,
                                 .headers = headers,
                                 .header_count = status == 503 ? 2 : 1,
                                 .content_length = (int64_t)bytes.len};
    exchange->close_after = true;
    bool good = start(exchange, &head, NULL) == 0 && write_body(exchange, bytes, NULL, NULL) == 0 &&
                end(exchange, NULL, 0, NULL) == 0;
    exchange->aborted = !good;
    exchange->gone = true; /* for the handler */
    return true;
}

bool exchange_refuse(struct http_exchange *exchange, int status, const char *text)
{
    const struct http_server *server = exchange->io->server;
    lock_acquire(&exchange->lock);
    bool answered = answer(exchange, status, text);
    bool tell = answered && exchange->handed && !exchange->released;
    exchange->released |= !exchange->handed;
    (void)pthread_cond_broadcast(&exchange->changed);
    lock_release(&exchange->lock);
    if (!answered)
        return false;
    count(&exchange->io->stats.rejected, 1);
    exchange->want_body = false;
    if (tell && server->handler->aborted != NULL) {
        exchange->io->called_handler = true;
        lock_expect_none("the handler of lost clients");
        server->handler->aborted(server->context, exchange);
    }
    loop_post(exchange->io->loop, &exchange->task);
    return true;
}

/* What other threads did to the exchange, seen from the I/O thread at the end of a round. */
static void on_task(struct loop_task *task)
{
    struct http_exchange *exchange = task->data;
    if (!exchange->linked) {
        if (exchange_is_released(exchange))
            exchange_recycle(exchange);
        return;
    }
    exchange->protocol->changed(exchange->connection, exchange);
}

/* --- any thread --- */

void exchange_wait(struct http_exchange *exchange)
{
    exchange->waiters++;
    (void)atomic_fetch_add(&exchange->io->waiting, 1); /* it begins no rest any more... */
    loop_rouse(exchange->io->loop);                    /* ...and ends one that it has begun */
    lock_wait(&exchange->lock, &exchange->changed);
    (void)atomic_fetch_sub(&exchange->io->waiting, 1);
    exchange->waiters--;
}

const struct http_request *http_request(const struct http_exchange *exchange)
{
    return &exchange->request;
}

void http_expect_secret(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    exchange->in.secret = true;
    lock_release(&exchange->lock);
    exchange->connection->secret = true;
}

void http_set_data(struct http_exchange *exchange, void *data)
{
    __atomic_store_n(&exchange->data, data, __ATOMIC_RELEASE);
}

void *http_data(const struct http_exchange *exchange)
{
    return __atomic_load_n(&exchange->data, __ATOMIC_ACQUIRE);
}

bool http_is_gone(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    bool gone = exchange->gone;
    lock_release(&exchange->lock);
    return gone;
}

static bool is_upgrade(const struct http_exchange *exchange, int status)
{
    return exchange->stream_id == 0 ? status == 101 : exchange->upgrade && status / 100 == 2;
}

/* Under the lock, with a checked head. */
static int start(struct http_exchange *exchange, const struct response_head *head, struct err *err)
{
    if (exchange->gone)
        return FAIL(err, ERR_INTERRUPTED, "the client is gone");
    if (exchange->stage != RESPONSE_NONE)
        return FAIL(err, ERR_CONFLICT, "the response has been started already");
    if (head->status == 101 && !exchange->upgrade)
        return FAIL(err, ERR_INVALID, "status 101 to a request that did not ask for an upgrade");
    exchange->status = head->status;
    exchange->no_body = exchange->head_only || head->status == 204 || head->status == 304;
    exchange->left = head->content_length;
    exchange->upgraded = is_upgrade(exchange, head->status);
    if (exchange->protocol->start(exchange, head, err) < 0)
        return -1;
    exchange->stage = RESPONSE_STARTED;
    return 0;
}

static int write_body(struct http_exchange *exchange, struct slice bytes, size_t *ret_queued,
                      struct err *err)
{
    if (exchange->gone)
        return FAIL(err, ERR_INTERRUPTED, "the client is gone");
    if (exchange->stage != RESPONSE_STARTED)
        return FAIL(err, ERR_CONFLICT, "the response is not started, or has ended already");
    if (exchange->left >= 0 && !exchange->no_body) {
        if ((uint64_t)exchange->left < bytes.len)
            return FAIL(err, ERR_INVALID,
                        "the response body is longer than its Content-Length (%lld bytes left, "
                        "%zu more)",
                        (long long)exchange->left, bytes.len);
        exchange->left -= (int64_t)bytes.len;
    }
    if (!exchange->no_body && bytes.len > 0) {
        if (exchange->protocol->write(exchange, bytes, err) < 0)
            return -1;
        exchange->body_sent += bytes.len;
    }
    size_t queued = exchange->sending_left + output_left(&exchange->out);
    if (queued <= HTTP_WRITE_HIGH && exchange->stream_id != 0 &&
        exchange_is_crowded(exchange, queued))
        queued = HTTP_WRITE_HIGH + 1; /* so it is told */
    if (queued > HTTP_WRITE_HIGH)
        exchange->queued_high = true;
    if (ret_queued != NULL)
        *ret_queued = queued;
    return 0;
}

static int end(struct http_exchange *exchange, const struct http_header *trailers, size_t count,
               struct err *err)
{
    if (exchange->gone)
        return FAIL(err, ERR_INTERRUPTED, "the client is gone");
    if (exchange->stage != RESPONSE_STARTED)
        return FAIL(err, ERR_CONFLICT, "the response is not started, or has ended already");
    if (exchange->left > 0 && !exchange->no_body) {
        exchange->aborted = true;
        return FAIL(err, ERR_INVALID, "the response body ends %lld bytes before its Content-Length",
                    (long long)exchange->left);
    }
    if (exchange->protocol->end(exchange, trailers, exchange->no_body ? 0 : count, err) < 0)
        return -1;
    exchange->stage = RESPONSE_ENDED;
    return 0;
}

int http_respond(struct http_exchange *exchange, int status, const struct http_header *headers,
                 size_t header_count, struct slice body, struct err *err)
{
    struct response_head head = {.status = status,
                                 .headers = headers,
                                 .header_count = header_count,
                                 .content_length = (int64_t)body.len};
    if (response_check(&head, err) < 0)
        return -1;
    lock_acquire(&exchange->lock);
    int result = start(exchange, &head, err);
    if (result == 0)
        result = write_body(exchange, body, NULL, err);
    if (result == 0)
        result = end(exchange, NULL, 0, err);
    lock_release(&exchange->lock);
    exchange_post(exchange);
    return result;
}

int http_respond_lent(struct http_exchange *exchange, int status, const struct http_header *headers,
                      size_t header_count, struct http_loan *body, struct err *err)
{
    struct response_head head = {.status = status,
                                 .headers = headers,
                                 .header_count = header_count,
                                 .content_length = (int64_t)body->bytes.len};
    bool lent = false;
    int result = response_check(&head, err);
    lock_acquire(&exchange->lock);
    if (result == 0)
        result = start(exchange, &head, err);
    if (result == 0) {
        struct slice copied = exchange_copied_of_loan(exchange, body);
        result = write_body(exchange, copied, NULL, err);
        exchange->left = 0; /* what is left is lent */
        if (result == 0)
            result = end(exchange, NULL, 0, err);
        if (result == 0)
            lent = exchange_lend(exchange, body, copied.len);
    }
    lock_release(&exchange->lock);
    exchange_post(exchange);
    if (!lent)
        body->end(body);
    return result;
}

int http_respond_start(struct http_exchange *exchange, int status, const char *reason,
                       const struct http_header *headers, size_t header_count,
                       int64_t content_length, struct err *err)
{
    struct response_head head = {.status = status,
                                 .reason = reason,
                                 .headers = headers,
                                 .header_count = header_count,
                                 .content_length = content_length < 0 ? -1 : content_length};
    if (response_check(&head, err) < 0)
        return -1;
    lock_acquire(&exchange->lock);
    int result = start(exchange, &head, err);
    bool send_now = result == 0 && exchange->upgraded;
    lock_release(&exchange->lock);
    if (send_now)
        exchange_post(exchange); /* otherwise the head goes with the first bytes of the body */
    return result;
}

int http_respond_write(struct http_exchange *exchange, struct slice bytes, size_t *ret_queued,
                       struct err *err)
{
    lock_acquire(&exchange->lock);
    int result = write_body(exchange, bytes, ret_queued, err);
    lock_release(&exchange->lock);
    exchange_post(exchange);
    return result;
}

/* Under the lock, which is free meanwhile. */
static void wait_for_room(struct http_exchange *exchange)
{
    exchange->tell_below = exchange_low_mark(exchange);
    exchange_wait(exchange);
    exchange->tell_below = HTTP_WRITE_LOW;
}

int http_respond_write_wait(struct http_exchange *exchange, struct slice bytes, struct err *err)
{
    lock_acquire(&exchange->lock);
    int result;
    do {
        /* Large bodies in pieces, so that a slow client costs a bounded queue. */
        size_t len = bytes.len < HTTP_WRITE_HIGH ? bytes.len : HTTP_WRITE_HIGH;
        size_t queued = 0;
        result = write_body(exchange, slice_of(bytes.data, len), &queued, err);
        exchange_post(exchange);
        bytes = slice_of(bytes.data + len, bytes.len - len);
        while (result == 0 && exchange->queued_high && !exchange->gone && !exchange_spool(exchange))
            wait_for_room(exchange);
    } while (result == 0 && bytes.len > 0);
    if (result == 0 && exchange->gone)
        result = FAIL(err, ERR_INTERRUPTED, "the client is gone");
    lock_release(&exchange->lock);
    return result;
}

int http_respond_end(struct http_exchange *exchange, struct err *err)
{
    return http_respond_end_trailers(exchange, NULL, 0, err);
}

int http_respond_end_trailers(struct http_exchange *exchange, const struct http_header *trailers,
                              size_t count, struct err *err)
{
    if (trailers_check(trailers, count, err) < 0)
        return -1;
    lock_acquire(&exchange->lock);
    int result = end(exchange, trailers, count, err);
    lock_release(&exchange->lock);
    exchange_post(exchange);
    return result;
}

void http_abort(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    exchange->aborted = true;
    lock_release(&exchange->lock);
    exchange_post(exchange);
}

void http_release(struct http_exchange *exchange)
{
    struct io_thread *io = exchange->io;
    lock_acquire(&exchange->lock);
    bool answered = exchange->stage == RESPONSE_ENDED;
    if (exchange->stage == RESPONSE_NONE && !exchange->gone && !exchange->aborted) {
        struct response_head head = {.status = 500, .content_length = 0};
        if (start(exchange, &head, NULL) < 0 || end(exchange, NULL, 0, NULL) < 0)
            exchange->aborted = true;
    } else if (exchange->stage == RESPONSE_STARTED) {
        exchange->aborted = true;
    }
    /* Once the I/O thread sees `released` it may recycle the exchange: it looks under the lock, and
     * leaves an exchange alone whose task is queued. */
    exchange->released = true;
    bool only_to_recycle = answered && !exchange->aborted; /* else there is something to send */
    if (only_to_recycle && !atomic_load(&io->server->stopping))
        loop_post_lazily(io->loop, &exchange->task);
    else
        loop_post(io->loop, &exchange->task);
    lock_release(&exchange->lock);
}

int http_channel_binding(const struct http_exchange *exchange,
                         uint8_t ret[static TLS_CHANNEL_BINDING_SIZE], struct err *err)
{
    if (!loop_is_current(exchange->io->loop))
        return FAIL(err, ERR_INTERNAL, "the channel binding is for the handler's callbacks only");
    if (exchange->connection->ssl == NULL)
        return FAIL(err, ERR_CRYPTO, "no channel binding on a connection without TLS");
    return tls_channel_binding(exchange->connection->ssl, ret, err);
}
