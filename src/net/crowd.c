// SPDX-License-Identifier: Apache-2.0
/*
 * Peers in an array that is sorted, so that whoever has many addresses cannot make it slow as a
 * table of hashes. Owns the peers. Used in msed by the gateway and by the server of its API, on
 * their loops' threads.
 */
#include "net/crowd.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NETWORK_SIZE = 8, CAPACITY_FIRST = 16 };

void crowd_key_of_address(const struct sockaddr_storage *address, uint8_t key[CROWD_KEY_SIZE])
{
    memset(key, 0, CROWD_KEY_SIZE);
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *ip = (const struct sockaddr_in *)address;
        memset(key + 10, 0xff, 2); /* as ::ffff:0:0/96 has it */
        memcpy(key + 12, &ip->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ip = (const struct sockaddr_in6 *)address;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&ip->sin6_addr);
        memcpy(key, &ip->sin6_addr, mapped ? CROWD_KEY_SIZE : NETWORK_SIZE);
    }
}

void crowd_key_of_text(const char *text, uint8_t key[CROWD_KEY_SIZE])
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    struct sockaddr_in *ip = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&address;
    if (inet_pton(AF_INET, text, &ip->sin_addr) == 1)
        address.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &ip6->sin6_addr) == 1)
        address.ss_family = AF_INET6;
    crowd_key_of_address(&address, key);
}

void crowd_key_of_user(uid_t uid, uint8_t key[CROWD_KEY_SIZE])
{
    memset(key, 0, CROWD_KEY_SIZE);
    memcpy(key, &uid, sizeof(uid));
}

/* Where the peer is, or would be. */
static size_t place_of(const struct crowd *crowd, const uint8_t key[CROWD_KEY_SIZE],
                       bool *ret_found)
{
    size_t low = 0;
    size_t high = crowd->count;
    *ret_found = false;
    while (low < high && !*ret_found) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(crowd->peers[middle]->key, key, CROWD_KEY_SIZE);
        *ret_found = order == 0;
        if (order >= 0)
            high = middle;
        else
            low = middle + 1;
    }
    return *ret_found ? high : low;
}

static bool make_room(struct crowd *crowd)
{
    if (crowd->count < crowd->capacity)
        return true;
    size_t capacity = crowd->capacity == 0 ? CAPACITY_FIRST : crowd->capacity * 2;
    struct crowd_peer **peers =
        mem_resize_array(crowd->peers, capacity, sizeof(struct crowd_peer *), NULL);
    if (peers == NULL)
        return false;
    crowd->peers = peers;
    crowd->capacity = capacity;
    return true;
}

/* NULL: out of memory. */
static struct crowd_peer *peer_of(struct crowd *crowd, const uint8_t key[CROWD_KEY_SIZE])
{
    bool found = false;
    size_t place = place_of(crowd, key, &found);
    if (found)
        return crowd->peers[place];
    struct crowd_peer *peer = make_room(crowd) ? mem_alloc(sizeof(*peer), NULL) : NULL;
    if (peer == NULL)
        return NULL;
    memcpy(peer->key, key, CROWD_KEY_SIZE);
    memmove(crowd->peers + place + 1, crowd->peers + place,
            (crowd->count - place) * sizeof(struct crowd_peer *));
    crowd->peers[place] = peer;
    crowd->count++;
    return peer;
}

void crowd_enter(struct crowd *crowd, struct crowd_member *member,
                 const uint8_t key[CROWD_KEY_SIZE])
{
    struct crowd_peer *peer = peer_of(crowd, key);
    if (peer == NULL)
        return;
    member->peer = peer;
    member->next = NULL;
    member->previous = peer->last;
    if (peer->last != NULL)
        peer->last->next = member;
    else
        peer->first = member;
    peer->last = member;
    peer->count++;
}

static void remove_peer(struct crowd *crowd, struct crowd_peer *peer)
{
    bool found = false;
    size_t place = place_of(crowd, peer->key, &found);
    crowd->count--;
    memmove(crowd->peers + place, crowd->peers + place + 1,
            (crowd->count - place) * sizeof(struct crowd_peer *));
    free(peer);
}

void crowd_leave(struct crowd *crowd, struct crowd_member *member)
{
    struct crowd_peer *peer = member->peer;
    if (peer == NULL)
        return;
    if (member->next != NULL)
        member->next->previous = member->previous;
    else
        peer->last = member->previous;
    if (member->previous != NULL)
        member->previous->next = member->next;
    else
        peer->first = member->next;
    member->peer = NULL;
    member->next = member->previous = NULL;
    if (--peer->count == 0)
        remove_peer(crowd, peer);
}

const struct crowd_peer *crowd_greediest(const struct crowd *crowd,
                                         const uint8_t key[CROWD_KEY_SIZE])
{
    bool found = false;
    size_t place = place_of(crowd, key, &found);
    size_t own = 0;
    if (found) /* not with ?: inside the sum, where GCC 14.2 reads it in any case */
        own = crowd->peers[place]->count;
    size_t least = own + 2;
    const struct crowd_peer *most = NULL;
    for (size_t i = 0; i < crowd->count; i++) {
        const struct crowd_peer *peer = crowd->peers[i];
        if (peer->count >= least && (most == NULL || peer->count > most->count))
            most = peer;
    }
    return most;
}

void crowd_done(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->count; i++)
        free(crowd->peers[i]);
    free(crowd->peers);
    *crowd = (struct crowd){0};
}
