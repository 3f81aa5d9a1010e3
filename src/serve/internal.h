// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of serve/ share. The only header that includes Python.h; it comes first, as
 * Python demands.
 */
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "base/lock.h"
#include "base/mem.h"
#include "http/http.h"
#include "serve/serve.h"
#include "serve/workers.h"

/* Body bytes above which nothing is copied with the GIL held: they are lent, or it is given back.
 */
enum { SERVE_BIG_BYTES = 32 * 1024 };

DEFINE_CLEANUP(object_release, PyObject *, Py_XDECREF)
/* An owned reference, dropped at the end of the block (with the GIL held). */
#define AUTO_OBJECT __attribute__((cleanup(object_release)))

/* What the watchdog looks at. */
struct serve_watch {
    bool waiting;      /* requests wait for Python, and for nobody else */
    uint64_t progress; /* differs where anything got on in between */
};

/* One way to call an app: the row of a table in serve.c. */
struct app_protocol {
    const char *name;
    enum serve_protocol protocol;
    const struct http_handler *handler;
    /* With the GIL held; starts what it needs to serve serve->app. */
    int (*start)(struct serve *serve, const struct serve_config *config, struct err *err);
    /* In Python's main thread, with the GIL held: serves until it is drained, and says when the app
     * has started (serve_started). Fails where it has not. NULL: others serve. */
    int (*run)(struct serve *serve, struct err *err);
    /* Without the GIL. */
    int (*drain)(struct serve *serve, int64_t timeout_ms, struct err *err);
    /* [I/O thread] The server has handed over what one round brought. */
    void (*round_end)(struct serve *serve);
    /* [any thread] A lent body has come back: lend_drop_returned is due on a thread with the GIL,
     * at the end of this round or soon. */
    void (*returned)(struct serve *serve);
    /* [I/O thread] See serve_rest_us; NULL: never. */
    int64_t (*rest_us)(struct serve *serve);
    /* [watchdog] */
    void (*watch)(struct serve *serve, struct serve_watch *ret);
    /* [watchdog] Answers 503 to requests that have waited for Python since before that moment;
     * returns how many. *ret_hanging: how many the app began with before it, that no earlier call
     * has counted and that it has not begun to answer. Only with serve->timeout_ms. */
    unsigned (*expire)(struct serve *serve, int64_t before_us, unsigned *ret_hanging);
    /* With the GIL held, after the threads have ended: gives up all Python objects. */
    void (*finish)(struct serve *serve);
    /* When the interpreter is gone, and whatever it still held with it. */
    void (*free)(struct serve *serve);
    void (*stats)(struct serve *serve, struct serve_stats *ret);
};

extern const struct app_protocol wsgi_protocol;
extern const struct app_protocol asgi_protocol;

struct asgi;
struct lent;
struct watchdog;

enum serve_phase { SERVE_STARTING, SERVE_STARTED, SERVE_FAILED };

struct serve {
    const struct app_protocol *protocol;
    PyObject *app;
    pthread_t python; /* Python's main thread (serve.c), from serve_new to serve_free */
    struct lock lock; /* of the next four */
    pthread_cond_t changed;
    enum serve_phase phase;
    struct err start_err;
    bool finish;               /* the interpreter is to end */
    struct workers *workers;   /* WSGI */
    struct asgi *asgi;         /* ASGI */
    uint64_t refused;          /* atomic */
    uint64_t failed;           /* atomic */
    uint64_t late;             /* atomic */
    uint64_t hanging;          /* atomic */
    uint64_t progress;         /* atomic; WSGI: bytes came or went while an app was at work */
    size_t with_client;        /* atomic; WSGI: threads that wait for a client, not for Python */
    struct watchdog *watchdog; /* NULL: none */
    unsigned watchdog_ms;
    unsigned timeout_ms;
    void (*stuck)(const char *reason);
    bool rounds;           /* Python is woken by serve_round_end, else at once */
    bool stopped;          /* all our threads have ended; set by drain */
    size_t under_way;      /* atomic; WSGI: requests that are not answered yet... */
    size_t held;           /* ...and those that wait for their bodies */
    size_t limit;          /* of each */
    struct lent *returned; /* atomic: lent bodies that the server is done with */
    struct work sweep;     /* WSGI: the work of dropping those */
    bool sweeping;         /* atomic: it is queued */
};

/* --- serve.c --- */

/* [Python's main thread] The app serves from now on. */
void serve_started(struct serve *serve);

