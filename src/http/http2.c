// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 on a connection of the server (RFC 9113), framed by nghttp2: one exchange for each stream.
 * nghttp2 checks the form of messages and keeps the flow control. Here are the session and its end;
 * http2_request.c has what comes in, http2_response.c what goes out, http2_guard.c what is too
 * much, http2_streams.c what is too slow.
 */
#include "http/http2_internal.h"

#include <stdlib.h>

enum {
    STREAM_WINDOW = BODY_HIGH,
    CONNECTION_WINDOW = 4 * BODY_HIGH,
    WRITE_SIZE = 16 * 1024, /* one TLS record */
};

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

/* Nothing is under way, and nothing more will come. */
static bool is_through(const struct http2 *http2)
{
    return nghttp2_session_want_read(http2->session) == 0 &&
           nghttp2_session_want_write(http2->session) == 0;
}

/* The client has said GOAWAY and got its answers: section 6.8 has us tell which requests they are,
 * for there may be more on their way. False: there is nothing to tell, or it was told. */
static bool part(struct connection *connection)
{
    struct http2 *http2 = connection->http2;
    if (http2->parted || http2->failed || connection->stopping || !is_through(http2))
        return false;
    http2->parted = true;
    return nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE,
                                 nghttp2_session_get_last_proc_stream_id(http2->session),
                                 NGHTTP2_NO_ERROR, NULL, 0) == 0;
}

static void flush(struct connection *connection)
{
    struct http2 *http2 = connection->http2;
    while (!connection->write_blocked) {
        if (fill(http2) < 0) {
            connection_close(connection);
            return;
        }
        if (output_left(&http2->out) == 0 && part(connection))
            continue;
        if (output_left(&http2->out) == 0)
            break;
        ssize_t sent = connection_write(connection, http2->out.data + http2->out.pos,
                                        output_left(&http2->out), false);
        if (sent < 0)
            return;
        output_consume(&http2->out, (size_t)sent);
    }
    connection_unpark(connection);
    bool over =
        output_left(&http2->out) == 0 && !connection->write_blocked &&
        (http2->failed || is_through(http2) ||
         (connection->linked_count == 0 && (connection->stopping || connection->end_of_input)));
    if (over) {
        /* The client may send to the last, if only that it has read: see connection_finish. */
        connection->linger = http2->failed || connection_is_sending(connection);
        connection_finish(connection);
        return;
    }
    connection_update(connection);
}

static void changed(struct connection *connection, struct http_exchange *exchange)
{
    if (http2_apply(connection->http2, exchange) != 0) {
        connection_close(connection);
        return;
    }
    flush(connection);
}

/* --- the rest of the protocol table --- */

static size_t input(struct connection *connection, const uint8_t *data, size_t len)
{
    struct http2 *http2 = connection->http2;
    if (http2->failed)
        return len;
    uint32_t error = http2_guard_input(&http2->guard, data, len, loop_now_us(connection->io->loop));
    if (error != 0)
        (void)http2_give_up(connection, error);
    else if (nghttp2_session_mem_recv(http2->session, data, len) < 0)
        (void)http2_give_up(connection, NGHTTP2_PROTOCOL_ERROR);
    flush(connection);
    return len;
}

static int new_session(struct connection *connection)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int result = -1;
    if (nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0) {
        http2_set_request_callbacks(callbacks);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_max_deflate_dynamic_table_size(option, 4096);
        nghttp2_option_set_no_closed_streams(option, 1);
        /* As nghttp2 reckons it: with some bytes more for each field. */
        nghttp2_option_set_max_send_header_block_length(option, 2 * HTTP_RESPONSE_HEAD_MAX);
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
    http2_guard_init(&connection->http2->guard);
    connection->http2->idle_us = loop_now_us(connection->io->loop);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_MAX_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->header_bytes},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, connection->io->server->extended_connect},
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
    const struct http2 *http2 = connection->http2;
    if (connection->write_blocked)
        return connection->since_us + (int64_t)limits->write_timeout_ms * 1000;
    if (connection->linked_count == 0)
        return http2->idle_us + (int64_t)limits->idle_timeout_ms * 1000;
    return http2->check_us;
}

static void late(struct connection *connection)
{
    struct http2 *http2 = connection->http2;
    if (connection->write_blocked) {
        count(&connection->io->stats.timeouts, 1);
        connection_close(connection);
        return;
    }
    if (connection->linked_count == 0) {
        count(&connection->io->stats.timeouts, 1);
        connection->stopping = true;
        (void)nghttp2_session_terminate_session(http2->session, NGHTTP2_NO_ERROR);
    } else {
        http2_check_streams(connection);
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
    connection_drop_exchanges(connection);
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
    .start = http2_start_response,
    .write = http2_write_body,
    .end = http2_end_response,
    .send_continue = http2_send_continue,
};
