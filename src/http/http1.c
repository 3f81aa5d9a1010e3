// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.1 on a connection of the server (RFC 9112): which bytes are head (http1_head.c), which are
 * body, and which request is answered when. Responses go out in the order of their requests.
 * Section numbers are RFC 9112's where nothing else is said.
 */
#include "base/lock.h"
#include "http/exchange_tail.h"
#include "http/http1_head.h"
#include "http/syntax.h"

#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>

enum { CHUNK_OVERHEAD_BASE = 16 * 1024, CHUNK_OVERHEAD_FACTOR = 16 };

/* --- in: bodies --- */

/* Stops taking input for good: the answer to what went wrong is the last. */
static void stop_input(struct connection *connection)
{
    connection->http1.state = HTTP1_STOP;
    connection->http1.receiving = NULL;
    connection->close_when_done = true;
    connection->linger = true;
}

static void refuse(struct connection *connection, struct http_exchange *exchange, int status,
                   const char *text)
{
    stop_input(connection);
    exchange->keep_alive = false;
    exchange->started_us = loop_now_us(connection->io->loop);
    exchange->body_state = BODY_COMPLETE;
    exchange_link(exchange);
    (void)exchange_refuse(exchange, status, text);
}

/* The rest of a request's body cannot be had. Where the handler has not answered yet, we do. */
static void fail_body(struct connection *connection, enum err_kind kind, int status,
                      const char *text)
{
    struct http_exchange *exchange = connection->http1.receiving;
    stop_input(connection);
    exchange_body_fail(exchange, kind);
    (void)exchange_refuse(exchange, status, text);
    loop_post(connection->io->loop, &exchange->task);
}

static void end_body(struct connection *connection)
{
    struct http_exchange *exchange = connection->http1.receiving;
    assert(exchange != NULL);
    connection->http1.state = HTTP1_HEAD;
    connection->http1.receiving = NULL;
    connection->since_us = loop_now_us(connection->io->loop);
    if (!exchange->keep_alive || connection->stopping)
        connection->http1.state = HTTP1_STOP;
    exchange_body_end(exchange);
    loop_post(connection->io->loop, &exchange->task); /* its response may have waited for this */
}

/* Is there no room for more of the body? Then the reading stops until the handler has taken some.
 */
static bool body_is_full(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    bool full = exchange->body_paused;
    lock_release(&exchange->lock);
    return full;
}

static bool over_limit(const struct connection *connection, const struct http_exchange *exchange)
{
    return exchange->body_received > connection->io->server->limits.body_bytes;
}

static size_t take_length(struct connection *connection, const uint8_t *data, size_t len)
{
    struct http1 *http1 = &connection->http1;
    size_t take = (uint64_t)http1->length_left < len ? (size_t)http1->length_left : len;
    if (exchange_body(http1->receiving, slice_of(data, take), NULL) < 0) {
        connection_close(connection);
        return len;
    }
    http1->length_left -= (int64_t)take;
    if (http1->length_left == 0)
        end_body(connection);
    return take;
}

static size_t take_chunked(struct connection *connection, const uint8_t *data, size_t len)
{
    struct http1 *http1 = &connection->http1;
    struct http_exchange *exchange = http1->receiving;
    assert(exchange != NULL);
    struct slice rest = slice_of(data, len < BODY_HIGH ? len : BODY_HIGH);
    int64_t before = exchange->body_received;
    struct slice bytes;
    enum chunked_event event = chunked_next(&http1->chunked, &rest, &bytes);
    while (event == CHUNKED_BYTES) {
        if (exchange_body(exchange, bytes, NULL) < 0) {
            connection_close(connection);
            return len;
        }
        event = chunked_next(&http1->chunked, &rest, &bytes);
    }
    size_t take = (size_t)(rest.data - data);
    int64_t got = exchange->body_received - before;
    http1->drained += http1->draining ? take : 0;
    http1->overhead += take - (size_t)got;
    uint64_t allowed =
        CHUNK_OVERHEAD_BASE + CHUNK_OVERHEAD_FACTOR * (uint64_t)exchange->body_received;
    if (event == CHUNKED_WRONG)
        fail_body(connection, ERR_INVALID, 400, "malformed chunked body"); /* section 7.1 */
    else if (over_limit(connection, exchange))
        fail_body(connection, ERR_TOO_LARGE, 413, "the body is too large");
    else if (http1->overhead > allowed)
        fail_body(connection, ERR_INVALID, 400, "too much chunk extension or trailer");
    else if (event == CHUNKED_END)
        end_body(connection);
    else if (http1->drained > DRAIN_MAX)
        loop_post(connection->io->loop, &exchange->task);
    return take;
}

