// SPDX-License-Identifier: Apache-2.0
/*
 * What the asgi_*.c files share. One thread runs the app's event loop; I/O threads tell it what
 * happened through a list of requests and one eventfd that the loop watches. All Python objects
 * here belong to the loop's thread.
 */
#pragma once

#include "base/lock.h"
#include "serve/internal.h"

#include <pthread.h>

/* What happened to a request since the loop looked last. */
enum asgi_event {
    ASGI_NEW = 1,
    ASGI_BODY = 2,     /* bytes of the body, or its end */
    ASGI_WRITABLE = 4, /* the response's queue is short again */
    ASGI_ABORTED = 8,  /* the client is gone */
    ASGI_SENT = 16,    /* the file was sent, or file_error says why not */
};

struct asgi_channel;

/* The link between an exchange and the loop. Made on the I/O thread. */
struct asgi_request {
    struct asgi_request *next; /* in asgi->events; under asgi->lock */
    unsigned pending;          /* enum asgi_event; under asgi->lock */
    bool queued;               /* in asgi->events; under asgi->lock */
    bool over;                /* ended; freed when not queued any more, and no file is being sent */
    bool sending;             /* a thread sends a file; under asgi->lock */
    bool answered;            /* atomic; asgi->unanswered does not count it any more */
    enum err_kind file_error; /* why it could not, else ERR_NONE; under asgi->lock */
    struct asgi *asgi;
    struct http_exchange *exchange;
    struct asgi_channel *channel;   /* owned reference; NULL: not begun; loop thread */
    struct asgi_request *live_next; /* in asgi->live; loop thread */
    struct asgi_request **live_at;  /* what points here; NULL: not in the list */
    int64_t since_us; /* when it came, then when the app began with it; with serve->timeout_ms */
    struct asgi_request *begun_next; /* in asgi->begun; under asgi->lock */
    struct asgi_request *begun_last; /* the one before it; under asgi->lock */
    bool begun;                      /* in that list; under asgi->lock */
};

/* Strings that are compared and stored on every request. */
#define ASGI_STRINGS(X)                                                                            \
    X(type, "type")                                                                                \
    X(asgi, "asgi")                                                                                \
    X(http, "http")                                                                                \
    X(websocket, "websocket")                                                                      \
    X(lifespan, "lifespan")                                                                        \
    X(http_version, "http_version")                                                                \
    X(method, "method")                                                                            \
    X(scheme, "scheme")                                                                            \
    X(path, "path")                                                                                \
    X(raw_path, "raw_path")                                                                        \
    X(query_string, "query_string")                                                                \
    X(root_path, "root_path")                                                                      \
    X(headers, "headers")                                                                          \
    X(client, "client")                                                                            \
    X(server, "server")                                                                            \
    X(state, "state")                                                                              \
    X(extensions, "extensions")                                                                    \
    X(status, "status")                                                                            \
    X(body, "body")                                                                                \
    X(more_body, "more_body")                                                                      \
    X(pathsend, "http.response.pathsend")                                                          \
    X(trailers, "trailers")                                                                        \
    X(message, "message")                                                                          \
    X(subprotocol, "subprotocol")                                                                  \
    X(subprotocols, "subprotocols")                                                                \
    X(text, "text")                                                                                \
    X(bytes, "bytes")                                                                              \
    X(code, "code")                                                                                \
    X(reason, "reason")                                                                            \
    X(http_request, "http.request")                                                                \
    X(http_disconnect, "http.disconnect")                                                          \
    X(http_response_start, "http.response.start")                                                  \
    X(http_response_body, "http.response.body")                                                    \
    X(http_response_trailers, "http.response.trailers")                                            \
    X(more_trailers, "more_trailers")                                                              \
    X(lifespan_startup, "lifespan.startup")                                                        \
    X(lifespan_shutdown, "lifespan.shutdown")                                                      \
    X(websocket_connect, "websocket.connect")                                                      \
    X(websocket_accept, "websocket.accept")                                                        \
    X(websocket_receive, "websocket.receive")                                                      \
    X(websocket_send, "websocket.send")                                                            \
    X(websocket_close, "websocket.close")                                                          \
    X(websocket_disconnect, "websocket.disconnect")                                                \
    X(websocket_response_start, "websocket.http.response.start")                                   \
    X(websocket_response_body, "websocket.http.response.body")                                     \
    X(create_future, "create_future")                                                              \
    X(create_task, "create_task")                                                                  \
    X(set_result, "set_result")                                                                    \
    X(done, "done")

