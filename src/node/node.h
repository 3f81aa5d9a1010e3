// SPDX-License-Identifier: Apache-2.0
/*
 * The daemon as a whole: what the API's handlers work on.
 */
#pragma once

#include "http/server.h"
#include "node/account.h"
#include "node/environments.h"
#include "node/folders.h"
#include "gateway/gateway.h"
#include "node/keeper.h"
#include "node/layers.h"
#include "node/node_config.h"
#include "node/runner_launch.h"
#include "node/runtimes.h"
#include "node/stapler.h"
#include "store/store.h"

#include <stdatomic.h>

struct api;

struct node {
    struct node_config config;
    struct folders folders;
    struct environments environments;
    struct store *store;
    struct layers *layers;
    struct gateway *gateway;
    struct runner_launch runner;
    struct stapler *stapler;
    struct keeper *keeper;
    struct api *api;
    char *self;    /* path of msed */
    char *enclave; /* path of mse-enclave */
    char runtime_digest[RUNTIME_DIGEST_SIZE];
    char simulation_root[65]; /* public half */
    const char *addresses[2]; /* on which apps' own ports listen */
    size_t address_count;
    int64_t started;         /* unix seconds */
    int64_t upload_grace_ms; /* until the rate of an upload counts */
    atomic_bool stopping;
    bool stop_apps; /* at the end */
    int stop_fd;    /* eventfd: written to end node_run */
};

/* Reads the configuration (NULL: built-in defaults), takes the state folder. */
int node_open(const char *config_path, struct node **ret, struct err *err) MUST_USE;
/* Adopts apps, serves the API until node_stop. */
int node_run(struct node *node, struct err *err) MUST_USE;
/* [any thread] */
void node_stop(struct node *node, bool stop_apps);
void node_close(struct node *node);
DEFINE_CLEANUP(node_cleanup, struct node *, node_close)
#define AUTO_NODE __attribute__((cleanup(node_cleanup)))

bool node_is_localhost(const struct node *node);
/* "https://localhost:20001"; the caller frees. */
char *node_app_url(const struct node *node, const struct store_app *app, struct err *err) MUST_USE;
