// SPDX-License-Identifier: Apache-2.0
/*
 * Is the wall clock to be believed? It may jump (a dead battery, a wrong time server, somebody's
 * hand), and an app's expiry goes by it. It is believed while it runs in step with the time since
 * boot; after a jump, or a boot, it has to run in step for an hour again, but after a boot not
 * where the kernel says that it is synchronised. A machine without any time server so waits an
 * hour, not for ever. What was believed last is in the store, so that a new msed sees a jump that
 * the old one did not.
 *
 *            first start, no app yet
 *     ────────────────────────────────►  believed  ◄──── an hour in step ────┐
 *     a boot: synchronised, not behind ──►  │                                │
 *     a boot: otherwise ────────────────────┼──────────────►  not believed ──┘
 *                                           └── a jump ──────►   │
 *                                        ▲                       │
 *                                        └── back in step with ──┘ what was believed
 */
#pragma once

#include "store/store.h"

enum {
    TIMELINE_STEP_S = 60,     /* apart by more than this is a jump */
    TIMELINE_SETTLE_S = 3600, /* how long it has to run in step before it is believed again */
};

/* What the clocks say at one moment. */
struct timeline_reading {
    struct store_clock clock;
    bool synchronised; /* by the kernel's word */
};

struct timeline {
    struct store_clock believed; /* the last moment that was */
    struct store_clock since;    /* where the clock's present course began, while not believed */
    bool known;                  /* `believed` holds something */
    bool settling;               /* `since` does */
};

/* `stored`: what an earlier msed believed last, NULL: none. `fresh`: the node has no app yet, so
 * that there is nothing that a wrong clock could end. */
void timeline_init(struct timeline *timeline, const struct store_clock *stored, bool fresh,
                   const struct timeline_reading *now);
/* Is the reading's wall clock believed? */
bool timeline_judge(struct timeline *timeline, const struct timeline_reading *now);

void timeline_read(struct timeline_reading *ret);
