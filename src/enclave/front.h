// SPDX-License-Identifier: Apache-2.0
/*
 * The front of the enclave's server: answers the reserved paths itself and hands every other
 * request to the app once there is one. Reserved is what, percent-decoded once, starts with
 * "/.well-known/mse/"; the app never sees such a request.
 *
 * Reserved requests are answered on control threads (evidence and provisioning may block), one for
 * each lane, so that who asks for evidence all the time does not keep the owner waiting. Each lane
 * has a bounded queue, of which one client (net/crowd.h) gets a part; past it: 503. How long a body
 * may take is bodies.h's.
 */
#pragma once

#include "http/http.h"
#include "net/tls.h"

enum {
    FRONT_BODY_MAX = 1280 * 1024,    /* a provisioning message with the largest secrets */
    FRONT_QUEUE_MAX = 32,            /* of a lane */
    FRONT_QUEUE_OF_ADDRESS_MAX = 12, /* of them, for one client's address */
};

/* A reserved request, whole. */
struct front_request {
    const struct http_request *http;
    struct slice body;
    uint8_t channel_binding[TLS_CHANNEL_BINDING_SIZE]; /* of the TLS session it came over */
};

enum front_lane {
    FRONT_LANE_EVIDENCE, /* what anybody asks and what costs the TEE's time */
    FRONT_LANE_MESSAGES, /* what is short to judge */
    FRONT_LANE_COUNT,
};

/* One reserved path. `answer` runs on the lane's thread and fills `out`; on failure the error
 * becomes the answer (its kind gives the status). */
struct front_route {
    const char *method;
    const char *path; /* below /.well-known/mse/ */
    int (*answer)(void *context, const struct front_request *request, struct buf *out,
                  struct err *err);
    const char *type;  /* of the answer; NULL: JSON */
    size_t answer_max; /* bytes; 0: FRONT_BODY_MAX */
    size_t body_max;   /* bytes; 0: no body is taken */
    enum front_lane lane;
};

struct front;

/* The routes and their context must outlive it. Starts the control threads. */
int front_new(const struct front_route *routes, size_t route_count, void *context,
              struct front **ret, struct err *err) MUST_USE;
/* What to give to the server; `context` is the front itself. */
const struct http_handler *front_handler(void);
/* Give these to the server too: the app wakes its threads once for a whole round, and says when the
 * I/O threads may rest. */
void front_round_end(void *context);
int64_t front_rest_us(void *context);

/* The app as a handler of http/http.h; the last two as in http/server.h, may be NULL. */
struct front_app {
    const struct http_handler *handler;
    void *context;
    void (*round_end)(void *context);
    int64_t (*rest_us)(void *context);
};

/* From now on other requests go to the app. [any thread] */
void front_open(struct front *front, const struct front_app *app);
/* Why the app is not there (yet): shown with the 503. A literal. [any thread] */
void front_set_waiting_text(struct front *front, const char *text);
/* Ends the control threads; queued requests are answered 503. The server must have stopped. */
void front_free(struct front *front);
