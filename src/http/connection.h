// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the server share, and nobody else includes: I/O threads, connections,
 * exchanges.
 *
 * Who touches what: an io_thread and its connections belong to the I/O thread alone. An exchange
 * has a part that is written before it is handed over and constant afterwards, a part of the I/O
 * thread, and a part under its lock that every thread may use; whoever changes the latter posts the
 * exchange's task, and the I/O thread looks at it at the end of its round.
 */
#pragma once

#include "base/lock.h"
#include "http/access_log.h"
#include "http/chunked.h"
#include "http/fields.h"
#include "http/output.h"
#include "http/server.h"
#include "net/crowd.h"
#include "net/loop.h"

#include <pthread.h>

enum {
    IO_SCRATCH = 64 * 1024,   /* what one read takes at most */
    BODY_HIGH = 256 * 1024,   /* a body buffer that has so much stops the reading */
    BODY_LOW = 128 * 1024,    /* and starts it again below this */
    WINDOW_STEP = 32 * 1024,  /* HTTP/2: of a window, given back at a time */
    DRAIN_MAX = 64 * 1024,    /* of a body that nobody wants, to keep the connection */
    LINGER_MAX = 1024 * 1024, /* what is read and dropped before a close */
    LINGER_MS = 2000,
    HEAD_INLINE = 1024,
    HEADERS_INLINE = 32,
    SPARE_EXCHANGES = 256,
    KEEP_BUFFER = 32 * 1024,       /* what is kept of a buffer for the next request */
    KEEP_TOTAL = 16 * 1024 * 1024, /* and of all buffers of an I/O thread's spare exchanges */
    ADDRESS_SIZE = 46,
    MIN_BODY_RATE = 500, /* bytes a second, see progress_us */
    UNREAD_HIGH =
        4 * 1024 * 1024, /* HTTP/2: from here on a connection's requests are not begun... */
    UNREAD_LOW = 2 * 1024 * 1024, /* ...until it has no more than this... */
    UNREAD_SHARE = 16 * 1024,     /* ...and each response may have so much queued */
    HANDSHAKES_MAX = 2048,        /* under way on one I/O thread */
    SURPLUS_MAX = 64,             /* connections over the limit that are let in to hear 503 */
};

struct connection;
struct http2;

enum body_state { BODY_OPEN, BODY_COMPLETE, BODY_FAILED };
enum response_stage { RESPONSE_NONE, RESPONSE_STARTED, RESPONSE_ENDED };

struct http_exchange {
    /* --- constant while the handler has it --- */
    struct http_request request;
    struct io_thread *io;
    struct connection *connection; /* alive until the exchange is recycled; I/O thread only */
    const struct protocol *protocol;
    bool head_only; /* HEAD */
    bool http10;
    bool keep_alive; /* the request allows it */
    bool safe;       /* GET, HEAD, OPTIONS: may be under way beside others of its connection */
    bool expects_continue;
    bool upgrade;  /* asks for another protocol (Connection: Upgrade, or an extended CONNECT) */
    void *data;    /* atomic */
    uint8_t *head; /* the bytes that `request` points into */
    struct http_header *headers;
    size_t header_capacity;

    /* --- I/O thread --- */
    size_t head_held; /* what its head takes, here and with the handler; 0: not worth counting */
    struct http_exchange *next;  /* in its connection, or among the spare ones */
    struct output sending;       /* taken from `out`, on its way to the socket */
    struct http_loan *lent;      /* goes out behind `sending`; NULL: nothing */
    size_t lent_sent;            /* bytes of it */
    struct http_file *sent_file; /* instead of that; NULL: nothing */
    int64_t started_us;
    int64_t begun_us;      /* atomic: when the handler began, 0: it has not */
    int64_t body_received; /* bytes of body, decoded */
    bool linked;           /* its connection answers it (false: done, or the client is gone) */
    bool handed;           /* the handler's request callback has been called */
    bool want_body;        /* the handler's body callback may be called */
    int32_t stream_id;     /* HTTP/2 */
    bool submitted;        /* HTTP/2: the response's head was given to nghttp2 */
    bool complete_head;    /* HTTP/2: its header fields are complete */
    bool too_large;        /* HTTP/2: not all of its header fields were kept */
    bool host_conflict;    /* HTTP/2: Host says something else than :authority */
    int64_t heard_us;      /* HTTP/2: when the client last sent of it, or could */
    int64_t waiting_us;    /* HTTP/2: since when bytes of the response wait, 0: none do */
    int64_t awaited_us;    /* HTTP/2 and upgraded: since when the client's bytes are waited for;
                              they buy time, see progress_us */
    uint64_t awaited;      /* upgraded: what is waited for, as `owed_number` */
    int64_t unread_us;     /* upgraded: since when some of it lies unread, 0: none does */
    size_t dropped;        /* HTTP/2: body bytes that nobody wanted */
    bool owing;            /* HTTP/2: the client has not ended the request */
    bool held;             /* HTTP/2: so the end of the response waits for that */
    bool end_sent;         /* HTTP/2: the response is out */
    size_t owed; /* HTTP/2: body bytes that are not given back to the stream's window yet */

