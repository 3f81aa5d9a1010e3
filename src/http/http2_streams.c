// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 streams whose client takes too long: each has its own time, whatever else happens on its
 * connection, so that neither PINGs nor busy streams keep a dead one alive. Runs on the I/O threads
 * of node and enclave.
 */
#include "http/http2_internal.h"

enum { FRAME_SIZE = 16 * 1024 };

/* When this stream is late, INT64_MAX: it waits for the handler only. */
static int64_t due_us(struct http_exchange *exchange, int64_t now_us)
{
    const struct http_limits *limits = &exchange->io->server->limits;
    if (exchange->held)
        return exchange->heard_us + HTTP2_HOLD_US;
    if (!exchange->complete_head)
        return exchange->started_us + (int64_t)limits->header_timeout_ms * 1000;
    if (exchange->waiting_us != 0)
        return exchange->waiting_us + (int64_t)limits->write_timeout_ms * 1000;
    if (!exchange->owing || exchange->body_error == ERR_TIMEOUT)
        return INT64_MAX;
    if (exchange_is_tunnel(exchange))
        return exchange_owed_due_us(exchange);
    if (exchange->owed + FRAME_SIZE > BODY_HIGH)
        exchange->awaited_us = now_us; /* the window is used up: it is the handler's turn */
    return exchange->awaited_us + (int64_t)limits->body_timeout_ms * 1000;
}

static void end_late(struct connection *connection, struct http_exchange *exchange)
{
    nghttp2_session *session = connection->http2->session;
    if (exchange->held) { /* nobody's fault: it may end now */
        if (http2_look_again(connection->http2, exchange) != 0)
            (void)http2_give_up(connection, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    count(&connection->io->stats.timeouts, 1);
    if (!exchange
             ->complete_head) { /* amid a header block: nothing else can come on this connection */
        (void)http2_give_up(connection, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (exchange->waiting_us == 0 && exchange_is_tunnel(exchange)) {
        exchange_body_fail(exchange, ERR_TIMEOUT); /* the handler knows how to say it */
    } else if (exchange->waiting_us != 0 || exchange->upgrade) {
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, exchange->stream_id,
                                        NGHTTP2_CANCEL);
    } else {
        exchange_body_fail(exchange, ERR_TIMEOUT);
        (void)exchange_refuse(exchange, 408, "the request came too slowly");
        if (http2_look_again(connection->http2, exchange) != 0)
            (void)http2_give_up(connection, NGHTTP2_INTERNAL_ERROR);
    }
}

/* No stream that begins later is late earlier than this from now. */
static int64_t shortest_us(const struct http_limits *limits)
{
    unsigned shortest_ms = limits->header_timeout_ms;
    if (limits->body_timeout_ms < shortest_ms)
        shortest_ms = limits->body_timeout_ms;
    if (limits->write_timeout_ms < shortest_ms)
        shortest_ms = limits->write_timeout_ms;
    return (int64_t)shortest_ms * 1000;
}

void http2_check_streams(struct connection *connection)
{
    int64_t now_us = loop_now_us(connection->io->loop);
    int64_t next_us = now_us + shortest_us(&connection->io->server->limits);
    for (struct http_exchange *at = connection->first; at != NULL; at = at->next) {
        int64_t stream_us = due_us(at, now_us);
        if (stream_us <= now_us)
            end_late(connection, at);
        else if (stream_us < next_us)
            next_us = stream_us;
    }
    connection->http2->check_us = next_us;
}
