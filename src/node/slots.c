// SPDX-License-Identifier: Apache-2.0
/*
 * Slots in a table with a row for each account that has any of a kind: there are at most as many
 * rows as slots. Runs in msed, on the I/O threads too: it never blocks for long.
 */
#include "node/slots.h"

#include "base/lock.h"
#include "base/mem.h"
#include "node/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    enum slot_kind kind;
    char owner[ACCOUNT_OWNER_SIZE];
    unsigned count; /* 0: the row is free */
};

struct slots {
    struct slot_limits limits[SLOT_KINDS];
    struct lock lock;
    unsigned taken[SLOT_KINDS]; /* under the lock, as the rows */
    size_t row_count;
    struct row rows[];
};

int slots_new(const struct slot_limits limits[static SLOT_KINDS], struct slots **ret,
              struct err *err)
{
    size_t rows = 0;
    for (size_t i = 0; i < SLOT_KINDS; i++)
        rows += limits[i].total;
    struct slots *slots = mem_alloc(sizeof(*slots) + rows * sizeof(struct row), err);
    if (slots == NULL)
        return -1;
    memcpy(slots->limits, limits, sizeof(slots->limits));
    slots->row_count = rows;
    lock_init(&slots->lock, LOCK_API_SLOTS);
    *ret = slots;
    return 0;
}

void slots_free(struct slots *slots)
{
    if (slots == NULL)
        return;
    lock_done(&slots->lock);
    free(slots);
}

/* The owner's row, or a free one. Under the lock. */
static struct row *row_of(struct slots *slots, enum slot_kind kind, const char *owner)
{
    struct row *unused = NULL;
    for (size_t i = 0; i < slots->row_count; i++) {
        struct row *row = &slots->rows[i];
        if (row->count == 0)
            unused = row;
        else if (row->kind == kind && strcmp(row->owner, owner) == 0)
            return row;
    }
    return unused;
}

static int refuse(const struct slot_limits *limits, bool account, struct err *err)
{
    if (account)
        err_set(err, ERR_BUSY, 0, "your account has %u %s under way, as many as one may",
                limits->account, limits->what);
    else
        err_set(err, ERR_BUSY, 0, "the node has as many %s under way as it takes", limits->what);
    err_hint(err, "try again soon");
    return -1;
}

int slots_take(struct slots *slots, enum slot_kind kind, const char *owner, bool is_operator,
               struct err *err)
{
    const struct slot_limits *limits = &slots->limits[kind];
    const unsigned total = limits->total - (is_operator ? 0 : limits->reserve);
    lock_acquire(&slots->lock);
    bool full = slots->taken[kind] >= total;
    struct row *row = row_of(slots, kind, owner);
    bool over = !full && !is_operator && row->count >= limits->account;
    if (!full && !over) {
        if (row->count == 0) {
            row->kind = kind;
            (void)snprintf(row->owner, sizeof(row->owner), "%s", owner);
        }
        row->count++;
        slots->taken[kind]++;
    }
    lock_release(&slots->lock);
    return full || over ? refuse(limits, over, err) : 0;
}

void slots_give(struct slots *slots, enum slot_kind kind, const char *owner)
{
    lock_acquire(&slots->lock);
    struct row *row = row_of(slots, kind, owner);
    if (row != NULL && row->count > 0) {
        row->count--;
        slots->taken[kind]--;
    }
    lock_release(&slots->lock);
}
