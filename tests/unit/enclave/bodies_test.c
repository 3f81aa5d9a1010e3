// SPDX-License-Identifier: Apache-2.0
/*
 * Places for bodies: who gives way to whom.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "enclave/bodies.h"

#include <stdio.h>

static struct body_place places[64];

static struct body_place *enter(struct bodies *bodies, size_t i, const char *address, int64_t now)
{
    uint8_t client[CROWD_KEY_SIZE];
    crowd_key_of_text(address, client);
    places[i] = (struct body_place){.since_ms = now};
    return bodies_enter(bodies, &places[i], client, now);
}

static void an_address_crowds_out_only_itself(void **state)
{
    (void)state;
    struct bodies bodies = {0};
    assert_null(enter(&bodies, 0, "192.0.2.1", 0));
    for (size_t i = 1; i <= BODIES_OF_ADDRESS_MAX; i++)
        assert_null(enter(&bodies, i, "192.0.2.2", 10));
    assert_ptr_equal(enter(&bodies, 9, "192.0.2.2", 1000), &places[4]);
    assert_true(places[0].is_taken);
    assert_int_equal(bodies.count, 1 + BODIES_OF_ADDRESS_MAX);
}

/* Who has an IPv6 network has as many addresses as it likes. */
static void a_network_crowds_out_only_itself(void **state)
{
    (void)state;
    struct bodies bodies = {0};
    char address[64];
    assert_null(enter(&bodies, 0, "2001:db8:0:1::1", 0));
    for (size_t i = 1; i <= BODIES_MAX; i++) {
        (void)snprintf(address, sizeof(address), "2001:db8:0:2:%zx::1", i);
        const struct body_place *victim = enter(&bodies, i, address, 10);
        assert_true((victim != NULL) == (i > BODIES_OF_ADDRESS_MAX));
    }
    assert_true(places[0].is_taken);
    assert_int_equal(bodies.count, 1 + BODIES_OF_ADDRESS_MAX);
}

static void the_slowest_gives_way(void **state)
{
    (void)state;
    struct bodies bodies = {0};
    char address[32];
    for (size_t i = 0; i < BODIES_MAX; i++) {
        (void)snprintf(address, sizeof(address), "192.0.2.%zu", i);
        assert_null(enter(&bodies, i, address, 0));
        places[i].received = i == 7 ? 2 : 50000;
    }
    assert_ptr_equal(enter(&bodies, 20, "198.51.100.1", 1000), &places[7]);
    assert_false(places[7].is_taken);
    assert_int_equal(bodies.count, BODIES_MAX);
    /* who has come a moment ago is not slow yet */
    places[3].received = 3;
    assert_ptr_equal(enter(&bodies, 21, "198.51.100.2", 1001), &places[3]);
    assert_true(places[20].is_taken);
}

static void leaving_twice_is_leaving_once(void **state)
{
    (void)state;
    struct bodies bodies = {0};
    (void)enter(&bodies, 0, "a", 0);
    (void)enter(&bodies, 1, "a", 0);
    bodies_leave(&bodies, &places[0]);
    bodies_leave(&bodies, &places[0]);
    assert_int_equal(bodies.count, 1);
    assert_ptr_equal(bodies.first, &places[1]);
}

static void time_is_for_bodies_that_move(void **state)
{
    (void)state;
    struct body_place place = {.since_ms = 1000};
    assert_false(body_is_late(&place, 1000 + BODY_PATIENCE_MS));
    assert_true(body_is_late(&place, 1001 + BODY_PATIENCE_MS));
    place.received = 10 * BODY_RATE;
    assert_false(body_is_late(&place, 1000 + BODY_PATIENCE_MS + 10000));
    assert_true(body_is_late(&place, 1001 + BODY_PATIENCE_MS + 10000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_crowds_out_only_itself),
        cmocka_unit_test(a_network_crowds_out_only_itself),
        cmocka_unit_test(the_slowest_gives_way),
        cmocka_unit_test(leaving_twice_is_leaving_once),
        cmocka_unit_test(time_is_for_bodies_that_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