struct asgi_strings {
#define X(name, text) PyObject *name;
    ASGI_STRINGS(X)
#undef X
};

extern struct asgi_strings asgi_text;

enum asgi_phase { ASGI_STARTING, ASGI_RUNNING, ASGI_FAILED, ASGI_STOPPED };

struct asgi {
    struct serve *serve;
    struct lock lock;
    pthread_cond_t changed;
    struct asgi_request *first; /* events; under lock */
    struct asgi_request *last;
    struct asgi_request
        *begun;        /* not answered yet, newest first; with serve->timeout_ms; under lock */
    uint64_t turns;    /* of the loop, and events that it took; under lock */
    bool returned;     /* lent bodies have come back; under lock */
    bool signalled;    /* the eventfd is readable, or about to be; under lock */
    bool refusing;     /* a stop has begun; under lock */
    bool stop_loop;    /* the loop is to end; under lock */
    size_t active;     /* requests that the app works on; under lock */
    size_t unanswered; /* atomic; those of them whose response is not complete */
    size_t files;      /* threads that send one; under lock */
    uint64_t served;
    enum asgi_phase phase;
    bool started;   /* it has been ASGI_RUNNING; loop thread */
    bool tell_stop; /* the app's own handler of SIGTERM is due; under lock */
    struct err start_err;
    int wake_fd;
    size_t limit;          /* of `unanswered` */
    size_t message_limit;  /* bytes of a WebSocket message */
    size_t messages_limit; /* of all that are put together */
    size_t messages_held;
    PyObject *loop;
    PyObject *create_future;
    PyObject *end;             /* the function of the loop's code */
    PyObject *state;           /* of the lifespan; NULL: the app has none */
    struct asgi_request *live; /* requests that have not ended; loop thread */
    struct asgi_channel *lifespan;
    bool lifespan_stopping;
};

/* --- asgi_waiter.c: what receive() and send() return --- */

/* Makes the result when it can be had: a new reference. NULL without exception: not yet. */
typedef PyObject *(*asgi_poll)(struct asgi_channel *channel);

int asgi_waiter_start(void);
/* Awaitables: one that has its result, the one that has None, one that waits. New references. */
PyObject *asgi_ready(PyObject *result);
PyObject *asgi_done(void);
PyObject *asgi_wait(struct asgi_channel *channel, asgi_poll poll);
/* Lets all that wait on the channel poll again. */
void asgi_channel_wake(struct asgi_channel *channel);

/* --- asgi_channel.c: receive and send of one scope --- */

struct asgi_waiter;

/* What differs between http, websocket and lifespan. */
struct asgi_kind {
    asgi_poll receive; /* the next message, or not yet */
    /* Handles one message; returns an awaitable. */
    PyObject *(*send)(struct asgi_channel *channel, PyObject *type, PyObject *message);
    /* The app's coroutine has ended; with an exception set or not (it is cleared here). */
    void (*finished)(struct asgi_channel *channel);
    /* Something happened that is more than a reason to poll again. May be NULL. */
    void (*event)(struct asgi_channel *channel, unsigned events);
    void (*clear)(struct asgi_channel *channel);
};

/* Bytes objects that fields point into, held until the head is out. */
struct asgi_head {
    struct fields fields;
    PyObject **held;
    size_t held_count;
    size_t held_cap;
    int status;
};

struct websocket;

