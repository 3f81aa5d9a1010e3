// SPDX-License-Identifier: Apache-2.0
/*
 * Judges the wall clock by the time since boot. Pure but for timeline_read; owns nothing. Runs in
 * msed.
 */
#include "node/timeline.h"

#include "base/clock.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>
#include <sys/timex.h>

static bool same_boot(const struct store_clock *a, const struct store_clock *b)
{
    return a->boot[0] != '\0' && strcmp(a->boot, b->boot) == 0;
}

/* Did as much pass on the wall as since boot? Of the same boot. */
static bool in_step(const struct store_clock *from, const struct store_clock *to)
{
    int64_t apart = (to->wall - from->wall) - (to->since_boot - from->since_boot);
    return apart <= TIMELINE_STEP_S && apart >= -TIMELINE_STEP_S;
}

static bool believe(struct timeline *timeline, const struct timeline_reading *now)
{
    timeline->believed = now->clock;
    timeline->known = true;
    timeline->settling = false;
    return true;
}

void timeline_init(struct timeline *timeline, const struct store_clock *stored, bool fresh,
                   const struct timeline_reading *now)
{
    *timeline = (struct timeline){0};
    if (stored != NULL) {
        timeline->believed = *stored;
        timeline->known = true;
    } else if (fresh) {
        (void)believe(timeline, now);
    }
}

/* The first look after a boot: the machine may have been off for any time, but not for less than
 * none. */
static bool good_after_boot(const struct timeline *timeline, const struct timeline_reading *now)
{
    bool behind = timeline->known && now->clock.wall < timeline->believed.wall - TIMELINE_STEP_S;
    return now->synchronised && !behind;
}

bool timeline_judge(struct timeline *timeline, const struct timeline_reading *now)
{
    bool this_boot = timeline->known && same_boot(&timeline->believed, &now->clock);
    if (this_boot && in_step(&timeline->believed, &now->clock))
        return believe(timeline, now);
    if (!this_boot && !timeline->settling && good_after_boot(timeline, now))
        return believe(timeline, now);
    if (!timeline->settling || !same_boot(&timeline->since, &now->clock) ||
        !in_step(&timeline->since, &now->clock)) {
        timeline->settling = true;
        timeline->since = now->clock;
        return false;
    }
    if (now->clock.since_boot - timeline->since.since_boot < TIMELINE_SETTLE_S)
        return false;
    return believe(timeline, now);
}

void timeline_read(struct timeline_reading *ret)
{
    struct timex state = {.modes = 0};
    AUTO_BUF struct buf boot = BUF_INIT(64);
    *ret = (struct timeline_reading){
        .clock = {.wall = clock_unix(), .since_boot = clock_since_boot_s()}};
    int kind = adjtimex(&state);
    ret->synchronised = kind >= 0 && kind != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
    /* without it every start counts as a boot */
    if (file_read("/proc/sys/kernel/random/boot_id", &boot, NULL) == 0 && boot.len > 1)
        (void)snprintf(ret->clock.boot, sizeof(ret->clock.boot), "%.*s", (int)boot.len - 1,
                       buf_text(&boot));
}
