// SPDX-License-Identifier: Apache-2.0
/*
 * The Python host: one interpreter in this process, one WSGI or ASGI app in it, answered through
 * the handler interface of http/http.h. docs/server.md follows a request through it.
 *
 * There is one `struct serve` at a time in a process, and a process that has freed one cannot
 * make another (many C extensions cannot be imported twice).
 */
#pragma once

#include "base/err.h"
#include "http/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SERVE_DEFAULT_THREADS = 8,
    SERVE_MAX_THREADS = 256,
    SERVE_DEFAULT_QUEUE = 1024,
    SERVE_DEFAULT_TASKS = 8192,
    SERVE_MAX_QUEUE = 65536,
    SERVE_MAX_MESSAGE = 16 * 1024 * 1024,
    SERVE_DEFAULT_MESSAGES = 64 * 1024 * 1024,
    SERVE_STUCK_STATUS = 87, /* how the process of an app that is stuck exits */
};

struct serve_config {
    const char *module_path; /* folder of the app: sys.path[0] and the working folder */
    const char *code_path;   /* where the code lies that may be imported from module_path; NULL:
                                there.   With it no byte code is written anywhere */
    const char *python_application; /* "module:variable", both may be dotted */
    const char *release_command; /* "module:function": called before the app is imported; or NULL */
    /* Told that it has done its work, in the same thread. Its failure is that of the start. */
    int (*released)(void *context, struct err *err);
    void *release_context;
    const char *const *site_folders; /* further site-packages, ahead of the system's; may be NULL */
    size_t site_folder_count;
    const char *python; /* what sys.executable says and where the standard library is looked for;
                           NULL: "/usr/bin/python3" */
    unsigned threads;   /* Python threads of a WSGI app; 0: SERVE_DEFAULT_THREADS */
    unsigned queue;     /* WSGI: requests that may wait for a thread, 0: SERVE_DEFAULT_QUEUE; ASGI:
                           requests under way at once, 0: SERVE_DEFAULT_TASKS */
    uint64_t message_bytes;  /* longest WebSocket message; 0, or more: SERVE_MAX_MESSAGE */
    uint64_t messages_bytes; /* unfinished WebSocket messages of all connections; 0:
                                SERVE_DEFAULT_MESSAGES */
    unsigned watchdog_ms;    /* requests wait for Python and none gets on for so long: the process
                                ends, with SERVE_STUCK_STATUS. 0: never */
    unsigned timeout_ms; /* a request that waits longer for Python is answered 503; 0: none is */
    /* [a thread of its own] Told why the process is going to end, before the tracebacks are written
     * to standard error. It may take no lock and allocate nothing. NULL: nobody is. */
    void (*stuck)(const char *reason);
    bool rounds; /* the server calls serve_round_end behind every round of callbacks: Python is
                    woken once a round */
};

struct serve;

enum serve_protocol { SERVE_WSGI, SERVE_ASGI };

/* Starts the interpreter, imports the app, finds out what it speaks and starts its threads. To be
 * called from the main thread (what the app imports may insist on it); changes the working folder
 * to module_path and ignores SIGPIPE, as Python itself does. The strings of config are needed
 * during the call only.
 * Errors: INVALID (configuration), APP (the release command raised something, or the app cannot be
 * imported or is not callable: the message
 * is the last line of the exception, the traceback is on standard error), CONFLICT (a second one),
 * MEMORY, IO. From now on SIGSEGV, SIGBUS, SIGFPE and SIGABRT write the traceback of every thread
 * to standard error before they end the process, unless somebody had a handler for them. */
struct serve *serve_new(const struct serve_config *config, struct err *err) MUST_USE;

enum serve_protocol serve_protocol(const struct serve *serve);

/* What http/server is to call, and with which context. Valid until serve_free. */
const struct http_handler *serve_handler(const struct serve *serve);
void *serve_handler_context(struct serve *serve);

/* For http/server's round_end, with serve_handler_context; does nothing unless config.rounds. */
void serve_round_end(void *context);

/* For http/server's rest_us, with serve_handler_context: some microseconds while so many requests
 * wait for Python that it will not miss the I/O threads, else 0. */
int64_t serve_rest_us(void *context);

/* Refuses new requests (503) and waits up to timeout_ms for those that run or wait. After that an
 * ASGI app's tasks are cancelled and its lifespan is shut down, which may take as long again (at
 * least 5 s); a WSGI app's threads cannot be interrupted. Errors: TIMEOUT (some were still
 * running). Not from an I/O thread, which has to go on writing what is in flight. */
int serve_drain(struct serve *serve, int64_t timeout_ms, struct err *err) MUST_USE;

/* Have all threads of the app ended? If not, serve_drain has left some behind, which hold exchanges
 * and Python: the server cannot be freed, and the process leaves by _exit, since what exit runs
 * would take things away from under them. */
bool serve_stopped(const struct serve *serve);

struct http_server;
/* The end in order, within about total_ms: requests under way get two fifths of it, ASGI's shutdown
 * as much again, then the server's connections are cut off. Where a thread still hangs in Python
 * the functions that the app registered with atexit run, and nothing else of Python may be touched
 * any more. Returns serve_stopped. */
bool serve_stop(struct serve *serve, struct http_server *server, int64_t total_ms);

/* Ends the interpreter (atexit functions run) where serve_stopped; otherwise everything stays as it
 * is. Accepts NULL. */
void serve_free(struct serve *serve);

struct serve_stats {
    uint64_t served;   /* answered by the app, errors included */
    uint64_t refused;  /* 503 because the queue was full or a stop had begun */
    uint64_t failed;   /* the app raised an exception */
    uint64_t late;     /* 503 because they had waited longer than timeout_ms */
    uint64_t hanging;  /* in the app for longer than timeout_ms without an answer begun */
    uint64_t takeover; /* times that a second thread went on while a handler blocked */
    size_t queued;     /* waiting now */
    size_t running;    /* in the app now */
};

/* A snapshot for the node's counters [any thread]. */
void serve_stats(struct serve *serve, struct serve_stats *ret);
