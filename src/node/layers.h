// SPDX-License-Identifier: Apache-2.0
/*
 * Layers: what requirements.txt asks for, installed by pip into a folder of its own, found again
 * by content. pip runs other people's code, so it runs in a sandbox with limits: a user of its own,
 * the system read-only, nothing of the node but the folder it fills (node/pip.h, node/build.h).
 */
#pragma once

#include "base/buf.h"
#include "node/build.h"
#include "node/environments.h"
#include "node/node_config.h"
#include "store/store.h"

#include <sys/types.h>

enum { LAYER_KEY_SIZE = 65 };

struct layers;

struct layers_options {
    const char *folder;               /* where they lie */
    struct store *store;              /* what is known of them */
    int timeout_ms;                   /* of one pip */
    unsigned builds;                  /* at once; half of them, but at least one, for one account */
    struct build_limits limits;       /* of one build */
    bool host_network;                /* of pip: the index is on this machine */
    const struct node_config *config; /* how much they may take; NULL: any */
};

/* Removes what a killed msed left half built. `options` texts and store must outlive it. */
int layers_new(const struct layers_options *options, struct layers **ret, struct err *err) MUST_USE;
void layers_free(struct layers *layers);

/* The key of what this environment and these requirements (as requirements_check gives them) need
 * together. *ret_needed false: pip has nothing to install, the key is then "". */
int layer_key(const struct environment_offer *environment, struct slice requirements,
              char ret_key[static LAYER_KEY_SIZE], bool *ret_needed, struct err *err) MUST_USE;

/* Path of the ready layer, with environment.json and, where anything was to be installed,
 * site-packages/ in it; built now unless it is
 * there; whoever asks for one that is being built waits for it, as who has as many builds under way
 * as an account may. `owner`: the account. The caller frees *ret. APP: pip
 * failed, with the end of its output. */
int layers_get(struct layers *layers, const struct environment_offer *environment,
               struct slice requirements, const char *owner, char **ret, struct err *err) MUST_USE;
/* Removes layers that no app needs which is not stopped, the one that was used longest ago first,
 * until all together take at most `most` bytes. Before a build this is done by itself, down to
 * limits.layers; where those in use take as much, the build is refused (NO_ROOM). */
void layers_trim(struct layers *layers, int64_t most);
