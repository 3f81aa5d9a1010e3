// SPDX-License-Identifier: Apache-2.0
/*
 * mse context: the owner's records of deployments, and what of them an app user gets.
 */
#include "cli/command.h"
#include "cli/ui.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "client/context_store.h"
#include "client/owner.h"
#include "client/storage_memory.h"
#include "format/json.h"

#include <stdio.h>
#include <string.h>

static int fingerprint_text(const struct context *context, char text[static 2 * SHA256_SIZE + 1],
                            struct err *err)
{
    uint8_t fingerprint[SHA256_SIZE];
    if (sha256(slice_str(context->manifest), fingerprint, err) < 0)
        return -1;
    hex_encode(slice_of(fingerprint, sizeof(fingerprint)), text);
    return 0;
}

static int add_json(void *data, const struct context *context, struct err *err)
{
    char fingerprint[2 * SHA256_SIZE + 1];
    if (fingerprint_text(context, fingerprint, err) < 0)
        return -1;
    json_t *entry = JSON_OF(JSON_TEXT("id", context->id), JSON_TEXT("name", context->name),
                            JSON_TEXT("project", context->project), JSON_TEXT("url", context->url),
                            JSON_TEXT("tee", context->tee), JSON_TEXT("fingerprint", fingerprint),
                            JSON_NUMBER("created", context->created));
    if (json_array_append_new(data, entry) < 0)
        return FAIL(err, ERR_MEMORY, "out of memory");
    return 0;
}

static int print_row(void *data, const struct context *context, struct err *err)
{
    (void)data;
    char fingerprint[2 * SHA256_SIZE + 1];
    char created[RFC3339_SIZE];
    if (fingerprint_text(context, fingerprint, err) < 0)
        return -1;
    rfc3339_format(context->created, created);
    ui_print(UI_PLAIN, "%.8s  %-20s %-12s %-10s %s  %.16s…  %s\n", context->id, context->name,
             context->project, context->tee, created, fingerprint, context->url);
    return 0;
}

static int list_contexts(struct err *err)
{
    if (!ui_json())
        return context_store_each(ui_hooks(), print_row, NULL, err);
    AUTO_JSON json_t *all = json_array();
    if (context_store_each(ui_hooks(), add_json, all, err) < 0)
        return -1;
    return ui_print_json(json_incref(all), err);
}

/* So that who verifies for the first time is not shown an older copy either. */
static int add_storage(struct context *context, struct err *err)
{
    struct manifest manifest;
    uint8_t fingerprint[SHA256_SIZE];
    if (manifest_decode(slice_str(context->manifest), &manifest, err) < 0 ||
        sha256(slice_str(context->manifest), fingerprint, err) < 0)
        return -1;
    return storage_memory_get(&manifest, fingerprint, &context->storage, err);
}

static int export_context(const char *name, const char *output, struct err *err)
{
    AUTO_CONTEXT struct context context = {0};
    AUTO_BUF struct buf text = BUF_INIT(CONTEXT_MAX);
    if (context_store_find(ui_hooks(), name, &context, err) < 0)
        return -1;
    context.exported = true;
    if (add_storage(&context, err) < 0 || context_encode(&context, &text, err) < 0 ||
        buf_str(&text, "\n", err) < 0)
        return -1;
    if (output == NULL) {
        ui_print(UI_PLAIN, "%s", buf_text(&text));
        return 0;
    }
    if (file_write_atomic(output, buf_slice(&text), 0644, err) < 0)
        return -1;
    ui_info("wrote %s: publish it, and anybody can run 'mse verify URL --context %s'", output,
            path_base(output));
    return 0;
}

static int remove_context(const char *name, bool yes, struct err *err)
{
    AUTO_CONTEXT struct context context = {0};
    if (context_store_find(ui_hooks(), name, &context, err) < 0 ||
        ui_confirm(yes, err,
                   "Forget the context of '%s' (%.8s)? It cannot be verified from here afterwards.",
                   context.name, context.id) < 0)
        return -1;
    return context_store_remove(context.id, err);
}

static int remove_each(void *data, const struct context *context, struct err *err)
{
    size_t *count = data;
    (*count)++;
    return context_store_remove(context->id, err);
}

static int count_each(void *data, const struct context *context, struct err *err)
{
    (void)context;
    (void)err;
    (*(size_t *)data)++;
    return 0;
}

static int purge(bool yes, struct err *err)
{
    size_t found = 0;
    size_t removed = 0;
    if (context_store_each(ui_hooks(), count_each, &found, err) < 0)
        return -1;
    if (found == 0) {
        ui_info("there are no contexts");
        return 0;
    }
    if (ui_confirm(yes, err, "Forget all %zu contexts? The apps go on running.", found) < 0 ||
        context_store_each(ui_hooks(), remove_each, &removed, err) < 0)
        return -1;
    ui_info("forgot %zu contexts", removed);
    return 0;
}

static int context_command(const struct options *options, struct err *err)
{
    const char *export_name = options_value(options, "export");
    const char *remove_name = options_value(options, "remove");
    bool yes = options_has(options, "yes");
    int chosen = options_has(options, "list") + (export_name != NULL) + (remove_name != NULL) +
                 options_has(options, "purge");
    if (chosen != 1) {
        (void)FAIL(err, ERR_USAGE, "expected one of --list, --export, --remove, --purge");
        err_hint(err, "'mse context --help' shows what each does");
        return -1;
    }
    if (export_name != NULL)
        return export_context(export_name, options_value(options, "output"), err);
    if (remove_name != NULL)
        return remove_context(remove_name, yes, err);
    return options_has(options, "purge") ? purge(yes, err) : list_contexts(err);
}

static const struct option_spec context_options[] = {
    {.name = "list", .help = "list what was deployed from here"},
    {.name = "export",
     .value_name = "APP",
     .help = "write what an app user needs for verification; no key is in it"},
    {.name = "output", .letter = 'o', .value_name = "FILE", .help = "where --export writes"},
    {.name = "remove", .value_name = "APP", .help = "forget one context"},
    {.name = "purge", .help = "forget all contexts"},
    OPTION_YES,
    OPTION_JSON,
    OPTION_HELP,
};

const struct command command_context = {
    .name = "context",
    .arguments = "",
    .summary = "the records of your deployments",
    .text = "A context is what this machine remembers of a deployment: the manifest, the salt of "
            "the code commitment, the address and the TEE. It holds no key. Removing one does not "
            "stop the app.",
    .example = "mse context --list\nmse context --export hello --output hello.context",
    .options = context_options,
    .option_count = ARRAY_LEN(context_options),
    .run = context_command,
};