/* --- watchdog.c --- */

/* Watches as serve->watchdog_ms and timeout_ms say; *ret NULL where both are 0. */
int watchdog_start(struct serve *serve, struct watchdog **ret, struct err *err) MUST_USE;
/* Accepts NULL. */
void watchdog_stop(struct watchdog *watchdog);

/* --- crash.c --- */

void crash_handlers_install(void);
/* A stack for the handlers, so that a stack overflow of this thread is told, too. NULL where there
 * is no memory; crash_stack_end takes that as well. */
void *crash_stack_begin(void);
void crash_stack_end(void *stack);

/* --- finder.c --- */

/* From now on what is imported from module_path or below it is what lies at the same place below
 * code_path. Both absolute. */
int finder_install(const char *module_path, const char *code_path, struct err *err) MUST_USE;

/* --- interpreter.c --- */

int interpreter_start(const struct serve_config *config, struct err *err) MUST_USE;
/* Imports the app; *ret is a new reference. Errors: APP. */
/* Calls the release command; a coroutine is run to its end. */
int interpreter_release(const struct serve_config *config, struct err *err) MUST_USE;
int interpreter_import(const struct serve_config *config, PyObject **ret, struct err *err) MUST_USE;
/* Turns the current exception into ERR_APP "what: Type: message" and clears it; with `traceback`
 * it is printed on standard error before that. */
int interpreter_fail(struct err *err, bool traceback, const char *what);
/* Prints and clears the current exception, with its traceback, below one line that says where it
 * came from. SystemExit too: nothing in an app ends the process from a request. */
void interpreter_report(const char *where, struct slice method, struct slice target);

/* --- detect.c --- */

/* WSGI or ASGI, by looking at the callable. Errors: APP. */
int app_detect(PyObject *app, const char *name, enum serve_protocol *ret, struct err *err) MUST_USE;

/* --- request.c --- */

/* A request that Python works on. Counted, because objects that an app keeps (wsgi.input in some
 * thread of its own) may still be inside a blocking call when the response is complete. */
struct serve_request {
    struct work work;
    struct http_exchange *exchange;
    struct serve *serve;
    unsigned references;    /* atomic */
    bool waits_for_body;    /* not queued yet; I/O thread */
    bool under_way;         /* serve->under_way counts it; who has the request */
    enum err_kind body_err; /* why reading the body failed; ERR_NONE: it did not */
};

struct serve_request *serve_request_new(struct serve *serve, struct http_exchange *exchange);
void serve_request_hold(struct serve_request *request);
/* Its answer is about to be complete: there is room for another, which its client may send at once.
 */
void serve_request_answered(struct serve_request *request);
/* The last one releases the exchange. */
void serve_request_drop(struct serve_request *request);
/* A small text answer from C: 500, 503 and their like. Never needs the GIL. */
void respond_text(struct http_exchange *exchange, int status, const char *text);
/* 503 with Retry-After, and the end of the exchange. */
void refuse_busy(struct serve *serve, struct http_exchange *exchange);
/* The same for one that has waited too long. */
void refuse_late(struct http_exchange *exchange);
/* Around a wait for the client of a request, in an app's thread. */
void client_wait_begin(struct serve *serve);
void client_wait_end(struct serve *serve);
/* 501 to an extended CONNECT (RFC 8441 section 4) that the app cannot speak, and the end of the
 * exchange. */
void refuse_connect(struct http_exchange *exchange);
/* What to answer for a body that could not be read: 413, 408, 400, else 500. */
int status_of_body_err(enum err_kind kind);

/* --- headers.c: the fields of a response, from Python objects --- */

struct fields {
    struct http_header inline_items[16];
    struct http_header *items;
    size_t count;
    size_t cap;
    int64_t content_length; /* -1: not given; kept out of items, the server writes it */
};

void fields_init(struct fields *fields);
void fields_done(struct fields *fields);
/* Checks one field and appends it (not copied). False with ValueError set: not a token, a control
 * character, hop-by-hop, or a second, different Content-Length. */
bool fields_add(struct fields *fields, struct slice name, struct slice value);
/* The same for a field of the server's own, which may be hop-by-hop. */
bool fields_add_own(struct fields *fields, struct slice name, struct slice value);
/* After http_respond or its like has failed: true, with a ValueError, where it is this head that is
 * refused; false: the client is gone. */
