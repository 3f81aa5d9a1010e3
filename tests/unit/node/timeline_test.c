// SPDX-License-Identifier: Apache-2.0
/*
 * When the wall clock is believed: every way in which it can be wrong, told by readings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/timeline.h"

#include <stdio.h>

static const int64_t NOW = 1800000000;
static const int64_t DAY = 86400;
static const int64_t YEARS = INT64_C(10) * 365 * 86400;

static struct timeline_reading reading(const char *boot, int64_t since_boot, int64_t wall)
{
    struct timeline_reading made = {.clock = {.wall = wall, .since_boot = since_boot}};
    (void)snprintf(made.clock.boot, sizeof(made.clock.boot), "%s", boot);
    return made;
}

static bool judge(struct timeline *timeline, const char *boot, int64_t since_boot, int64_t wall)
{
    const struct timeline_reading now = reading(boot, since_boot, wall);
    return timeline_judge(timeline, &now);
}

static bool judge_synchronised(struct timeline *timeline, const char *boot, int64_t since_boot,
                               int64_t wall)
{
    struct timeline_reading now = reading(boot, since_boot, wall);
    now.synchronised = true;
    return timeline_judge(timeline, &now);
}

static struct timeline started(const struct store_clock *stored, bool fresh)
{
    struct timeline timeline;
    const struct timeline_reading now = reading("a", 100, NOW);
    timeline_init(&timeline, stored, fresh, &now);
    return timeline;
}

static const struct store_clock known = {.wall = 1800000000, .since_boot = 100, .boot = "a"};

static void first_start_test(void **state)
{
    struct timeline timeline = started(NULL, true);
    assert_true(judge(&timeline, "a", 100, NOW));
    assert_true(judge(&timeline, "a", 100 + DAY, NOW + DAY));
    timeline = started(NULL, false); /* apps of a version that did not remember */
    assert_false(judge(&timeline, "a", 100, NOW));
    assert_true(judge(&timeline, "a", 100 + TIMELINE_SETTLE_S, NOW + TIMELINE_SETTLE_S));
}

static void jumps_test(void **state)
{
    const int64_t jumps[] = {YEARS, -YEARS, TIMELINE_STEP_S + 2, -TIMELINE_STEP_S - 2};
    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        struct timeline timeline = started(&known, false);
        assert_true(judge(&timeline, "a", 200, NOW + 100));
        assert_false(judge_synchronised(&timeline, "a", 201, NOW + 101 + jumps[i]));
        assert_false(judge(&timeline, "a", 205, NOW + 105 + jumps[i]));
        assert_true(judge(&timeline, "a", 206, NOW + 106)); /* the right one again */
    }
}

/* Somebody set it right: it is believed after an hour in which it jumped no more. */
static void a_correction_settles_test(void **state)
{
    struct timeline timeline = started(&known, false);
    assert_false(judge(&timeline, "a", 200, NOW + YEARS));
    assert_false(judge(&timeline, "a", 200 + DAY, NOW + 2 * YEARS + DAY));
    assert_false(judge(&timeline, "a", 200 + DAY + TIMELINE_SETTLE_S - 1,
                       NOW + 2 * YEARS + DAY + TIMELINE_SETTLE_S - 1));
    assert_true(judge(&timeline, "a", 200 + DAY + TIMELINE_SETTLE_S,
                      NOW + 2 * YEARS + DAY + TIMELINE_SETTLE_S));
    assert_true(judge(&timeline, "a", 201 + DAY + TIMELINE_SETTLE_S,
                      NOW + 2 * YEARS + DAY + TIMELINE_SETTLE_S + 1));
}

static void small_corrections_are_followed_test(void **state)
{
    struct timeline timeline = started(&known, false);
    for (int64_t i = 1; i < 100; i++)
        assert_true(judge(&timeline, "a", 100 + i * 60, NOW + i * 61));
}

/* A boot: off for a month, or a dead battery? */
static void boots_test(void **state)
{
    struct timeline timeline = started(&known, false);
    assert_true(judge_synchronised(&timeline, "b", 5, NOW + 30 * DAY));
    timeline = started(&known, false);
    assert_false(judge_synchronised(&timeline, "b", 5, NOW - DAY)); /* earlier than before */
    timeline = started(&known, false);
    assert_false(judge(&timeline, "b", 5, NOW + YEARS));            /* nobody vouches for it */
    assert_false(judge_synchronised(&timeline, "b", 65, NOW + 60)); /* the time server steps it */
    assert_true(
        judge_synchronised(&timeline, "b", 65 + TIMELINE_SETTLE_S, NOW + 60 + TIMELINE_SETTLE_S));
    timeline = started(&known, false);
    assert_false(judge(&timeline, "", 5, NOW)); /* a kernel that does not tell its boots apart */
}

static void machine_clock_test(void **state)
{
    struct timeline_reading now;
    timeline_read(&now);
    assert_true(now.clock.wall > 1700000000);
    assert_true(now.clock.since_boot > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_start_test),
        cmocka_unit_test(jumps_test),
        cmocka_unit_test(a_correction_settles_test),
        cmocka_unit_test(small_corrections_are_followed_test),
        cmocka_unit_test(boots_test),
        cmocka_unit_test(machine_clock_test),
    };
    return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