    /* --- shared --- */
    struct loop_task task;
    struct output in;
    enum body_state body_state;
    enum err_kind body_error; /* with BODY_FAILED */
    size_t least;             /* a reader waits for so many bytes; 0: for any */
    bool body_paused;         /* the I/O thread has stopped reading for want of room */
    bool continue_due;        /* "100 Continue" has been asked for (HTTP/2: not yet sent) */
    bool continue_sent;
    enum response_stage stage;
    int status;
    bool chunked;
    bool no_body; /* HEAD, 204, 304: what is written is counted and dropped */
    bool upgraded;
    int64_t left;       /* of the announced content_length; -1: not announced */
    uint64_t body_sent; /* bytes of the response's body, as the handler wrote them */
    bool close_after;
    bool queued_high;        /* somebody wrote past HTTP_WRITE_HIGH and is to be told... */
    size_t tell_below;       /* ...when less than this is queued */
    atomic_size_t body_held; /* of its body, unread; written under the lock */
    size_t spooled;          /* what this response has of its connection's spool, and of all */
    size_t counted;          /* HTTP/2: what it has in its connection's `unread`, without a loan */
    bool parked;             /* HTTP/2: the handler has not been let begin */
    uint64_t owed_number;    /* see http_body_owed */
    struct output out;
    struct http_loan *loan; /* goes out behind `out`, as the last of the body; NULL: nothing */
    struct http_file *file; /* instead of that: the same of a file */
    size_t sending_left;    /* of `sending`, for who counts what is queued */
    struct output fields;   /* HTTP/2: header fields on their way in or out */
    struct output trailers; /* HTTP/2: trailer fields on their way out */
    size_t unconsumed;      /* HTTP/2: body bytes that were read and not given back to the window */
    unsigned waiters;       /* threads in exchange_wait */
    bool aborted;           /* by the handler */
    bool gone;              /* the client, or the server gave up */
    bool released;

    /* --- stays when the exchange is recycled; `lock` is the first --- */
    struct lock lock;
    pthread_cond_t changed;
    uint8_t head_inline[HEAD_INLINE];
    struct http_header headers_inline[HEADERS_INLINE];
};

/* What differs between the versions of HTTP. */
struct protocol {
    /* The connection speaks it from now on. */
    void (*open)(struct connection *connection);
    /* Takes bytes that arrived; returns how many were consumed (the rest is offered again). */
    size_t (*input)(struct connection *connection, const uint8_t *data, size_t len);
    /* The exchange's shared part has changed: write, read on, recycle. */
    void (*changed)(struct connection *connection, struct http_exchange *exchange);
    /* The socket takes bytes again. */
    void (*flush)(struct connection *connection);
    /* The client has ended its sending side. */
    void (*end_of_input)(struct connection *connection);
    /* When does something here take too long (monotonic microseconds), and what then (it counts
     * what it ended as a time-out). */
    int64_t (*deadline_us)(const struct connection *connection);
    void (*late)(struct connection *connection);
    /* The server is stopping: announce it, close when idle. */
    void (*stop)(struct connection *connection);
    /* The connection is being closed: let go of the exchanges and of what is its own. */
    void (*close)(struct connection *connection);
    /* Under the exchange's lock, on any thread: start the response, append body, end it. */
    int (*start)(struct http_exchange *exchange, const struct response_head *head, struct err *err);
    int (*write)(struct http_exchange *exchange, struct slice bytes, struct err *err);
    int (*end)(struct http_exchange *exchange, const struct http_header *trailers, size_t count,
               struct err *err);
    int (*send_continue)(struct http_exchange *exchange, struct err *err);
};

extern const struct protocol protocol_http1;
extern const struct protocol protocol_http2;

enum phase { PHASE_PROXY, PHASE_HANDSHAKE, PHASE_HTTP, PHASE_LINGER, PHASE_CLOSED };
enum http1_state { HTTP1_HEAD, HTTP1_LENGTH, HTTP1_CHUNKED, HTTP1_RAW, HTTP1_STOP };