bool head_was_refused(int status, const char *reason, const struct fields *fields);
bool is_hop_by_hop(struct slice name);
/* The bytes of a str that holds Latin-1 only. False with TypeError or ValueError set. */
bool latin1_slice(PyObject *text, const char *what, struct slice *ret);

/* --- lend.c --- */

/* http_respond with a bytes object that is lent to the server, and kept for as long as that takes.
 * With the GIL held; the object must be of the very type bytes, which nothing can change. */
int lend_body(struct serve *serve, struct http_exchange *exchange, int status,
              const struct fields *fields, PyObject *bytes);
/* Drops the references to what has come back. With the GIL held; cheap where nothing has. */
void lend_drop_returned(struct serve *serve);

/* --- names.c --- */

enum {
    NAME_CACHE_SLOTS = 1024,
    NAME_CACHE_MAX = 512, /* entries: a client that invents names gets no further */
    NAME_CACHE_LONGEST = 48,
};

struct name_entry {
    uint8_t name[NAME_CACHE_LONGEST]; /* lower case */
    uint8_t len;                      /* 0: free */
    PyObject *object;
};

struct name_cache {
    struct name_entry entries[NAME_CACHE_SLOTS];
    size_t used;
};

/* The object for a header name, whatever its case: from the cache, or made. New reference. */
PyObject *name_cache_get(struct name_cache *cache, struct slice name,
                         PyObject *(*make)(struct slice name));
void name_cache_clear(struct name_cache *cache);
/* Percent-decodes into `to` (room for text.len); returns the length. What is not two hexadecimal
 * digits behind a percent sign stays as it is. */
size_t percent_decode(struct slice text, uint8_t *to);
/* Host without and with its port; neither is empty. */
void request_server(const struct http_request *request, struct slice *ret_name,
                    struct slice *ret_port);

/* --- asgi_websocket.c --- */

/* Is this request an opening handshake that can be answered (RFC 6455 section 4.2.1, RFC 8441
 * section 5)? [any thread] */
bool asgi_websocket_wanted(const struct http_request *request);

/* --- environ.c --- */

int environ_start(struct serve *serve, const struct serve_config *config, struct err *err) MUST_USE;
void environ_finish(void);
/* A new environ; input: the object for wsgi.input. NULL with an exception set. */
PyObject *environ_new(const struct http_request *request, PyObject *input);
/* "HTTP_ACCEPT" for "Accept", from a cache; a new reference, or NULL with or without exception:
 * without, the name is one that must not reach the app. */
PyObject *environ_header_key(struct slice name);

/* --- input.c --- */

int input_start(struct err *err) MUST_USE;
void input_finish(void);
/* wsgi.input of a request without body: one for all, always at its end. New reference. */
PyObject *input_empty(void);
PyObject *input_new(struct serve_request *request);
/* The request is over: later reads raise ValueError. */
void input_detach(PyObject *input);

/* --- file_wrapper.c --- */

extern PyTypeObject file_wrapper_type;
/* Is `iterable` a wsgi.file_wrapper around a regular file? Then its descriptor, the position and
 * the bytes from there to the end. False without exception: to be iterated. */
bool file_wrapper_region(PyObject *iterable, int *ret_fd, int64_t *ret_offset, int64_t *ret_length);

/* --- start_response.c --- */

int start_response_start(struct err *err) MUST_USE;

/* start_response of one request, and the state of its response. */
struct start_response {
    PyObject_HEAD vectorcallfunc call;
    struct serve_request *request; /* NULL: over */
    PyObject *status;              /* keeps what reason points at */
    PyObject *held;                /* keeps what fields point at */
    struct fields fields;
    int status_code; /* 0: not called yet */
    struct slice reason;
    bool head_sent;
    bool complete;
    bool broken;   /* the client is gone or the response cannot go on */
    bool bodiless; /* HEAD, 204, 304 */
    bool is_head;
    int64_t sent; /* body bytes given to the server */
};

struct start_response *start_response_new(struct serve_request *request);
void start_response_detach(struct start_response *response);
/* Sends the whole response at once, or the next part of it. 0 also when the client is gone
 * (broken is set); -1 with a Python exception: the app broke a rule. Give the GIL back where it
 * may take long. */
int response_whole(struct start_response *response, struct slice body);
/* response_whole with what is in a bytes object. */
int response_whole_object(struct start_response *response, PyObject *body);
int response_part(struct start_response *response, struct slice body);
int response_file(struct start_response *response, int fd, int64_t offset, int64_t length);
/* All parts are there. */
int response_end(struct start_response *response);
