// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP as its users see it: a request, its body as a stream, a response. The server (http/server.h)
 * owns connections on I/O threads; what answers is a `struct http_handler`. The same interface
 * carries HTTP/1.1 and HTTP/2, and serves the node's API as well as the Python app.
 *
 * Threads: the callbacks of a handler run on the I/O thread that owns the connection and must not
 * block. Functions marked [any thread] may be called from everywhere until the exchange is
 * released; the blocking ones (`_wait`) never from an I/O thread.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct http_header {
    struct slice name; /* as received; compare without regard to case */
    struct slice value;
};

struct http_request {
    struct slice method;
    struct slice target; /* as received */
    struct slice path;   /* raw, before '?' (absolute-form already reduced) */
    struct slice query;  /* raw, behind '?', may be empty */
    /* What an extended CONNECT wants to speak ("websocket", RFC 8441), else empty. Status 200 says
     * yes, and what follows is as after a 101 (http_respond_start). */
    struct slice protocol;
    int version_major;
    int version_minor;
    const struct http_header *headers;
    size_t header_count;
    int64_t content_length; /* -1: chunked or HTTP/2 without length; 0: no body */
    bool has_body;
    bool tls;
    const char *client_address; /* text form, "" where unknown (Unix socket) */
    int client_port;
    /* SO_PEERCRED of a Unix socket; peer_known false elsewhere. */
    bool peer_known;
    unsigned peer_uid;
    unsigned peer_pid;
};

/* The first header of that name (case-insensitive), or NULL. */
const struct http_header *http_request_header(const struct http_request *request, const char *name);

/* One request and its response. Valid from the `request` callback until http_release. */
struct http_exchange;

struct http_handler {
    /* Headers are complete. Every exchange handed over here must be released exactly once. */
    void (*request)(void *context, struct http_exchange *exchange);
    /* More body bytes, or its end, can be read. May be NULL. */
    void (*body)(void *context, struct http_exchange *exchange);
    /* The response's queue has fallen below its low mark. May be NULL. */
    void (*writable)(void *context, struct http_exchange *exchange);
    /* The client is gone before the response was complete; release is still due. May be NULL. */
    void (*aborted)(void *context, struct http_exchange *exchange);
};

const struct http_request *http_request(const struct http_exchange *exchange);
/* What this request's body brings is secret: no copy of it stays behind in a buffer of the
 * server's. To be called in the request callback. */
void http_expect_secret(struct http_exchange *exchange);
/* A place for the handler's own pointer. */
void http_set_data(struct http_exchange *exchange, void *data);
void *http_data(const struct http_exchange *exchange);

/* [any thread] The handler begins with the request now; until then it has waited in its queue. To
 * be called once, for the counters. */
void http_begin(struct http_exchange *exchange);

/* Is there nobody left to answer? Worth asking before work is begun that has waited. [any thread]
 */
bool http_is_gone(struct http_exchange *exchange);

/* HTTP/2: may the handler begin? false: the client has not read so much of other responses of its
 * connection that it gets no more. `data` is the exchange's data from then on, and the handler's
 * `writable` is called when it may ask again; or `aborted`, as ever. [any thread] */
bool http_may_begin(struct http_exchange *exchange, void *data);

/* --- body [any thread] --- */

/* Copies up to `size` bytes that are there. *ret_len 0 with *ret_end false: nothing yet.
 * Sends "100 Continue" on the first call where the client waits for it. Errors: INVALID (malformed
 * body), TOO_LARGE (over the server's limit), INTERRUPTED (client gone), TIMEOUT. */
int http_body_read(struct http_exchange *exchange, void *to, size_t size, size_t *ret_len,
                   bool *ret_end, struct err *err) MUST_USE;
/* How many bytes lie there unread, and whether the body's end is behind them. */
size_t http_body_waiting(struct http_exchange *exchange, bool *ret_complete);
/* Blocks until `least` bytes (at least one, and no more than HTTP_READ_LEAST_MAX are waited for) or
 * the end are there. Not from an I/O thread. */
int http_body_read_wait(struct http_exchange *exchange, void *to, size_t size, size_t least,
                        size_t *ret_len, struct err *err) MUST_USE;

enum { HTTP_READ_LEAST_MAX = 64 * 1024 };
/* After an upgrade: the client has begun something and owes the rest of it, which has body_timeout
 * as a body has; where that is over, reading fails with TIMEOUT. Each thing has a number of its
 * own. 0: nothing is owed. */
void http_body_owed(struct http_exchange *exchange, uint64_t number);

/* --- response [any thread] --- */

