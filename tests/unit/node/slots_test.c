// SPDX-License-Identifier: Apache-2.0
/*
 * Slots: one account takes its share and no more, and the operator's part stays the operator's.
 */
#include "testing.h"

#include "node/slots.h"

#include <stdio.h>

static const struct slot_limits limits[SLOT_KINDS] = {
    [SLOT_STRANGER] = {"strangers", 1, 1, 0},
    [SLOT_REQUEST] = {"requests", 6, 2, 2},
    [SLOT_UPLOAD] = {"uploads", 1, 1, 0},
    [SLOT_LOG] = {"logs", 1, 1, 0},
};

static void test_shares(void **state)
{
    (void)state;
    struct slots *slots = NULL;
    OK(slots_new(limits, &slots, &err));
    OK(slots_take(slots, SLOT_REQUEST, "token:a", false, &err));
    OK(slots_take(slots, SLOT_REQUEST, "token:a", false, &err));
    FAILS(ERR_BUSY, "your account has 2 requests",
          slots_take(slots, SLOT_REQUEST, "token:a", false, &err));
    OK(slots_take(slots, SLOT_UPLOAD, "token:a", false, &err)); /* another kind */
    OK(slots_take(slots, SLOT_REQUEST, "token:b", false, &err));
    OK(slots_take(slots, SLOT_REQUEST, "token:c", false, &err));
    FAILS(ERR_BUSY, "the node has as many requests",
          slots_take(slots, SLOT_REQUEST, "token:d", false, &err));
    OK(slots_take(slots, SLOT_REQUEST, "uid:0", true, &err));
    OK(slots_take(slots, SLOT_REQUEST, "uid:0", true, &err));
    FAILS(ERR_BUSY, "as many", slots_take(slots, SLOT_REQUEST, "uid:0", true, &err));
    slots_give(slots, SLOT_REQUEST, "token:a");
    FAILS(ERR_BUSY, "as many", slots_take(slots, SLOT_REQUEST, "token:b", false, &err));
    slots_give(slots, SLOT_REQUEST, "uid:0");
    slots_give(slots, SLOT_REQUEST, "uid:0");
    OK(slots_take(slots, SLOT_REQUEST, "token:d", false, &err));
    slots_give(slots, SLOT_REQUEST, "token:nobody"); /* changes nothing */
    FAILS(ERR_BUSY, "as many", slots_take(slots, SLOT_REQUEST, "token:e", false, &err));
    slots_free(slots);
}

/* As many accounts as slots, again and again: rows are used anew. */
static void test_many_accounts(void **state)
{
    (void)state;
    struct slots *slots = NULL;
    OK(slots_new(limits, &slots, &err));
    for (int i = 0; i < 1000; i++) {
        char owner[32];
        (void)snprintf(owner, sizeof(owner), "token:%d", i);
        OK(slots_take(slots, SLOT_REQUEST, owner, false, &err));
        OK(slots_take(slots, SLOT_REQUEST, owner, false, &err));
        slots_give(slots, SLOT_REQUEST, owner);
        slots_give(slots, SLOT_REQUEST, owner);
    }
    slots_free(slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares),
                                       cmocka_unit_test(test_many_accounts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
