// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 on a connection of the server (RFC 9113), framed by nghttp2: one exchange for each stream.
 * nghttp2 checks the form of messages and keeps the flow control; here are the limits: header
 * bytes, streams under way, resets and control frames in a time. Section numbers are RFC 9113's.
 */
#include "net/connection.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum {
    MAX_STREAMS = 100,
    MAX_UNRELEASED = 2 * MAX_STREAMS, /* with those that the client has reset */
    STREAM_WINDOW = BODY_HIGH,
    CONNECTION_WINDOW = 4 * BODY_HIGH,
    FLOOD_WINDOW_US = 10 * 1000 * 1000,
    FLOOD_RESETS = 200,     /* in that time: rapid reset, CVE-2023-44487 */
    FLOOD_CONTROL = 1000,   /* SETTINGS, PING, PRIORITY, empty DATA: CVE-2019-9511 and the like */
    DROP_MAX = 1024 * 1024, /* of a body that nobody wants */
    WRITE_SIZE = 16 * 1024, /* one TLS record */
    MAX_RESPONSE_FIELDS = 256,
};

struct http2 {
    nghttp2_session *session;
    struct output out;
    int64_t flood_since_us;
    unsigned resets;
    unsigned control;
    unsigned owing; /* requests that have not ended */
    bool failed;    /* to be closed when what is in `out` is sent */
};

/* --- in: heads --- */

