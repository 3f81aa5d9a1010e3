// SPDX-License-Identifier: Apache-2.0
/*
 * The state folder: where everything of the node lies, and the lock that keeps a second msed out.
 *
 *     lock          held while msed runs; its pid inside
 *     state.db      the store
 *     simulation    root of the simulated TEE, mode 0600
 *     api.pem       certificate of the API and, in api.key, its private key, unless configured
 *     tokens        who may use the API over TCP: "NAME SHA-256-OF-TOKEN" a line
 *     ballast       room that is let go when the disk is full (node/room.h)
 *     uploads/      packages on their way in; emptied at every start
 *     apps/ID/      one app: package/ as it was uploaded, and what the launcher keeps
 *     layers/KEY/   packages installed by pip
 *     runtimes/     programs that releases run with (node/runtimes.h)
 *     logs/ID/      logs of an app's releases that do not run (node/kept_logs.h)
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct folders {
    char *state;
    char *lock;
    char *database;
    char *simulation;
    char *certificate;
    char *private_key;
    char *tokens;
    char *uploads;
    char *apps;
    char *layers;
    char *runtimes;
    char *logs;
    int lock_fd;
};

#define AUTO_FOLDERS __attribute__((cleanup(folders_close)))
#define FOLDERS_INIT ((struct folders){.lock_fd = -1})

/* Makes what is missing (mode 0700; apps/, layers/ and runtimes/ 0711, so that an app's own user
 * reaches what is its own) and takes the lock. CONFLICT: another msed holds it. */
int folders_open(const char *state, struct folders *ret, struct err *err) MUST_USE;
void folders_close(struct folders *folders);
