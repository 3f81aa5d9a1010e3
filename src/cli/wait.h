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
/* Until it runs again and has been started anew since `before` was read. */
int wait_for_restart(struct node_client *node, const struct node_app *before, int timeout_s,
                     struct node_app *ret, struct err *err) MUST_USE;
