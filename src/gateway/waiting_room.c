// SPDX-License-Identifier: Apache-2.0
/*
 * Who waits, and who leaves. Looks at the whole room for each that comes: it is small, and a table
 * by address would be something to fill. Runs on the gateway's loop thread in msed.
 */
#include "gateway/waiting_room.h"

#include <string.h>

struct waiter *waiting_room_surplus(const struct waiting_room *room, struct waiter *waiter)
{
    struct waiter *oldest_same = NULL;
    struct waiter *crowd = NULL; /* the first of the highest rank */
    unsigned same = 0;
    for (struct waiter *other = room->first; other != NULL; other = other->next) {
        if (crowd == NULL || other->rank > crowd->rank)
            crowd = other;
        if (memcmp(other->address, waiter->address, sizeof(other->address)) != 0)
            continue;
        if (oldest_same == NULL)
            oldest_same = other;
        same++;
    }
    waiter->rank = same < room->max_per_address ? same + 1 : same;
    if (same >= room->max_per_address)
        return oldest_same;
    return room->count >= room->max ? crowd : NULL;
}

void waiting_room_enter(struct waiting_room *room, struct waiter *waiter)
{
    waiter->next = NULL;
    waiter->previous = room->last;
    if (room->last != NULL)
        room->last->next = waiter;
    else
        room->first = waiter;
    room->last = waiter;
    room->count++;
}

void waiting_room_leave(struct waiting_room *room, struct waiter *waiter)
{
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    else
        room->last = waiter->previous;
    if (waiter->previous != NULL)
        waiter->previous->next = waiter->next;
    else
        room->first = waiter->next;
    waiter->next = waiter->previous = NULL;
    room->count--;
}
