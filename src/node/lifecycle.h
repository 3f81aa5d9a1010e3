// SPDX-License-Identifier: Apache-2.0
/*
 * The states of an app and what its enclave's news make of them. Pure: the record and a time go in,
 * the record and what to do come out.
 *
 *     spawning ──► initializing ──► running        a death of the enclave: crashing, and back to
 *        ▲  └───────────┴────────────┤             spawning after a pause that grows, for as long
 * as └─────── crashing ◄─────────┤             it takes: who visits an app must not be able to └►
 * on_error   end it. on_error only where it was never provisioned. stopped ends all of them.
 *
 *     any of these ──► expired ──► stopped    after the time for which it is kept; back to spawning
 *                                             where a corrected clock says that it was too early
 */
#pragma once

#include "store/store.h"

enum {
    LIFECYCLE_FIRST_PAUSE_MS = 1000,
    LIFECYCLE_LAST_PAUSE_MS = 300 * 1000,
    LIFECYCLE_WAIT_MS =
        8000, /* visitors wait through pauses up to this; then they are turned away */
    LIFECYCLE_STABLE_S = 60, /* an app that ran for so long starts counting anew */
};

/* A new enclave is about to be started. The reason of the last crash stays through these three. */
void lifecycle_spawning(struct store_app *app, int64_t now);
/* The enclave waits for the key of its storage, however long. */
void lifecycle_locked(struct store_app *app, int64_t now);
/* The enclave waits for its secrets. */
void lifecycle_initializing(struct store_app *app, int64_t now);
void lifecycle_running(struct store_app *app, int64_t now);
/* The app stays down until its owner does something. */
void lifecycle_failed(struct store_app *app, const char *reason, int64_t now);
/* The enclave ended by itself. Returns how many milliseconds to wait before the next start, -1: it
 * is on_error now. `ran_s`: how long the app was running, not by the wall clock. */
int64_t lifecycle_died(struct store_app *app, const char *reason, int64_t ran_s, int64_t now);
/* Its expiry has come: the enclave is gone, what it stored is kept. */
void lifecycle_expired(struct store_app *app, int64_t now);
/* Its owner has ended the enclave and keeps everything. */
void lifecycle_paused(struct store_app *app, int64_t now);
/* Everything of it is gone. Not before: who is being removed and is not gone yet is on_error. */
void lifecycle_stopped(struct store_app *app, const char *reason, int64_t now);
