// SPDX-License-Identifier: Apache-2.0
/*
 * mse list, prune, status, stop, restart: what the node says of the apps, and what it is asked to
 * do with them. None of it is proof of anything: that is mse verify.
 */
#include "cli/command.h"
#include "cli/manifest_facts.h"
#include "cli/ui.h"
#include "cli/wait.h"

#include "base/clock.h"
#include "base/text.h"
#include "client/context_store.h"
#include "client/node_client.h"
#include "format/names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 256, STOP_TIMEOUT_S = 60, DEFAULT_RESTART_TIMEOUT_S = 60 };

static enum ui_style state_style(const char *state)
{
    if (strcmp(state, "running") == 0)
        return UI_GREEN;
    if (strcmp(state, "on_error") == 0 || strcmp(state, "crashing") == 0)
        return UI_RED;
    return strcmp(state, "stopped") == 0 ? UI_DIM : UI_YELLOW;
}

static void print_removal(const char *before, const struct node_app *app)
{
    char removal[RFC3339_SIZE];
    if (app->removal == 0)
        return;
    rfc3339_format(app->removal, removal);
    ui_print(UI_YELLOW, "%sits storage is removed about %s\n", before, removal);
}

/* --- list --- */

/* Which of the node's apps are shown. */
struct listing {
    json_t *apps;
    bool has_owners; /* some are of others: the operator sees all */
};

static int add_shown(const struct options *options, json_t *entry, bool is_local,
                     struct listing *ret, struct err *err)
{
    char me[32];
    AUTO_NODE_APP struct node_app app = {0};
    if (node_app_from_json(entry, &app, err) < 0)
        return -1;
    if (strcmp(app.state, "stopped") == 0 && !options_has(options, "all"))
        return 0;
    (void)snprintf(me, sizeof(me), "uid:%u", (unsigned)geteuid());
    ret->has_owners |= is_local && app.owner[0] != '\0' && strcmp(app.owner, me) != 0;
    if (json_array_append(ret->apps, entry) < 0)
        return FAIL(err, ERR_MEMORY, "cannot list the apps");
    return 0;
}

static void print_cut(const char *text, int width)
{
    ui_print(UI_PLAIN, "%-*.*s  ", width, width, text);
}

static int print_row(const json_t *entry, bool has_owners, struct err *err)
{
    AUTO_NODE_APP struct node_app app = {0};
    if (node_app_from_json(entry, &app, err) < 0)
        return -1;
    char created[RFC3339_SIZE];
    rfc3339_format(app.created, created);
    ui_print(UI_PLAIN, "%.8s  %-20s %-12s ", app.id, app.name, app.project);
    if (has_owners)
        print_cut(app.owner, 16);
    ui_print(state_style(app.state), "%-13s", app.state);
    ui_print(UI_PLAIN, "%s  %s\n", created, app.url);
    print_removal("          ", &app);
    return 0;
}

static int print_list(const struct listing *listing, struct err *err)
{
    if (json_array_size(listing->apps) == 0) {
        ui_info("no apps: 'mse scaffold hello' makes one, 'mse deploy' deploys it; 'mse list "
                "--all' shows stopped ones too");
        return 0;
    }
    ui_print(UI_BOLD, "%-8s  %-20s %-12s ", "ID", "NAME", "PROJECT");
    if (listing->has_owners)
        ui_print(UI_BOLD, "%-16s  ", "OWNER");
    ui_print(UI_BOLD, "%-13s%-20s  %s\n", "STATE", "CREATED", "URL");
    for (size_t i = 0; i < json_array_size(listing->apps); i++) {
        if (print_row(json_array_get(listing->apps, i), listing->has_owners, err) < 0)
            return -1;
    }
    return 0;
}

/* "/v1/apps" of one project or of all; a name needs no quoting in an address. */
static int list_path(const struct options *options, char ret[static PATH_SIZE], struct err *err)
{
    const char *project = options_value(options, "project");
    if (project != NULL && !name_valid(project))
        return FAIL(err, ERR_USAGE, "--project: '%s' is not a name", project);
    (void)snprintf(ret, PATH_SIZE, "/v1/apps%s%s",
                   project == NULL ? "" : "?project=", project == NULL ? "" : project);
    return 0;
}

