// SPDX-License-Identifier: Apache-2.0
/*
 * Contexts as JSON. Runs on the owner's and the app user's machine; an exported context comes from
 * somebody else and is read strictly.
 */
#include "model/context.h"

#include "format/json.h"

#include <stdlib.h>

void context_done(struct context *context)
{
    free(context->node);
    free(context->url);
    free(context->manifest);
    *context = (struct context){0};
}

static int put_storage(const struct context *context, json_t *root, struct err *err)
{
    const struct storage_mark *mark = &context->storage;
    if (!context->exported || mark->opening == 0)
        return 0;
    json_t *storage = json_new_object(err);
    if (storage == NULL || json_put(root, "storage", storage, err) < 0 ||
        json_put_u64(storage, "opening", mark->opening, err) < 0)
        return -1;
    return json_put_hex(storage, "head", slice_of(mark->head, STORAGE_HEAD_SIZE), err);
}

static int put_members(const struct context *context, json_t *root, struct err *err)
{
    if (json_put_i64(root, "format", CONTEXT_FORMAT, err) < 0 ||
        json_put_text(root, "kind", context->exported ? "verification" : "context", err) < 0 ||
        json_put_text(root, "id", context->id, err) < 0 ||
        json_put_text(root, "name", context->name, err) < 0 ||
        json_put_text(root, "project", context->project, err) < 0 ||
        json_put_text(root, "url", context->url, err) < 0 ||
        json_put_text(root, "tee", context->tee, err) < 0 ||
        json_put_hex(root, "salt", slice_of(context->salt, sizeof(context->salt)), err) < 0 ||
        json_put_i64(root, "created", context->created, err) < 0 ||
        json_put_text(root, "manifest", context->manifest, err) < 0 ||
        put_storage(context, root, err) < 0)
        return -1;
    if (!context->exported && json_put_text_optional(root, "node", context->node, err) < 0)
        return -1;
    if (!context->has_simulation_root)
        return 0;
    return json_put_hex(root, "simulation_root",
                        slice_of(context->simulation_root, sizeof(context->simulation_root)), err);
}

int context_encode(const struct context *context, struct buf *out, struct err *err)
{
    AUTO_JSON json_t *root = json_new_object(err);
    if (root == NULL || put_members(context, root, err) < 0)
        return -1;
    return json_canonical(root, out, err);
}

static int read_owned(const struct json_at *top, const char *key, size_t max, char **ret,
                      struct err *err)
{
    const char *text;
    if (json_read_text(top, key, max, &text, err) < 0)
        return -1;
    *ret = str_copy(text, err);
    return *ret == NULL ? -1 : 0;
}

static int read_kind(const struct json_at *top, struct context *context, struct err *err)
{
    uint64_t format;
    const char *kind;
    if (json_read_u64(top, "format", 0, UINT32_MAX, &format, err) < 0 ||
        json_read_text(top, "kind", 32, &kind, err) < 0)
        return -1;
    if (format != CONTEXT_FORMAT)
        return FAIL(err, ERR_UNSUPPORTED, "%s: format %llu, this mse reads %d", top->what,
                    (unsigned long long)format, CONTEXT_FORMAT);
    if (strcmp(kind, "context") != 0 && strcmp(kind, "verification") != 0)
        return FAIL(err, ERR_INVALID, "%s: kind: expected \"context\" or \"verification\"",
                    top->what);
    context->exported = strcmp(kind, "verification") == 0;
    return 0;
}

static int check_manifest(const struct json_at *top, const struct context *context, struct err *err)
{
    struct manifest manifest;
    if (manifest_decode(slice_str(context->manifest), &manifest, err) < 0)
        return FAIL_CONTEXT(err, "%s", top->what);
    if (strcmp(manifest.id, context->id) != 0 || strcmp(manifest.name, context->name) != 0)
        return FAIL(err, ERR_INVALID, "%s: its manifest is of another app ('%s', %s)", top->what,
                    manifest.name, manifest.id);
    return 0;
}

static int read_storage(const struct json_at *top, struct context *context, struct err *err)
{
    static const char *const known[] = {"opening", "head"};
    struct json_at storage;
    if (!json_has(top, "storage"))
        return 0;
    if (!context->exported)
        return FAIL(err, ERR_INVALID, "%s: storage: only in a \"verification\"", top->what);
    if (json_read_object(top, "storage", &storage, err) < 0 ||
        json_only_keys(&storage, known, ARRAY_LEN(known), err) < 0 ||
        json_read_u64(&storage, "opening", 1, STORAGE_OPENINGS_MAX, &context->storage.opening,
                      err) < 0)
        return -1;
    return json_read_hex(&storage, "head", context->storage.head, STORAGE_HEAD_SIZE, err);
}

static int read_members(const struct json_at *top, struct context *context, struct err *err)
{
    static const char *const known[] = {
        "format",          "kind", "id",      "name",     "project", "node", "url", "tee",
        "simulation_root", "salt", "created", "manifest", "storage"};
    if (json_only_keys(top, known, ARRAY_LEN(known), err) < 0 || read_kind(top, context, err) < 0 ||
        json_read_text_into(top, "id", context->id, sizeof(context->id), err) < 0 ||
        json_read_text_into(top, "name", context->name, sizeof(context->name), err) < 0 ||
        json_read_text_into(top, "project", context->project, sizeof(context->project), err) < 0 ||
        json_read_text_into(top, "tee", context->tee, sizeof(context->tee), err) < 0 ||
        json_read_hex(top, "salt", context->salt, sizeof(context->salt), err) < 0 ||
        json_read_i64(top, "created", 0, INT64_MAX / 2, &context->created, err) < 0 ||
        read_owned(top, "url", CONTEXT_URL_MAX, &context->url, err) < 0 ||
        read_owned(top, "manifest", MANIFEST_MAX, &context->manifest, err) < 0 ||
        read_storage(top, context, err) < 0)
        return -1;
    if (json_has(top, "node") && read_owned(top, "node", CONTEXT_URL_MAX, &context->node, err) < 0)
        return -1;
    context->has_simulation_root = json_has(top, "simulation_root");
    if (!context->has_simulation_root)
        return 0;
    return json_read_hex(top, "simulation_root", context->simulation_root,
                         sizeof(context->simulation_root), err);
}

int context_decode(struct slice text, const char *what, struct context *ret, struct err *err)
{
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    AUTO_CONTEXT struct context context = {0};
    if (json_parse(text, what, CONTEXT_MAX, &root, err) < 0 ||
        json_top(root, what, &top, err) < 0 || read_members(&top, &context, err) < 0 ||
        check_manifest(&top, &context, err) < 0)
        return -1;
    *ret = context;
    context = (struct context){0};
    return 0;
}
