// SPDX-License-Identifier: Apache-2.0
/*
 * The context: the owner's record of one deployment, and, exported, what an app user needs to
 * verify it. JSON, no key in it. The salt is in it: with the code it recomputes the commitment, and
 * without the code it tells nothing.
 *
 *     {"format": 1, "kind": "context" | "verification", "id", "name", "project", "node"?, "url",
 *      "tee", "simulation_root"?, "salt", "created", "manifest", "storage"?: {"opening", "head"}}
 *
 * "verification" is the exported kind: it has no "node", and it alone may have "storage", the
 * newest opening of the app's storage that its owner has seen. The manifest is a string: its exact
 * bytes.
 */
#pragma once

#include "model/manifest.h"
#include "model/storage_history.h"

enum { CONTEXT_FORMAT = 1, CONTEXT_MAX = 64 << 10, CONTEXT_TEE_SIZE = 16, CONTEXT_URL_MAX = 512 };

struct context {
    bool exported;
    char id[MANIFEST_ID_SIZE];
    char name[NAME_SIZE];
    char project[NAME_SIZE];
    char *node;                 /* owned; the node's address, NULL where exported */
    char *url;                  /* owned; https://... of the app */
    char tee[CONTEXT_TEE_SIZE]; /* the TEE that was verified: "simulation", "sgx", ... */
    bool has_simulation_root;
    uint8_t simulation_root[32]; /* Ed25519 public key of the node's simulated TEE */
    uint8_t salt[32];            /* of the code commitment */
    int64_t created;             /* unix seconds */
    char *manifest;              /* owned; exact bytes, as text */
    struct storage_mark storage; /* exported; opening 0: none was seen */
};

void context_done(struct context *context);
#define AUTO_CONTEXT __attribute__((cleanup(context_done)))

int context_encode(const struct context *context, struct buf *out, struct err *err) MUST_USE;
/* Strict; the manifest inside is decoded too and must be of the same id and name. `what` names the
 * text in errors: a literal. */
int context_decode(struct slice text, const char *what, struct context *ret,
                   struct err *err) MUST_USE;