static int list(const struct options *options, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_JSON json_t *apps = NULL;
    AUTO_JSON json_t *shown = json_array();
    struct listing listing = {.apps = shown};
    char path[PATH_SIZE];
    if (list_path(options, path, err) < 0 ||
        node_client_open(ui_hooks(), options_value(options, "node"), &node, err) < 0 ||
        node_client_list(node, path, "apps", &apps, err) < 0)
        return -1;
    bool is_local = node_client_address(node)[0] == '/';
    for (size_t i = 0; i < json_array_size(apps); i++) {
        if (add_shown(options, json_array_get(apps, i), is_local, &listing, err) < 0)
            return FAIL_CONTEXT(err, "the node's list of apps");
    }
    return ui_json() ? ui_print_json(json_incref(shown), err) : print_list(&listing, err);
}

#define OPTION_PROJECT                                                                             \
    {                                                                                              \
        .name = "project", .value_name = "NAME", .help = "only apps of this project"               \
    }

static const struct option_spec list_options[] = {
    {.name = "all", .letter = 'a', .help = "also apps that are stopped"},
    OPTION_PROJECT,
    OPTION_NODE,
    OPTION_JSON,
    OPTION_HELP,
};

const struct command command_list = {
    .name = "list",
    .arguments = "",
    .summary = "list your apps on the node",
    .text = "One line an app, oldest first. Stopped apps are shown with --all until the node "
            "forgets them: 'mse prune', or by itself the oldest of more than 64. The operator sees "
            "everybody's, with their owners.",
    .example = "mse list --json\nmse list --all --project shop",
    .options = list_options,
    .option_count = ARRAY_LEN(list_options),
    .run = list,
};

/* --- prune --- */

static int prune_app(struct node_client *node, const char *id, struct err *err)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "/v1/apps/%s?stopped=1", id);
    return node_client_request(node, "DELETE", path, NULL, err);
}

/* Counts those that are stopped, and forgets them where it is told to. */
static int each_stopped(struct node_client *node, const json_t *apps, bool forget, size_t *ret,
                        struct err *err)
{
    *ret = 0;
    for (size_t i = 0; i < json_array_size(apps); i++) {
        AUTO_NODE_APP struct node_app app = {0};
        if (node_app_from_json(json_array_get(apps, i), &app, err) < 0)
            return -1;
        if (strcmp(app.state, "stopped") != 0)
            continue;
        if (forget && prune_app(node, app.id, err) < 0)
            return -1;
        ++*ret;
    }
    return 0;
}

static int prune(const struct options *options, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_JSON json_t *apps = NULL;
    char path[PATH_SIZE];
    size_t count = 0;
    if (list_path(options, path, err) < 0 ||
        node_client_open(ui_hooks(), options_value(options, "node"), &node, err) < 0 ||
        node_client_list(node, path, "apps", &apps, err) < 0 ||
        each_stopped(node, apps, false, &count, err) < 0)
        return -1;
    if (count > 0 && ui_confirm(options_has(options, "yes"), err,
                                "Forget %zu stopped apps, with their logs and events?", count) < 0)
        return -1;
    if (each_stopped(node, apps, true, &count, err) < 0)
        return -1;
    ui_info("%zu stopped %s forgotten", count, count == 1 ? "app is" : "apps are");
    return 0;
}

static const struct option_spec prune_options[] = {OPTION_PROJECT, OPTION_YES, OPTION_NODE,
                                                   OPTION_HELP};

const struct command command_prune = {
    .name = "prune",
    .arguments = "",
    .summary = "forget the apps that are stopped, with their logs",
    .text = "What they had stored went when they were stopped; this removes what was left to look "
            "at: their lines in 'mse list --all', their events, the logs of their releases. Apps "
            "that are paused or have expired are not stopped and stay. The operator's prune takes "
            "those of all accounts.",
    .example = "mse prune --project shop --yes",
    .options = prune_options,
    .option_count = ARRAY_LEN(prune_options),
    .run = prune,
};

