// SPDX-License-Identifier: Apache-2.0
/*
 * pip in a bubblewrap sandbox. It may run code of strangers (setup.py), so: the system read-only, a
 * small /tmp, one folder to write to, no capability, namespaces of its own, a network without the
 * host, and the limits of node/build.h; as root, a user of its own. Of the operator's pip
 * configuration it sees where to install from and with which certificates; where that holds a
 * password, only wheels are installed, since nothing of a wheel runs. Runs in msed.
 */
#include "node/pip.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIP_CONFIGURATION "/etc/pip.conf"

enum { ARGS_MAX = 400, OWNED_MAX = 64, OUTPUT_MAX = 1 << 20, TAIL_MAX = 600 };

extern char **environ;

struct list {
    const char *items[ARGS_MAX];
    size_t count;
    char *owned[OWNED_MAX]; /* those of the items that were made here */
    size_t owned_count;
};

static void list_done(struct list *list)
{
    for (size_t i = 0; i < list->owned_count; i++)
        free(list->owned[i]);
}

static int add(struct list *list, const char *item, struct err *err)
{
    if (list->count + 1 >= ARGS_MAX)
        return FAIL(err, ERR_INTERNAL, "pip: more than %d arguments", ARGS_MAX);
    list->items[list->count++] = item;
    list->items[list->count] = NULL;
    return 0;
}

static int add_all(struct list *list, const char *const *items, struct err *err)
{
    for (size_t i = 0; items[i] != NULL; i++) {
        if (add(list, items[i], err) < 0)
            return -1;
    }
    return 0;
}

/* Variables of the operator that pip and TLS look at: from where, and with which certificates. */
static bool is_passed_on(const char *variable)
{
    static const char *const names[] = {
        "SSL_CERT_FILE=",     "SSL_CERT_DIR=",        "REQUESTS_CA_BUNDLE=",
        "CURL_CA_BUNDLE=",    "http_proxy=",          "https_proxy=",
        "no_proxy=",          "HTTP_PROXY=",          "HTTPS_PROXY=",
        "NO_PROXY=",          "ALL_PROXY=",           "all_proxy=",
        "PIP_INDEX_URL=",     "PIP_NO_INDEX=",        "PIP_EXTRA_INDEX_URL=",
        "PIP_FIND_LINKS=",    "PIP_TRUSTED_HOST=",    "PIP_CERT=",
        "PIP_PROXY=",         "PIP_DEFAULT_TIMEOUT=", "PIP_TIMEOUT=",
        "PIP_RETRIES=",       "PIP_ONLY_BINARY=",     "PIP_NO_BINARY=",
        "PIP_PREFER_BINARY=", "PIP_CONSTRAINT=",      "PIP_REQUIRE_HASHES="};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_starts_with(variable, names[i]))
            return true;
    }
    return false;
}

/* "scheme://name:password@host": whatever runs beside pip could read it. */
static bool has_credentials(const char *text)
{
    for (const char *at = strstr(text, "://"); at != NULL; at = strstr(at + 1, "://")) {
        size_t len = strcspn(at + 3, "/ \t\n\"'");
        if (memchr(at + 3, '@', len) != NULL)
            return true;
    }
    return false;
}

static bool operator_has_credentials(void)
{
    struct err ignored = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    if (file_read(PIP_CONFIGURATION, &text, &ignored) < 0)
        buf_clear(&text); /* there is none, or it is not for us to read */
    bool found = has_credentials(buf_text(&text));
    for (char **variable = environ; *variable != NULL && !found; variable++)
        found = is_passed_on(*variable) && has_credentials(*variable);
    return found;
}

/* bubblewrap makes missing folders above a mount for root alone: ours are made open to all. */
static int add_folders_above(struct list *args, const char *path, struct err *err)
{
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (args->owned_count >= OWNED_MAX)
            return FAIL(err, ERR_INVALID, "pip: too many paths in the environment");
        char *folder = mem_copy(path, (size_t)(slash - path), err);
        if (folder == NULL)
            return -1;
        args->owned[args->owned_count++] = folder;
        const char *const items[] = {"--perms", "0755", "--dir", folder, NULL};
        if (add_all(args, items, err) < 0)
            return -1;
    }
    return 0;
}

/* A file or folder that such a variable names is shown to the sandbox at its own place. */
static int add_named_path(struct list *args, const char *variable, struct err *err)
{
    const char *value = strchr(variable, '=') + 1;
    if (value[0] != '/' || strpbrk(value, " :,\n") != NULL)
        return 0;
    const char *const items[] = {"--ro-bind-try", value, value, NULL};
    if (add_folders_above(args, value, err) < 0)
        return -1;
    return add_all(args, items, err);
}

