// SPDX-License-Identifier: Apache-2.0
/*
 * mse node start, stop, status: an msed of one's own in the background, with defaults that need no
 * questions. It is found again by its socket, never by a pid file.
 */
#include "cli/command.h"
#include "cli/ui.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "client/local_node.h"
#include "client/node_client.h"
#include "client/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_TIMEOUT_MS = 15000, STOP_TIMEOUT_MS = 60000, POLL_MS = 20, LOG_TAIL_MAX = 1 << 20 };

/* --- start --- */

/* Written once and then left alone: it is the user's to edit. */
static int write_config(const char *folder, const char *path, struct err *err)
{
    if (file_exists(path))
        return 0;
    AUTO_FREE char *text =
        str_printf(err,
                   "# The local node of 'mse node start'. msed.toml(5) has every key.\n"
                   "state = \"%s\"\n"
                   "socket = \"%s/msed.sock\"\n"
                   "listen = \"\" # no API over TCP\n"
                   "domain = \"localhost\"\n"
                   "%s",
                   folder, folder,
                   geteuid() == 0 ? ""
                                  : "# Without root there are no loop devices, so no quota:\n"
                                    "quota = \"none\"\n");
    if (text == NULL)
        return -1;
    return file_write_atomic(path, slice_str(text), 0600, err);
}

/* The end of the log, for a node that did not come up. */
static void show_log_tail(const char *path)
{
    AUTO_BUF struct buf text = BUF_INIT(LOG_TAIL_MAX);
    struct err ignored = ERR_INIT;
    if (file_read(path, &text, &ignored) < 0 || text.len == 0)
        return;
    size_t start = text.len;
    for (int lines = 0; start > 0 && lines < 12; start--) {
        if (text.data[start - 1] == '\n' && start != text.len)
            lines++;
    }
    ui_warning("the end of %s:\n%s", path, buf_text(&text) + start);
}

/* PATH and locale, and what pip needs to reach the operator's package index. */
static bool is_wanted_variable(const char *entry)
{
    static const char *const wanted[] = {"PATH=",
                                         "LANG=",
                                         "TZ=",
                                         "PIP_",
                                         "SSL_CERT_FILE",
                                         "SSL_CERT_DIR",
                                         "REQUESTS_CA_BUNDLE",
                                         "HTTP_PROXY=",
                                         "HTTPS_PROXY=",
                                         "NO_PROXY=",
                                         "http_proxy=",
                                         "https_proxy=",
                                         "no_proxy=",
                                         "HOME="};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        if (str_starts_with(entry, wanted[i]))
            return true;
    }
    return false;
}

enum { ENV_MAX = 64 };

static int spawn_daemon(const char *config, const char *log_path, pid_t *ret, struct err *err)
{
    AUTO_FREE char *program = NULL;
    if (program_find("msed", &program, err) < 0)
        return -1;
    AUTO_CLOSE int log = -1;
    if (fd_open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600, &log, err) < 0)
        return -1;
    const char *env[ENV_MAX + 1] = {NULL};
    size_t count = 0;
    for (char **entry = environ; *entry != NULL && count < ENV_MAX; entry++) {
        if (is_wanted_variable(*entry))
            env[count++] = *entry;
    }
    const char *argv[] = {program, "--config", config, NULL};
    const struct process_fd fds[] = {{log, 1}, {log, 2}};
    const struct process_spec spec = {
        .argv = argv,
        .env = env,
        .fds = fds,
        .fd_count = ARRAY_LEN(fds),
        .folder = "/",
        .new_session = true,
    };
    return process_start(&spec, ret, err);
}

static bool answers(const char *socket_path)
{
    AUTO_CLOSE int fd = -1;
    struct err ignored = ERR_INIT;
    return unix_connect(socket_path, &fd, &ignored) == 0;
}

static int wait_for_socket(pid_t pid, const char *socket_path, const char *log_path,
                           struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + START_TIMEOUT_MS;
    while (!answers(socket_path)) {
        int status;
        if (waitpid(pid, &status, WNOHANG) == pid) {
            show_log_tail(log_path);
            return FAIL(err, ERR_UNREACHABLE, "msed ended at once");
        }
        if (*ui_interrupted() || clock_monotonic_ms() > deadline) {
            process_stop(pid, 2000);
            return FAIL(err, ERR_TIMEOUT, "msed did not answer on '%s' in time", socket_path);
        }
        clock_sleep_ms(POLL_MS);
    }
    return 0;
}