/* --- status --- */

/* What its reason tells has passed: another enclave has been started since. */
static bool has_come_back(const struct node_app *app)
{
    static const char *const states[] = {"spawning", "initializing", "running"};
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (strcmp(app->state, states[i]) == 0)
            return true;
    }
    return false;
}

static void print_status(const struct node_app *app)
{
    char created[RFC3339_SIZE];
    char expires[RFC3339_SIZE] = "never";
    char used[UI_SIZE_TEXT];
    char quota[UI_SIZE_TEXT] = "unlimited";
    bool is_tried = strcmp(app->trial, "none") != 0;
    rfc3339_format(app->created, created);
    if (app->expires != 0)
        rfc3339_format(app->expires, expires);
    ui_size_text(app->storage_used_bytes, used);
    if (app->storage_quota_bytes != 0)
        ui_size_text(app->storage_quota_bytes, quota);
    ui_print(UI_BOLD, "%s", app->name);
    ui_print(UI_PLAIN, "  %s\n  state        ", app->id);
    ui_print(state_style(app->state), "%s\n", app->state);
    if (app->reason[0] != '\0')
        ui_print(UI_PLAIN, "  %s %s\n", has_come_back(app) ? "last crash  " : "reason      ",
                 app->reason);
    if (app->crashes > 0)
        ui_print(UI_PLAIN, "  crashes      %lld, without a minute of running in between\n",
                 (long long)app->crashes);
    ui_print(UI_PLAIN,
             "  project      %s\n  url          %s\n  fingerprint  %s\n  created      %s\n"
             "  expires      %s\n  release      %lld%s%s\n  restarts     %lld\n"
             "  stored       %s of %s\n",
             app->project, app->url, app->fingerprint, created, expires, (long long)app->release,
             is_tried ? ", its trial: " : "", is_tried ? app->trial : "", (long long)app->restarts,
             used, quota);
    print_removal("  removal      ", app);
}

/* What the owner's own record says, of the app as it was deployed from here. */
static void print_facts(const struct node_app *app)
{
    AUTO_CONTEXT struct context context = {0};
    struct manifest manifest;
    struct err ignored = ERR_INIT;
    if (context_store_find(ui_hooks(), app->id, &context, &ignored) == 0 &&
        manifest_decode(slice_str(context.manifest), &manifest, &ignored) == 0)
        manifest_facts_print(&manifest, "  ");
}

static uint64_t counter(const json_t *counters, const char *name)
{
    int64_t value = json_integer_value(json_object_get(counters, name));
    return value > 0 ? (uint64_t)value : 0;
}

static double milliseconds(const json_t *counters, const char *name)
{
    return (double)counter(counters, name) / 1000.0;
}

static void print_health(const json_t *counters)
{
    uint64_t failing = counter(counters, "health_failing");
    uint64_t status = counter(counters, "health_status");
    char answered[40] = "no answer";
    if (counter(counters, "health_checks") == 0)
        return;
    if (status > 0)
        (void)snprintf(answered, sizeof(answered), "answered %" PRIu64, status);
    if (failing == 0)
        ui_print(UI_PLAIN, "  health       good: %s\n", answered);
    else
        ui_print(UI_RED, "  health       failed %" PRIu64 " times in a row: %s\n", failing,
                 answered);
}

