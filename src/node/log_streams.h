// SPDX-License-Identifier: Apache-2.0
/*
 * Logs on their way to those who read or follow them: one thread for all, which never waits for any
 * of them, so that a reader costs two descriptors and a bounded queue.
 */
#pragma once

#include "http/http.h"
#include "node/keeper.h"
#include "node/slots.h"

#include <stdatomic.h>

struct log_streams;

struct log_stream {
    struct http_exchange *exchange; /* its response has been started */
    const char *app;
    const char *owner; /* of the request: its slot of SLOT_LOG is given back at the end */
    const char *path;  /* of the log; it may not exist yet */
    int64_t offset;    /* from where on, in the file that is given; the one at `path` follows it */
    bool follow;       /* until the app is stopped, else until the end of what is there */
};

/* All must outlive it. `stopping`: the node ends, and with it every stream. */
int log_streams_new(struct keeper *keeper, struct slots *slots, const atomic_bool *stopping,
                    struct log_streams **ret, struct err *err) MUST_USE;
/* Ends every response; what is asked for later is refused. */
void log_streams_stop(struct log_streams *streams);
/* After log_streams_stop, once nobody calls any more. NULL is accepted. */
void log_streams_free(struct log_streams *streams);

/* On success exchange and slot are the streams' to give back, and *fd (open at the log, or -1) is
 * taken over. INTERRUPTED: the node is stopping. */
int log_streams_add(struct log_streams *streams, const struct log_stream *stream, int *fd,
                    struct err *err) MUST_USE;
/* [any thread] A client has taken bytes, or is gone. */
void log_streams_wake(struct log_streams *streams);

/* *ret stays as it is (-1) where there is no log yet. */
int log_open(const char *path, int *ret, struct err *err) MUST_USE;
