// SPDX-License-Identifier: Apache-2.0
/*
 * What the gateway's files share: gateway.c has the routes, the listeners and the calls of others,
 * gateway_connection.c what becomes of a connection. All of it belongs to the loop's thread.
 */
#pragma once

#include "base/buf.h"
#include "base/log.h"
#include "net/crowd.h"
#include "net/loop.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "gateway/waiting_room.h"

#include <pthread.h>

enum { GATEWAY_ADDRESSES_MAX = 8 };

struct connection;

struct listener {
    struct loop_watch watch;
    struct gateway *gateway;
    struct route *route; /* NULL: shared, by SNI */
    struct loop_timer pause;
    bool added; /* the loop knows it: only the loop's thread may touch it */
};

/* What the apps of one account hold together. */
struct share {
    struct share *next;
    char *account;
    unsigned routes;
    unsigned open;
};

struct route {
    struct route *next;
    struct share *share; /* NULL: not in the gateway's list yet */
    char *id;
    char *account;
    char *folder;
    char *socket;
    char *host_name;
    char *replaces; /* NULL: nothing */
    uint16_t port;
    uid_t uid;
    bool down;
    int64_t retry_ms;        /* not reached: not to be asked again before */
    int64_t warn_ms;         /* no warning about it before */
    unsigned open;           /* admitted connections: these, by their last known activity */
    struct connection *idle; /* the longest idle */
    struct connection *busy; /* the last */
    struct crowd crowd;      /* the same, by address */
    struct listener listeners[GATEWAY_ADDRESSES_MAX];
    size_t listener_count;
};

struct gateway {
    struct log_spare exhaustions; /* of descriptors */
    struct gateway_options options;
    struct relay_settings relay_settings;
    struct loop *loop;
    pthread_t thread;
    bool started;
    struct route *routes;
    struct share *shares;
    struct connection *connections;
    struct waiting_room room; /* who has not sent a ClientHello yet */
    unsigned admitted;        /* who has, and is on the way to an app or there */
    struct listener shared[GATEWAY_ADDRESSES_MAX];
    size_t shared_count;
    struct gateway_counts counts;
    size_t held; /* by all relays */
    uint8_t scratch[RELAY_CHUNK];
};

/* The newest: what took a name over comes before what had it. NULL: there is none. */
struct route *gateway_route_by_name(const struct gateway *gateway, const char *host_name);

void gateway_connections_init(struct gateway *gateway);
/* Takes over a client that was accepted for `route` (NULL: found by SNI). */
void gateway_connection_new(struct gateway *gateway, struct route *route, int fd,
                            const struct sockaddr_storage *address);
/* Closes those of a route, all where it is NULL. */
void gateway_connections_drop(struct gateway *gateway, const struct route *route);
