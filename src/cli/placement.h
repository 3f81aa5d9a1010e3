// SPDX-License-Identifier: Apache-2.0
/*
 * Where a deployment goes: a new app, or a new release of one that the node has; and what becomes
 * of what that stored. Runs on the owner's machine; what the node says here costs at most a
 * question or a refusal.
 */
#pragma once

#include "cli/project.h"

struct placement {
    bool is_update;           /* a new release of an app that is there */
    bool discard;             /* it begins with nothing stored */
    struct node_app existing; /* with is_update */
    char replaced_id[40];     /* an app of the same name with another id, which goes; "": none */
    uint64_t replaced_bytes;
};

void placement_done(struct placement *placement);

/* Looks for the app at the node, and settles project->id. Before project_pack. */
int placement_find(struct placement *placement, struct project *project, struct node_client *node,
                   struct err *err) MUST_USE;
/* Can the new release read what is stored? After project_pack, before anything is sent. CONFLICT,
 * with the ways out, where it cannot and `may_discard` is not given; with it, what would be lost is
 * asked about, unless `assume_yes`: INTERRUPTED, USAGE as ui_confirm. */
int placement_settle(struct placement *placement, const struct project *project, bool may_discard,
                     bool assume_yes, struct err *err) MUST_USE;