/* --- in: heads --- */

/* May the next request be taken while others are under way (section 9.3.2)? */
static bool may_begin(const struct connection *connection, const uint8_t *data, size_t len)
{
    if (connection->linked_count == 0)
        return true;
    if (connection->unsafe_count > 0 ||
        connection->linked_count >= connection->io->server->limits.pipelining)
        return false;
    return len >= 5 && (memcmp(data, "GET /", 5) == 0 || memcmp(data, "HEAD ", 5) == 0);
}

/* What of the body came with the head, before the handler hears of it. */
static size_t begin_body(struct connection *connection, struct http_exchange *exchange,
                         const uint8_t *data, size_t len)
{
    struct http1 *http1 = &connection->http1;
    if (!exchange->request.has_body) {
        exchange->body_state = BODY_COMPLETE;
        return 0;
    }
    http1->receiving = exchange;
    http1->overhead = 0;
    http1->draining = false;
    http1->drained = 0;
    connection->since_us = loop_now_us(connection->io->loop);
    if (exchange->request.content_length >= 0) {
        http1->state = HTTP1_LENGTH;
        http1->length_left = exchange->request.content_length;
        return len == 0 ? 0 : take_length(connection, data, len);
    }
    http1->state = HTTP1_CHUNKED;
    http1->chunked = (struct chunked){0};
    return len == 0 ? 0 : take_chunked(connection, data, len);
}

/* A whole head lies at data[0..head_len). Returns bytes used. */
static size_t take_request(struct connection *connection, const uint8_t *data, size_t head_len,
                           size_t len)
{
    struct http_exchange *exchange;
    if (exchange_new(connection, &exchange, NULL) < 0) {
        connection_close(connection);
        return len;
    }
    struct http1_refusal refusal = {0};
    if (http1_parse_head(exchange, slice_of(data, head_len), &connection->io->server->limits,
                         &refusal) < 0) {
        refuse(connection, exchange, refusal.status, refusal.text);
        return len;
    }
    if (!exchange_take_head(exchange)) {
        refuse(connection, exchange, 503, "too many large requests are under way");
        return len;
    }
    if (connection->surplus) {
        refuse(connection, exchange, 503, "too many connections");
        return len;
    }
    exchange->started_us = loop_now_us(connection->io->loop);
    exchange->keep_alive = exchange->keep_alive && !connection->stopping;
    if (!exchange->keep_alive)
        connection->close_when_done = true;
    exchange_link(exchange);
    size_t used = head_len + begin_body(connection, exchange, data + head_len, len - head_len);
    if (connection->phase != PHASE_HTTP)
        return len;
    if (exchange->body_state == BODY_FAILED)
        return len; /* answered already */
    if (!exchange->keep_alive && connection->http1.receiving == NULL)
        connection->http1.state = HTTP1_STOP;
    exchange_hand_over(exchange);
    return used;
}

static size_t take_head(struct connection *connection, const uint8_t *data, size_t len)
{
    struct http1 *http1 = &connection->http1;
    size_t skipped = 0;
    /* Section 2.2: empty lines before the request line are ignored. */
    while (http1->scan.lines == 0 && len - skipped >= 2 && memcmp(data + skipped, "\r\n", 2) == 0) {
        skipped += 2;
        http1->scan = (struct http1_scan){0};
        http1->in_head = false;
    }
    if (skipped == len)
        return skipped;
    if (!http1->in_head && !may_begin(connection, data + skipped, len - skipped))
        return skipped;
    struct http1_refusal refusal = {0};
    size_t head_len = 0;
    if (http1_find_head(&http1->scan, data + skipped, len - skipped,
                        &connection->io->server->limits, &head_len, &refusal) < 0) {
        struct http_exchange *exchange;
        if (exchange_new(connection, &exchange, NULL) < 0)
            connection_close(connection);
        else
            refuse(connection, exchange, refusal.status, refusal.text);
        return len;
    }
    if (head_len == 0) {
        if (!http1->in_head)
            connection->since_us = loop_now_us(connection->io->loop);
        http1->in_head = true;
        return skipped;
    }
    http1->in_head = false;
    http1->scan = (struct http1_scan){0};
    return skipped + take_request(connection, data + skipped, head_len, len - skipped);
}

