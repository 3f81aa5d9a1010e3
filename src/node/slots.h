// SPDX-License-Identifier: Apache-2.0
/*
 * What the API does at once, counted by kind and by account: no account takes all of anything, and
 * a part of each kind is left for the operator.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>

enum slot_kind {
    SLOT_STRANGER, /* a request over TCP until its token was looked at */
    SLOT_REQUEST,  /* a request of an account: a thread */
    SLOT_UPLOAD,
    SLOT_LOG, /* a log that is being read or followed */
    SLOT_KINDS
};

struct slot_limits {
    const char *what; /* "uploads", in errors */
    unsigned total;   /* by all together, the reserve among them */
    unsigned account; /* by one account; the operator has no such limit */
    unsigned reserve; /* of the total, for the operator alone */
};

struct slots;

int slots_new(const struct slot_limits limits[static SLOT_KINDS], struct slots **ret,
              struct err *err) MUST_USE;
/* Everything was given back. NULL is accepted. */
void slots_free(struct slots *slots);
/* BUSY says whose limit it was. `owner`: the account, as in struct account. */
int slots_take(struct slots *slots, enum slot_kind kind, const char *owner, bool is_operator,
               struct err *err) MUST_USE;
void slots_give(struct slots *slots, enum slot_kind kind, const char *owner);
