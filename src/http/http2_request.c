// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 requests as they come in: header fields become a request, DATA its body. nghttp2 has
 * checked the form of messages (section 8.1.1) before these callbacks; limits and floods are judged
 * here. Runs on the I/O threads of node and enclave; every byte comes from a client.
 */
#include "http/http2_internal.h"

#include "base/text.h"
#include "http/syntax.h"

enum { PSEUDO_FIELDS = 5 }; /* :method, :scheme, :path, :authority, :protocol */

/* --- heads --- */

static struct http_exchange *exchange_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

int http2_give_up(struct connection *connection, uint32_t error)
{
    connection->http2->failed = true;
    return nghttp2_session_terminate_session(connection->http2->session, error);
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int reason,
                            void *data)
{
    (void)session;
    (void)frame;
    (void)reason;
    struct connection *connection = data;
    uint32_t error = http2_guard_refused(&connection->http2->guard);
    return error == 0 ? 0 : http2_give_up(connection, error);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct connection *connection = data;
    struct http_exchange *exchange;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (connection->references >= HTTP2_MAX_UNRELEASED || connection->stopping)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_REFUSED_STREAM);
    if (exchange_new(connection, &exchange, NULL) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    exchange->stream_id = frame->hd.stream_id;
    exchange->keep_alive = true;
    exchange->safe = true; /* streams do not wait for one another */
    exchange->started_us = loop_now_us(connection->io->loop);
    exchange_link(exchange);
    if (connection->linked_count == 1)
        http2_check_streams(connection); /* from now on there is something to check */
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange);
}

/* Until all are there, name and value are kept as offsets: the bytes may still move. */
static int add_field(struct http_exchange *exchange, struct slice name, struct slice value)
{
    struct http_header *header = exchange_add_header(exchange, NULL);
    size_t at = exchange->fields.len;
    if (header == NULL || output_bytes(&exchange->fields, name.data, name.len, NULL) < 0 ||
        output_bytes(&exchange->fields, value.data, value.len, NULL) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    header->name = slice_of((const uint8_t *)at, name.len);
    header->value = slice_of((const uint8_t *)(at + name.len), value.len);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *data)
{
    (void)flags;
    struct connection *connection = data;
    const struct http_limits *limits = &connection->io->server->limits;
    struct http_exchange *exchange = exchange_of(session, frame->hd.stream_id);
    uint32_t error = http2_guard_field(&connection->http2->guard, name_len, value_len);
    if (error != 0) {
        (void)http2_give_up(connection, error);
        return NGHTTP2_ERR_CALLBACK_FAILURE; /* the rest of the block is not even decoded */
    }
    if (exchange == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* refused, or trailer fields, which nobody has a place for (docs/server.md) */
    if (exchange->fields.len + name_len + value_len > limits->header_bytes ||
        exchange->request.header_count >= limits->header_count + PSEUDO_FIELDS) {
        exchange->too_large = true; /* what comes is decoded, for the table's sake, and dropped */
        return 0;
    }
    return add_field(exchange, slice_of(name, name_len), slice_of(value, value_len));
}

static struct slice take_pseudo(struct http_exchange *exchange, const char *name)
{
    struct http_request *request = &exchange->request;
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_is_str(exchange->headers[i].name, name))
            return exchange->headers[i].value;
    }
    return slice_of("", 0);
}

/* Section 8.2.3: cookie fields in several pieces are one. `room` has their place. */
static void join_cookies(struct http_exchange *exchange, uint8_t *room)
{
    struct http_header *first = NULL;
    uint8_t *end = room;
    size_t kept = 0;
    for (size_t i = 0; i < exchange->request.header_count; i++) {
        struct http_header header = exchange->headers[i];
        bool cookie = slice_is_str(header.name, "cookie");
        if (cookie) {
            if (first != NULL) {
                *end++ = ';';
                *end++ = ' ';
            }
            memcpy(end, header.value.data, header.value.len);
            end += header.value.len;
        }
        if (cookie && first != NULL) {
            first->value = slice_of(room, (size_t)(end - room));
            continue;
        }
        exchange->headers[kept] = header;
        if (cookie)
            first = &exchange->headers[kept];
        kept++;
    }
    exchange->request.header_count = kept;
}

/* ":authority" becomes Host, for who knows HTTP/1 (section 8.3.1); the other pseudo-fields go. */
static void drop_pseudo(struct http_exchange *exchange)
{
    struct http_request *request = &exchange->request;
    struct slice authority = slice_of(NULL, 0);
    size_t kept = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_header header = exchange->headers[i];
        bool host = slice_is_str(header.name, "host");
        if (slice_is_str(header.name, ":authority")) {
            header.name = slice_str("host");
            authority = header.value;
        } else if (host && authority.data != NULL) {
            exchange->host_conflict |= !slice_equal(header.value, authority);
            continue;
        } else if (header.name.data[0] == ':') {
            continue;
        }
        exchange->headers[kept++] = header;
    }
    request->header_count = kept;
}

