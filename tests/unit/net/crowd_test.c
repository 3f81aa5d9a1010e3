// SPDX-License-Identifier: Apache-2.0
/*
 * Who is one peer, who holds most, and for whom it has to give.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "net/crowd.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

static void key_of(const char *text, uint8_t key[CROWD_KEY_SIZE])
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    struct sockaddr_in *ip4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&address;
    if (inet_pton(AF_INET, text, &ip4->sin_addr) != 1) {
        address.ss_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &ip6->sin6_addr), 1);
    }
    crowd_key_of_address(&address, key);
}

static void same(const char *a, const char *b, bool expected)
{
    uint8_t first[CROWD_KEY_SIZE];
    uint8_t second[CROWD_KEY_SIZE];
    key_of(a, first);
    key_of(b, second);
    assert_int_equal(memcmp(first, second, CROWD_KEY_SIZE) == 0, expected);
}

static void keys_test(void **state)
{
    same("192.0.2.1", "192.0.2.1", true);
    same("192.0.2.1", "192.0.2.2", false);
    same("192.0.2.1", "::ffff:192.0.2.1", true);
    same("::ffff:192.0.2.1", "::ffff:192.0.2.2", false);
    same("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true);
    same("2001:db8:0:1::1", "2001:db8:0:2::1", false);
    same("::1", "0.0.0.1", false);
    uint8_t first[CROWD_KEY_SIZE];
    uint8_t second[CROWD_KEY_SIZE];
    crowd_key_of_user(1000, first);
    crowd_key_of_user(1001, second);
    assert_memory_not_equal(first, second, CROWD_KEY_SIZE);
    crowd_key_of_user(1000, second);
    assert_memory_equal(first, second, CROWD_KEY_SIZE);
}

static void enter(struct crowd *crowd, struct crowd_member *members, size_t count, uid_t uid)
{
    uint8_t key[CROWD_KEY_SIZE];
    crowd_key_of_user(uid, key);
    for (size_t i = 0; i < count; i++)
        crowd_enter(crowd, &members[i], key);
}

static const struct crowd_peer *greediest_for(const struct crowd *crowd, uid_t uid)
{
    uint8_t key[CROWD_KEY_SIZE];
    crowd_key_of_user(uid, key);
    return crowd_greediest(crowd, key);
}

/* Nobody gives who would then hold less than who gets. */
static void who_gives_test(void **state)
{
    struct crowd crowd = {0};
    struct crowd_member many[5] = {0};
    struct crowd_member few[4] = {0};
    assert_null(greediest_for(&crowd, 1));
    enter(&crowd, many, 1, 2);
    assert_null(greediest_for(&crowd, 1)); /* one each */
    enter(&crowd, many + 1, 4, 2);
    assert_ptr_equal(greediest_for(&crowd, 1)->first, &many[0]);
    enter(&crowd, few, 3, 1);
    assert_ptr_equal(greediest_for(&crowd, 1)->first, &many[0]); /* 4 and 4 afterwards */
    crowd_leave(&crowd, &many[0]);
    assert_null(greediest_for(&crowd, 1));
    assert_null(greediest_for(&crowd, 2)); /* nor for itself */
    assert_ptr_equal(greediest_for(&crowd, 3)->first, &many[1]);
    for (size_t i = 1; i < ARRAY_LEN(many); i++)
        crowd_leave(&crowd, &many[i]);
    for (size_t i = 0; i < 3; i++)
        crowd_leave(&crowd, &few[i]);
    crowd_leave(&crowd, &few[3]); /* never was in it */
    assert_int_equal(crowd.count, 0);
    crowd_done(&crowd);
}

/* Peers in an order that is none, leaving in another, and members from the middle of a list. */
static void many_peers_test(void **state)
{
    enum { PEERS = 1009, EACH = 3 };
    static struct crowd_member members[PEERS][EACH];
    struct crowd crowd = {0};
    for (size_t i = 0; i < PEERS; i++)
        enter(&crowd, members[i * 577 % PEERS], EACH, (uid_t)(i * 577 % PEERS));
    assert_int_equal(crowd.count, PEERS);
    for (size_t i = 1; i < crowd.count; i++)
        assert_true(memcmp(crowd.peers[i - 1]->key, crowd.peers[i]->key, CROWD_KEY_SIZE) < 0);
    for (size_t i = 0; i < PEERS; i++) {
        struct crowd_member *own = members[i * 211 % PEERS];
        crowd_leave(&crowd, &own[1]);
        assert_ptr_equal(own[0].next, &own[2]);
        assert_ptr_equal(own[2].previous, &own[0]);
        crowd_leave(&crowd, &own[2]);
        crowd_leave(&crowd, &own[0]);
        assert_int_equal(crowd.count, PEERS - i - 1);
    }
    crowd_done(&crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_test),
        cmocka_unit_test(who_gives_test),
        cmocka_unit_test(many_peers_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