/* How far the head that is being received was looked at. */
struct http1_scan {
    size_t scanned;    /* bytes */
    size_t line_start; /* where the current line begins */
    size_t lines;      /* complete ones */
};

struct http1 {
    struct chunked chunked;
    enum http1_state state;
    struct http1_scan scan;
    bool in_head;                    /* some of a head is there, and not all */
    struct http_exchange *receiving; /* whose body arrives */
    int64_t length_left;
    size_t overhead; /* of chunked encoding: bytes that are not body */
    bool draining;   /* the response is complete, the body is dropped */
    size_t drained;
};

struct connection {
    struct io_thread *io;
    const struct listener *listener;
    struct connection *next; /* all of the I/O thread */
    struct connection *previous;
    struct connection *idle_next; /* those without a request, see connection_make_room */
    struct connection *idle_previous;
    struct crowd_member member;        /* of the thread's crowd; of none behind a PROXY header */
    struct connection *handshake_next; /* those in a TLS handshake, see handshakes.c */
    struct connection *handshake_previous;
    bool in_handshake;
    bool idle;    /* in that list */
    bool surplus; /* over the limit: its first request is answered 503 */
    int64_t accepted_us;
    struct loop_watch watch;
    struct loop_timer timer;
    SSL *ssl; /* TLS: from the first byte on */
    const struct protocol *protocol;
    enum phase phase;
    uint8_t *in; /* bytes that arrived and could not be used yet */
    size_t in_len;
    size_t in_cap;
    int64_t since_us; /* when what we are waiting for began */
    int64_t half_closed_us;
    bool reading_paused; /* by the protocol */
    bool end_of_input;   /* all that the client sent was read */
    bool peer_shut;      /* the client has shut down its side (some may still be unread) */
    bool write_blocked;
    bool stopping;
    bool close_when_done; /* after the exchanges that are linked */
    bool linger;          /* and then read what is still coming */
    bool processing;      /* input is being handed to the protocol */
    bool secret;          /* some of what it sends is: buffers for it are wiped */
    bool read_again;      /* the SSL holds bytes: the timer's next firing reads them */
    size_t lingered;
    int unsent;                  /* while it lingers: what the client has not acknowledged yet */
    struct http_exchange *first; /* in the order of their requests (HTTP/1) */
    struct http_exchange *last;
    unsigned linked_count;
    unsigned unsafe_count;
    unsigned references;   /* exchanges that point here */
    size_t heads;          /* what their heads take */
    atomic_size_t spooled; /* [any thread] of its responses, see exchange_spool.c */
    atomic_size_t unread;  /* [any thread] HTTP/2: what is queued and lent of its responses */
    atomic_bool parked;    /* [any thread] some of its requests were not let begin */
    struct http1 http1;
    struct http2 *http2; /* NULL: not spoken */
    char address[ADDRESS_SIZE];
    int port;
    bool peer_known;
    unsigned peer_uid;
    unsigned peer_pid;
};

struct listener {
    struct loop_watch watch; /* template; each I/O thread has a watch of its own */
    int fd;
    int port;
    char *unix_path;
    bool is_tcp;
    bool proxy;
    struct tls_server *tls;
};

struct accepting {
    struct loop_watch watch;
    struct loop_timer timer; /* a pause after running out of descriptors */
    struct io_thread *io;
    const struct listener *listener;
};

struct io_thread {
    struct http_server *server;
    struct loop *loop;
    pthread_t thread;
    bool started;
    struct accepting *accepting;
    struct connection *connections;
    struct connection *idle_first; /* idle for longest */
    struct connection *idle_last;
    struct crowd crowd;                 /* its connections by address, or by user */
    struct connection *handshake_first; /* the oldest */
    struct connection *handshake_last;
    unsigned handshake_count;
    struct connection *graveyard;
    struct loop_task bury;
    struct loop_task control; /* stop, abort, quit: see server.c */
    bool stopped;             /* no longer accepts */
    bool quitting;            /* ends when the last exchange is back */
    struct http_exchange *spare;
    size_t spare_count;
    size_t kept_bytes;              /* of the spare exchanges' buffers */
    size_t exchange_count;          /* not spare */
    bool called_handler;            /* in this round */
    atomic_uint waiting;            /* threads that wait for what it does */
    struct http_server_stats stats; /* written here, read from elsewhere: relaxed atomics */
    struct tls_batch batch;
    uint8_t scratch[IO_SCRATCH];
};

