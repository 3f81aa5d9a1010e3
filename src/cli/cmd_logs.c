// SPDX-License-Identifier: Apache-2.0
/*
 * mse logs, events: what an app wrote, and what the node saw of it. None of it is proof of
 * anything: that is mse verify. Runs on the owner's machine.
 */
#include "cli/command.h"
#include "cli/log_view.h"
#include "cli/ui.h"

#include "base/clock.h"
#include "base/text.h"
#include "client/node_client.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 256, DEFAULT_LINES = 1000 };

/* --- logs --- */

struct wanted_log {
    struct log_filter filter;
    regex_t grep; /* where filter.grep points to it */
    uint64_t lines;
    bool all; /* no limit of lines */
    uint64_t release;
};

static void wanted_log_done(struct wanted_log *wanted)
{
    if (wanted->filter.grep != NULL)
        regfree(&wanted->grep);
}

static int read_time(const struct options *options, const char *name, int64_t *ret, struct err *err)
{
    char option[32];
    const char *text = options_value(options, name);
    (void)snprintf(option, sizeof(option), "--%s", name);
    return text == NULL ? 0 : log_time_parse(text, option, clock_unix(), ret, err);
}

static int read_grep(const char *text, struct wanted_log *ret, struct err *err)
{
    char problem[128];
    if (text == NULL)
        return 0;
    int result = regcomp(&ret->grep, text, REG_EXTENDED | REG_NOSUB);
    if (result == 0) {
        ret->filter.grep = &ret->grep;
        return 0;
    }
    (void)regerror(result, &ret->grep, problem, sizeof(problem));
    return FAIL(err, ERR_USAGE, "--grep: '%s' is not a regular expression: %s", text, problem);
}

static int read_wanted(const struct options *options, struct wanted_log *ret, struct err *err)
{
    ret->filter = LOG_FILTER_INIT;
    ret->filter.boot = options_has(options, "boot");
    ret->filter.json = ui_json();
    ret->lines = DEFAULT_LINES;
    bool filters = options_has(options, "since") || options_has(options, "until") ||
                   options_has(options, "grep");
    ret->all = filters && !options_has(options, "tail");
    if (options_has(options, "until") && options_has(options, "follow"))
        return FAIL(err, ERR_USAGE, "--until and --follow: what is to come has no end");
    if (options_has(options, "release") && options_has(options, "follow"))
        return FAIL(err, ERR_USAGE, "--release and --follow: only the release that runs goes on");
    return options_number(options, "tail", 1000000, &ret->lines, err) < 0 ||
                   options_number(options, "release", INT32_MAX, &ret->release, err) < 0 ||
                   read_time(options, "since", &ret->filter.since, err) < 0 ||
                   read_time(options, "until", &ret->filter.until, err) < 0
               ? -1
               : read_grep(options_value(options, "grep"), ret, err);
}

static void write_path(const struct wanted_log *wanted, const char *id, bool follow,
                       char ret[static PATH_SIZE])
{
    char tail[40] = "";
    char release[40] = "";
    if (!wanted->all)
        (void)snprintf(tail, sizeof(tail), "&tail=%llu", (unsigned long long)wanted->lines);
    if (wanted->release != 0)
        (void)snprintf(release, sizeof(release), "&release=%llu",
                       (unsigned long long)wanted->release);
    (void)snprintf(ret, PATH_SIZE, "/v1/apps/%s/logs?%s%s%s", id, follow ? "follow=1" : "", tail,
                   release);
}

static int logs(const struct options *options, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_NODE_APP struct node_app app = {0};
    __attribute__((cleanup(wanted_log_done))) struct wanted_log wanted = {0};
    AUTO_LOG_VIEW struct log_view view = {0};
    char path[PATH_SIZE];
    if (read_wanted(options, &wanted, err) < 0 ||
        node_client_open(ui_hooks(), options_value(options, "node"), &node, err) < 0 ||
        node_app_find(node, options->arguments[0], &app, err) < 0)
        return -1;
    log_view_init(&view, &wanted.filter, stdout);
    write_path(&wanted, app.id, options_has(options, "follow"), path);
    if (node_client_stream(node, path, log_view_write, &view, err) == 0)
        return log_view_finish(&view, err);
    if (err->kind == ERR_INTERRUPTED && options_has(options, "follow"))
        return 0; /* Ctrl-C is how one stops following */
    return -1;
}