static void print_disk(const struct json_at *about)
{
    struct err ignored = ERR_INIT;
    struct json_at disk;
    uint64_t size = 0;
    uint64_t left = 0;
    uint64_t kept = 0;
    char texts[3][UI_SIZE_TEXT];
    if (json_read_object(about, "disk", &disk, &ignored) < 0 ||
        json_read_u64(&disk, "size_bytes", 0, INT64_MAX, &size, &ignored) < 0 ||
        json_read_u64(&disk, "free_bytes", 0, INT64_MAX, &left, &ignored) < 0 ||
        json_read_u64(&disk, "reserve_bytes", 0, INT64_MAX, &kept, &ignored) < 0)
        return;
    ui_size_text(size, texts[0]);
    ui_size_text(left, texts[1]);
    ui_size_text(kept, texts[2]);
    ui_print(UI_PLAIN, "  disk         %s free of %s, %s of it kept for the node itself\n",
             texts[1], texts[0], texts[2]);
}

/* Who runs with another runtime than the installed one. */
static void print_runtime(const struct json_at *runtime)
{
    struct err ignored = ERR_INIT;
    struct json_at use;
    bool installed = false;
    bool present = true;
    const char *digest = "";
    uint64_t count = 0;
    (void)!json_read_bool(runtime, "installed", &installed, &ignored);
    (void)!json_read_bool(runtime, "present", &present, &ignored);
    (void)!json_read_text(runtime, "digest", 64, &digest, &ignored);
    (void)!json_read_u64(runtime, "release_count", 0, INT64_MAX, &count, &ignored);
    ui_print(present ? UI_PLAIN : UI_YELLOW, "  runtime      %.16s…%s%s, needed by %llu release%s",
             digest, installed ? " (installed)" : "", present ? "" : " IS MISSING",
             (unsigned long long)count, count == 1 ? "" : "s");
    for (size_t i = 0; json_read_element(runtime, "releases", i, &use, &ignored) == 0; i++) {
        const char *name = "";
        uint64_t number = 0;
        (void)!json_read_text(&use, "name", 256, &name, &ignored);
        (void)!json_read_u64(&use, "number", 0, INT64_MAX, &number, &ignored);
        ui_print(UI_PLAIN, "%s%s %llu", i == 0 ? ": " : ", ", name, (unsigned long long)number);
    }
    ui_print(UI_PLAIN, "\n");
}

static void print_runtimes(struct node_client *node)
{
    struct err ignored = ERR_INIT;
    struct json_at top;
    struct json_at runtime;
    AUTO_JSON json_t *runtimes = NULL;
    if (node_client_request(node, "GET", "/v1/runtimes", &runtimes, &ignored) < 0 ||
        json_top(runtimes, "the node's runtimes", &top, &ignored) < 0)
        return;
    for (size_t i = 0; json_read_element(&top, "runtimes", i, &runtime, &ignored) == 0; i++)
        print_runtime(&runtime);
}

