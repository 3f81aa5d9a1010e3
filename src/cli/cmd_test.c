// SPDX-License-Identifier: Apache-2.0
/*
 * mse test and mse localtest: the project's tests against the deployed app, or against the same
 * server on this machine without enclave and node.
 */
#include "cli/command.h"
#include "cli/project.h"
#include "cli/requested.h"
#include "cli/secrets_file.h"
#include "cli/tests_run.h"
#include "cli/ui.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "client/context_store.h"
#include "client/owner.h"
#include "launch/bubblewrap.h"
#include "model/sandbox_layout.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SANDBOX_LOCAL "/run/mse-local"
#define SITE_FOLDER SANDBOX_ENVIRONMENT "/site-packages"

enum { START_TIMEOUT_MS = 20000, POLL_MS = 20, SECRETS_FD = 3 };

static int read_config(const struct options *options, struct app_config *config, struct err *err)
{
    AUTO_FREE char *file = NULL;
    if (project_config_path(options_value(options, "path"), &file, err) < 0 ||
        app_config_read(file, config, err) < 0)
        return -1;
    return app_config_check(config, clock_unix(), err);
}

/* --- test --- */

static int test(const struct options *options, struct err *err)
{
    AUTO_APP_CONFIG struct app_config config = {0};
    AUTO_CONTEXT struct context context = {0};
    AUTO_FREE char *certificate = NULL;
    if (read_config(options, &config, err) < 0)
        return -1;
    const char *name = options->argument_count > 0 ? options->arguments[0] : config.name;
    if (context_store_find(ui_hooks(), name, &context, err) < 0) {
        err_hint(err, "'mse deploy' first, or 'mse localtest' without a node");
        return -1;
    }
    if (context_store_certificate_path(context.id, &certificate, err) < 0)
        return -1;
    return tests_run(&config, context.url, certificate, err);
}

static const struct option_spec test_options[] = {OPTION_PATH, OPTION_HELP};

const struct command command_test = {
    .name = "test",
    .arguments = "[APP]",
    .summary = "run the project's tests against the deployed app",
    .text = "Runs tests_cmd of mse.toml with the app's address in TEST_REMOTE_URL and the path of "
            "its verified certificate in TEST_CERTIFICATE. Exit status 5 when the tests fail.",
    .example = "mse deploy && mse test",
    .options = test_options,
    .option_count = ARRAY_LEN(test_options),
    .max_arguments = 1,
    .run = test,
};

/* --- localtest --- */

struct local {
    struct app_config config;
    char *folder; /* temporary: code/ and home/ */
    char *program;
    char *site;     /* packages of requirements.txt, NULL: none */
    int secrets_fd; /* a file in memory; -1: none */
    int port;
    pid_t pid;
};

static int run_quietly(const char *const *argv, struct err *err)
{
    const struct process_fd fds[] = {{2, 2}};
    const struct process_spec spec = {
        .argv = argv, .env = (const char *const *)environ, .fds = fds, .fd_count = ARRAY_LEN(fds)};
    pid_t pid;
    int status;
    if (process_start(&spec, &pid, err) < 0 || process_wait(pid, &status, err) < 0)
        return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? 0
               : FAIL(err, ERR_IO, "'%s' failed", argv[0]);
}