static int add_environment(struct list *args, struct list *env, struct err *err)
{
    static const char *const fixed[] = {
        "PATH=/usr/bin:/bin",          "HOME=/tmp", "LANG=C.UTF-8", "PYTHONNOUSERSITE=1",
        "PIP_ROOT_USER_ACTION=ignore", NULL};
    if (add_all(env, fixed, err) < 0)
        return -1;
    for (char **variable = environ; *variable != NULL; variable++) {
        if (!is_passed_on(*variable))
            continue;
        if (add(env, *variable, err) < 0 || add_named_path(args, *variable, err) < 0)
            return -1;
    }
    return 0;
}

static int add_command(struct list *args, struct err *err)
{
    static const char *const pip[] = {"--",
                                      "/usr/bin/prlimit",
                                      "--nofile=4096",
                                      "--core=0",
                                      "/usr/bin/python3",
                                      "-m",
                                      "pip",
                                      "install",
                                      "--quiet",
                                      "--disable-pip-version-check",
                                      "--no-input",
                                      "--no-cache-dir",
                                      "--no-warn-script-location",
                                      "--target",
                                      "/out",
                                      "--requirement",
                                      "/requirements.txt",
                                      NULL};
    static const char *const wheels_only[] = {"--only-binary", ":all:", NULL};
    if (add_all(args, pip, err) < 0)
        return -1;
    return operator_has_credentials() ? add_all(args, wheels_only, err) : 0;
}

static int add_namespaces(struct list *args, const struct pip_run *run, struct err *err)
{
    /* root inside, so that its network can be made from outside; without a capability all the same
     */
    static const char *const fixed[] = {"--die-with-parent",
                                        "--new-session",
                                        "--unshare-user",
                                        "--uid",
                                        "0",
                                        "--gid",
                                        "0",
                                        "--unshare-pid",
                                        "--unshare-ipc",
                                        "--unshare-uts",
                                        "--unshare-cgroup-try",
                                        "--cap-drop",
                                        "ALL",
                                        "--info-fd",
                                        "4",
                                        "--block-fd",
                                        "5",
                                        NULL};
    static const char *const network[] = {"--unshare-net", NULL};
    static const char *const none[] = {NULL};
    _Static_assert(BUILD_INFO_FD == 4 && BUILD_BLOCK_FD == 5 && BUILD_RESOLVER_FD == 6,
                   "as in the arguments");
    if (add_all(args, fixed, err) < 0)
        return -1;
    return add_all(args, run->host_network ? none : network, err);
}

static int add_files_of_etc(struct list *args, const struct pip_run *run, struct err *err)
{
    static const char *const files[] = {
        "/etc/hosts",      "/etc/nsswitch.conf", "/etc/ssl",          "/etc/ca-certificates",
        PIP_CONFIGURATION, "/etc/ld.so.cache",   "/etc/alternatives", "/etc/python3"};
    static const char *const resolver[] = {"--perms",          "0444", "--ro-bind-data", "6",
                                           "/etc/resolv.conf", NULL};
    static const char *const of_host[] = {"--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf",
                                          NULL};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        const char *const bind[] = {"--ro-bind-try", files[i], files[i], NULL};
        if (add_all(args, bind, err) < 0)
            return -1;
    }
    return add_all(args, run->host_network ? of_host : resolver, err);
}

/* Every place that can be written to has a size: /tmp, /dev/shm, and /out, which is watched. */
static int add_sandbox(struct list *args, const struct pip_run *run, const char *tmp_size,
                       struct err *err)
{
    const char *const system[] = {
        "--ro-bind", "/usr",     "/usr",  "--symlink", "usr/bin",   "/bin",
        "--symlink", "usr/lib",  "/lib",  "--symlink", "usr/lib64", "/lib64",
        "--symlink", "usr/sbin", "/sbin", "--proc",    "/proc",     "--dev",
        "/dev",      "--perms",  "1777",  "--size",    "67108864",  "--tmpfs",
        "/dev/shm",  "--perms",  "1777",  "--size",    tmp_size,    "--tmpfs",
        "/tmp",      "--perms",  "0755",  "--dir",     "/etc",      NULL};
    const char *const own[] = {"--bind",          run->output,         "/out", "--ro-bind",
                               run->requirements, "/requirements.txt", NULL};
    if (add_namespaces(args, run, err) < 0 || add_all(args, system, err) < 0 ||
        add_files_of_etc(args, run, err) < 0)
        return -1;
    return add_all(args, own, err);
}