static size_t take_some(struct connection *connection, const uint8_t *data, size_t len)
{
    switch (connection->http1.state) {
    case HTTP1_HEAD:
        return take_head(connection, data, len);
    case HTTP1_LENGTH:
        connection_progress(connection, len);
        return take_length(connection, data, len);
    case HTTP1_CHUNKED:
        connection_progress(connection, len);
        return take_chunked(connection, data, len);
    case HTTP1_RAW:
        exchange_progress(connection->http1.receiving, len);
        if (exchange_body(connection->http1.receiving, slice_of(data, len), NULL) < 0)
            connection_close(connection);
        return len;
    default: /* HTTP1_STOP: nothing that comes is wanted, but closing on it would be a reset */
        connection->linger = true;
        return len;
    }
}

static size_t input(struct connection *connection, const uint8_t *data, size_t len)
{
    const struct http1 *http1 = &connection->http1;
    size_t used = 0;
    bool paused = false;
    while (used < len && connection->phase == PHASE_HTTP) {
        paused = http1->receiving != NULL && body_is_full(http1->receiving);
        if (paused)
            break;
        size_t took = take_some(connection, data + used, len - used);
        used += took;
        if (took == 0)
            break;
    }
    if (connection->phase != PHASE_HTTP)
        return len;
    /* What is left over is the beginning of a head, or has to wait. */
    bool waits = used < len && http1->state == HTTP1_HEAD && !http1->in_head;
    if (http1->receiving != NULL && !paused)
        paused = body_is_full(http1->receiving);
    connection_set_paused(connection, paused || waits);
    return used;
}

/* --- out --- */

static uint8_t *put(uint8_t *to, const void *data, size_t len)
{
    if (len > 0)
        memcpy(to, data, len);
    return to + len;
}

static uint8_t *put_str(uint8_t *to, const char *text)
{
    return put(to, text, strlen(text));
}

/* What the handler's own header fields say about fields that are ours. */
struct own_fields {
    bool close;
    bool date;
    struct slice content_length; /* as the handler gave it; data NULL: not */
};

static void look_at_fields(const struct response_head *head, struct own_fields *ret)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        switch (response_field(header->name)) {
        case FIELD_CONNECTION:
            ret->close |= http_has_token(header->value, "close");
            break;
        case FIELD_DATE:
            ret->date = true;
            break;
        case FIELD_CONTENT_LENGTH:
            ret->content_length = header->value;
            break;
        default:
            break;
        }
    }
}

static size_t head_size(const struct response_head *head, const char *reason)
{
    /* status line without reason, Date, length or coding, Connection, Server-Timing */
    enum { OURS = 256 + TIMING_SIZE };
    size_t size = OURS + strlen(reason);
    for (size_t i = 0; i < head->header_count; i++)
        size += head->headers[i].name.len + head->headers[i].value.len + 4;
    return size;
}

static uint8_t *put_fields(uint8_t *to, const struct response_head *head)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        enum response_field field = response_field(header->name);
        bool as_it_is = field == FIELD_OTHER || field == FIELD_DATE ||
                        (field == FIELD_UPGRADE && head->status == 101);
        if (!as_it_is)
            continue;
        to = put(to, header->name.data, header->name.len);
        to = put(to, ": ", 2);
        to = put(to, header->value.data, header->value.len);
        to = put(to, "\r\n", 2);
    }
    return to;
}