/* A copy, so that what the app writes beside its code does not end up in the project. */
static int copy_code(struct local *local, struct err *err)
{
    const char *base = getenv("TMPDIR");
    AUTO_FREE char *folder =
        str_printf(err, "%s/mse-local-XXXXXX", base != NULL && base[0] == '/' ? base : "/tmp");
    if (folder == NULL)
        return -1;
    if (mkdtemp(folder) == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a temporary folder");
    local->folder = STEAL(folder);
    AUTO_FREE char *code = path_join(local->folder, "code", err);
    if (code == NULL)
        return -1;
    const char *argv[] = {"cp", "-a", "--", local->config.code, code, NULL};
    return run_quietly(argv, err);
}

/* They lie in memory, here as inside: nothing of them is left where a test is killed. */
static int keep_secrets(struct local *local, struct err *err)
{
    AUTO_SECRET struct secret secret = SECRET_INIT;
    AUTO_CLOSE int fd = -1;
    if (secrets_file_read(&local->config, &secret, err) < 0)
        return -1;
    if (secret.data == NULL)
        return 0;
    fd = memfd_create("secrets", MFD_CLOEXEC);
    if (fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a file in memory");
    if (fd_write_all(fd, secret_slice(&secret), err) < 0)
        return -1;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot rewind a file in memory");
    local->secrets_fd = fd_steal(&fd);
    return 0;
}

static int make_home(struct local *local, struct err *err)
{
    AUTO_FREE char *home = path_join(local->folder, "home", err);
    return home == NULL ? -1 : folder_create(home, 0700, err);
}

/* As the node does it (node/layers.c): with packages of its own an app sees none of the system's. A
 * lock has all of them. */
static int install_requirements(struct local *local, struct err *err)
{
    const struct app_config *config = &local->config;
    AUTO_REQUESTED struct requested requested = REQUESTED_INIT;
    AUTO_BUF struct buf lines = BUF_INIT(LOCK_MAX);
    if (requested_read(config->code, config->docker, &requested, err) < 0)
        return -1;
    if (requested.is_locked)
        return tests_site_folder(buf_slice(&requested.text), &local->site, err);
    if (lock_requirements(buf_slice(&requested.text), config->docker, &lines, err) < 0)
        return -1;
    return tests_site_folder(buf_slice(&lines), &local->site, err);
}

static int free_port(int *ret, struct err *err)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot find a free port");
    *ret = ntohs(address.sin_port);
    return 0;
}

/* The same view as inside: the enclave's paths, no host files, nothing but loopback's port. */
static void add_sandbox(struct argv *argv, const char *bubblewrap)
{
    static const char *const variables[][2] = {
        {"HOME", SANDBOX_HOME},
        {"PATH", "/usr/bin:/bin"},
        {"LANG", "C.UTF-8"},
        {"MODULE_PATH", SANDBOX_MODULE},
        {"TMPDIR", SANDBOX_TMP},
        {"TMP_PATH", SANDBOX_TMP},
        {"SECRETS_PATH", SANDBOX_SECRETS},
    };
    static const struct bubblewrap_mount system[] = {
        {.how = MOUNT_READ_ONLY, .at = "/usr"},
        {.how = MOUNT_LINK, .at = "/lib", .from = "usr/lib"},
        {.how = MOUNT_LINK, .at = "/lib64", .from = "usr/lib64"},
        {.how = MOUNT_LINK, .at = "/bin", .from = "usr/bin"},
        {.how = MOUNT_READ_ONLY, .at = "/etc"},
        {.how = MOUNT_PROC, .at = "/proc"},
        {.how = MOUNT_DEV, .at = "/dev"},
        {.how = MOUNT_TMPFS, .at = SANDBOX_TMP},
    };
    const struct bubblewrap sandbox = {
        .program = bubblewrap, .variables = variables, .variable_count = ARRAY_LEN(variables)};
    bubblewrap_begin(argv, &sandbox);
    bubblewrap_mounts(argv, system, ARRAY_LEN(system));
}

static void add_project(struct argv *argv, const struct local *local, const char *code,
                        const char *home)
{
    const struct bubblewrap_mount own[] = {
        {.how = MOUNT_WRITABLE, .at = SANDBOX_MODULE, .from = code},
        {.how = MOUNT_WRITABLE, .at = SANDBOX_HOME, .from = home},
        {.how = MOUNT_READ_ONLY, .at = SANDBOX_LOCAL, .from = local->program},
    };
    const struct bubblewrap_mount secrets = {
        .how = MOUNT_DATA, .at = SANDBOX_SECRETS, .fd = SECRETS_FD, .mode = "0400"};
    const struct bubblewrap_mount site = {
        .how = MOUNT_READ_ONLY, .at = SITE_FOLDER, .from = local->site};
    bubblewrap_mounts(argv, own, ARRAY_LEN(own));
    bubblewrap_mounts(argv, &secrets, local->secrets_fd >= 0 ? 1 : 0);
    bubblewrap_mounts(argv, &site, local->site != NULL ? 1 : 0);
}

static int add_variables(struct argv *argv, const struct app_config *config, struct err *err)
{
    char lines[VARIABLES_SIZE];
    struct variable variable;
    if (app_config_variables(config, lines, err) < 0)
        return -1;
    for (const char *rest = variables_next(lines, &variable); rest != NULL;
         rest = variables_next(rest, &variable)) {
        argv_add(argv, "--setenv");
        argv_add(argv, variable.name);
        argv_add(argv, variable.value);
    }
    return 0;
}

static int add_program(struct argv *argv, const struct local *local, struct err *err)
{
    const struct app_config_server *server = &local->config.server;
    char names[VARIABLE_NAMES_SIZE];
    if (app_config_secrets_env(&local->config, names, err) < 0)
        return -1;
    argv_add(argv, SANDBOX_LOCAL);
    argv_addf(argv, "%d", local->port);
    argv_add(argv, local->config.application);
    argv_addf(argv, "%lld", (long long)server->threads);
    argv_addf(argv, "%lld", (long long)server->queue);
    argv_add(argv, app_config_new_processes[server->new_processes]);
    argv_add(argv, names[0] == '\0' ? "-" : names);
    argv_add(argv, local->config.release_command == NULL ? "-" : local->config.release_command);
    if (local->site != NULL)
        argv_add(argv, SITE_FOLDER);
    return argv_end(argv, err);
}

static int make_arguments(const struct local *local, struct argv *argv, struct err *err)
{
    AUTO_FREE char *bubblewrap = NULL;
    AUTO_FREE char *code = path_join(local->folder, "code", err);
    AUTO_FREE char *home = path_join(local->folder, "home", err);
    if (code == NULL || home == NULL || process_find("bwrap", "bubblewrap", &bubblewrap, err) < 0)
        return -1;
    add_sandbox(argv, bubblewrap);
    if (add_variables(argv, &local->config, err) < 0)
        return -1;
    add_project(argv, local, code, home);
    bubblewrap_end(argv, "/");
    return add_program(argv, local, err);
}

static int start_sandbox(struct local *local, struct err *err)
{
    AUTO_ARGV struct argv argv = ARGV_INIT;
    if (make_arguments(local, &argv, err) < 0)
        return -1;
    const struct process_fd fds[] = {{2, 1}, {2, 2}, {local->secrets_fd, SECRETS_FD}};
    const struct process_spec spec = {.argv = (const char *const *)argv.items,
                                      .fds = fds,
                                      .fd_count = local->secrets_fd >= 0 ? 3 : 2,
                                      .die_with_parent = true};
    int result = process_start(&spec, &local->pid, err);
    fd_close(fd_steal(&local->secrets_fd));
    return result;
}

static bool is_listening(int port)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    return fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static int wait_until_served(struct local *local, struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + START_TIMEOUT_MS;
    while (!is_listening(local->port)) {
        int status;
        if (waitpid(local->pid, &status, WNOHANG) == local->pid) {
            local->pid = 0;
            return FAIL(err, ERR_APP, "the app did not start (its log is above)");
        }
        if (*ui_interrupted())
            return FAIL(err, ERR_INTERRUPTED, "interrupted");
        if (clock_monotonic_ms() > deadline)
            return FAIL(err, ERR_TIMEOUT, "the app did not start in %d s", START_TIMEOUT_MS / 1000);
        clock_sleep_ms(POLL_MS);
    }
    return 0;
}

static int serve_and_test(struct local *local, bool only_serve, struct err *err)
{
    char url[64];
    ui_step_begin("serve");
    if (keep_secrets(local, err) < 0 || copy_code(local, err) < 0 || make_home(local, err) < 0 ||
        install_requirements(local, err) < 0 || free_port(&local->port, err) < 0 ||
        start_sandbox(local, err) < 0 || wait_until_served(local, err) < 0) {
        ui_step_fail();
        return -1;
    }
    (void)snprintf(url, sizeof(url), "http://localhost:%d", local->port);
    ui_step_end("%s, the enclave's server and limits, no enclave", url);
    if (!only_serve)
        return tests_run(&local->config, url, NULL, err);
    ui_info("Ctrl-C ends it");
    while (!*ui_interrupted()) {
        int status;
        if (waitpid(local->pid, &status, WNOHANG) == local->pid) {
            local->pid = 0;
            return FAIL(err, ERR_APP, "the app ended by itself (its log is above)");
        }
        clock_sleep_ms(100);
    }
    return 0;
}

static int localtest(const struct options *options, struct err *err)
{
    struct local local = {.secrets_fd = -1};
    int status = -1;
    if (read_config(options, &local.config, err) == 0 &&
        program_find("mse-local", &local.program, err) == 0)
        status = serve_and_test(&local, options_has(options, "serve"), err);
    if (local.pid > 0)
        process_stop(local.pid, 3000);
    if (local.folder != NULL) {
        struct err ignored = ERR_INIT;
        if (folder_remove_tree(local.folder, &ignored) < 0)
            ui_warning("%s", ignored.message);
    }
    fd_close(local.secrets_fd);
    app_config_done(&local.config);
    free(local.folder);
    free(local.program);
    free(local.site);
    return status;
}

static const struct option_spec localtest_options[] = {
    {.name = "serve", .help = "only serve, until Ctrl-C; run no tests"},
    OPTION_PATH,
    OPTION_HELP,
};

const struct command command_localtest = {
    .name = "localtest",
    .arguments = "",
    .summary = "run the tests against the same server here, without enclave or node",
    .text = "Serves a copy of the code folder with the server, the paths and the limits of the "
            "enclave (no new processes, no privileges) over plain HTTP on loopback, and runs "
            "tests_cmd against it. What works here works inside.",
    .example = "mse localtest\nmse localtest --serve",
    .options = localtest_options,
    .option_count = ARRAY_LEN(localtest_options),
    .run = localtest,
};
