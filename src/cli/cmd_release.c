// SPDX-License-Identifier: Apache-2.0
/*
 * mse releases, rollback, unlock, pause, resume: the releases that an app has had, its storage
 * under another roof, and its rest. Runs on the owner's machine.
 */
#include "cli/command.h"
#include "cli/session.h"
#include "cli/storage_check.h"
#include "cli/ui.h"
#include "cli/wait.h"

#include "base/file.h"
#include "base/text.h"
#include "client/context_store.h"
#include "client/node_client.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 256, TIMEOUT_S = 60 };

static int find_app(const struct options *options, struct node_client **ret_node,
                    struct node_app *ret, struct err *err)
{
    if (node_client_open(ui_hooks(), options_value(options, "node"), ret_node, err) < 0)
        return -1;
    return node_app_find(*ret_node, options->arguments[0], ret, err);
}

/* --- releases --- */

static void print_release(const json_t *release)
{
    char line[512];
    const char *reason = json_string_value(json_object_get(release, "reason"));
    const char *state = json_string_value(json_object_get(release, "state"));
    const char *created = json_string_value(json_object_get(release, "created"));
    const char *fingerprint = json_string_value(json_object_get(release, "fingerprint"));
    if (reason == NULL || state == NULL || created == NULL || fingerprint == NULL)
        return;
    (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(reason, "\n"), reason);
    ui_print(UI_PLAIN, "%-7lld  %-8.16s  %.20s  %.16s  %s\n",
             (long long)json_integer_value(json_object_get(release, "number")), state, created,
             fingerprint, line);
}

static int releases(const struct options *options, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_NODE_APP struct node_app app = {0};
    AUTO_JSON json_t *list = NULL;
    char path[PATH_SIZE];
    if (find_app(options, &node, &app, err) < 0)
        return -1;
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/releases", app.id);
    if (node_client_list(node, path, "releases", &list, err) < 0)
        return -1;
    if (ui_json())
        return ui_print_json(JSON_OF(JSON_VALUE("releases", json_incref(list))), err);
    ui_print(UI_BOLD, "RELEASE  STATE     CREATED               FINGERPRINT       REASON\n");
    for (size_t i = 0; i < json_array_size(list); i++)
        print_release(json_array_get(list, i));
    return 0;
}

static const struct option_spec releases_options[] = {OPTION_NODE, OPTION_JSON, OPTION_HELP};