/* Sections 6.1 to 6.3 and RFC 9110 section 8.6: how the body's end is marked. */
static uint8_t *put_framing(uint8_t *to, const struct http_exchange *exchange,
                            const struct response_head *head, const struct own_fields *own)
{
    bool none = head->status == 204 || head->status == 101;
    bool like_get = exchange->head_only || head->status == 304;
    int64_t value;
    if (none)
        return to;
    if (like_get && own->content_length.data != NULL &&
        decimal_parse(own->content_length, &value)) {
        to = put_str(to, "Content-Length: ");
        to = put(to, own->content_length.data, own->content_length.len);
        return put(to, "\r\n", 2);
    }
    if (exchange->chunked)
        return put_str(to, "Transfer-Encoding: chunked\r\n");
    if (head->content_length < 0 || (like_get && head->content_length == 0))
        return to;
    char digits[20];
    to = put_str(to, "Content-Length: ");
    to = put(to, digits, decimal_format((uint64_t)head->content_length, digits));
    return put(to, "\r\n", 2);
}

static bool must_close(const struct http_exchange *exchange, const struct response_head *head,
                       const struct own_fields *own)
{
    bool unbounded = head->content_length < 0 && exchange->http10 && !exchange->no_body;
    bool body_unasked =
        exchange->expects_continue && !exchange->continue_sent && exchange->body_state == BODY_OPEN;
    return !exchange->keep_alive || exchange->close_after || own->close || unbounded ||
           body_unasked;
}

static int start(struct http_exchange *exchange, const struct response_head *head, struct err *err)
{
    struct own_fields own = {0};
    look_at_fields(head, &own);
    const char *reason = head->reason != NULL ? head->reason : http_reason(head->status);
    size_t room = head_size(head, reason);
    if (head->content_length > 0 && head->content_length < KEEP_BUFFER && !exchange->no_body)
        room += (size_t)head->content_length;
    uint8_t *at = output_reserve(&exchange->out, room, err);
    if (at == NULL)
        return -1;
    uint8_t *from = at;
    exchange->chunked =
        head->content_length < 0 && !exchange->http10 && !exchange->no_body && !exchange->upgraded;
    exchange->close_after = must_close(exchange, head, &own);
    char digits[20];
    at = put(at, "HTTP/1.1 ", 9);
    at = put(at, digits, decimal_format((uint64_t)head->status, digits));
    at = put(at, " ", 1);
    at = put_str(at, reason);
    at = put(at, "\r\n", 2);
    at = put_fields(at, head);
    if (!own.date) {
        at = put(at, "Date: ", 6);
        at = put(at, http_date_now(), HTTP_DATE_SIZE - 1);
        at = put(at, "\r\n", 2);
    }
    char timing[TIMING_SIZE];
    size_t timing_len = observe_timing(exchange, timing);
    if (timing_len > 0) {
        at = put_str(at, "Server-Timing: ");
        at = put(at, timing, timing_len);
        at = put(at, "\r\n", 2);
    }
    at = put_framing(at, exchange, head, &own);
    if (exchange->upgraded)
        at = put_str(at, "Connection: Upgrade\r\n");
    else if (exchange->close_after)
        at = put_str(at, "Connection: close\r\n");
    else if (exchange->http10)
        at = put_str(at, "Connection: keep-alive\r\n");
    at = put(at, "\r\n", 2);
    exchange->out.len += (size_t)(at - from);
    if (exchange->upgraded)
        exchange->body_state = BODY_OPEN; /* now it is the other protocol's bytes */
    return 0;
}

static int write_body(struct http_exchange *exchange, struct slice bytes, struct err *err)
{
    if (!exchange->chunked)
        return output_bytes(&exchange->out, bytes.data, bytes.len, err);
    char size[20];
    int size_len = snprintf(size, sizeof(size), "%zx\r\n", bytes.len); /* section 7.1 */
    uint8_t *at = output_reserve(&exchange->out, (size_t)size_len + bytes.len + 2, err);
    if (at == NULL)
        return -1;
    at = put(at, size, (size_t)size_len);
    at = put(at, bytes.data, bytes.len);
    (void)put(at, "\r\n", 2);
    exchange->out.len += (size_t)size_len + bytes.len + 2;
    return 0;
}

static int end_response(struct http_exchange *exchange, const struct http_header *trailers,
                        size_t count, struct err *err)
{
    if (!exchange->chunked && count > 0)
        return FAIL(err, ERR_INVALID, "trailer fields need a response without Content-Length");
    if (!exchange->chunked)
        return 0;
    const struct response_head fields = {.headers = trailers, .header_count = count};
    size_t room = head_size(&fields, "");
    uint8_t *at = output_reserve(&exchange->out, room, err);
    if (at == NULL)
        return -1;
    uint8_t *from = at;
    at = put_str(at, "0\r\n"); /* section 7.1.2 */
    at = put_fields(at, &fields);
    at = put_str(at, "\r\n");
    exchange->out.len += (size_t)(at - from);
    return 0;
}

