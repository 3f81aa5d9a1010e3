// SPDX-License-Identifier: Apache-2.0
/*
 * Who holds how many of something that has a limit, connections above all. At the limit whoever
 * holds most gives to who holds less, so that nobody takes all. The places are the callers' own;
 * one thread at a time.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { CROWD_KEY_SIZE = 16 };

struct crowd_member {
    struct crowd_peer *peer; /* NULL: in no crowd */
    struct crowd_member *next;
    struct crowd_member *previous;
    void *owner; /* the caller's */
};

/* One that holds some. */
struct crowd_peer {
    uint8_t key[CROWD_KEY_SIZE];
    struct crowd_member *first; /* the oldest */
    struct crowd_member *last;
    size_t count;
};

/* Zeroed: empty. */
struct crowd {
    struct crowd_peer **peers; /* ascending by key */
    size_t count;
    size_t capacity;
};

/* One customer of a provider is one address: an IPv4 address, the first 64 bits of an IPv6 one. */
void crowd_key_of_address(const struct sockaddr_storage *address, uint8_t key[CROWD_KEY_SIZE]);
/* The same of an address as text; all that is none is one. */
void crowd_key_of_text(const char *address, uint8_t key[CROWD_KEY_SIZE]);
void crowd_key_of_user(uid_t uid, uint8_t key[CROWD_KEY_SIZE]);

/* Where there is no memory it stays outside, and counts for nobody. */
void crowd_enter(struct crowd *crowd, struct crowd_member *member,
                 const uint8_t key[CROWD_KEY_SIZE]);
/* Nothing happens where it is in none. */
void crowd_leave(struct crowd *crowd, struct crowd_member *member);
/* Who holds most, where one less is still no less than `key` holds with one more; NULL: nobody, all
 * have their share. */
const struct crowd_peer *crowd_greediest(const struct crowd *crowd,
                                         const uint8_t key[CROWD_KEY_SIZE]);
/* All members have left. */
void crowd_done(struct crowd *crowd);
