// SPDX-License-Identifier: Apache-2.0
/*
 * The runner over launch/ and storage/: the only place where the two meet.
 */
#pragma once

#include "launch/launcher.h"
#include "node/folders.h"
#include "node/node_config.h"
#include "node/runner.h"

struct runner_launch {
    struct runner runner; /* first: the two addresses are the same */
    const struct node_config *config;
    const struct folders *folders;
    const char *enclave; /* path of mse-enclave */
    char *self;          /* path of msed, which is also the supervisor; owned */
};

/* Fails where this machine cannot run enclaves, and says what is missing. */
int runner_launch_init(struct runner_launch *runner, const struct node_config *config,
                       const struct folders *folders, const char *enclave,
                       struct err *err) MUST_USE;
void runner_launch_done(struct runner_launch *runner);

/* What a supervisor does with storage; for `msed supervise`. */
extern const struct launch_storage runner_launch_storage;
