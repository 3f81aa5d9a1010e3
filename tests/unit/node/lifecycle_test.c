// SPDX-License-Identifier: Apache-2.0
/*
 * The states of an app: what each piece of news makes of it, and the pauses between restarts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/lifecycle.h"

#include <string.h>

static void first_life_test(void **state)
{
    struct store_app app = {0};
    lifecycle_spawning(&app, 10);
    assert_int_equal(app.state, STORE_SPAWNING);
    lifecycle_initializing(&app, 11);
    assert_int_equal(app.state, STORE_INITIALIZING);
    assert_int_equal(app.provisioned, 0);
    lifecycle_running(&app, 12);
    assert_int_equal(app.state, STORE_RUNNING);
    assert_int_equal(app.provisioned, 1);
    assert_int_equal(app.started, 12);
    assert_int_equal(app.updated, 12);
}

/* What was never provisioned has nothing to come back from. */
static void unprovisioned_death_test(void **state)
{
    struct store_app app = {0};
    lifecycle_initializing(&app, 1);
    assert_int_equal(lifecycle_died(&app, "module 'app' not found", 0, 2), -1);
    assert_int_equal(app.state, STORE_ON_ERROR);
    assert_string_equal(app.reason, "module 'app' not found");
    assert_int_equal(app.restarts, 0);
}

static void quick_deaths_test(void **state)
{
    struct store_app app = {.provisioned = 1};
    const int64_t pauses[] = {1000,  2000,   4000,   8000,   16000, 32000,
                              64000, 128000, 256000, 300000, 300000};
    int64_t now = 100;
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        lifecycle_running(&app, now);
        now += LIFECYCLE_STABLE_S - 1;
        assert_int_equal(lifecycle_died(&app, "signal 11", LIFECYCLE_STABLE_S - 1, now), pauses[i]);
        assert_int_equal(app.state, STORE_CRASHING);
        assert_int_equal(app.quick_crashes, i + 1);
        assert_string_equal(app.reason, "signal 11");
        assert_int_equal(app.restarts, i + 1);
    }
    lifecycle_running(&app, now);
    assert_string_equal(app.reason, "signal 11"); /* can still be looked up */
    assert_int_equal(app.state, STORE_RUNNING);
    assert_int_equal(lifecycle_died(&app, "signal 6", 0, now), 300000);
    assert_string_equal(app.reason, "signal 6");
}

static void stable_run_starts_anew_test(void **state)
{
    struct store_app app = {.provisioned = 1, .quick_crashes = 4};
    lifecycle_running(&app, 1000);
    assert_int_equal(lifecycle_died(&app, "x", LIFECYCLE_STABLE_S, 1000), 1000);
    assert_int_equal(app.quick_crashes, 1);
}

static void death_before_running_counts_test(void **state)
{
    struct store_app app = {.provisioned = 1, .started = 0};
    lifecycle_spawning(&app, 1000000);
    assert_int_equal(lifecycle_died(&app, "x", 1000000, 2000000), 1000);
    lifecycle_spawning(&app, 2000000);
    assert_int_equal(lifecycle_died(&app, "x", 1000000, 3000000), 2000);
}

static void stopped_test(void **state)
{
    struct store_app app = {.provisioned = 1};
    lifecycle_running(&app, 5);
    lifecycle_stopped(&app, "expired", 6);
    assert_int_equal(app.state, STORE_STOPPED);
    assert_int_equal(app.desired, STORE_DESIRED_STOP);
    assert_string_equal(app.reason, "expired");
}

static void long_reason_test(void **state)
{
    static char reason[2 * STORE_REASON_SIZE];
    struct store_app app = {.provisioned = 1, .quick_crashes = 4};
    memset(reason, 'r', sizeof(reason) - 1);
    assert_true(lifecycle_died(&app, reason, 0, 1) > 0);
    assert_int_equal(strlen(app.reason), STORE_REASON_SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_life_test),
        cmocka_unit_test(unprovisioned_death_test),
        cmocka_unit_test(quick_deaths_test),
        cmocka_unit_test(stable_run_starts_anew_test),
        cmocka_unit_test(death_before_running_counts_test),
        cmocka_unit_test(stopped_test),
        cmocka_unit_test(long_reason_test),
    };
    return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
