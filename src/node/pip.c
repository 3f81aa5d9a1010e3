// SPDX-License-Identifier: Apache-2.0
/*
 * pip in a bubblewrap sandbox. It may run code of strangers (setup.py), so: the system read-only,
 * an empty /tmp, one folder to write to, no capability, own PID, IPC and UTS namespaces, limits on
 * memory, files and processes; as root, a user of its own. It has the host's network, because the
 * operator's index may be anywhere. The operator's pip configuration and certificates are passed
 * on and never printed. Runs in msed.
 */
#include "node/pip.h"

#include "base/buf.h"
#include "base/process.h"
#include "base/text.h"
#include "node/layers.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Variables of the operator that pip and TLS look at. */
static bool is_passed_on(const char *variable)
{
    static const char *const names[] = {
        "SSL_CERT_FILE=", "SSL_CERT_DIR=", "REQUESTS_CA_BUNDLE=", "CURL_CA_BUNDLE=",
        "http_proxy=",    "https_proxy=",  "no_proxy=",           "HTTP_PROXY=",
        "HTTPS_PROXY=",   "NO_PROXY=",     "ALL_PROXY=",          "all_proxy="};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_starts_with(variable, names[i]))
            return true;
    }
    /* where pip writes is ours to say */
    static const char *const ours[] = {
        "PIP_TARGET=", "PIP_CACHE_DIR=", "PIP_LOG=", "PIP_PREFIX=",
        "PIP_ROOT=",   "PIP_USER=",      "PIP_SRC=", "PIP_EDITABLE="};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (str_starts_with(variable, ours[i]))
            return false;
    }
    return str_starts_with(variable, "PIP_");
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
    static const char *const fixed[] = {"PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8",
                                        "PYTHONNOUSERSITE=1", NULL};
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

static int add_command(struct list *args, bool as_root, struct err *err)
{
    static const char *const drop[] = {
        "/usr/bin/setpriv",    "--reuid=999999",  "--regid=999999", "--clear-groups",
        "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", NULL};
    static const char *const pip[] = {"/usr/bin/prlimit",
                                      "--as=4294967296",
                                      "--fsize=4294967296",
                                      "--nofile=4096",
                                      "--nproc=512",
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
    _Static_assert(LAYER_PIP_UID == 999999, "the same user as in the arguments above");
    if (as_root && add_all(args, drop, err) < 0)
        return -1;
    return add_all(args, pip, err);
}

static int add_sandbox(struct list *args, const struct pip_run *run, bool as_root, struct err *err)
{
    static const char *const fixed[] = {"--die-with-parent",
                                        "--new-session",
                                        "--unshare-pid",
                                        "--unshare-ipc",
                                        "--unshare-uts",
                                        "--ro-bind",
                                        "/usr",
                                        "/usr",
                                        "--symlink",
                                        "usr/bin",
                                        "/bin",
                                        "--symlink",
                                        "usr/lib",
                                        "/lib",
                                        "--symlink",
                                        "usr/lib64",
                                        "/lib64",
                                        "--symlink",
                                        "usr/sbin",
                                        "/sbin",
                                        "--proc",
                                        "/proc",
                                        "--dev",
                                        "/dev",
                                        "--perms",
                                        "1777",
                                        "--tmpfs",
                                        "/tmp",
                                        "--perms",
                                        "0755",
                                        "--dir",
                                        "/etc",
                                        "--ro-bind-try",
                                        "/etc/resolv.conf",
                                        "/etc/resolv.conf",
                                        "--ro-bind-try",
                                        "/etc/hosts",
                                        "/etc/hosts",
                                        "--ro-bind-try",
                                        "/etc/nsswitch.conf",
                                        "/etc/nsswitch.conf",
                                        "--ro-bind-try",
                                        "/etc/ssl",
                                        "/etc/ssl",
                                        "--ro-bind-try",
                                        "/etc/ca-certificates",
                                        "/etc/ca-certificates",
                                        "--ro-bind-try",
                                        "/etc/pip.conf",
                                        "/etc/pip.conf",
                                        "--ro-bind-try",
                                        "/etc/ld.so.cache",
                                        "/etc/ld.so.cache",
                                        "--ro-bind-try",
                                        "/etc/alternatives",
                                        "/etc/alternatives",
                                        "--ro-bind-try",
                                        "/etc/python3",
                                        "/etc/python3",
                                        "--chdir",
                                        "/tmp",
                                        "--bind",
                                        NULL};
    /* as root the user is changed by setpriv, inside; it needs these three until then */
    static const char *const root[] = {"--cap-drop", "ALL",         "--cap-add",
                                       "CAP_SETUID", "--cap-add",   "CAP_SETGID",
                                       "--cap-add",  "CAP_SETPCAP", NULL};
    static const char *const user[] = {"--unshare-user", "--cap-drop", "ALL", NULL};
    const char *const binds[] = {run->output,         "/out", "--ro-bind", run->requirements,
                                 "/requirements.txt", NULL};
    if (add_all(args, fixed, err) < 0 || add_all(args, binds, err) < 0)
        return -1;
    return add_all(args, as_root ? root : user, err);
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

static int run_sandbox(const struct list *args, const struct list *env, int timeout_ms,
                       struct err *err)
{
    AUTO_BUF struct buf out = BUF_INIT(OUTPUT_MAX);
    AUTO_BUF struct buf errors = BUF_INIT(OUTPUT_MAX);
    const struct process_spec spec = {.argv = args->items, .env = env->items, .new_session = true};
    int status = 0;
    if (process_run(&spec, slice_of(NULL, 0), &out, &errors, timeout_ms, &status, err) < 0)
        return FAIL_CONTEXT(err, "requirements.txt: pip");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    char how[64];
    char tail[TAIL_MAX + 1];
    process_status_text(status, how, sizeof(how));
    tail_of(&errors, tail);
    return FAIL(err, ERR_APP, "requirements.txt: pip failed (%s): %s", how, tail);
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
    bool as_root = geteuid() == 0;
    AUTO(list_done) struct list args = {0};
    struct list env = {0};
    AUTO_FREE char *bwrap = NULL;
    if (process_find("bwrap", "bubblewrap", &bwrap, err) < 0 || add(&args, bwrap, err) < 0 ||
        add_sandbox(&args, run, as_root, err) < 0 || add_environment(&args, &env, err) < 0 ||
        add_command(&args, as_root, err) < 0)
        return -1;
    if (as_root && chown(run->output, LAYER_PIP_UID, LAYER_PIP_UID) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot give '%s' to user %d", run->output, LAYER_PIP_UID);
    if (run_sandbox(&args, &env, run->timeout_ms, err) < 0)
        return -1;
    return take_over(run->output, err);
}
