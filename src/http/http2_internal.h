// SPDX-License-Identifier: Apache-2.0
/*
 * What the http2_*.c files share: the session of a connection, requests coming in, responses going
 * out. Part of the server (connection.h). Everything but the functions for any thread belongs to
 * the connection's I/O thread. Section numbers are RFC 9113's.
 */
#pragma once

#include "http/connection.h"
#include "http/http2_guard.h"

#include <nghttp2/nghttp2.h>

enum {
    HTTP2_MAX_STREAMS = 100,
    HTTP2_MAX_UNRELEASED = 2 * HTTP2_MAX_STREAMS, /* with those that the client has reset */
    HTTP2_DROP_MAX = 128 * 1024 * 1024,           /* of a body that nobody wants */
    HTTP2_HOLD_US = 1000 * 1000, /* for a client that does not go on with such a body */
    HTTP2_OWN_FIELDS = 4,        /* ":status", date, server-timing, content-length */
    HTTP2_MAX_RESPONSE_FIELDS = HTTP_RESPONSE_FIELDS_MAX + HTTP2_OWN_FIELDS,
};

struct http2 {
    nghttp2_session *session;
    struct output out;
    struct http2_guard guard;
    int64_t idle_us;  /* since when no stream is open */
    int64_t check_us; /* when a stream may be late, see http2_check_streams */
    bool parted;      /* the client's GOAWAY was answered */
    bool failed;      /* to be closed when what is in `out` is sent */
};

/* --- http2_request.c --- */

/* The callbacks of nghttp2 for what a client sends. */
void http2_set_request_callbacks(nghttp2_session_callbacks *callbacks);
/* The connection ends with this error code (section 7); the result is for nghttp2. */
int http2_give_up(struct connection *connection, uint32_t error);
/* Section 8.1 lets a response end before its request, and the client then be asked to stop by a
 * reset. Clients stumble over both: curl 7.88 forgets the status when the reset is directly behind
 * the answer, and httpx gives up. So it waits for the end of a request that goes on, up to
 * HTTP2_DROP_MAX of it. */
bool http2_may_stop(const struct http_exchange *exchange);
/* May the response itself end? curl 7.88 reads nothing more once it has all of one, so no
 * WINDOW_UPDATE either, and never ends its upload: the last byte waits too, and the head where
 * there is none. Not so from status 400 on, where curl ends its request short of its length. */
bool http2_may_end(const struct http_exchange *exchange);
/* It may not: notes it, and when to look again. */
void http2_hold(struct http_exchange *exchange);

/* --- http2_response.c --- */

/* Sends what changed about one exchange; not 0: nghttp2 gave up. */
int http2_apply(struct http2 *http2, struct http_exchange *exchange);
/* The response has ended: asks a client that has not ended its request to stop, now or later. On an
 * upgraded stream the ends are independent: there the client has its time. */
int http2_stop_request(struct http2 *http2, struct http_exchange *exchange);
/* A response that was held may have become free to end. */
int http2_look_again(struct http2 *http2, struct http_exchange *exchange);
/* For the protocol's table, on any thread and under the exchange's lock. */
int http2_start_response(struct http_exchange *exchange, const struct response_head *head,
                         struct err *err);
int http2_write_body(struct http_exchange *exchange, struct slice bytes, struct err *err);
int http2_end_response(struct http_exchange *exchange, const struct http_header *trailers,
                       size_t count, struct err *err);
int http2_send_continue(struct http_exchange *exchange, struct err *err);

/* --- http2_streams.c --- */

/* Ends the streams whose client takes too long; sets check_us. */
void http2_check_streams(struct connection *connection);