/* What it offers, and what an operator would want to know at once. */
static void print_means(struct node_client *node, json_t *about)
{
    struct err ignored = ERR_INIT;
    struct json_at top;
    struct json_at profile;
    const char *text;
    bool believed = true;
    AUTO_JSON json_t *hardware = NULL;
    if (json_top(about, "the node", &top, &ignored) < 0)
        return;
    if (json_read_text(&top, "domain", 256, &text, &ignored) == 0)
        ui_print(UI_PLAIN, "  domain       %s\n", text);
    print_disk(&top);
    if (json_read_text(&top, "enforcement", 256, &text, &ignored) == 0)
        ui_print(UI_PLAIN, "  limits       by %s\n", text);
    if (json_read_bool(&top, "clock_believed", &believed, &ignored) == 0 && !believed)
        ui_print(UI_YELLOW, "  clock        not believed: it has jumped, nothing expires now\n");
    if (node_client_request(node, "GET", "/v1/hardware", &hardware, &ignored) < 0 ||
        json_top(hardware, "the node's hardware", &top, &ignored) < 0)
        return;
    for (size_t i = 0; json_read_element(&top, "hardware", i, &profile, &ignored) == 0; i++) {
        uint64_t memory = 0;
        uint64_t storage = 0;
        const char *name = "";
        const char *tee = "";
        char sizes[2][UI_SIZE_TEXT];
        (void)!json_read_text(&profile, "name", 256, &name, &ignored);
        (void)!json_read_text(&profile, "launcher", 64, &text, &ignored);
        (void)!json_read_text(&profile, "tee", 64, &tee, &ignored);
        (void)!json_read_u64(&profile, "memory_bytes", 0, INT64_MAX, &memory, &ignored);
        (void)!json_read_u64(&profile, "storage_bytes", 0, INT64_MAX, &storage, &ignored);
        ui_size_text(memory, sizes[0]);
        ui_size_text(storage, sizes[1]);
        ui_print(UI_PLAIN, "  hardware     %s: launcher %s, TEE %s, %s memory, %s storage\n", name,
                 text, tee, sizes[0], sizes[1]);
    }
}

static int print_node(const char *state_word, bool more, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_JSON json_t *about = NULL;
    AUTO_FREE char *socket_path = NULL;
    if (local_node_socket(&socket_path, err) < 0 ||
        node_client_open(ui_hooks(), socket_path, &node, err) < 0 ||
        node_client_request(node, "GET", "/v1/node", &about, err) < 0)
        return -1;
    if (ui_json())
        return ui_print_json(json_incref(about), err);
    const char *version = json_string_value(json_object_get(about, "version"));
    ui_print(UI_PLAIN, "node %s, version %s, socket %s\n", state_word,
             version == NULL ? "?" : version, socket_path);
    if (more) {
        print_means(node, about);
        print_runtimes(node);
    }
    return 0;
}

static int node_start(const struct options *options, struct err *err)
{
    AUTO_FREE char *folder = NULL;
    AUTO_FREE char *socket_path = NULL;
    if (local_node_folder(&folder, err) < 0 || local_node_socket(&socket_path, err) < 0 ||
        folder_create_all(folder, 0711, err) < 0)
        return -1;
    if (answers(socket_path))
        return print_node("runs already", false, err);
    AUTO_FREE char *log_path = path_join(folder, "msed.log", err);
    AUTO_FREE char *default_config = path_join(folder, "msed.toml", err);
    if (log_path == NULL || default_config == NULL)
        return -1;
    const char *config = options_value(options, "config");
    AUTO_FREE char *own_config = config == NULL ? NULL : path_resolve(config, err);
    if (config != NULL && own_config == NULL)
        return -1;
    if (config == NULL && write_config(folder, default_config, err) < 0)
        return FAIL_CONTEXT(err, "configuration of the local node");
    pid_t pid;
    if (spawn_daemon(config == NULL ? default_config : own_config, log_path, &pid, err) < 0 ||
        wait_for_socket(pid, socket_path, log_path, err) < 0)
        return FAIL_CONTEXT(err, "starting the node");
    return print_node("started", false, err);
}

static const struct option_spec start_options[] = {
    {.name = "config",
     .value_name = "FILE",
     .help = "an msed.toml of your own; its socket must be the local node's"},
    OPTION_JSON,
    OPTION_HELP,
};

const struct command command_node_start = {
    .name = "node start",
    .arguments = "",
    .summary = "start a node on this machine, in the background",
    .text = "Starts msed with sensible defaults and asks nothing. Its state, its msed.toml and its "
            "log lie in ~/.local/state/mse/node. A node that runs already is left alone. The "
            "simulated TEE that it offers protects nothing from this machine's operator.",
    .example = "mse node start && mse deploy",
    .options = start_options,
    .option_count = ARRAY_LEN(start_options),
    .run = node_start,
};

/* --- stop --- */