static void print_counters(const json_t *counters, const char *reported)
{
    print_health(counters);
    char in[UI_SIZE_TEXT];
    char out[UI_SIZE_TEXT];
    char memory[UI_SIZE_TEXT];
    ui_size_text((int64_t)counter(counters, "bytes_in"), in);
    ui_size_text((int64_t)counter(counters, "bytes_out"), out);
    ui_size_text((int64_t)counter(counters, "memory_bytes"), memory);
    ui_print(UI_PLAIN,
             "  requests     %" PRIu64 " (2xx %" PRIu64 ", 3xx %" PRIu64 ", 4xx %" PRIu64
             ", 5xx %" PRIu64 "), %" PRIu64 " exceptions, %" PRIu64 " aborted, %" PRIu64 " busy\n",
             counter(counters, "requests"), counter(counters, "responses_2xx"),
             counter(counters, "responses_3xx"), counter(counters, "responses_4xx"),
             counter(counters, "responses_5xx"), counter(counters, "exceptions"),
             counter(counters, "aborted"), counter(counters, "busy"));
    ui_print(UI_PLAIN,
             "  latency      p50 %.2f ms, p99 %.2f ms; in the queue p50 %.2f ms, p99 %.2f ms\n",
             milliseconds(counters, "latency_p50_us"), milliseconds(counters, "latency_p99_us"),
             milliseconds(counters, "queue_p50_us"), milliseconds(counters, "queue_p99_us"));
    ui_print(UI_PLAIN,
             "  connections  %" PRIu64 " open, %" PRIu64 " so far, %" PRIu64 " refused; %" PRIu64
             " TLS handshakes, %" PRIu64 " resumed, %" PRIu64
             " post-quantum\n  traffic      %s in, %s out\n"
             "  memory       %s\n  reported     %s, by the enclave itself\n",
             counter(counters, "open"), counter(counters, "connections"),
             counter(counters, "refused"), counter(counters, "handshakes"),
             counter(counters, "resumed"), counter(counters, "post_quantum"), in, out, memory,
             reported);
}

static int print_stats(json_t *stats, struct err *err)
{
    struct json_at top;
    const char *reported;
    if (json_top(stats, "the node's counters", &top, err) < 0 ||
        json_read_text_optional(&top, "reported", RFC3339_SIZE, &reported, err) < 0)
        return -1;
    if (reported != NULL)
        print_counters(json_object_get(stats, "counters"), reported);
    return 0;
}

static int get(struct node_client *node, const char *id, const char *what, json_t **ret,
               struct err *err)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "/v1/apps/%s%s", id, what);
    return node_client_request(node, "GET", path, ret, err);
}

static int status(const struct options *options, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_NODE_APP struct node_app app = {0};
    AUTO_JSON json_t *stats = NULL;
    AUTO_JSON json_t *document = NULL;
    if (node_client_open(ui_hooks(), options_value(options, "node"), &node, err) < 0 ||
        node_app_find(node, options->arguments[0], &app, err) < 0 ||
        get(node, app.id, "/stats", &stats, err) < 0)
        return -1;
    if (!ui_json()) {
        print_status(&app);
        print_facts(&app);
        return print_stats(stats, err);
    }
    if (get(node, app.id, "", &document, err) < 0 ||
        json_put(document, "stats", json_incref(stats), err) < 0)
        return -1;
    return ui_print_json(json_incref(document), err);
}

static const struct option_spec status_options[] = {OPTION_NODE, OPTION_JSON, OPTION_HELP};

