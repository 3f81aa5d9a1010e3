// SPDX-License-Identifier: Apache-2.0
/*
 * The node's API: routes as a table, callers, answers. docs/openapi.json describes the same routes;
 * a test holds the two against each other. Each request is handled on a thread of its own, which
 * may block; how many there are at once is limited, also for each account (node/slots.h). Logs are
 * carried by one thread for all (node/log_streams.h).
 */
#pragma once

#include "base/log.h"
#include "format/json.h"
#include "http/http.h"
#include "node/account.h"
#include "node/log_streams.h"
#include "node/node.h"
#include "node/query.h"
#include "node/slots.h"

enum api_auth {
    API_ACCOUNT,  /* any account */
    API_APP,      /* the account that owns the app in the path, or the operator */
    API_OPERATOR, /* the operator, on the Unix socket */
};

enum { API_PARAMETERS_MAX = 8, API_ANSWER_MAX = 64 << 20 };

struct api_call {
    struct node *node;
    struct http_exchange *exchange;
    const struct http_request *request;
    struct account account;
    char id[64]; /* {id} of the path */
    struct query query;
    enum slot_kind slot; /* that it holds, as slot_owner */
    char slot_owner[ACCOUNT_OWNER_SIZE];
    bool answered;
    bool given; /* the exchange is somebody else's to release */
};

struct api_route {
    const char *method;
    const char *path; /* "/v1/apps/{id}" */
    enum api_auth auth;
    const char *operation;                      /* operationId */
    const char *parameters[API_PARAMETERS_MAX]; /* of the query, NULL-terminated */
    const char *request;                        /* schema or media type of the body, NULL: none */
    const char *response; /* schema or media type of the good answer, NULL: none */
    int status;           /* of the good answer */
    int (*handle)(struct api_call *call, struct err *err);
};

extern const struct api_route api_routes[];
extern const size_t api_route_count;

/* Two servers, so that what strangers do to the TCP listener costs the Unix socket nothing. */
struct api {
    struct node *node;
    struct http_server *local;  /* the Unix socket */
    struct http_server *remote; /* NULL where the node does not listen on TCP */
    struct tls_server *tls;
    struct slots *slots;
    struct log_streams *streams;
    atomic_uint threads;
    struct log_spare refusals[2]; /* of nobody known, of accounts */
};

int api_start(struct node *node, struct api **ret, struct err *err) MUST_USE;
/* Ends listening; requests under way get a moment. NULL is accepted. */
void api_stop(struct api *api);

/* --- for the handlers --- */

/* Takes `body` over. */
int api_answer(struct api_call *call, int status, json_t *body, struct err *err) MUST_USE;
/* {"error":{"kind","message","hint"}} */
void api_answer_error(struct api_call *call, const struct err *failure);

/* RFC 3339; null for 0. */
int api_put_time(json_t *object, const char *key, int64_t time, struct err *err) MUST_USE;
/* The app of the path as it is now. */
int api_answer_app(struct api_call *call, int status, struct err *err) MUST_USE;

/* The parameter "release"; 0: none is named. */
int api_read_release(const struct api_call *call, int64_t *ret, struct err *err) MUST_USE;

int api_get_releases(struct api_call *call, struct err *err);
int api_post_commit(struct api_call *call, struct err *err);
int api_post_rollback(struct api_call *call, struct err *err);
int api_get_node(struct api_call *call, struct err *err);
int api_get_environments(struct api_call *call, struct err *err);
int api_get_hardware(struct api_call *call, struct err *err);
int api_get_runtimes(struct api_call *call, struct err *err);
int api_post_shutdown(struct api_call *call, struct err *err);
int api_post_apps(struct api_call *call, struct err *err);
int api_get_apps(struct api_call *call, struct err *err);
int api_get_app(struct api_call *call, struct err *err);
int api_get_logs(struct api_call *call, struct err *err);
int api_get_events(struct api_call *call, struct err *err);
int api_get_stats(struct api_call *call, struct err *err);
int api_get_metrics(struct api_call *call, struct err *err);
int api_post_stop(struct api_call *call, struct err *err);
int api_post_pause(struct api_call *call, struct err *err);
int api_post_restart(struct api_call *call, struct err *err);
int api_delete_app(struct api_call *call, struct err *err);
