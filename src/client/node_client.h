// SPDX-License-Identifier: Apache-2.0
/*
 * The node's API as mse uses it (docs/node-api.md): JSON over HTTP, through the local node's Unix
 * socket or over TLS with a token. What the node answers is not trusted for secrecy or integrity:
 * it says where things are, never whether an enclave is good.
 */
#pragma once

#include "client/hooks.h"

#include "format/json.h"
#include "model/manifest.h"

#include <stdbool.h>
#include <stdint.h>

struct node_client;

/* `address`: a Unix socket's path or an https:// URL; NULL: $MSE_NODE, then the local node's
 * socket, then /run/mse/msed.sock. Nothing is connected yet. `hooks` may be NULL. */
int node_client_open(const struct client_hooks *hooks, const char *address,
                     struct node_client **ret, struct err *err) MUST_USE;
void node_client_close(struct node_client *node);
DEFINE_CLEANUP(node_client_cleanup, struct node_client *, node_client_close)
#define AUTO_NODE_CLIENT __attribute__((cleanup(node_client_cleanup)))
/* For messages and contexts: the socket's path or the URL. */
const char *node_client_address(const struct node_client *node);

/* Did every answer so far come from the msed beside this mse, on this machine (client/home_node.h)?
 * Then its simulated TEE is accepted without a word. NULL, or why not: one clause. */
const char *node_client_not_at_home(const struct node_client *node);

/* By then (clock_monotonic_ms) each request that follows has its whole answer, or fails with
 * TIMEOUT; 0: no limit but that of silence. */
void node_client_set_until(struct node_client *node, int64_t until_ms);

/* One request with a JSON answer. `method` "GET", "POST" or "DELETE"; body NULL: none. An error
 * answer becomes *err with the node's own kind, message and hint. UNREACHABLE: no answer.
 * ret NULL: the answer is not wanted. */
int node_client_request(struct node_client *node, const char *method, const char *path,
                        json_t **ret, struct err *err) MUST_USE;

/* GET of {"KEY": [...]}: the array, which the caller owns. */
int node_client_list(struct node_client *node, const char *path, const char *key, json_t **ret,
                     struct err *err) MUST_USE;

struct node_package {
    int fd; /* read from its start */
    uint64_t size;
    const char *name_proof; /* hexadecimal: crypto/name_proof.h; "" : none */
};
/* Uploads a package; hooks->progress is told how far it is. */
int node_client_upload(struct node_client *node, const char *path,
                       const struct node_package *package, json_t **ret, struct err *err) MUST_USE;

/* Streams an answer's body to `sink` as it comes, until its end or Ctrl-C. */
int node_client_stream(struct node_client *node, const char *path,
                       int (*sink)(void *context, struct slice bytes, struct err *err),
                       void *context, struct err *err) MUST_USE;

/* An app of the node, as the API describes it. */
struct node_app {
    char id[40];
    char name[72];
    char project[72];
    char owner[96];
    char state[24];
    char fingerprint[72];
    char *url;    /* owned */
    char *reason; /* owned, may be "" */
    int64_t created;
    int64_t expires; /* 0: never */
    int64_t removal; /* expired: about when its storage is removed */
    int64_t restarts;
    int64_t crashes;  /* in a row, each soon after the one before */
    int64_t release;  /* that runs, or is tried */
    char trial[16];   /* "none", or how far a new release is */
    bool provisioned; /* it has what its owner sent; true where the node does not say */
    uint64_t storage_used_bytes;
    uint64_t storage_quota_bytes;
};
void node_app_done(struct node_app *app);
#define AUTO_NODE_APP __attribute__((cleanup(node_app_done)))

int node_app_from_json(const json_t *json, struct node_app *ret, struct err *err) MUST_USE;
int node_app_get(struct node_client *node, const char *id, struct node_app *ret,
                 struct err *err) MUST_USE;
/* By UUID, by a unique beginning of one (at least four characters), or by name (a running app wins
 * over stopped ones). NOT_FOUND, CONFLICT where several fit (all are named). */
int node_app_find(struct node_client *node, const char *name, struct node_app *ret,
                  struct err *err) MUST_USE;