/* The head of a response: more is refused, over each version of HTTP alike. */
enum { HTTP_RESPONSE_FIELDS_MAX = 1000, HTTP_RESPONSE_HEAD_MAX = 128 * 1024 /* bytes */ };

/* Why http_respond and its like refuse this head; 0: they do not. They look for themselves: this is
 * for who has been refused. `reason` may be NULL. Errors: INVALID. */
int http_response_check(int status, const char *reason, const struct http_header *headers,
                        size_t header_count, struct err *err) MUST_USE;

/* A thread that answers several exchanges in a row wakes I/O threads that rest once for all of them
 * between loop_hold_wakeups and loop_release_wakeups (net/loop.h). */

/* The whole response at once; the fast path. The server adds Date, Content-Length and Connection.
 * For HEAD, 204 and 304 the body is not sent. */
int http_respond(struct http_exchange *exchange, int status, const struct http_header *headers,
                 size_t header_count, struct slice body, struct err *err) MUST_USE;
/* Bytes that somebody lends to the server instead of having them copied. They stay as they are
 * until `end` is called: once, on any thread, also the lender's own within the call. It must not
 * block. */
struct http_loan {
    struct slice bytes;
    void (*end)(struct http_loan *loan);
};
/* http_respond with a lent body. The loan ends when its bytes are sent or never will be, and when
 * this fails. */
int http_respond_lent(struct http_exchange *exchange, int status, const struct http_header *headers,
                      size_t header_count, struct http_loan *body, struct err *err) MUST_USE;
/* In parts. content_length -1: chunked (HTTP/1.0: until close). reason NULL: the usual one. The
 * head goes out with the first bytes of the body. Status 101 (HTTP/1.1, a request with Upgrade)
 * and 2xx (HTTP/2, an extended CONNECT) go out at once, and from then on http_body_read and
 * http_respond_write carry the other protocol's bytes. */
int http_respond_start(struct http_exchange *exchange, int status, const char *reason,
                       const struct http_header *headers, size_t header_count,
                       int64_t content_length, struct err *err) MUST_USE;
/* Queues bytes (copied). *ret_queued (may be NULL): bytes not yet written, or more, where other
 * responses of an HTTP/2 connection take up the room; slow down above HTTP_WRITE_HIGH. INTERRUPTED:
 * the client is gone. INVALID: more than content_length. */
int http_respond_write(struct http_exchange *exchange, struct slice bytes, size_t *ret_queued,
                       struct err *err) MUST_USE;
/* The same, and blocks while more than HTTP_WRITE_HIGH bytes are queued and the spool has no room
 * (spool_bytes in http/server.h). */
int http_respond_write_wait(struct http_exchange *exchange, struct slice bytes,
                            struct err *err) MUST_USE;
/* A part of a file, to be the rest of a response's body. The descriptor is duplicated. NULL: not
 * here, where the handler has to read it (TLS, HTTP/2, too many at once): no error. */
struct http_file *http_file_new(struct http_exchange *exchange, int fd, int64_t offset,
                                int64_t length);
void http_file_free(struct http_file *file);
/* Takes the file, in any case; the server sends it, and nobody waits. false: the client is gone, or
 * the started response has no announced length that this completes. */
bool http_respond_file(struct http_exchange *exchange, struct http_file *file) MUST_USE;
/* Sends `length` bytes of a file from `offset`. length -1: to its end. In the way of
 * http_respond_file, where that goes; otherwise the same waiting as _write_wait. */
int http_respond_file_wait(struct http_exchange *exchange, int fd, int64_t offset, int64_t length,
                           struct err *err) MUST_USE;
int http_respond_end(struct http_exchange *exchange, struct err *err) MUST_USE;
/* Does the client take trailer fields (RFC 9110 section 6.5.1)? In HTTP/2 always, in HTTP/1.1 with
 * "TE: trailers". */
bool http_request_takes_trailers(const struct http_request *request);
/* http_respond_end with trailer fields behind the body; none are sent where there is no body (HEAD,
 * 204, 304). Errors: INVALID: a field that must not stand there, or an HTTP/1.1 response that is
 * not chunked. */
int http_respond_end_trailers(struct http_exchange *exchange, const struct http_header *trailers,
                              size_t count, struct err *err) MUST_USE;
/* Gives up in the middle: closes the connection (HTTP/1.1) or resets the stream (HTTP/2). */
void http_abort(struct http_exchange *exchange);
/* Ends the caller's hold. A response that was not completed is aborted, one that was not started
 * becomes a 500. */
void http_release(struct http_exchange *exchange);

enum { HTTP_WRITE_HIGH = 256 * 1024, HTTP_WRITE_LOW = 64 * 1024 };

const char *http_reason(int status);
