// SPDX-License-Identifier: Apache-2.0
/*
 * The gateway: brings clients' bytes to apps. Every app has a route: a port of its own
 * (domain "localhost") or a host name that is found in the ClientHello (one listener for all).
 * Each connection to an app starts with a PROXY v2 header; what follows is TLS between client and
 * enclave, which the node passes through and cannot read. What does not begin with a ClientHello
 * reaches no app.
 *
 * The gateway runs a thread of its own. All functions may be called from every other thread and
 * block for the moment that thread needs.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct gateway;

struct gateway_options {
    /* Addresses (no port) on which each app's own port listens. */
    const char *const *addresses;
    size_t address_count;
    /* "ADDRESS:PORT" of the listeners shared by all apps, found by SNI; none: ports only. */
    const char *const *shared;
    size_t shared_count;
    unsigned connections; /* of all apps together, 0: not limited */
    unsigned connections_per_app;
    unsigned waiting;       /* that have not said yet what they want, besides those */
    size_t held_max;        /* bytes held for who does not read, before little is read for them */
    int64_t idle_ms;        /* a connection without a byte for so long is closed */
    int64_t half_closed_ms; /* the same once one side has said its last */
    int64_t connect_ms;     /* how long a client waits for an app that is starting */
    int64_t spare_ms;       /* at a limit: who has been silent for less gives no room to equals */
};

struct gateway_route {
    const char *id;
    const char *account;   /* whose it is: what one account's apps hold counts together */
    const char *folder;    /* holds the app's socket */
    const char *socket;    /* name of the socket in it */
    const char *host_name; /* lower case; for the shared listeners */
    uint16_t port;         /* 0: none of its own */
    uid_t uid;             /* who must own the socket */
    const char *replaces;  /* id of a route from which it takes the host name over; NULL: none */
};

struct gateway_counts {
    uint64_t open;    /* connections */
    uint64_t waiting; /* of them: have not said yet what they want */
    uint64_t accepted;
    uint64_t refused;     /* no route, too many, not for an app, or the app did not answer */
    uint64_t held;        /* bytes that wait for who does not read */
    uint64_t crowded_out; /* of them: said nothing, and others came */
};

/* The texts in options must outlive the gateway. */
int gateway_new(const struct gateway_options *options, struct gateway **ret,
                struct err *err) MUST_USE;
/* Closes everything, ends the thread. NULL is accepted. */
void gateway_free(struct gateway *gateway);
DEFINE_CLEANUP(gateway_cleanup, struct gateway *, gateway_free)
#define AUTO_GATEWAY __attribute__((cleanup(gateway_cleanup)))

/* Binds the app's port. Errors: CONFLICT (port or host name taken), EXISTS (the id has a route). A
 * name that is taken over goes back to `replaces` when the new route is removed first. */
int gateway_add(struct gateway *gateway, const struct gateway_route *route,
                struct err *err) MUST_USE;
/* Closes the app's listeners and connections; nothing happens where there is no such route. */
void gateway_remove(struct gateway *gateway, const char *id);
/* An app that is down keeps its port and its name, so that nobody else gets them: its connections
 * are closed, and new ones are at once, until it is up again. */
void gateway_set_down(struct gateway *gateway, const char *id, bool down);
struct gateway_counts gateway_count(struct gateway *gateway);

/* Is this port free on all these addresses right now? */
bool gateway_port_free(const char *const *addresses, size_t count, uint16_t port);
