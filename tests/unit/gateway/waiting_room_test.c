// SPDX-License-Identifier: Apache-2.0
/*
 * Who leaves a full room: first of an address that has many, then who has waited longest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "gateway/waiting_room.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

static void set_address(struct waiter *waiter, const char *text)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    struct sockaddr_in *ip4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&address;
    if (inet_pton(AF_INET, text, &ip4->sin_addr) != 1) {
        address.ss_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &ip6->sin6_addr), 1);
    }
    crowd_key_of_address(&address, waiter->address);
}

static struct waiter *come(struct waiting_room *room, struct waiter *waiter, const char *address)
{
    set_address(waiter, address);
    struct waiter *surplus = waiting_room_surplus(room, waiter);
    if (surplus != NULL)
        waiting_room_leave(room, surplus);
    waiting_room_enter(room, waiter);
    assert_true(room->count <= room->max);
    return surplus;
}

static void order_test(void **state)
{
    struct waiting_room room = {.max = 5, .max_per_address = 2};
    struct waiter waiters[9] = {0};
    assert_null(come(&room, &waiters[0], "192.0.2.1"));
    assert_null(come(&room, &waiters[1], "192.0.2.2"));
    assert_null(come(&room, &waiters[2], "192.0.2.2"));
    /* a third of one address: its own first one leaves */
    assert_ptr_equal(come(&room, &waiters[3], "192.0.2.2"), &waiters[1]);
    assert_null(come(&room, &waiters[4], "192.0.2.3"));
    assert_null(come(&room, &waiters[5], "192.0.2.4"));
    /* full: not who has waited longest, but the second of the address that had two */
    assert_ptr_equal(come(&room, &waiters[6], "192.0.2.5"), &waiters[2]);
    /* the one that is left of it came as a second, too */
    assert_ptr_equal(come(&room, &waiters[7], "192.0.2.6"), &waiters[3]);
    /* all alike: who has waited longest */
    assert_ptr_equal(come(&room, &waiters[8], "192.0.2.7"), &waiters[0]);
    for (size_t i = 4; i < ARRAY_LEN(waiters); i++)
        waiting_room_leave(&room, &waiters[i]);
    assert_int_equal(room.count, 0);
    assert_null(room.first);
    assert_null(room.last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_test),
    };
    return cmocka_run_group_tests_name("waiting_room", tests, NULL, NULL);
}