static struct http_exchange *exchange_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct connection *connection = data;
    struct http_exchange *exchange;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (connection->references >= MAX_UNRELEASED || connection->stopping)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_REFUSED_STREAM);
    if (exchange_new(connection, &exchange, NULL) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    exchange->stream_id = frame->hd.stream_id;
    exchange->keep_alive = true;
    exchange->safe = true; /* streams do not wait for one another */
    exchange->started_us = loop_now_us(connection->io->loop);
    exchange_link(exchange);
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
    const struct connection *connection = data;
    const struct http_limits *limits = &connection->io->server->limits;
    struct http_exchange *exchange = exchange_of(session, frame->hd.stream_id);
    if (exchange == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* refused, or trailers */
    if (exchange->fields.len + name_len + value_len > limits->header_bytes ||
        exchange->request.header_count >= limits->header_count + 4) { /* pseudo-header fields */
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
    bool authority = false;
    size_t kept = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_header header = exchange->headers[i];
        if (slice_is_str(header.name, ":authority")) {
            header.name = slice_str("host");
            authority = true;
        } else if (header.name.data[0] == ':' || (authority && slice_is_str(header.name, "host"))) {
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
    drop_pseudo(exchange);
    join_cookies(exchange, exchange->head + len);
    return 0;
}

static void describe(struct connection *connection, struct http_exchange *exchange)
{
    struct http_request *request = &exchange->request;
    struct slice target = request->target;
    const uint8_t *mark = target.len == 0 ? NULL : memchr(target.data, '?', target.len);
    size_t path_len = mark == NULL ? target.len : (size_t)(mark - target.data);
    request->path = slice_of(target.data, path_len);
    request->query = mark == NULL ? slice_of(target.data + target.len, 0)
                                  : slice_of(mark + 1, target.len - path_len - 1);
    request->version_major = 2;
    request->tls = connection->ssl != NULL;
    request->client_address = connection->address;
    request->client_port = connection->port;
    exchange->head_only = slice_is_str(request->method, "HEAD");
    const struct http_header *expect = http_request_header(request, "expect");
    exchange->expects_continue =
        request->has_body && expect != NULL && slice_is_nocase(expect->value, "100-continue");
}

static void set_owing(struct http_exchange *exchange, bool owing);

static int begin_request(struct connection *connection, struct http_exchange *exchange,
                         bool end_stream)
{
    const struct http_limits *limits = &connection->io->server->limits;
    struct http_request *request = &exchange->request;
    if (settle_fields(exchange) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    const struct http_header *length = http_request_header(request, "content-length");
    request->has_body = !end_stream;
    request->content_length = end_stream ? 0 : -1;
    if (length != NULL && !end_stream && !decimal_parse(length->value, &request->content_length))
        request->content_length = -1; /* nghttp2 has refused it already */
    exchange->body_state = end_stream ? BODY_COMPLETE : BODY_OPEN;
    set_owing(exchange, !end_stream);
    describe(connection, exchange);
    if (connection->surplus)
        (void)exchange_refuse(exchange, 503, "too many connections");
    else if (exchange->too_large)
        (void)exchange_refuse(exchange, 431, "the header fields are too large");
    else if (request->target.len > limits->target_bytes)
        (void)exchange_refuse(exchange, 414, "the request target is too long");
    else if (request->content_length > limits->body_bytes)
        (void)exchange_refuse(exchange, 413, "the body is too large");
    else if (slice_is_str(request->method, "CONNECT"))
        (void)exchange_refuse(exchange, 501, "this is no proxy");
    else
        exchange_hand_over(exchange);
    return 0;
}

/* --- in: bodies --- */

/* Bytes of a body that nobody will read. */
static int drop_body(nghttp2_session *session, struct http_exchange *exchange, size_t len)
{
    exchange->dropped += len;
    if (exchange->dropped > DROP_MAX) /* its response need not wait any longer */
        (void)nghttp2_session_resume_data(session, exchange->stream_id);
    return nghttp2_session_consume(session, exchange->stream_id, len);
}

static void set_owing(struct http_exchange *exchange, bool owing)
{
    struct http2 *http2 = exchange->connection->http2;
    http2->owing += (unsigned)owing - (unsigned)exchange->owing;
    exchange->owing = owing;
}

/* Section 8.1 lets a response end before its request, but clients stumble over it (curl 7.88 gives
 * up). So the end of the response waits for that of a request that is short, or soon over. */
static bool may_end(const struct http_exchange *exchange)
{
    int64_t left = exchange->request.content_length - exchange->body_received;
    bool unasked = exchange->expects_continue && !exchange->continue_sent;
    return !exchange->owing || unasked || exchange->body_error == ERR_TIMEOUT ||
           exchange->dropped > DROP_MAX || left > DROP_MAX;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t len, void *data)
{
    (void)flags;
    const struct connection *connection = data;
    struct http_exchange *exchange = exchange_of(session, stream_id);
    if (exchange == NULL)
        return nghttp2_session_consume(session, stream_id, len);
    if (exchange->body_received + (int64_t)len > connection->io->server->limits.body_bytes) {
        if (exchange->body_state == BODY_OPEN) {
            exchange_body_fail(exchange, ERR_TOO_LARGE);
            (void)exchange_refuse(exchange, 413, "the body is too large");
        }
        return drop_body(session, exchange, len);
    }
    if (!exchange_wants_body(exchange))
        return drop_body(session, exchange, len);
    exchange->owed += len;
    return exchange_body(exchange, slice_of(bytes, len), NULL) < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE
                                                                   : 0;
}

/* Is the client doing nothing but keeping us busy? */
static bool is_flood(struct connection *connection, const nghttp2_frame *frame)
{
    struct http2 *http2 = connection->http2;
    int64_t now_us = loop_now_us(connection->io->loop);
    if (now_us - http2->flood_since_us > FLOOD_WINDOW_US) {
        http2->flood_since_us = now_us;
        http2->resets = http2->control = 0;
    }
    bool empty = frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0 &&
                 (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0;
    http2->resets += frame->hd.type == NGHTTP2_RST_STREAM;
    http2->control += frame->hd.type == NGHTTP2_SETTINGS || frame->hd.type == NGHTTP2_PING ||
                      frame->hd.type == NGHTTP2_PRIORITY || empty;
    return http2->resets > FLOOD_RESETS || http2->control > FLOOD_CONTROL;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct connection *connection = data;
    struct http_exchange *exchange = exchange_of(session, frame->hd.stream_id);
    if (is_flood(connection, frame)) {
        connection->http2->failed = true;
        return nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    if (exchange == NULL || frame->hd.stream_id == 0)
        return 0;
    bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        return begin_request(connection, exchange, end_stream);
    bool last = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (last && end_stream) {
        set_owing(exchange, false);
        if (exchange->body_state == BODY_OPEN)
            exchange_body_end(exchange);
        (void)nghttp2_session_resume_data(session, exchange->stream_id); /* see may_end */
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error, void *data)
{
    (void)data;
    struct http_exchange *exchange = exchange_of(session, stream_id);
    if (exchange == NULL)
        return 0;
    struct exchange_view view = exchange_take(exchange);
    bool done = view.ended && output_left(&exchange->sending) == 0;
    (void)error;
    set_owing(exchange, false);
    if (exchange->owed > 0)
        (void)nghttp2_session_consume_connection(session, exchange->owed);
    if (done)
        exchange_done(exchange);
    exchange_unlink(exchange);
    if (!done)
        exchange_gone(exchange);
    exchange_let_go(exchange);
    return 0;
}

/* A response that ended before its request: the client is asked to stop sending (section 8.1). */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    (void)data;
    int32_t stream_id = frame->hd.stream_id;
    bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!ends || nghttp2_session_get_stream_remote_close(session, stream_id) != 0)
        return 0;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_NO_ERROR);
}

/* --- out: what any thread does, under the exchange's lock --- */

/* name length, value length (uint32_t each), name in lower case, value */
static int put_field(struct http_exchange *exchange, struct slice name, struct slice value,
                     struct err *err)
{
    uint32_t lengths[2] = {(uint32_t)name.len, (uint32_t)value.len};
    uint8_t *at = output_reserve(&exchange->fields, sizeof(lengths) + name.len + value.len, err);
    if (at == NULL)
        return -1;
    memcpy(at, lengths, sizeof(lengths));
    at += sizeof(lengths);
    for (size_t i = 0; i < name.len; i++)
        at[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] | 0x20 : name.data[i];
    if (value.len > 0)
        memcpy(at + name.len, value.data, value.len);
    exchange->fields.len += sizeof(lengths) + name.len + value.len;
    return 0;
}

static int put_number(struct http_exchange *exchange, const char *name, int64_t value,
                      struct err *err)
{
    char digits[20];
    size_t len = decimal_format((uint64_t)value, digits);
    return put_field(exchange, slice_str(name), slice_of(digits, len), err);
}

static int put_given(struct http_exchange *exchange, const struct response_head *head,
                     bool *ret_date, bool *ret_length, struct err *err)
{
    bool like_get = exchange->head_only || head->status == 304;
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        int64_t length;
        enum response_field field = response_field(header->name);
        bool own_length =
            field == FIELD_CONTENT_LENGTH && like_get && decimal_parse(header->value, &length);
        if (field != FIELD_OTHER && field != FIELD_DATE && !own_length)
            continue;
        *ret_date |= field == FIELD_DATE;
        *ret_length |= own_length;
        if (put_field(exchange, header->name, header->value, err) < 0)
            return -1;
    }
    return 0;
}

static int start(struct http_exchange *exchange, const struct response_head *head, struct err *err)
{
    if (head->status == 101 || head->header_count > MAX_RESPONSE_FIELDS - 3)
        return FAIL(err, ERR_INVALID, "no status 101 and at most %d header fields in HTTP/2",
                    MAX_RESPONSE_FIELDS - 3);
    bool date = false;
    bool length = false;
    if (put_number(exchange, ":status", head->status, err) < 0 ||
        put_given(exchange, head, &date, &length, err) < 0)
        return -1;
    if (!date && put_field(exchange, slice_str("date"),
                           slice_of(http_date_now(), HTTP_DATE_SIZE - 1), err) < 0)
        return -1;
    bool none = length || head->status == 204 || head->content_length < 0 ||
                (exchange->no_body && head->content_length == 0);
    return none ? 0 : put_number(exchange, "content-length", head->content_length, err);
}

static int write_body(struct http_exchange *exchange, struct slice bytes, struct err *err)
{
    return output_bytes(&exchange->out, bytes.data, bytes.len, err);
}

static int end_response(struct http_exchange *exchange, struct err *err)
{
    (void)exchange;
    (void)err;
    return 0;
}

static int send_continue(struct http_exchange *exchange, struct err *err)
{
    (void)err;
    exchange->continue_due = true;
    return 0;
}

/* --- out: on the I/O thread --- */

static ssize_t read_response(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t size,
                             uint32_t *flags, nghttp2_data_source *source, void *data)
{
    (void)stream_id;
    (void)session;
    (void)data;
    struct http_exchange *exchange = source->ptr;
    struct exchange_view view = exchange_take(exchange);
    struct output *sending = &exchange->sending;
    size_t len = output_left(sending) < size ? output_left(sending) : size;
    if (len > 0) {
        memcpy(to, sending->data + sending->pos, len);
        exchange_sent(exchange, len);
    }
    if (view.ended && output_left(sending) == 0 && may_end(exchange))
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (len == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)len;
}

static size_t unpack_fields(struct output *fields, nghttp2_nv *ret)
{
    size_t count = 0;
    while (output_left(fields) > 0 && count < MAX_RESPONSE_FIELDS) {
        uint32_t lengths[2];
        uint8_t *at = fields->data + fields->pos;
        memcpy(lengths, at, sizeof(lengths));
        at += sizeof(lengths);
        ret[count++] = (nghttp2_nv){
            .name = at, .value = at + lengths[0], .namelen = lengths[0], .valuelen = lengths[1]};
        fields->pos += sizeof(lengths) + lengths[0] + lengths[1];
    }
    return count;
}

/* The head goes out with the first of the body, or with its end: not before. */
static int submit(struct http2 *http2, struct http_exchange *exchange)
{
    nghttp2_nv fields[MAX_RESPONSE_FIELDS];
    (void)pthread_mutex_lock(&exchange->lock);
    struct output packed = exchange->fields;
    exchange->fields = (struct output){0};
    bool empty =
        exchange->stage == RESPONSE_ENDED && output_left(&exchange->out) == 0 && may_end(exchange);
    (void)pthread_mutex_unlock(&exchange->lock);
    nghttp2_data_provider provider = {.source.ptr = exchange, .read_callback = read_response};
    size_t count = unpack_fields(&packed, fields);
    exchange->submitted = true;
    int result = nghttp2_submit_response(http2->session, exchange->stream_id, fields, count,
                                         empty ? NULL : &provider);
    output_reset(&packed, 0);
    return result;
}

struct changes {
    bool started;
    bool continue_due;
    bool aborted;
    size_t consumed; /* of the body, since the last time */
};

static struct changes take_changes(struct http_exchange *exchange)
{
    (void)pthread_mutex_lock(&exchange->lock);
    struct changes changes = {
        .started = exchange->stage == RESPONSE_ENDED ||
                   (exchange->stage == RESPONSE_STARTED && output_left(&exchange->out) > 0),
        .continue_due = exchange->continue_due,
        .aborted = exchange->aborted,
        .consumed = exchange->unconsumed,
    };
    if (exchange->released || exchange->stage == RESPONSE_ENDED) {
        output_reset(&exchange->in, KEEP_BUFFER);
        changes.consumed = exchange->owed;
    }
    exchange->owed -= changes.consumed;
    exchange->unconsumed = 0;
    exchange->continue_due = false;
    (void)pthread_mutex_unlock(&exchange->lock);
    return changes;
}

static int apply(struct http2 *http2, struct http_exchange *exchange)
{
    struct changes changes = take_changes(exchange);
    nghttp2_session *session = http2->session;
    int result = 0;
    if (changes.consumed > 0)
        result = nghttp2_session_consume(session, exchange->stream_id, changes.consumed);
    if (result == 0 && changes.continue_due && !changes.started) {
        nghttp2_nv status = {.name = (uint8_t *)(uintptr_t) ":status",
                             .value = (uint8_t *)(uintptr_t) "100",
                             .namelen = 7,
                             .valuelen = 3};
        result = nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, exchange->stream_id, NULL,
                                        &status, 1, NULL);
    }
    if (result == 0 && changes.aborted)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, exchange->stream_id,
                                         NGHTTP2_INTERNAL_ERROR);
    if (result == 0 && changes.started && !exchange->submitted)
        return submit(http2, exchange);
    if (result == 0 && exchange->submitted)
        (void)nghttp2_session_resume_data(session, exchange->stream_id); /* may not be waiting */
    return result;
}

/* Frames into `out`, up to about a TLS record; -1: nghttp2 gave up. */
static int fill(struct http2 *http2)
{
    while (output_left(&http2->out) < WRITE_SIZE) {
        const uint8_t *bytes;
        ssize_t len = nghttp2_session_mem_send(http2->session, &bytes);
        if (len <= 0)
            return len < 0 ? -1 : 0;
        if (output_bytes(&http2->out, bytes, (size_t)len, NULL) < 0)
            return -1;
    }
    return 0;
}

static void flush(struct connection *connection)
{
    struct http2 *http2 = connection->http2;
    while (!connection->write_blocked) {
        if (fill(http2) < 0) {
            connection_close(connection);
            return;
        }
        if (output_left(&http2->out) == 0)
            break;
        ssize_t sent = connection_write(connection, http2->out.data + http2->out.pos,
                                        output_left(&http2->out));
        if (sent < 0)
            return;
        output_consume(&http2->out, (size_t)sent);
    }
    bool over =
        output_left(&http2->out) == 0 &&
        (http2->failed ||
         (nghttp2_session_want_read(http2->session) == 0 &&
          nghttp2_session_want_write(http2->session) == 0) ||
         (connection->linked_count == 0 && (connection->stopping || connection->end_of_input)));
    if (over) {
        connection->linger = http2->failed;
        connection_finish(connection);
        return;
    }
    connection_update(connection);
}

static void changed(struct connection *connection, struct http_exchange *exchange)
{
    if (apply(connection->http2, exchange) != 0) {
        connection_close(connection);
        return;
    }
    flush(connection);
}

/* --- the rest of the protocol table --- */

static size_t input(struct connection *connection, const uint8_t *data, size_t len)
{
    struct http2 *http2 = connection->http2;
    connection->since_us = loop_now_us(connection->io->loop);
    if (http2->failed)
        return len;
    ssize_t used = nghttp2_session_mem_recv(http2->session, data, len);
    if (used < 0) {
        http2->failed = true;
        (void)nghttp2_session_terminate_session(http2->session, NGHTTP2_PROTOCOL_ERROR);
    }
    flush(connection);
    return len;
}

static int new_session(struct connection *connection)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int result = -1;
    if (nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_max_deflate_dynamic_table_size(option, 4096);
        nghttp2_option_set_no_closed_streams(option, 1);
        result =
            nghttp2_session_server_new2(&connection->http2->session, callbacks, connection, option);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return result;
}

static void open_http2(struct connection *connection)
{
    const struct http_limits *limits = &connection->io->server->limits;
    connection->http2 = mem_alloc(sizeof(*connection->http2), NULL);
    if (connection->http2 == NULL || new_session(connection) != 0) {
        connection_close(connection);
        return;
    }
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MAX_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->header_bytes},
    };
    nghttp2_session *session = connection->http2->session;
    if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) != 0 ||
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) !=
            0)
        connection_close(connection);
    else
        flush(connection);
}