/* msed holds the lock of its state folder until all is put away. */
static bool is_gone(const char *folder)
{
    struct err ignored = ERR_INIT;
    AUTO_CLOSE int fd = -1;
    AUTO_FREE char *path = path_join(folder, "lock", &ignored);
    if (path == NULL || fd_open(path, O_RDONLY, 0, &fd, &ignored) < 0)
        return true;
    return flock(fd, LOCK_SH | LOCK_NB) == 0;
}

/* Says how much is lost; without an app there is nothing to ask. */
static int ask_about_apps(struct node_client *node, bool yes, struct err *err)
{
    AUTO_JSON json_t *apps = NULL;
    uint64_t used = 0;
    size_t count = 0;
    char text[UI_SIZE_TEXT];
    if (node_client_list(node, "/v1/apps", "apps", &apps, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(apps); i++) {
        AUTO_NODE_APP struct node_app app = {0};
        if (node_app_from_json(json_array_get(apps, i), &app, err) < 0)
            return -1;
        if (strcmp(app.state, "stopped") == 0)
            continue;
        used += app.storage_used_bytes;
        count++;
    }
    if (count == 0)
        return 0;
    ui_size_text(used, text);
    return ui_confirm(yes, err, "Stop the node and %zu app%s, and destroy what they stored (%s)?",
                      count, count == 1 ? "" : "s", text);
}

static int node_stop(const struct options *options, struct err *err)
{
    AUTO_FREE char *folder = NULL;
    AUTO_FREE char *socket_path = NULL;
    if (local_node_folder(&folder, err) < 0 || local_node_socket(&socket_path, err) < 0)
        return -1;
    if (!answers(socket_path)) {
        ui_info("no node runs here");
        return ui_json() ? ui_print_json(JSON_OF(JSON_BOOL("running", false)), err) : 0;
    }
    bool apps = options_has(options, "apps");
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    if (node_client_open(ui_hooks(), socket_path, &node, err) < 0 ||
        (apps && ask_about_apps(node, options_has(options, "yes"), err) < 0) ||
        node_client_request(node, "POST",
                            apps ? "/v1/node/shutdown?apps=stop" : "/v1/node/shutdown?apps=keep",
                            NULL, err) < 0)
        return FAIL_CONTEXT(err, "stopping the node");
    int64_t deadline = clock_monotonic_ms() + STOP_TIMEOUT_MS;
    while (answers(socket_path) || !is_gone(folder)) {
        if (*ui_interrupted() || clock_monotonic_ms() > deadline)
            return FAIL(err, ERR_TIMEOUT, "the node was asked to stop and still runs");
        clock_sleep_ms(POLL_MS);
    }
    ui_info(apps ? "node stopped, with its apps" : "node stopped; apps that run go on running");
    return ui_json() ? ui_print_json(JSON_OF(JSON_BOOL("running", false)), err) : 0;
}

static const struct option_spec stop_options[] = {
    {.name = "apps", .help = "also stop all apps and destroy their storage"},
    OPTION_YES,
    OPTION_JSON,
    OPTION_HELP,
};

const struct command command_node_stop = {
    .name = "node stop",
    .arguments = "",
    .summary = "stop the local node",
    .text = "Stops msed. Running apps go on without it, cannot be reached meanwhile, and are found "
            "again by the next start; with --apps they are stopped too, and what they stored is "
            "destroyed, after a question.",
    .example = "mse node stop --apps",
    .options = stop_options,
    .option_count = ARRAY_LEN(stop_options),
    .run = node_stop,
};

/* --- status --- */

static int node_status(const struct options *options, struct err *err)
{
    (void)options;
    AUTO_FREE char *socket_path = NULL;
    if (local_node_socket(&socket_path, err) < 0)
        return -1;
    if (!answers(socket_path)) {
        (void)FAIL(err, ERR_UNREACHABLE, "no node runs here");
        err_hint(err, "'mse node start' starts one");
        return -1;
    }
    return print_node("runs", true, err);
}

static const struct option_spec status_options[] = {OPTION_JSON, OPTION_HELP};

const struct command command_node_status = {
    .name = "node status",
    .arguments = "",
    .summary = "say whether the local node runs, what it offers, and who needs which runtime",
    .text = "Exit status 4 when it does not run.",
    .example = "mse node status --json",
    .options = status_options,
    .option_count = ARRAY_LEN(status_options),
    .run = node_status,
};