struct asgi_channel {
    PyObject_HEAD const struct asgi_kind *kind;
    struct asgi *asgi;
    struct asgi_request *request; /* NULL: over, or lifespan */
    struct asgi_waiter *waiters;
    PyObject *task; /* keeps the task alive while it waits for us only */
    struct asgi_head head;
    bool body_ended;
    bool head_started; /* the app has sent response.start */
    bool head_sent;
    bool trailing;      /* http: the app has announced trailers */
    bool body_complete; /* http: and they may come now */
    bool complete;
    bool gone; /* the client */
    bool is_head;
    bool high;       /* the app is to wait before it sends more */
    bool file_given; /* http.response.pathsend was sent: nothing comes behind it */
    enum err_kind file_error;
    int64_t sent;
    int step; /* lifespan: how far; websocket: its state */
    struct websocket *websocket;
};

int asgi_channel_start(void);
struct asgi_channel *asgi_channel_new(struct asgi *asgi, const struct asgi_kind *kind,
                                      struct asgi_request *request);
/* Calls app(scope, receive, send) in a task of its own. False with an exception. */
bool asgi_channel_run(struct asgi_channel *channel, PyObject *scope);
/* Ends the exchange of the channel. */
void asgi_channel_end(struct asgi_channel *channel);
/* A member of a message: a borrowed reference, NULL without exception where it is absent. */
PyObject *asgi_member(PyObject *message, PyObject *name);
bool asgi_is(PyObject *type, PyObject *expected);

/* Status and headers of a response message into channel->head. False with an exception. */
bool asgi_head_read(struct asgi_channel *channel, PyObject *message);
/* Adds (name, value) pairs of bytes, less hop-by-hop ones. False with an exception. */
bool asgi_head_add(struct asgi_head *head, PyObject *pairs);
void asgi_head_clear(struct asgi_head *head);

/* --- asgi_http.c, asgi_lifespan.c, asgi_websocket.c --- */

extern const struct asgi_kind asgi_http;
extern const struct asgi_kind asgi_lifespan;
extern const struct asgi_kind asgi_websocket;

/* Memory for a channel of that kind. False with an exception. */
bool asgi_websocket_prepare(struct asgi_channel *channel);
/* Is the current exception, or one that it came from, the OSError by which we told the app that
 * its client is gone? Frameworks turn it into one of their own. */
bool asgi_is_about_client(void);

/* Starts the lifespan task; the phase changes when the app has started. False: exception. */
bool asgi_lifespan_begin(struct asgi *asgi);
/* Asks the app to shut down; ends the loop when it has. */
void asgi_lifespan_stop(struct asgi *asgi);

/* --- asgi_file.c --- */

struct file_send;

/* Makes the thread that is going to send `length` bytes of the file, which it closes, and the end
 * of the response. NULL with an exception. One of the other two follows. */
struct file_send *asgi_file_prepare(struct asgi_request *request, int fd, int64_t length);
/* The head is out: sends. An ASGI_SENT event follows. */
void asgi_file_begin(struct file_send *send);
void asgi_file_drop(struct file_send *send);

/* --- asgi_scope.c --- */

int asgi_scope_start(void);
void asgi_scope_finish(void);
PyObject *asgi_http_scope(struct asgi *asgi, const struct http_request *request);
PyObject *asgi_websocket_scope(struct asgi *asgi, const struct http_request *request);
PyObject *asgi_lifespan_scope(PyObject *state);

/* --- asgi.c --- */

/* [any thread] Its answer is about to be complete: there is room for another, which its client may
 * send at once. */
void asgi_request_answered(struct asgi_request *request);
/* Takes the request out of the loop's sight and releases its exchange, or leaves that to the thread
 * that sends a file on it. */
void asgi_request_end(struct asgi_request *request);
/* [loop thread] A thread is going to use the request; [that thread] it does not any more. */
void asgi_file_began(struct asgi_request *request);
void asgi_file_ended(struct asgi_request *request, enum err_kind error);
/* [loop thread] The app answers: that it takes long is no wonder from now on. */
void asgi_note_answer(struct asgi_request *request);
/* The app is done with a request that was taken on. */
void asgi_note_finished(struct asgi *asgi);
void asgi_set_phase(struct asgi *asgi, enum asgi_phase phase);
void asgi_stop_loop(struct asgi *asgi);