static int send_continue(struct http_exchange *exchange, struct err *err)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    return output_bytes(&exchange->out, text, sizeof(text) - 1, err);
}

/* --- responses in order --- */

enum sending { SENT_ALL, SENT_BLOCKED, SENT_CLOSED };

/* Writes what there is of one response. */
static enum sending send_response(struct connection *connection, struct http_exchange *exchange,
                                  struct exchange_view *ret)
{
    for (;;) {
        *ret = exchange_take(exchange);
        if (exchange->sent_file != NULL) {
            enum file_state state = exchange_send_file(connection, exchange);
            if (state != FILE_SENT)
                return state == FILE_CLOSED ? SENT_CLOSED : SENT_BLOCKED;
            continue;
        }
        struct slice sending = exchange_sending(exchange);
        if (sending.len == 0)
            return SENT_ALL;
        /* The end of TLS, and the connection's, leave with the last bytes. */
        bool last = connection->ssl != NULL && ret->ended && ret->close_after;
        for (; sending.len > 0; sending = exchange_sending(exchange)) {
            ssize_t sent =
                connection_write(connection, sending.data, sending.len, last || ret->more);
            if (sent < 0)
                return SENT_CLOSED;
            if (sent > 0)
                exchange_sent(exchange, (size_t)sent);
            if (connection->write_blocked)
                return SENT_BLOCKED;
        }
        if (ret->ended)
            return SENT_ALL;
    }
}

/* The response is out and the request's body is not in: read and drop the rest, where it is little.
 */
static bool may_drain(const struct connection *connection, const struct http_exchange *exchange)
{
    const struct http1 *http1 = &connection->http1;
    if (exchange->expects_continue && !exchange->continue_sent)
        return false;
    return http1->state == HTTP1_CHUNKED ? http1->drained <= DRAIN_MAX
                                         : http1->length_left <= DRAIN_MAX;
}

