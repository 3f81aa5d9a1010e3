// SPDX-License-Identifier: Apache-2.0
/*
 * Gives the enclaves on real hardware their vendor's collateral, so that who verifies an app needs
 * no vendor's service. One thread, one app after another: a vendor is never asked by two at once.
 * The work is done by a process of its own (staple.h), since it reads what an app says.
 */
#pragma once

#include "node/folders.h"
#include "node/node_config.h"
#include "store/store.h"

struct stapler;

struct stapler_options {
    const struct node_config *config;
    const struct folders *folders;
    struct store *store;
    const char *program; /* msed */
};

/* Everything in the options must outlive it. Starts the thread. */
int stapler_new(const struct stapler_options *options, struct stapler **ret,
                struct err *err) MUST_USE;
/* NULL is accepted. */
void stapler_free(struct stapler *stapler);
/* An app is in another state, or was found running. [any thread, no lock held] */
void stapler_state(void *stapler, const struct store_app *app);
