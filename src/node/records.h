// SPDX-License-Identifier: Apache-2.0
/*
 * Records of apps that are stopped. They are there for their owner to look at, and cost the node
 * its database and the operator's lists: an account keeps the last ones only.
 */
#pragma once

#include "store/store.h"

enum { RECORDS_KEPT = 64 }; /* of one account's stopped apps */

/* Forgets the app, with the logs of its releases, which are in `logs`; 0 also where it is gone. */
int records_forget(struct store *store, const char *logs, const char *id, struct err *err) MUST_USE;
/* Forgets those of the account of `last`, which was stopped last, that were stopped longest
 * ago. */
int records_trim(struct store *store, const char *logs, const struct store_app *last,
                 struct err *err) MUST_USE;