/* Turns the collected fields into a request; -1: out of memory. */
static int settle_fields(struct http_exchange *exchange)
{
    struct http_request *request = &exchange->request;
    size_t len = exchange->fields.len;
    /* Room for the cookies' copy: their values and "; " for each. */
    size_t room = len + 2 * request->header_count;
    if (output_reserve(&exchange->fields, room, NULL) == NULL ||
        exchange_set_head(exchange, exchange->fields.data, len + room, NULL) < 0)
        return -1;
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_header *header = &exchange->headers[i];
        header->name.data = exchange->head + (uintptr_t)header->name.data;
        header->value.data = exchange->head + (uintptr_t)header->value.data;
    }
    output_reset(&exchange->fields, KEEP_BUFFER);
    request->method = take_pseudo(exchange, ":method");
    request->target = take_pseudo(exchange, ":path");
    request->protocol = take_pseudo(exchange, ":protocol");
    drop_pseudo(exchange);
    join_cookies(exchange, exchange->head + len);
    return 0;
}

static void describe(struct http_exchange *exchange)
{
    struct http_request *request = &exchange->request;
    http_split_target(request, request->target);
    request->version_major = 2;
    exchange->head_only = slice_is_str(request->method, "HEAD");
    exchange->upgrade = request->protocol.len > 0; /* nghttp2: with CONNECT only (RFC 8441) */
    const struct http_header *expect = http_request_header(request, "expect");
    exchange->expects_continue =
        request->has_body && expect != NULL && slice_is_nocase(expect->value, "100-continue");
}

static bool host_is_valid(const struct http_exchange *exchange)
{
    const struct http_header *host = http_request_header(&exchange->request, "host");
    return !exchange->host_conflict && (host == NULL || http_host_is_valid(host->value));
}

/* As in HTTP/1.1: what the app takes for a path is one, and in UTF-8. */
static bool target_is_valid(const struct http_request *request)
{
    struct slice target = request->target;
    if (slice_is_str(target, "*"))
        return slice_is_str(request->method, "OPTIONS");
    return target.len > 0 && target.data[0] == '/' &&
           memchr(target.data, '#', target.len) == NULL && utf8_valid(target);
}

/* What is wrong with a request whose form is right: the status of the answer, 0 for nothing. */
static int judge(const struct connection *connection, struct http_exchange *exchange,
                 const char **ret_text)
{
    const struct http_limits *limits = &connection->io->server->limits;
    const struct http_request *request = &exchange->request;
    const struct {
        bool wrong;
        int status;
        const char *text;
    } faults[] = {
        {connection->surplus, 503, "too many connections"},
        {!exchange_take_head(exchange), 503, "too many large requests are under way"},
        {exchange->too_large, 431, "the header fields are too large"},
        {request->target.len > limits->target_bytes, 414, "the request target is too long"},
        {request->content_length > limits->body_bytes, 413, "the body is too large"},
        {slice_is_str(request->method, "CONNECT") && !exchange->upgrade, 501, "this is no proxy"},
        {!host_is_valid(exchange), 400, "malformed Host, or one that is not :authority"},
        {!target_is_valid(request), 400, "malformed request target"},
    };
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        if (faults[i].wrong) {
            *ret_text = faults[i].text;
            return faults[i].status;
        }
    }
    return 0;
}

