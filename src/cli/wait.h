// SPDX-License-Identifier: Apache-2.0
/*
 * Waiting until an app on the node is where it should be. All of these end early, with the app's
 * own reason, when it is on_error.
 */
#pragma once

#include "client/node_client.h"

/* Errors: TIMEOUT (names the state it is in), APP (on_error, with the reason), INTERRUPTED. */
int wait_for_state(struct node_client *node, const char *id, const char *state, int timeout_s,
                   struct node_app *ret, struct err *err) MUST_USE;
/* The same of the release that an upload has answered: `app`; state NULL: "initializing", "locked"
 * or "running", whichever comes first. APP also where it was tried and has
 * failed, with why. */
int wait_for_release(struct node_client *node, const struct node_app *app, const char *state,
                     int timeout_s, struct node_app *ret, struct err *err) MUST_USE;
/* Until it runs again and has been started anew since `before` was read. */
int wait_for_restart(struct node_client *node, const struct node_app *before, int timeout_s,
                     struct node_app *ret, struct err *err) MUST_USE;
/* Until no release of it is being tried. */
int wait_for_trial(struct node_client *node, const char *id, int timeout_s, struct node_app *ret,
                   struct err *err) MUST_USE;
/* Until it is not locked any more: "initializing" or "running". */
int wait_for_unlocked(struct node_client *node, const char *id, int timeout_s, struct node_app *ret,
                      struct err *err) MUST_USE;
/* Fails with why this release has failed; 0: the newest. */
int wait_fail_release(struct node_client *node, const struct node_app *app, int64_t number,
                      struct err *err) MUST_USE;
