// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP server: listeners, I/O threads that own connections, limits, counters. What answers is a
 * `struct http_handler` (http/http.h). HTTP/1.1 (RFC 9112) and HTTP/1.0, plain or TLS; HTTP/2 (RFC
 * 9113) where the TLS context offers it.
 */
#pragma once

#include "http/http.h"
#include "net/tls.h"

/* Everything that a client can make us hold or wait for. 0 means the default. */
struct http_limits {
    unsigned io_threads;        /* 1 */
    unsigned connections;       /* 16384, over all threads; one more closes the longest idle one of
                                   its thread, or one of the address or user that has most; it is
                                   answered 503 where nobody has more than its share */
    unsigned pipelining;        /* 16 requests of one connection under way (safe methods only) */
    unsigned header_count;      /* 100 */
    size_t header_bytes;        /* 32 KiB for request line and headers together: 431 */
    size_t target_bytes;        /* 8 KiB for the request line: 414 */
    int64_t body_bytes;         /* 2 GiB: 413 */
    size_t held_bytes;          /* 64 MiB of bodies that came and were not read: past it the
                                   connection that holds most is closed; and half as much of the heads
                                   of requests under way: 503 */
    size_t spool_bytes;         /* 2 MiB of a connection's responses, beyond HTTP_WRITE_HIGH, wait
                                   in memory instead of their threads... */
    size_t spool_total_bytes;   /* ...and 32 MiB of all */
    unsigned header_timeout_ms; /* 10 s from the first byte to the last of a head: 408 */
    unsigned body_timeout_ms;   /* 30 s without a byte of a body that is wanted: 408 */
    unsigned idle_timeout_ms;   /* 75 s between requests */
    unsigned write_timeout_ms;  /* 30 s without the client taking a byte */
    unsigned half_closed_ms;    /* 5 s to answer a client that has shut down its sending side */
};

/* Fills in defaults. */
void http_limits_complete(struct http_limits *limits);

/* One of host, unix_path and fd. */
struct http_listener {
    const char *host;      /* an address ("127.0.0.1", "::1", "0.0.0.0") */
    int port;              /* 0: any, see http_server_port */
    const char *unix_path; /* made with unix_mode, removed at the end */
    unsigned unix_mode;
    bool use_fd;
    int fd;                 /* with use_fd: a listening socket, owned by the server from then on */
    bool proxy;             /* each connection starts with a PROXY protocol v2 header */
    struct tls_server *tls; /* NULL: plain; must outlive the server */
};

struct http_server_config {
    const struct http_listener *listeners;
    size_t listener_count;
    struct http_limits limits;
    const struct http_handler *handler;
    void *context;
    /* HTTP/2: offer extended CONNECT (RFC 8441). The handler must know it: it gets requests with
     * the method CONNECT and a `protocol`. */
    bool extended_connect;
    /* May be NULL. Runs on an I/O thread at the end of each round in which `request` or `body` was
     * called: the place to wake worker threads once for all of them. */
    void (*round_end)(void *context);
    /* May be NULL. Asked on an I/O thread that has nothing to do: may it rest for so many
     * microseconds, since the handler's threads have enough to do (net/loop.h)? 0: no. */
    int64_t (*rest_us)(void *context);
    struct access_log *access_log; /* http/access_log.h; NULL: none. Must outlive the server. */
    bool server_timing;            /* add Server-Timing to responses */
};

struct http_server;

/* Listens and starts the I/O threads. On success it owns listener descriptors given as fd. Errors:
 * EXISTS (address in use), IO, INVALID, MEMORY. */
int http_server_start(const struct http_server_config *config, struct http_server **ret,
                      struct err *err) MUST_USE;
/* The port of a TCP listener, 0 for others. */
int http_server_port(const struct http_server *server, size_t listener);
/* Graceful: no new connections at once; idle ones are closed, requests under way get up to
 * `deadline_ms`, then the rest is aborted and the I/O threads end. Returns how many were aborted.
 * Not from an I/O thread. All exchanges must be released before http_server_free. */
unsigned http_server_stop(struct http_server *server, int64_t deadline_ms);
/* Stops at once where that was not done; waits for exchanges that are not released yet. */
void http_server_free(struct http_server *server);

enum { HTTP_LATENCY_BUCKETS = 28 };

struct http_server_stats {
    uint64_t connections; /* ever accepted */
    uint64_t open;        /* now */
    uint64_t refused;     /* over the limit, none being idle */
    uint64_t evicted;     /* closed to make room */
    uint64_t handshakes;
    uint64_t handshake_failures;
    uint64_t resumed;      /* handshakes with a session ticket */
    uint64_t post_quantum; /* handshakes whose key exchange was post-quantum */
    uint64_t requests;
    uint64_t responses[6]; /* by first digit of the status, complete ones */
    uint64_t rejected;     /* answered by the server itself: malformed, over a limit, late */
    uint64_t aborted;      /* the client left, or the handler gave up */
    uint64_t timeouts;
    uint64_t bytes_in; /* of HTTP, inside TLS */
    uint64_t bytes_out;
    /* From the last byte of the head to the last of the response: bucket i counts those of less
     * than 2^i microseconds that are in no earlier one. */
    uint64_t latency[HTTP_LATENCY_BUCKETS];
    uint64_t latency_us; /* their sum */
    /* The same from the last byte of the head to http_begin, of those that got so far. */
    uint64_t queue[HTTP_LATENCY_BUCKETS];
    uint64_t queue_us;
};

/* [any thread] A sum over the I/O threads; each number is exact, together they are a moment apart.
 */
void http_server_stats(const struct http_server *server, struct http_server_stats *ret);

/* RFC 9266 tls-exporter of the exchange's connection (net/tls.h). Only inside the handler's
 * callbacks. Errors: CRYPTO (not TLS), INTERNAL (another thread). */
int http_channel_binding(const struct http_exchange *exchange,
                         uint8_t ret[static TLS_CHANNEL_BINDING_SIZE], struct err *err) MUST_USE;