const struct command command_releases = {
    .name = "releases",
    .arguments = "APP",
    .summary = "list the releases that an app has had",
    .text = "Newest first: the live one, one that is tried at this moment, earlier ones that 'mse "
            "rollback' can bring back, and the last that failed, with why.",
    .example = "mse releases shop",
    .options = releases_options,
    .option_count = ARRAY_LEN(releases_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = releases,
};

/* --- rollback --- */

static int save_certificate(const char *id, const struct attested *channel, struct err *err)
{
    AUTO_FREE char *path = NULL;
    AUTO_BUF struct buf pem = BUF_INIT(64 << 10);
    if (attested_certificate_pem(channel, &pem, err) < 0 ||
        context_store_certificate_path(id, &path, err) < 0)
        return -1;
    return file_write_atomic(path, buf_slice(&pem), 0644, err);
}

/* The records follow the release that is live; it is verified before it is believed. */
static int follow(const struct node_app *app, struct err *err)
{
    AUTO_CONTEXT struct context context = {0};
    AUTO_ATTESTED struct attested *channel = NULL;
    struct provision_target target;
    struct manifest manifest;
    struct err missing = ERR_INIT;
    if (context_store_read_release(app->id, app->release, &context, &missing) < 0) {
        ui_warning("there is no record here of release %lld, so it was not verified: %s",
                   (long long)app->release, missing.message);
        return 0;
    }
    if (session_open(&context, NULL, TIMEOUT_S, &target, &channel, err) < 0 ||
        manifest_decode(slice_str(context.manifest), &manifest, err) < 0 ||
        context_store_save(&context, err) < 0 ||
        storage_check_session(channel, &manifest, target.fingerprint, err) < 0)
        return -1;
    return manifest.tls_mode == MANIFEST_TLS_RA ? save_certificate(app->id, channel, err) : 0;
}

static int read_number(const struct options *options, uint64_t *ret, struct err *err)
{
    if (options->argument_count < 2 ||
        parse_u64(options->arguments[1], "RELEASE", 1, INT32_MAX, ret, err) == 0)
        return 0;
    err->kind = ERR_USAGE;
    return -1;
}

/* What the node began with: the release that the app is to have. */
static int wait_for_rollback(struct node_client *node, const char *id, struct node_app *ret,
                             struct err *err)
{
    AUTO_NODE_APP struct node_app settled = {0};
    if (wait_for_trial(node, id, TIMEOUT_S, &settled, err) < 0)
        return -1;
    return wait_for_state(node, id, "running", TIMEOUT_S, ret, err);
}

static int roll_back(struct node_client *node, const struct node_app *app, uint64_t number,
                     struct err *err)
{
    char path[PATH_SIZE];
    char wanted[32] = "";
    AUTO_NODE_APP struct node_app after = {0};
    bool was_tried = strcmp(app->trial, "none") != 0;
    if (number != 0)
        (void)snprintf(wanted, sizeof(wanted), "?release=%llu", (unsigned long long)number);
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/rollback%s", app->id, wanted);
    if (node_client_request(node, "POST", path, NULL, err) < 0 ||
        wait_for_rollback(node, app->id, &after, err) < 0)
        return -1;
    bool missed = number != 0 ? after.release != (int64_t)number
                              : !was_tried && after.release == app->release;
    if (missed)
        return wait_fail_release(node, &after, (int64_t)number, err);
    if (follow(&after, err) < 0)
        return -1;
    ui_step_end("release %lld of %s is live, with what is stored now", (long long)after.release,
                app->name);
    return 0;
}

static int rollback(const struct options *options, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_NODE_APP struct node_app app = {0};
    uint64_t number = 0;
    if (read_number(options, &number, err) < 0 || find_app(options, &node, &app, err) < 0)
        return -1;
    ui_step_begin("rollback");
    if (roll_back(node, &app, number, err) == 0)
        return 0;
    ui_step_fail();
    return FAIL_CONTEXT(err, "rolling back '%s'", app.name);
}

static const struct option_spec rollback_options[] = {OPTION_NODE, OPTION_HELP};

const struct command command_rollback = {
    .name = "rollback",
    .arguments = "APP [RELEASE]",
    .summary = "bring an earlier release of an app back",
    .text = "The release before the one that runs, or the one of that number ('mse releases'). It "
            "starts from what is sealed for it, so nothing is sent, and it keeps what the app has "
            "stored until now: for that both must have been deployed with keep = \"owner\" in "
            "[storage] of mse.toml, or be the same version. Where it does not run, the release "
            "that ran goes on. While a new release is being tried, this takes it back.",
    .example = "mse rollback shop\nmse rollback shop 3",
    .options = rollback_options,
    .option_count = ARRAY_LEN(rollback_options),
    .min_arguments = 1,
    .max_arguments = 2,
    .run = rollback,
};

/* --- unlock --- */

/* Who was unlocked is another session's end by now. What lies elsewhere may be an older copy. */
static int check_unlocked(const struct context *context, const struct manifest *manifest,
                          const char *policy, struct err *err)
{
    AUTO_ATTESTED struct attested *channel = NULL;
    struct provision_target target;
    if (session_open(context, policy, TIMEOUT_S, &target, &channel, err) < 0)
        return -1;
    return storage_check_session(channel, manifest, target.fingerprint, err);
}

static int unlock_app(const struct options *options, struct node_client *node,
                      const struct node_app *app, struct err *err)
{
    AUTO_CONTEXT struct context context = {0};
    AUTO_ATTESTED struct attested *channel = NULL;
    AUTO_NODE_APP struct node_app after = {0};
    struct provision_target target;
    struct manifest manifest;
    if (strcmp(app->state, "locked") != 0) {
        (void)FAIL(err, ERR_CONFLICT, "'%s' is %s, not locked", app->name, app->state);
        return -1;
    }
    if (context_store_find(ui_hooks(), app->id, &context, err) < 0 ||
        manifest_decode(slice_str(context.manifest), &manifest, err) < 0 ||
        session_open(&context, options_value(options, "policy"), TIMEOUT_S, &target, &channel,
                     err) < 0 ||
        session_unlock(channel, &target, &manifest, err) < 0 ||
        wait_for_unlocked(node, app->id, TIMEOUT_S, &after, err) < 0)
        return -1;
    if (check_unlocked(&context, &manifest, options_value(options, "policy"), err) < 0)
        return -1;
    if (strcmp(after.state, "running") == 0) {
        ui_step_end("%s runs", app->name);
        return 0;
    }
    ui_step_end("the storage is open");
    ui_warning("nothing is sealed for it here yet: 'mse deploy' sends code key and secrets");
    return 0;
}

static int unlock(const struct options *options, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_NODE_APP struct node_app app = {0};
    if (find_app(options, &node, &app, err) < 0)
        return -1;
    ui_step_begin("unlock");
    if (unlock_app(options, node, &app, err) == 0)
        return 0;
    ui_step_fail();
    return FAIL_CONTEXT(err, "unlocking '%s'", app.name);
}

static const struct option_spec unlock_options[] = {
    {.name = "policy", .value_name = "FILE", .help = "which evidence is accepted (TOML)"},
    OPTION_NODE,
    OPTION_HELP,
};

const struct command command_unlock = {
    .name = "unlock",
    .arguments = "APP",
    .summary = "give a locked app the key of its storage",
    .text = "An app with keep = \"owner\" in [storage] of mse.toml is 'locked' where its enclave "
            "finds no key that it can open: on another machine, after a repair of the TEE, in a "
            "VM after each start. This verifies the enclave as 'mse verify' does and hands it the "
            "key over that very session.",
    .example = "mse unlock shop",
    .options = unlock_options,
    .option_count = ARRAY_LEN(unlock_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = unlock,
};

/* --- pause and resume --- */

static int pause_app(struct node_client *node, const struct node_app *app, struct err *err)
{
    char path[PATH_SIZE];
    AUTO_NODE_APP struct node_app after = {0};
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/pause", app->id);
    if (node_client_request(node, "POST", path, NULL, err) < 0 ||
        wait_for_state(node, app->id, "paused", TIMEOUT_S, &after, err) < 0)
        return -1;
    ui_step_end("%s is paused; its address and what it stored are kept", app->name);
    return 0;
}

static int resume_app(struct node_client *node, const struct node_app *app, struct err *err)
{
    char path[PATH_SIZE];
    AUTO_NODE_APP struct node_app after = {0};
    if (strcmp(app->state, "paused") != 0)
        return FAIL(err, ERR_CONFLICT, "'%s' is %s, not paused", app->name, app->state);
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/restart", app->id);
    if (node_client_request(node, "POST", path, NULL, err) < 0 ||
        wait_for_restart(node, app, TIMEOUT_S, &after, err) < 0)
        return -1;
    if (strcmp(after.state, "locked") == 0)
        ui_step_end("%s is locked: 'mse unlock' gives it the key of its storage", app->name);
    else
        ui_step_end("%s runs again", app->name);
    return 0;
}

static int do_step(const struct options *options, const char *name,
                   int (*step)(struct node_client *node, const struct node_app *app,
                               struct err *err),
                   struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_NODE_APP struct node_app app = {0};
    if (find_app(options, &node, &app, err) < 0)
        return -1;
    ui_step_begin(name);
    if (step(node, &app, err) == 0)
        return 0;
    ui_step_fail();
    return FAIL_CONTEXT(err, "%s of '%s'", name, app.name);
}

static int pause_command(const struct options *options, struct err *err)
{
    return do_step(options, "pause", pause_app, err);
}

static int resume_command(const struct options *options, struct err *err)
{
    return do_step(options, "resume", resume_app, err);
}

static const struct option_spec pause_options[] = {OPTION_NODE, OPTION_HELP};

const struct command command_pause = {
    .name = "pause",
    .arguments = "APP",
    .summary = "end the app's enclave and keep everything",
    .text = "Address, storage, keys and releases stay; nobody is answered until 'mse resume'. "
            "'mse stop' is what removes an app.",
    .example = "mse pause shop",
    .options = pause_options,
    .option_count = ARRAY_LEN(pause_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = pause_command,
};

const struct command command_resume = {
    .name = "resume",
    .arguments = "APP",
    .summary = "start a paused app again",
    .text = "From its sealed state: no secret is sent again.",
    .example = "mse resume shop",
    .options = pause_options,
    .option_count = ARRAY_LEN(pause_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = resume_command,
};
