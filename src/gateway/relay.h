// SPDX-License-Identifier: Apache-2.0
/*
 * One connection of the gateway once it knows where to go: bytes both ways between a client and an
 * app, never looked at. What cannot be written at once waits in a bounded buffer, and nothing more
 * is read for it meanwhile; an idle connection holds no buffer at all.
 */
#pragma once

#include "base/buf.h"
#include "net/loop.h"

enum {
    RELAY_CHUNK = 64 * 1024,      /* read at once */
    RELAY_SMALL_CHUNK = 4 * 1024, /* the same, when much is held already */
    RELAY_FIRST_MAX = 20 * 1024
};

struct relay;

struct relay_end {
    struct loop_watch watch;
    struct relay *relay;
    struct buf out; /* waits to be written here */
    bool added;     /* the watch is in the loop */
    bool eof;       /* read to its end */
    bool shut;      /* our sending side is closed */
};

struct relay_settings {
    struct loop *loop;
    uint8_t *scratch; /* RELAY_CHUNK bytes, shared by all relays of the loop */
    size_t held_max;  /* bytes that all relays of the loop hold before they read small chunks */
    size_t *held;     /* what they hold now */
    int64_t idle_ms;
    int64_t half_closed_ms;              /* instead of idle_ms, once one end is read to its end */
    void (*closed)(struct relay *relay); /* both ends are closed; the relay may be freed */
};

struct relay {
    const struct relay_settings *settings;
    struct relay_end client;
    struct relay_end app;
    struct loop_timer timer;
    int64_t active_ms;
    void *data; /* the owner's */
};

/* Takes both descriptors over, also on failure. `first` goes to the app before anything else. */
int relay_start(struct relay *relay, const struct relay_settings *settings, const int fds[2],
                struct slice first, struct err *err) MUST_USE;
/* Closes both ends at once, without calling `closed`. */
void relay_stop(struct relay *relay);