static const struct option_spec logs_options[] = {
    {.name = "follow", .letter = 'f', .help = "go on showing what comes, until Ctrl-C"},
    {.name = "tail",
     .value_name = "LINES",
     .help = "look at so many of the last lines (default: 1000; with --since, --until or --grep: "
             "all)"},
    {.name = "since", .value_name = "TIME", .help = "from then on: a date, or '2h' ago"},
    {.name = "until", .value_name = "TIME", .help = "up to then: a date, or '2h' ago"},
    {.name = "grep",
     .value_name = "PATTERN",
     .help = "only lines in which this extended regular expression is found"},
    {.name = "release",
     .value_name = "NUMBER",
     .help = "the log of this release, also of one that failed or was replaced"},
    {.name = "boot", .help = "also what the enclave says of its start"},
    {.name = "json", .help = "print one JSON object a line: time, text, boot"},
    OPTION_NODE,
    OPTION_HELP,
};

const struct command command_logs = {
    .name = "logs",
    .arguments = "APP",
    .summary = "show what the app wrote to its log",
    .text = "Standard output and standard error of the app, as the node keeps them, each line with "
            "the time at which it came. The operator can read them: do not log what is secret. The "
            "log of a release that failed or was replaced, and that of a stopped app, is kept for "
            "some days (the node's 'limits.logs_kept', 7 days; the last 256 KiB of each): "
            "--release shows it, and 'mse releases' has the numbers.",
    .example = "mse logs -f hello\nmse logs --since 2h --grep 'ERROR|Traceback' hello\n"
               "mse logs --release 3 --boot hello",
    .options = logs_options,
    .option_count = ARRAY_LEN(logs_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = logs,
};

/* --- events --- */

static int print_event(const json_t *entry, struct err *err)
{
    struct json_at at;
    const char *time;
    const char *text;
    if (json_top(entry, "the node's event", &at, err) < 0 ||
        json_read_text(&at, "time", RFC3339_SIZE, &time, err) < 0 ||
        json_read_text(&at, "text", ERR_MESSAGE_SIZE * 2, &text, err) < 0)
        return -1;
    ui_print(UI_DIM, "%s  ", time);
    ui_print(UI_PLAIN, "%s\n", text);
    return 0;
}

static int events(const struct options *options, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_NODE_APP struct node_app app = {0};
    AUTO_JSON json_t *list = NULL;
    char path[PATH_SIZE];
    if (node_client_open(ui_hooks(), options_value(options, "node"), &node, err) < 0 ||
        node_app_find(node, options->arguments[0], &app, err) < 0)
        return -1;
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/events", app.id);
    if (node_client_list(node, path, "events", &list, err) < 0)
        return -1;
    if (ui_json())
        return ui_print_json(json_incref(list), err);
    for (size_t i = json_array_size(list); i > 0; i--) { /* the node's are newest first */
        if (print_event(json_array_get(list, i - 1), err) < 0)
            return -1;
    }
    return 0;
}

static const struct option_spec events_options[] = {OPTION_NODE, OPTION_JSON, OPTION_HELP};

const struct command command_events = {
    .name = "events",
    .arguments = "APP",
    .summary = "show what happened to the app, oldest first",
    .text = "Each start and end of its enclave with the reason, each release, each health check "
            "that begins to fail or passes again: the last 100, as the node saw them, also of an "
            "app that is stopped. What the app itself wrote is in 'mse logs'.",
    .example = "mse events hello\nmse events hello --json",
    .options = events_options,
    .option_count = ARRAY_LEN(events_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = events,
};
