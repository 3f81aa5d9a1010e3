// SPDX-License-Identifier: Apache-2.0
/*
 * Connections that have not said yet what they want: a room with few places, apart from those who
 * have. When it is full somebody leaves for who comes: first where one address has many, then who
 * has waited longest. So silence costs nobody else anything, and who speaks at once is never late.
 * The places are the callers' own; nothing here allocates.
 */
#pragma once

#include "net/crowd.h"

#include <stddef.h>
#include <stdint.h>

struct waiter {
    struct waiter *next; /* who came later */
    struct waiter *previous;
    uint8_t address[CROWD_KEY_SIZE]; /* crowd_key_of_address */
    unsigned rank; /* how many of its address waited when it came, itself included */
};

struct waiting_room {
    struct waiter *first; /* has waited longest */
    struct waiter *last;
    unsigned count;
    unsigned max;             /* at least 1 */
    unsigned max_per_address; /* at least 1 */
};

/* Who has to leave before `waiter`, whose address is set, may enter; NULL: nobody. */
struct waiter *waiting_room_surplus(const struct waiting_room *room, struct waiter *waiter);
void waiting_room_enter(struct waiting_room *room, struct waiter *waiter);
void waiting_room_leave(struct waiting_room *room, struct waiter *waiter);
