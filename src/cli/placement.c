// SPDX-License-Identifier: Apache-2.0
/*
 * Looking for the app, and asking about its data.
 */
#include "cli/placement.h"

#include "cli/ui.h"
#include "base/text.h"
#include "client/context_store.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 512 };

void placement_done(struct placement *placement)
{
    node_app_done(&placement->existing);
}

static bool is_gone(const struct node_app *app)
{
    return strcmp(app->state, "stopped") == 0;
}

/* The context of an app of this owner: only then its id is taken from the node's word. */
static int read_own_context(const char *id, const struct project *project, struct context *ret,
                            bool *ret_found, struct err *err)
{
    struct err missing = ERR_INIT;
    AUTO_CONTEXT struct context context = {0};
    *ret_found = false;
    if (context_store_find(ui_hooks(), id, &context, &missing) < 0) {
        if (missing.kind == ERR_NOT_FOUND)
            return 0;
        *err = missing;
        return -1;
    }
    if (strcmp(context.id, id) != 0 || strcmp(context.name, project->config.name) != 0 ||
        strcmp(context.project, project->config.project) != 0)
        return 0;
    *ret = context;
    context = (struct context){0};
    *ret_found = true;
    return 0;
}

/* By its name: an app of this owner from before ids were derived keeps its own. */
static int find_by_name(struct placement *placement, struct project *project,
                        struct node_client *node, struct err *err)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "/v1/apps?name=%s&project=%s", project->config.name,
                   project->config.project);
    AUTO_JSON json_t *apps = NULL;
    if (node_client_list(node, path, "apps", &apps, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(apps); i++) {
        AUTO_NODE_APP struct node_app app = {0};
        AUTO_CONTEXT struct context context = {0};
        if (node_app_from_json(json_array_get(apps, i), &app, err) < 0)
            return -1;
        if (is_gone(&app))
            continue;
        bool own = strcmp(app.id, project->id) == 0;
        if (!own && read_own_context(app.id, project, &context, &own, err) < 0)
            return -1;
        if (!own) {
            (void)snprintf(placement->replaced_id, sizeof(placement->replaced_id), "%.36s", app.id);
            placement->replaced_bytes = app.storage_used_bytes;
            continue;
        }
        (void)snprintf(project->id, sizeof(project->id), "%.36s", app.id);
        placement->is_update = true;
        node_app_done(&placement->existing);
        placement->existing = app;
        app = (struct node_app){0};
    }
    return 0;
}

int placement_find(struct placement *placement, struct project *project, struct node_client *node,
                   struct err *err)
{
    if (find_by_name(placement, project, node, err) < 0)
        return -1;
    if (placement->is_update && placement->replaced_id[0] != '\0')
        return FAIL(err, ERR_CONFLICT,
                    "the node has two apps named '%s' in project '%s': stop %s first",
                    project->config.name, project->config.project, placement->replaced_id);
    return 0;
}

/* --- data --- */

static bool same_fingerprint(const struct placement *placement, const struct project *project)
{
    char fingerprint[2 * SHA256_SIZE + 1];
    hex_encode(slice_of(project->fingerprint, SHA256_SIZE), fingerprint);
    return strcmp(placement->existing.fingerprint, fingerprint) == 0;
}

/* What the owner's record says of the release that runs. Without a record only the enclave can
 * tell, and a release that cannot read is taken back by the node. */
static int old_release_shares(const struct project *project, bool *ret, struct err *err)
{
    AUTO_CONTEXT struct context context = {0};
    struct manifest manifest;
    bool found = false;
    *ret = true;
    if (read_own_context(project->id, project, &context, &found, err) < 0)
        return -1;
    if (!found)
        return 0;
    if (manifest_decode(slice_str(context.manifest), &manifest, err) < 0)
        return -1;
    *ret = manifest_owner_keeps(&manifest) && manifest.key_epoch == project->manifest.key_epoch;
    return 0;
}

static int can_read(const struct placement *placement, const struct project *project, bool *ret,
                    struct err *err)
{
    *ret = same_fingerprint(placement, project);
    if (*ret || !manifest_owner_keeps(&project->manifest))
        return 0;
    return old_release_shares(project, ret, err);
}

static int refuse(const struct project *project, uint64_t bytes, struct err *err)
{
    char size[UI_SIZE_TEXT];
    ui_size_text(bytes, size);
    (void)FAIL(err, ERR_CONFLICT,
               "'%s' has stored %s, which only the version that runs can read: this one is another",
               project->config.name, size);
    err_hint(err, "nothing was sent; deploy with --discard-data to begin with empty storage, and "
                  "write keep = \"owner\" in [storage] of mse.toml so that versions from then on "
                  "read what earlier ones stored");
    return -1;
}

int placement_settle(struct placement *placement, const struct project *project, bool may_discard,
                     bool assume_yes, struct err *err)
{
    bool is_other = placement->replaced_id[0] != '\0';
    uint64_t bytes = is_other ? placement->replaced_bytes : placement->existing.storage_used_bytes;
    bool readable = false;
    char size[UI_SIZE_TEXT];
    if (!is_other && !placement->is_update)
        return 0;
    if (placement->is_update && can_read(placement, project, &readable, err) < 0)
        return -1;
    placement->discard = may_discard;
    if (readable && !may_discard)
        return 0;
    if (!may_discard)
        return refuse(project, bytes, err);
    ui_size_text(bytes, size);
    return ui_confirm(assume_yes, err, "'%s' is there. What it stored (%s) will be lost. Go on?",
                      project->config.name, size);
}