/* A truncated body must not look like a whole one: where only the close ends it, reset. */
static void abort_connection(struct connection *connection, const struct http_exchange *exchange)
{
    if (exchange->left < 0 && !exchange->chunked) {
        struct linger reset = {.l_onoff = 1};
        (void)setsockopt(connection->watch.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    connection_close(connection);
}

static void complete(struct http_exchange *exchange)
{
    exchange_done(exchange);
    exchange_unlink(exchange);
    exchange_let_go(exchange);
}

/* Returns whether the next response may follow. */
static bool send_first(struct connection *connection)
{
    struct http_exchange *exchange = connection->first;
    struct http1 *http1 = &connection->http1;
    struct exchange_view view;
    if (send_response(connection, exchange, &view) != SENT_ALL)
        return false;
    if (!view.ended) {
        if (view.aborted)
            abort_connection(connection, exchange);
        return false;
    }
    bool receiving = http1->receiving == exchange;
    if (receiving && !view.close_after && !view.upgraded && may_drain(connection, exchange)) {
        http1->draining = true;
        return false; /* end_body posts it again */
    }
    if (receiving)
        http1->receiving = NULL;
    bool surprised = receiving || exchange->keep_alive; /* the client may go on sending */
    complete(exchange);
    if (view.close_after || receiving) {
        connection->linger |= surprised;
        connection_finish(connection);
        return false;
    }
    return true;
}

static void become_idle(struct connection *connection)
{
    connection->since_us = loop_now_us(connection->io->loop);
    bool nothing_left = connection->end_of_input && connection->in_len == 0;
    if (connection->close_when_done || nothing_left)
        connection_finish(connection);
}

/* Takes input again where there is room for it now. */
static void resume(struct connection *connection)
{
    struct http_exchange *receiving = connection->http1.receiving;
    if (connection->in_len > 0)
        connection_process(connection);
    else
        connection_set_paused(connection, receiving != NULL && body_is_full(receiving));
}

static void flush(struct connection *connection)
{
    while (connection->phase == PHASE_HTTP && connection->first != NULL &&
           !connection->write_blocked) {
        if (!send_first(connection))
            break;
        if (connection->first == NULL)
            become_idle(connection);
    }
    if (connection->phase == PHASE_HTTP)
        resume(connection);
    connection_update(connection);
}

static void changed(struct connection *connection, struct http_exchange *exchange)
{
    struct http1 *http1 = &connection->http1;
    bool upgraded = exchange->upgrade && exchange_is_upgraded(exchange);
    if (upgraded && http1->state != HTTP1_RAW && http1->receiving == NULL) {
        http1->state = HTTP1_RAW;
        http1->receiving = exchange;
    }
    flush(connection);
}

/* --- the rest of the protocol table --- */

static void open_http1(struct connection *connection)
{
    connection->http1.state = HTTP1_HEAD;
}

static void end_of_input(struct connection *connection)
{
    struct http1 *http1 = &connection->http1;
    if (http1->state == HTTP1_RAW) {
        if (http1->receiving != NULL)
            exchange_body_end(http1->receiving);
        http1->receiving = NULL;
        return;
    }
    /* Nothing under way, or a request that was cut off in the middle. */
    if (connection->linked_count == 0 || http1->receiving != NULL)
        connection_close(connection);
}

static int64_t deadline_us(const struct connection *connection)
{
    const struct http_limits *limits = &connection->io->server->limits;
    const struct http1 *http1 = &connection->http1;
    int64_t since = connection->since_us;
    if (connection->write_blocked)
        return since + (int64_t)limits->write_timeout_ms * 1000;
    if (http1->in_head)
        return since + (int64_t)limits->header_timeout_ms * 1000;
    if (http1->state == HTTP1_RAW)
        return http1->receiving == NULL ? INT64_MAX : exchange_owed_due_us(http1->receiving);
    if (http1->receiving != NULL && !connection->reading_paused)
        return since + (int64_t)limits->body_timeout_ms * 1000;
    if (connection->linked_count > 0)
        return connection->peer_shut
                   ? connection->half_closed_us + (int64_t)limits->half_closed_ms * 1000
                   : INT64_MAX;
    return since + (int64_t)limits->idle_timeout_ms * 1000;
}

static void late(struct connection *connection)
{
    struct http1 *http1 = &connection->http1;
    struct http_exchange *exchange;
    count(&connection->io->stats.timeouts, 1);
    if (connection->write_blocked ||
        (connection->peer_shut && connection->linked_count > 0 && !http1->in_head)) {
        connection_close(connection);
    } else if (http1->in_head) {
        http1->in_head = false;
        if (exchange_new(connection, &exchange, NULL) < 0)
            connection_close(connection);
        else
            refuse(connection, exchange, 408, "the request came too slowly");
    } else if (http1->state == HTTP1_RAW && http1->receiving != NULL) {
        exchange_body_fail(http1->receiving, ERR_TIMEOUT); /* the handler knows how to say it */
    } else if (http1->receiving != NULL) {
        fail_body(connection, ERR_TIMEOUT, 408, "the request came too slowly");
    } else {
        connection_finish(connection);
    }
    connection_update(connection);
}

static void stop(struct connection *connection)
{
    connection->stopping = true;
    connection->close_when_done = true;
    if (connection->linked_count == 0) {
        connection->linger = connection_is_sending(connection);
        connection_finish(connection);
        return;
    }
    connection->linger = true; /* the client does not know yet, and may go on */
    if (connection->http1.state == HTTP1_HEAD)
        connection->http1.state = HTTP1_STOP;
    /* Only the last may say so: those behind a "Connection: close" would get no answer. */
    struct http_exchange *last = connection->last;
    lock_acquire(&last->lock);
    last->close_after = true;
    lock_release(&last->lock);
}

static void close_http1(struct connection *connection)
{
    connection->http1.receiving = NULL;
    connection_drop_exchanges(connection);
}

const struct protocol protocol_http1 = {
    .open = open_http1,
    .input = input,
    .changed = changed,
    .flush = flush,
    .end_of_input = end_of_input,
    .deadline_us = deadline_us,
    .late = late,
    .stop = stop,
    .close = close_http1,
    .start = start,
    .write = write_body,
    .end = end_response,
    .send_continue = send_continue,
};