struct http_server {
    struct http_limits limits;
    const struct http_handler *handler;
    void *context;
    bool extended_connect;
    void (*round_end)(void *context);
    int64_t (*rest_us)(void *context);
    struct access_log *access_log; /* NULL: none */
    bool server_timing;
    struct listener *listeners;
    size_t listener_count;
    struct io_thread *io;
    size_t io_count;
    atomic_uint connections;
    atomic_size_t spooled; /* of all connections' responses */
    atomic_size_t held;    /* of all bodies, unread: see exchange_held.c */
    atomic_size_t heads;   /* what all heads take */
    atomic_uint files;     /* on their way, see exchange_file.c */
    struct lock lock;
    pthread_cond_t emptied; /* the last connection is closed */
    atomic_bool stopping;
    atomic_bool aborting;
    atomic_bool quitting;
    atomic_uint aborted_by_stop;
};

static inline void count(uint64_t *counter, uint64_t more)
{
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

/* The I/O thread is to look at it at the end of its round. */
static inline void exchange_post(struct http_exchange *exchange)
{
    loop_post(exchange->io->loop, &exchange->task);
}

/* Under the lock, which is free meanwhile: until the I/O thread has done something here. */
void exchange_wait(struct http_exchange *exchange);

/* --- server.c --- */

/* Of each I/O thread: to be called when a connection or an exchange is gone for good. */
void server_note_connection_gone(struct http_server *server);
void server_note_exchange_gone(struct io_thread *io);

/* --- connection.c --- */

/* What is known of a connection when it is accepted. */
struct accepted {
    int fd;
    struct slice address; /* "": of no network */
    int port;
    uint8_t peer[CROWD_KEY_SIZE];
    bool surplus; /* over the limit, to be told so */
};

void connection_accept(struct io_thread *io, const struct listener *listener,
                       const struct accepted *accepted);
/* Offers the bytes that are kept to the protocol again. */
void connection_process(struct connection *connection);
/* Writes; returns bytes taken, -1: the connection has been closed. With write_blocked the socket is
 * full: nothing may be written or finished before the protocol's flush is called. */
ssize_t connection_write(struct connection *connection, const uint8_t *data, size_t len, bool more);
/* The same of a file, without TLS; never 0 without write_blocked. A file that ends too early closes
 * the connection, as every error does: the client has the announced length to compare. */
ssize_t connection_send_file(struct connection *connection, int fd, int64_t offset, size_t len);
/* Registers for what is wanted now and sets the timer. Call after anything changed. */
void connection_update(struct connection *connection);
void connection_set_paused(struct connection *connection, bool paused);
/* So many bytes came of what is waited for since then. They buy time at MIN_BODY_RATE, up to a
 * whole time-out: a byte now and then does not hold a connection, and the thread that waits behind
 * it, for ever. Since when is it waited for now? */
static inline int64_t progress_us(int64_t since_us, int64_t now_us, size_t bytes)
{
    int64_t bought_us = (int64_t)bytes * 1000000 / MIN_BODY_RATE;
    return now_us - since_us <= bought_us ? now_us : since_us + bought_us;
}
/* The same of an HTTP/1 body. */
void connection_progress(struct connection *connection, size_t bytes);
/* Are there bytes of ours that the client's kernel has not acknowledged? Closing could take them
 * away: bytes of the client that meet a closed socket are answered with a reset. */
bool connection_is_sending(const struct connection *connection);
/* After the last response: shuts down, lingers where bytes may still be coming. */
void connection_finish(struct connection *connection);
/* At once. The memory goes with the last exchange, not before the end of the round. */
void connection_close(struct connection *connection);
void connection_unreference(struct connection *connection);
/* The connection is gone, or about to be: so are the exchanges that are linked. */
void connection_drop_exchanges(struct connection *connection);

/* --- observe.c --- */

/* The exchange's response is complete and written: counts it, and logs it. */
void observe_done(struct http_exchange *exchange);
/* It is over before that. */
void observe_gone(struct http_exchange *exchange);
enum { TIMING_SIZE = 128 };
/* The value of Server-Timing as far as it is known when the head is made; "" where the server sends
 * none. [any thread] */
size_t observe_timing(const struct http_exchange *exchange, char to[static TIMING_SIZE]);

/* --- idle.c --- */

/* The connection has no request under way any more; it has one, or is being closed. */
void idle_enter(struct connection *connection);
void idle_leave(struct connection *connection);
/* Closes the connection of this thread that has been idle longest, or where none is idle one
 * without a request of the peer that has most, if that is more than the newcomer's. false: there is
 * none. */
bool connection_make_room(struct io_thread *io, const uint8_t newcomer[CROWD_KEY_SIZE]);

/* --- handshakes.c --- */

/* The connection's TLS handshake begins, which may end another's; it is through, or being closed.
 */
void handshake_begin(struct connection *connection);
void handshake_end(struct connection *connection);

/* --- exchange.c --- */

int exchange_new(struct connection *connection, struct http_exchange **ret, struct err *err);
/* The room for a head of `len` bytes (behind a copy of them) and `count` headers. */
int exchange_set_head(struct http_exchange *exchange, const uint8_t *data, size_t len,
                      struct err *err);
struct http_header *exchange_add_header(struct http_exchange *exchange, struct err *err);
void exchange_link(struct http_exchange *exchange);
void exchange_unlink(struct http_exchange *exchange);
/* Calls the handler's request callback. */
void exchange_hand_over(struct http_exchange *exchange);
/* The client is gone: wakes who waits, tells the handler. */
void exchange_gone(struct http_exchange *exchange);
/* The response is complete and written. */
void exchange_done(struct http_exchange *exchange);
/* The shared part at one moment. */
struct exchange_view {
    bool ended; /* nothing will come behind what is being sent */
    bool whole; /* nor any body, though the handler may not have said so yet */
    bool aborted;
    bool close_after;
    bool upgraded;
    bool body_paused;
    bool more; /* there is something behind what is being sent */
};
/* Takes what comes next where all that was being sent is out: what is in `out`, then the loan. */
struct exchange_view exchange_take(struct http_exchange *exchange);
/* What is being sent; empty: nothing. */
struct slice exchange_sending(const struct http_exchange *exchange);
/* So many bytes of that are written. */
void exchange_sent(struct http_exchange *exchange, size_t sent);
/* Frees or keeps for the next request; the handler has released it and nothing is linked. */
void exchange_recycle(struct http_exchange *exchange);
/* It is not linked any more: recycles it where the handler has released it or never had it. */
void exchange_let_go(struct http_exchange *exchange);
void exchange_free(struct http_exchange *exchange);
/* The server's own short answer, and the end of what the handler may do with the exchange. false: a
 * response is on its way already. The connection closes behind it. */
bool exchange_refuse(struct http_exchange *exchange, int status, const char *text);
bool exchange_is_released(struct http_exchange *exchange);
bool exchange_is_upgraded(struct http_exchange *exchange);
/* Upgraded, and the handler has not ended it. */
bool exchange_is_tunnel(struct http_exchange *exchange);

/* --- exchange_held.c --- */

/* After every change of `in`. Under the lock. */
void exchange_count_held(struct http_exchange *exchange);
/* [I/O thread] After more of this body has come: where all of them are more than the server holds,
 * closes the connection that holds most. -1: that is this one; BUSY. */
int exchange_make_room(struct http_exchange *exchange, struct err *err) MUST_USE;
/* [I/O thread] Its head is known. false: with what other requests have, of its connection or of
 * all, it takes too much; it is counted all the same until it is recycled. */
bool exchange_take_head(struct http_exchange *exchange);
void exchange_give_head(struct http_exchange *exchange);

/* --- exchange_spool.c: under the exchange's lock --- */

/* May the response go on with as much as is queued? false: its thread is to wait. */
bool exchange_spool(struct http_exchange *exchange);
/* So much is queued now: gives back what is not needed for it. Also when nobody else has the
 * exchange any more. */
void exchange_unspool(struct http_exchange *exchange, size_t queued);
/* HTTP/2: so much more is queued. Is it too much, with what other responses have? */
bool exchange_is_crowded(struct http_exchange *exchange, size_t queued);
/* HTTP/2, without the lock: so much more is lent, or less. */
void exchange_count_lent(struct http_exchange *exchange, size_t more, size_t less);
/* [I/O thread] Lets requests of an HTTP/2 connection begin whose client has read enough. */
void connection_unpark(struct connection *connection);
/* Where a thread that waits goes on: not only when its spool is empty. */
size_t exchange_low_mark(const struct http_exchange *exchange);

/* --- exchange_body.c --- */

/* Body bytes for the handler, and the body's end. */
int exchange_body(struct http_exchange *exchange, struct slice bytes, struct err *err);
void exchange_body_end(struct http_exchange *exchange);
void exchange_body_fail(struct http_exchange *exchange, enum err_kind kind);
/* HTTP/2 and upgraded: so many bytes came of what is waited for. */
void exchange_progress(struct http_exchange *exchange, size_t bytes);
/* When the client of an upgraded exchange is late with what it owes; INT64_MAX: it owes nothing, or
 * the handler has not read what is there. */
int64_t exchange_owed_due_us(struct http_exchange *exchange);
/* Will anybody read more of the body? */
bool exchange_wants_body(struct http_exchange *exchange);
