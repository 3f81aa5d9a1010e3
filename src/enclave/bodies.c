// SPDX-License-Identifier: Apache-2.0
/*
 * The places for bodies on their way to the enclave itself. No clock and no lock of its own: both
 * are the front's. Runs in the enclave.
 */
#include "enclave/bodies.h"

#include <string.h>

enum { YOUNG_MS = 50 }; /* added to every age, so that who has just come is not the slowest */

/* Is `a` slower than `b`? Bytes by time, without dividing. */
static bool is_slower(const struct body_place *a, const struct body_place *b, int64_t now_ms)
{
    uint64_t age_of_a = (uint64_t)(now_ms - a->since_ms) + YOUNG_MS;
    uint64_t age_of_b = (uint64_t)(now_ms - b->since_ms) + YOUNG_MS;
    return ((uint64_t)a->received + 1) * age_of_b < ((uint64_t)b->received + 1) * age_of_a;
}

/* Of one address, or of all (NULL). */
static struct body_place *slowest(const struct bodies *bodies, const uint8_t *client,
                                  int64_t now_ms, size_t *ret_count)
{
    struct body_place *found = NULL;
    *ret_count = 0;
    for (struct body_place *at = bodies->first; at != NULL; at = at->next) {
        if (client != NULL && memcmp(at->client, client, CROWD_KEY_SIZE) != 0)
            continue;
        ++*ret_count;
        if (found == NULL || is_slower(at, found, now_ms))
            found = at;
    }
    return found;
}

static struct body_place *make_room(const struct bodies *bodies,
                                    const uint8_t client[CROWD_KEY_SIZE], int64_t now_ms)
{
    size_t count;
    struct body_place *victim = slowest(bodies, client, now_ms, &count);
    if (count >= BODIES_OF_ADDRESS_MAX)
        return victim;
    victim = slowest(bodies, NULL, now_ms, &count);
    return count >= BODIES_MAX ? victim : NULL;
}

struct body_place *bodies_enter(struct bodies *bodies, struct body_place *place,
                                const uint8_t client[CROWD_KEY_SIZE], int64_t now_ms)
{
    memcpy(place->client, client, sizeof(place->client));
    struct body_place *victim = make_room(bodies, client, now_ms);
    if (victim != NULL)
        bodies_leave(bodies, victim);
    place->is_taken = true;
    place->next = bodies->first;
    bodies->first = place;
    bodies->count++;
    return victim;
}

void bodies_leave(struct bodies *bodies, struct body_place *place)
{
    if (!place->is_taken)
        return;
    struct body_place **at = &bodies->first;
    while (*at != place)
        at = &(*at)->next;
    *at = place->next;
    place->next = NULL;
    place->is_taken = false;
    bodies->count--;
}

bool body_is_late(const struct body_place *place, int64_t now_ms)
{
    int64_t more_ms = (int64_t)(place->received / BODY_RATE) * 1000;
    return now_ms - place->since_ms > BODY_PATIENCE_MS + more_ms;
}
