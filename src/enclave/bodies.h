// SPDX-License-Identifier: Apache-2.0
/*
 * Who may keep the enclave waiting for a body. Anybody can begin a request to the enclave itself,
 * so there are few places, and they are for bodies that move: who is slowest gives way. A body that
 * is there with its head needs no place at all, and the owner's messages mostly are.
 */
#pragma once

#include "net/crowd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BODIES_MAX = 16,           /* places */
    BODIES_OF_ADDRESS_MAX = 4, /* of them for one client's address */
    BODY_PATIENCE_MS = 3000,   /* for a body, and a second more for each BODY_RATE that came */
    BODY_RATE = 64 * 1024,
};

/* Kept by whoever waits. */
struct body_place {
    void *owner; /* whose it is, for the caller */
    uint8_t client[CROWD_KEY_SIZE];
    int64_t since_ms;
    size_t received;
    bool is_taken;
    struct body_place *next;
};

struct bodies {
    struct body_place *first;
    size_t count;
};

/* Takes a place for a client, one of the addresses of net/crowd.h. Returns who has lost its own for
 * it: the slowest of the same address where that has too many, else the slowest of all where there
 * are too many, else NULL. */
struct body_place *bodies_enter(struct bodies *bodies, struct body_place *place,
                                const uint8_t client[CROWD_KEY_SIZE], int64_t now_ms);
/* 0 also for one that has none (any more). */
void bodies_leave(struct bodies *bodies, struct body_place *place);
/* Has this body had its time? */
bool body_is_late(const struct body_place *place, int64_t now_ms);