static void end_of_input(struct connection *connection)
{
    /* RFC 9113 has no use for a connection of which one half is closed. */
    connection_close(connection);
}

static int64_t deadline_us(const struct connection *connection)
{
    const struct http_limits *limits = &connection->io->server->limits;
    int64_t since = connection->since_us;
    if (connection->write_blocked)
        return since + (int64_t)limits->write_timeout_ms * 1000;
    if (connection->linked_count == 0)
        return since + (int64_t)limits->idle_timeout_ms * 1000;
    if (connection->http2->owing > 0)
        return since + (int64_t)limits->body_timeout_ms * 1000;
    return INT64_MAX;
}

static void late(struct connection *connection)
{
    if (connection->write_blocked) {
        connection_close(connection);
        return;
    }
    if (connection->linked_count == 0) {
        connection->stopping = true;
        (void)nghttp2_session_terminate_session(connection->http2->session, NGHTTP2_NO_ERROR);
        flush(connection);
        return;
    }
    connection->since_us = loop_now_us(connection->io->loop);
    for (struct http_exchange *at = connection->first; at != NULL; at = at->next) {
        if (!at->owing || exchange_has_body_bytes(at))
            continue; /* the handler is the one who is waited for */
        exchange_body_fail(at, ERR_TIMEOUT);
        (void)exchange_refuse(at, 408, "the request came too slowly");
        (void)nghttp2_session_resume_data(connection->http2->session, at->stream_id);
    }
    flush(connection);
}

static void stop(struct connection *connection)
{
    nghttp2_session *session = connection->http2->session;
    connection->stopping = true;
    (void)nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(session), NGHTTP2_NO_ERROR,
                                NULL, 0);
    flush(connection);
}

static void close_http2(struct connection *connection)
{
    struct http2 *http2 = connection->http2;
    while (connection->first != NULL) {
        struct http_exchange *exchange = connection->first;
        exchange_unlink(exchange);
        exchange_gone(exchange);
        exchange_let_go(exchange);
    }
    if (http2 == NULL)
        return;
    connection->http2 = NULL;
    nghttp2_session_del(http2->session);
    output_reset(&http2->out, 0);
    free(http2);
}

const struct protocol protocol_http2 = {
    .open = open_http2,
    .input = input,
    .changed = changed,
    .flush = flush,
    .end_of_input = end_of_input,
    .deadline_us = deadline_us,
    .late = late,
    .stop = stop,
    .close = close_http2,
    .start = start,
    .write = write_body,
    .end = end_response,
    .send_continue = send_continue,
};