/* After all that is made below them. */
static int close_sandbox(struct list *args, struct err *err)
{
    static const char *const closed[] = {"--remount-ro", "/dev", "--remount-ro", "/", "--chdir",
                                         "/tmp",         NULL};
    return add_all(args, closed, err);
}

/* A sandbox's network does not reach the node's own machine: said where pip failed for that. */
static void hint_at_network(const struct pip_run *run, const struct list *env, struct err *err)
{
    static const char *const local[] = {"://localhost", "://127.", "://[::1]"};
    for (size_t i = 0; !run->host_network && i < env->count * ARRAY_LEN(local); i++) {
        if (strstr(env->items[i / ARRAY_LEN(local)], local[i % ARRAY_LEN(local)]) != NULL) {
            err_hint(err, "an index on this machine needs pip_network = \"host\" in msed.toml");
            return;
        }
    }
}

/* The last bytes, which say what failed, on one line: an error is one line. */
static void tail_of(const struct buf *output, char ret[static TAIL_MAX + 1])
{
    const char *text = buf_text(output);
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    size_t start = len > TAIL_MAX ? len - TAIL_MAX : 0;
    memcpy(ret, text + start, len - start);
    ret[len - start] = '\0';
    for (char *newline = strchr(ret, '\n'); newline != NULL; newline = strchr(newline, '\n'))
        *newline = ';';
}

static int run_sandbox(const struct pip_run *run, const struct list *args, const struct list *env,
                       struct err *err)
{
    AUTO_BUF struct buf errors = BUF_INIT(OUTPUT_MAX);
    const struct build_run build = {.argv = args->items,
                                    .env = env->items,
                                    .output = run->output,
                                    .own_network = !run->host_network,
                                    .limits = &run->limits,
                                    .timeout_ms = run->timeout_ms};
    int status = 0;
    if (build_run(&build, &errors, &status, err) < 0)
        return FAIL_CONTEXT(err, "requirements.txt: pip");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    char how[64];
    char tail[TAIL_MAX + 1];
    process_status_text(status, how, sizeof(how));
    tail_of(&errors, tail);
    err_set(err, ERR_APP, 0, "requirements.txt: pip failed (%s): %s", how, tail);
    hint_at_network(run, env, err);
    return -1;
}

/* What a stranger's code wrote becomes ours: readable, not writable, no special bits or files. */
static int take_over(const char *folder, struct err *err)
{
    char *paths[] = {(char *)(uintptr_t)folder, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    if (tree == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot walk '%s'", folder);
    int result = 0;
    for (FTSENT *entry = fts_read(tree); entry != NULL && result == 0; entry = fts_read(tree)) {
        if (entry->fts_info == FTS_DP || entry->fts_info == FTS_SL || entry->fts_info == FTS_SLNONE)
            continue;
        mode_t mode = entry->fts_statp->st_mode;
        if (!S_ISREG(mode) && !S_ISDIR(mode))
            result = FAIL(err, ERR_APP, "requirements.txt: a package left a special file '%s'",
                          entry->fts_name);
        else if (lchown(entry->fts_path, geteuid(), getegid()) < 0 ||
                 chmod(entry->fts_path, S_ISDIR(mode) || (mode & 0100) != 0 ? 0755 : 0644) < 0)
            result = FAIL_ERRNO(err, ERR_IO, "cannot take over '%s'", entry->fts_path);
    }
    (void)fts_close(tree);
    return result;
}

int pip_install(const struct pip_run *run, struct err *err)
{
    AUTO(list_done) struct list args = {0};
    struct list env = {0};
    char tmp_size[24];
    AUTO_FREE char *bwrap = NULL;
    (void)snprintf(tmp_size, sizeof(tmp_size), "%llu", (unsigned long long)run->limits.tmp_bytes);
    if (process_find("bwrap", "bubblewrap", &bwrap, err) < 0 || add(&args, bwrap, err) < 0 ||
        add_sandbox(&args, run, tmp_size, err) < 0 || add_environment(&args, &env, err) < 0 ||
        close_sandbox(&args, err) < 0 || add_command(&args, err) < 0)
        return -1;
    if (geteuid() == 0 && chown(run->output, BUILD_UID, BUILD_UID) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot give '%s' to user %d", run->output, BUILD_UID);
    if (run_sandbox(run, &args, &env, err) < 0)
        return -1;
    return take_over(run->output, err);
}