const struct command command_status = {
    .name = "status",
    .arguments = "APP",
    .summary = "show one app: state, reason, address, storage, counters",
    .text =
        "APP is a UUID, a unique beginning of one, or a name. The states: spawning, "
        "initializing (waits for its secrets), running, crashing (its enclave died and is started "
        "again after a pause that grows up to 5 minutes), on_error (with the reason), stopped. "
        "The counters are what the enclave says of its server, every 5 seconds; the node "
        "shows them to Prometheus at /metrics.",
    .example = "mse status hello",
    .options = status_options,
    .option_count = ARRAY_LEN(status_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = status,
};

/* --- stop --- */

static int stop_one(struct node_client *node, const struct node_app *app, bool yes, struct err *err)
{
    char used[UI_SIZE_TEXT];
    ui_size_text(app->storage_used_bytes, used);
    bool is_stopped = strcmp(app->state, "stopped") == 0;
    if (!is_stopped && ui_confirm(yes, err, "Stop '%s' (%.8s) and destroy what it stored (%s)?",
                                  app->name, app->id, used) < 0)
        return -1;
    ui_step_begin("stop");
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/stop", app->id);
    AUTO_NODE_APP struct node_app after = {0};
    if (node_client_request(node, "POST", path, NULL, err) < 0 ||
        wait_for_state(node, app->id, "stopped", STOP_TIMEOUT_S, &after, err) < 0) {
        ui_step_fail();
        return FAIL_CONTEXT(err, "stopping '%s'", app->name);
    }
    ui_step_end("%s is stopped, its storage and its keys are gone", app->name);
    return 0;
}

static int stop(const struct options *options, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    if (node_client_open(ui_hooks(), options_value(options, "node"), &node, err) < 0)
        return -1;
    for (size_t i = 0; i < options->argument_count; i++) {
        AUTO_NODE_APP struct node_app app = {0};
        if (node_app_find(node, options->arguments[i], &app, err) < 0 ||
            stop_one(node, &app, options_has(options, "yes"), err) < 0)
            return -1;
    }
    return 0;
}

static const struct option_spec stop_options[] = {OPTION_YES, OPTION_NODE, OPTION_HELP};

const struct command command_stop = {
    .name = "stop",
    .arguments = "APP...",
    .summary = "stop apps and destroy their storage and keys",
    .text = "What a stopped app had stored cannot be read by anybody any more. Its log is kept for "
            "some days, for 'mse logs'. The context stays until 'mse context --remove'.",
    .example = "mse stop hello",
    .options = stop_options,
    .option_count = ARRAY_LEN(stop_options),
    .min_arguments = 1,
    .max_arguments = OPTIONS_MAX,
    .run = stop,
};

/* --- restart --- */

/* Written in UTC, which needs no quoting in an address. */
static int read_expires(const char *text, char ret[static RFC3339_SIZE], struct err *err)
{
    int64_t when = 0;
    if (text == NULL)
        return 0;
    if (rfc3339_parse(text, &when, err) < 0)
        return FAIL_CONTEXT(err, "--expires");
    rfc3339_format(when, ret);
    return 0;
}

static int restart(const struct options *options, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_NODE_APP struct node_app app = {0};
    AUTO_NODE_APP struct node_app after = {0};
    if (node_client_open(ui_hooks(), options_value(options, "node"), &node, err) < 0 ||
        node_app_find(node, options->arguments[0], &app, err) < 0)
        return -1;
    char path[PATH_SIZE];
    char expires[RFC3339_SIZE] = "";
    if (read_expires(options_value(options, "expires"), expires, err) < 0)
        return -1;
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/restart%s%s", app.id,
                   expires[0] != '\0' ? "?expires=" : "", expires);
    ui_step_begin("restart");
    if (node_client_request(node, "POST", path, NULL, err) < 0 ||
        wait_for_restart(node, &app, DEFAULT_RESTART_TIMEOUT_S, &after, err) < 0) {
        ui_step_fail();
        return FAIL_CONTEXT(err, "restarting '%s'", app.name);
    }
    if (strcmp(after.state, "locked") == 0)
        ui_step_end("%s is locked: 'mse unlock' gives it the key of its storage", app.name);
    else
        ui_step_end("%s runs again, from its sealed state", app.name);
    return 0;
}

static const struct option_spec restart_options[] = {
    {.name = "expires",
     .value_name = "DATE",
     .help = "give it a new expiry, such as 2027-06-01T00:00:00Z; needed once it has expired"},
    OPTION_NODE,
    OPTION_HELP,
};

const struct command command_restart = {
    .name = "restart",
    .arguments = "APP",
    .summary = "end the app's enclave and start it again",
    .text = "The enclave comes back from its sealed state: no secret is sent again, and what the "
            "app stored is kept. An app that has expired comes back with --expires; a certificate "
            "that the enclave made itself still ends when the deployment said.",
    .example = "mse restart hello",
    .options = restart_options,
    .option_count = ARRAY_LEN(restart_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = restart,
};
