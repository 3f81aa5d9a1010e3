// SPDX-License-Identifier: Apache-2.0
/*
 * May the node promise this to one more app? What the apps that are not stopped were promised is
 * added up from their records each time, never counted beside, and held against what the node has
 * and what one account may have of it. Pure.
 */
#pragma once

#include "node/node_config.h"
#include "store/store.h"

struct promises {
    int64_t apps;
    int64_t memory_bytes;
    int64_t storage_bytes;
};

struct admission {
    const struct node_config *config;
    const struct store_app *wanted;
    const char *replaces;    /* goes when the new one comes; NULL: none */
    bool is_operator;        /* has no limit of an account */
    struct promises machine; /* what there is to give; of apps nothing is said */
    struct promises all;     /* apps of everybody */
    struct promises account; /* apps of this account */
};

/* Adds what an app was promised; one that is stopped has nothing. */
void admission_add(struct admission *admission, const struct store_app *app);
/* Errors: BUSY, with what is given away, what was asked for, and the key that says so. */
int admission_check(const struct admission *admission, struct err *err) MUST_USE;