static int begin_request(struct connection *connection, struct http_exchange *exchange,
                         bool end_stream)
{
    struct http_request *request = &exchange->request;
    if (settle_fields(exchange) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    exchange->complete_head = true;
    exchange->started_us = exchange->heard_us = exchange->awaited_us =
        loop_now_us(connection->io->loop);
    const struct http_header *length = http_request_header(request, "content-length");
    request->has_body = !end_stream;
    request->content_length = end_stream ? 0 : -1;
    if (length != NULL && !end_stream && !decimal_parse(length->value, &request->content_length))
        request->content_length = -1; /* nghttp2 has refused it already */
    exchange->body_state = end_stream ? BODY_COMPLETE : BODY_OPEN;
    exchange->owing = !end_stream;
    describe(exchange);
    const char *text;
    int status = judge(connection, exchange, &text);
    if (status != 0)
        (void)exchange_refuse(exchange, status, text);
    else
        exchange_hand_over(exchange);
    return 0;
}

/* --- bodies --- */

/* Bytes of a body that nobody will read. */
static int drop_body(nghttp2_session *session, struct http_exchange *exchange, size_t len)
{
    exchange->dropped += len;
    if (exchange->dropped > HTTP2_DROP_MAX && /* its response need not wait any longer */
        http2_look_again(exchange->connection->http2, exchange) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (exchange->dropped > HTTP2_DROP_MAX && exchange->upgrade)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, exchange->stream_id,
                                         NGHTTP2_CANCEL);
    return nghttp2_session_consume(session, exchange->stream_id, len);
}

bool http2_may_stop(const struct http_exchange *exchange)
{
    int64_t left = exchange->request.content_length - exchange->body_received;
    bool unasked = exchange->expects_continue && !exchange->continue_sent;
    bool silent = loop_now_us(exchange->io->loop) - exchange->heard_us >= HTTP2_HOLD_US;
    return !exchange->owing || unasked || silent || exchange->upgrade ||
           exchange->body_error == ERR_TIMEOUT || exchange->dropped > HTTP2_DROP_MAX ||
           left > HTTP2_DROP_MAX;
}

bool http2_may_end(const struct http_exchange *exchange)
{
    return exchange->status >= 400 || http2_may_stop(exchange);
}

void http2_hold(struct http_exchange *exchange)
{
    struct http2 *http2 = exchange->connection->http2;
    int64_t over_us = exchange->heard_us + HTTP2_HOLD_US;
    exchange->held = true;
    if (over_us < http2->check_us)
        http2->check_us = over_us;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t len, void *data)
{
    (void)flags;
    const struct connection *connection = data;
    struct http_exchange *exchange = exchange_of(session, stream_id);
    if (exchange == NULL)
        return nghttp2_session_consume(session, stream_id, len);
    exchange->heard_us = loop_now_us(connection->io->loop);
    exchange_progress(exchange, len);
    if (!exchange->upgrade &&
        exchange->body_received + (int64_t)len > connection->io->server->limits.body_bytes) {
        if (exchange->body_state == BODY_OPEN) {
            exchange_body_fail(exchange, ERR_TOO_LARGE);
            (void)exchange_refuse(exchange, 413, "the body is too large");
        }
        return drop_body(session, exchange, len);
    }
    if (!exchange_wants_body(exchange))
        return drop_body(session, exchange, len);
    exchange->owed += len;
    if (exchange_body(exchange, slice_of(bytes, len), NULL) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    /* The connection's window is given back at once: streams that wait for their turn would use it
     * up, and those that are read would get no more. Each stream's own bounds what lies here. */
    return nghttp2_session_consume_connection(session, len);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct connection *connection = data;
    struct http_exchange *exchange = exchange_of(session, frame->hd.stream_id);
    if (exchange == NULL || frame->hd.stream_id == 0)
        return 0;
    bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        return begin_request(connection, exchange, end_stream);
    bool last = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (last && end_stream) {
        exchange->owing = false;
        if (exchange->body_state == BODY_OPEN)
            exchange_body_end(exchange);
        if (http2_look_again(connection->http2, exchange) != 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error, void *data)
{
    (void)error;
    struct connection *connection = data;
    struct http_exchange *exchange = exchange_of(session, stream_id);
    if (exchange == NULL)
        return 0;
    struct exchange_view view = exchange_take(exchange);
    bool done = view.ended && exchange_sending(exchange).len == 0;
    exchange->owing = false;
    if (done)
        exchange_done(exchange);
    exchange_unlink(exchange);
    if (!done)
        exchange_gone(exchange);
    exchange_let_go(exchange);
    connection->http2->idle_us = loop_now_us(connection->io->loop);
    return 0;
}

/* A reset that the client has brought about; the others are our own decisions. */
static bool is_made_reset(const nghttp2_frame *frame)
{
    if (frame->hd.type != NGHTTP2_RST_STREAM)
        return false;
    switch (frame->rst_stream.error_code) {
    case NGHTTP2_NO_ERROR:
    case NGHTTP2_INTERNAL_ERROR:
    case NGHTTP2_REFUSED_STREAM:
    case NGHTTP2_CANCEL:
        return false;
    default:
        return true;
    }
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct connection *connection = data;
    int32_t stream_id = frame->hd.stream_id;
    if (is_made_reset(frame)) {
        uint32_t error = http2_guard_made_reset(&connection->http2->guard);
        return error == 0 ? 0 : http2_give_up(connection, error);
    }
    struct http_exchange *exchange = exchange_of(session, stream_id);
    bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!ends || exchange == NULL)
        return 0;
    exchange->end_sent = true;
    return http2_stop_request(connection->http2, exchange);
}

void http2_set_request_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
