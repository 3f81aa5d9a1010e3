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
#include "launch/bubblewrap.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIP_CONFIGURATION "/etc/pip.conf"
#define RESOLVER_FILE "/etc/resolv.conf"

enum { OUTPUT_MAX = 1 << 20, TAIL_MAX = 600, DEV_SHM_BYTES = 64 << 20 };

extern char **environ;

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
static int add_folders_above(struct argv *args, const char *path, struct err *err)
{
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        AUTO_FREE char *folder = mem_copy(path, (size_t)(slash - path), err);
        if (folder == NULL)
            return -1;
        const struct bubblewrap_mount mount = {.how = MOUNT_FOLDER, .at = folder, .mode = "0755"};
        bubblewrap_mounts(args, &mount, 1);
    }
    return 0;
}

/* A file or folder that such a variable names is shown to the sandbox at its own place. */
static int add_named_path(struct argv *args, const char *variable, struct err *err)
{
    const char *value = strchr(variable, '=') + 1;
    if (value[0] != '/' || strpbrk(value, " :,\n") != NULL)
        return 0;
    if (add_folders_above(args, value, err) < 0)
        return -1;
    const struct bubblewrap_mount mount = {.how = MOUNT_READ_ONLY_TRY, .at = value};
    bubblewrap_mounts(args, &mount, 1);
    return 0;
}

static int add_environment(struct argv *args, struct argv *env, struct err *err)
{
    static const char *const fixed[] = {"PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8",
                                        "PYTHONNOUSERSITE=1", "PIP_ROOT_USER_ACTION=ignore"};
    argv_add_all(env, fixed, ARRAY_LEN(fixed));
    for (char **variable = environ; *variable != NULL; variable++) {
        if (!is_passed_on(*variable))
            continue;
        argv_add(env, *variable);
        if (add_named_path(args, *variable, err) < 0)
            return -1;
    }
    return argv_end(env, err);
}

static void add_command(struct argv *args)
{
    static const char *const pip[] = {"/usr/bin/prlimit",
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
                                      "/requirements.txt"};
    static const char *const wheels_only[] = {"--only-binary", ":all:"};
    argv_add_all(args, pip, ARRAY_LEN(pip));
    if (operator_has_credentials())
        argv_add_all(args, wheels_only, ARRAY_LEN(wheels_only));
}

static void add_files_of_etc(struct argv *args, const struct pip_run *run)
{
    static const char *const files[] = {
        "/etc/hosts",      "/etc/nsswitch.conf", "/etc/ssl",          "/etc/ca-certificates",
        PIP_CONFIGURATION, "/etc/ld.so.cache",   "/etc/alternatives", "/etc/python3"};
    static const struct bubblewrap_mount resolver = {
        .how = MOUNT_DATA, .at = RESOLVER_FILE, .fd = BUILD_RESOLVER_FD, .mode = "0444"};
    static const struct bubblewrap_mount of_host = {.how = MOUNT_READ_ONLY_TRY,
                                                    .at = RESOLVER_FILE};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        const struct bubblewrap_mount mount = {.how = MOUNT_READ_ONLY_TRY, .at = files[i]};
        bubblewrap_mounts(args, &mount, 1);
    }
    bubblewrap_mounts(args, run->host_network ? &of_host : &resolver, 1);
}

/* Every place that can be written to has a size: /tmp, /dev/shm, and /out, which is watched. */
static void add_sandbox(struct argv *args, const char *bubblewrap, const struct pip_run *run)
{
    /* root inside, so that its network can be made from outside; without a capability all the same
     */
    const struct bubblewrap sandbox = {.program = bubblewrap,
                                       .own_network = !run->host_network,
                                       .own_session = true,
                                       .info_fd = BUILD_INFO_FD,
                                       .block_fd = BUILD_BLOCK_FD};
    const struct bubblewrap_mount system[] = {
        {.how = MOUNT_READ_ONLY, .at = "/usr"},
        {.how = MOUNT_LINK, .at = "/bin", .from = "usr/bin"},
        {.how = MOUNT_LINK, .at = "/lib", .from = "usr/lib"},
        {.how = MOUNT_LINK, .at = "/lib64", .from = "usr/lib64"},
        {.how = MOUNT_LINK, .at = "/sbin", .from = "usr/sbin"},
        {.how = MOUNT_PROC, .at = "/proc"},
        {.how = MOUNT_DEV, .at = "/dev"},
        {.how = MOUNT_TMPFS, .at = "/dev/shm", .mode = "1777", .size_bytes = DEV_SHM_BYTES},
        {.how = MOUNT_TMPFS, .at = "/tmp", .mode = "1777", .size_bytes = run->limits.tmp_bytes},
        {.how = MOUNT_FOLDER, .at = "/etc", .mode = "0755"},
    };
    const struct bubblewrap_mount own[] = {
        {.how = MOUNT_WRITABLE, .at = "/out", .from = run->output},
        {.how = MOUNT_READ_ONLY, .at = "/requirements.txt", .from = run->requirements},
    };
    bubblewrap_begin(args, &sandbox);
    bubblewrap_mounts(args, system, ARRAY_LEN(system));
    add_files_of_etc(args, run);
    bubblewrap_mounts(args, own, ARRAY_LEN(own));
}

static int make_arguments(const struct pip_run *run, struct argv *args, struct argv *env,
                          struct err *err)
{
    /* after all that is made below them */
    static const struct bubblewrap_mount closed[] = {{.how = MOUNT_CLOSE, .at = "/dev"},
                                                     {.how = MOUNT_CLOSE, .at = "/"}};
    AUTO_FREE char *bubblewrap = NULL;
    if (process_find("bwrap", "bubblewrap", &bubblewrap, err) < 0)
        return -1;
    add_sandbox(args, bubblewrap, run);
    if (add_environment(args, env, err) < 0)
        return -1;
    bubblewrap_mounts(args, closed, ARRAY_LEN(closed));
    bubblewrap_end(args, "/tmp");
    add_command(args);
    return argv_end(args, err);
}

/* A sandbox's network does not reach the node's own machine: said where pip failed for that. */
static void hint_at_network(const struct pip_run *run, const struct argv *env, struct err *err)
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

static int run_sandbox(const struct pip_run *run, const struct argv *args, const struct argv *env,
                       struct err *err)
{
    AUTO_BUF struct buf errors = BUF_INIT(OUTPUT_MAX);
    const struct build_run build = {.argv = (const char *const *)args->items,
                                    .env = (const char *const *)env->items,
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
    AUTO_ARGV struct argv args = ARGV_INIT;
    AUTO_ARGV struct argv env = ARGV_INIT;
    if (make_arguments(run, &args, &env, err) < 0)
        return -1;
    if (geteuid() == 0 && chown(run->output, BUILD_UID, BUILD_UID) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot give '%s' to user %d", run->output, BUILD_UID);
    if (run_sandbox(run, &args, &env, err) < 0)
        return -1;
    return take_over(run->output, err);
}
