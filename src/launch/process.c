// SPDX-License-Identifier: Apache-2.0
/*
 * The launcher `process`: bubblewrap makes a sandbox out of namespaces, in which mse-enclave runs
 * as the sandbox's root with one capability, for mounting, that it drops before the app starts. On
 * the host it is the app's own user. Nothing of the host is visible but /usr and a few public files
 * of /etc, read-only. docs/sandbox.md has the whole picture. Runs in the supervisor.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/process_handle.h"
#include "base/text.h"
#include "launch/bubblewrap.h"
#include "launch/network.h"
#include "launch/sandbox.h"
#include "model/sandbox_layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMESPACES_NEED                                                                            \
    "unprivileged user namespaces must be allowed: "                                               \
    "sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000"

enum {
    PROBE_TIMEOUT_MS = 20000,
    FUSE_CONNECTIONS_MAX = 8,
    KILL_PATIENCE_MS = 3000,
    INFO_FD = 5,
    BLOCK_FD = 6,
};

/* --- the command line --- */

static void add_beginning(struct argv *argv, const char *bubblewrap)
{
    static const char *const capabilities[] = {
        "CAP_SYS_ADMIN", /* to mount its storage */
        "CAP_SETPCAP",   /* to give up its bounding set */
    };
    static const char *const variables[][2] = {
        {"HOME", SANDBOX_HOME},
        {"PATH", "/usr/local/bin:/usr/bin:/bin"},
        {"LANG", "C.UTF-8"},
        {"MODULE_PATH", SANDBOX_MODULE},
        {"TMPDIR", SANDBOX_TMP},
        {"TMP_PATH", SANDBOX_TMP},
        {"SECRETS_PATH", SANDBOX_SECRETS},
        {"PYTHONUNBUFFERED", "1"},
    };
    const struct bubblewrap sandbox = {
        .program = bubblewrap,
        .own_network = true,
        .own_session = true,
        .capabilities = capabilities,
        .capability_count = ARRAY_LEN(capabilities),
        .variables = variables,
        .variable_count = ARRAY_LEN(variables),
        .info_fd = INFO_FD,
        .block_fd = BLOCK_FD,
    };
    bubblewrap_begin(argv, &sandbox);
}

static void add_mount(struct argv *argv, enum bubblewrap_how how, const char *from, const char *at)
{
    const struct bubblewrap_mount mount = {.how = how, .at = at, .from = from};
    bubblewrap_mounts(argv, &mount, 1);
}

/* /bin and its like: links into /usr as on Debian, or folders of their own. */
static void add_system_folders(struct argv *argv)
{
    static const char *const folders[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64"};
    add_mount(argv, MOUNT_READ_ONLY, NULL, "/usr");
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        struct stat info;
        char target[16];
        if (lstat(folders[i], &info) < 0)
            continue;
        (void)snprintf(target, sizeof(target), "usr%s", folders[i]);
        if (S_ISLNK(info.st_mode))
            add_mount(argv, MOUNT_LINK, target, folders[i]);
        else
            add_mount(argv, MOUNT_READ_ONLY, NULL, folders[i]);
    }
}

static int add_etc(struct argv *argv, const struct stage *stage, struct err *err)
{
    static const char *const public_files[] = {
        "/etc/ssl/certs",   "/etc/ssl/openssl.cnf", "/etc/ca-certificates.conf",
        "/etc/ld.so.cache", "/etc/localtime",       "/etc/alternatives",
        "/etc/mime.types",  "/etc/services",        "/etc/protocols",
    };
    for (size_t i = 0; i < stage_etc_file_count; i++) {
        AUTO_FREE char *from = path_join(stage->etc, stage_etc_files[i], err);
        AUTO_FREE char *at = path_join("/etc", stage_etc_files[i], err);
        if (from == NULL || at == NULL)
            return -1;
        add_mount(argv, MOUNT_READ_ONLY, from, at);
    }
    for (size_t i = 0; i < ARRAY_LEN(public_files); i++)
        add_mount(argv, MOUNT_READ_ONLY_TRY, NULL, public_files[i]);
    return 0;
}

static void add_kernel_folders(struct argv *argv, uint64_t tmp_bytes)
{
    const struct bubblewrap_mount mounts[] = {
        {.how = MOUNT_PROC, .at = "/proc"},
        {.how = MOUNT_DEV, .at = "/dev"},
        {.how = MOUNT_TMPFS, .at = SANDBOX_TMP, .mode = "1777", .size_bytes = tmp_bytes},
    };
    bubblewrap_mounts(argv, mounts, ARRAY_LEN(mounts));
}

static void add_own_folders(struct argv *argv, const struct stage *stage)
{
    const struct bubblewrap_mount mounts[] = {
        {.how = MOUNT_DEVICE, .at = "/dev/fuse", .from = stage->fuse},
        {.how = MOUNT_FOLDER, .at = SANDBOX_HOME},
        {.how = MOUNT_FOLDER, .at = SANDBOX_MODULE},
        {.how = MOUNT_FOLDER, .at = SANDBOX_CODE_FOLDER},
        {.how = MOUNT_FOLDER, .at = SANDBOX_SECRETS_FOLDER},
        {.how = MOUNT_FOLDER, .at = SANDBOX_PLAIN},
        {.how = MOUNT_FOLDER, .at = "/var"},
        {.how = MOUNT_LINK, .at = "/var/tmp", .from = "../tmp"},
        {.how = MOUNT_READ_ONLY, .at = SANDBOX_PACKAGE, .from = stage->package},
        {.how = MOUNT_WRITABLE, .at = SANDBOX_CIPHER, .from = stage->cipher},
    };
    bubblewrap_mounts(argv, mounts, ARRAY_LEN(mounts));
    if (stage->environment[0] != '\0')
        add_mount(argv, MOUNT_READ_ONLY, stage->environment, SANDBOX_ENVIRONMENT);
}

/* `payload` has no storage to mount, and devices by name. */
static int make_arguments(struct argv *argv, const struct stage *stage,
                          const struct sandbox_payload *payload, uint64_t tmp_bytes,
                          struct err *err)
{
    AUTO_FREE char *bubblewrap = NULL;
    if (process_find("bwrap", "bubblewrap", &bubblewrap, err) < 0)
        return -1;
    add_beginning(argv, bubblewrap);
    add_system_folders(argv);
    if (add_etc(argv, stage, err) < 0)
        return -1;
    add_kernel_folders(argv, tmp_bytes);
    if (payload == NULL)
        add_own_folders(argv, stage);
    else
        bubblewrap_mounts(argv, payload->mounts, payload->mount_count);
    add_mount(argv, MOUNT_READ_ONLY, stage->enclave, SANDBOX_PROGRAM);
    add_mount(argv, MOUNT_READ_ONLY, stage->node, SANDBOX_NODE);
    add_mount(argv, MOUNT_CLOSE, NULL, "/");
    bubblewrap_end(argv, "/");
    argv_add(argv, SANDBOX_PROGRAM);
    if (payload != NULL)
        argv_add_all(argv, payload->arguments, payload->argument_count);
    return argv_end(argv, err);
}

/* --- starting --- */

/* Each pipe: [0] reads, [1] writes. */
struct pipes {
    int info[2];
    int block[2];
    int status[2];
    int log[2];
};

#define PIPES_INIT ((struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}})

static void pipes_close(struct pipes *pipes)
{
    int *const all[] = {pipes->info, pipes->block, pipes->status, pipes->log};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        fd_close(fd_steal(&all[i][0]));
        fd_close(fd_steal(&all[i][1]));
    }
}

static int pipes_open(struct pipes *pipes, struct err *err)
{
    if (fd_pipe(pipes->info, err) < 0 || fd_pipe(pipes->block, err) < 0 ||
        fd_pipe(pipes->status, err) < 0 || fd_pipe(pipes->log, err) < 0)
        return -1;
    return 0;
}

static int start_bubblewrap(struct sandbox *sandbox, const struct argv *argv,
                            const struct launch_spec *spec, struct pipes *pipes, struct err *err)
{
    const struct process_fd fds[] = {{pipes->log[1], STDOUT_FILENO},
                                     {pipes->log[1], STDERR_FILENO},
                                     {pipes->status[1], SANDBOX_STATUS_FD},
                                     {sandbox->app_fd, SANDBOX_LISTEN_FD},
                                     {pipes->info[1], INFO_FD},
                                     {pipes->block[0], BLOCK_FD}};
    const struct process_spec process = {
        .argv = (const char *const *)argv->items,
        .fds = fds,
        .fd_count = ARRAY_LEN(fds),
        .folder = "/",
        .new_session = true,
        .die_with_parent = true,
        .set_ids = geteuid() == 0,
        .uid = spec->uid,
        .gid = spec->gid,
    };
    int result = process_start(&process, &sandbox->monitor, err);
    fd_close(fd_steal(&sandbox->app_fd)); /* without its enclave it is nobody's here */
    fd_close(fd_steal(&pipes->log[1]));
    fd_close(fd_steal(&pipes->status[1]));
    fd_close(fd_steal(&pipes->info[1]));
    fd_close(fd_steal(&pipes->block[0]));
    return result;
}

/* bubblewrap tells a number; what it means must be bubblewrap's child. */
static int open_init(struct sandbox *sandbox, int info_fd, struct err *err)
{
    AUTO_CLOSE int handle = -1;
    pid_t parent = -1;
    if (bubblewrap_read_init(info_fd, &sandbox->init, err) < 0 ||
        process_handle_open(sandbox->init, &handle, err) < 0 ||
        process_parent(sandbox->init, &parent, err) < 0)
        return -1;
    if (parent != sandbox->monitor)
        return FAIL(err, ERR_IO, "process %d is no child of bubblewrap", (int)sandbox->init);
    sandbox->init_handle = fd_steal(&handle);
    return 0;
}

/* Puts what bubblewrap said before it ended into the error. */
static void add_words(int log_fd, struct err *err)
{
    char text[512];
    struct err ignored = ERR_INIT;
    if (fd_set_nonblocking(log_fd, true, &ignored) < 0)
        return;
    ssize_t len = read(log_fd, text, sizeof(text) - 1);
    if (len <= 0)
        return;
    text[len] = '\0';
    for (char *c = text; *c != '\0'; c++)
        *c = (unsigned char)*c < 0x20 ? ' ' : *c;
    err_context(err, "%s", text);
    if (strstr(text, "namespace") != NULL)
        err_hint(err, "%s", NAMESPACES_NEED);
}

/* Between "the sandbox exists" and "the enclave runs": limits and network. */
static int complete(struct sandbox *sandbox, const struct launch_spec *spec, struct pipes *pipes,
                    struct err *err)
{
    if (open_init(sandbox, pipes->info[0], err) < 0) {
        add_words(pipes->log[0], err);
        return -1;
    }
    if (cgroup_enter(&sandbox->cgroup, sandbox->init, spec, err) < 0 ||
        network_start(sandbox->init, spec->uid, spec->gid, &sandbox->network, err) < 0 ||
        sandbox->before_run(sandbox->context, err) < 0)
        return -1;
    /* it still has its number, so what was done to the number was done to it */
    if (process_handle_ended(sandbox->init_handle, 0))
        return FAIL(err, ERR_IO, "the sandbox ended while it was made");
    return fd_write_all(pipes->block[1], slice_str("x"), err);
}

int sandbox_start(struct sandbox *sandbox, const struct launch_spec *spec,
                  const struct sandbox_payload *payload, struct err *err)
{
    AUTO_ARGV struct argv argv = ARGV_INIT;
    __attribute__((cleanup(pipes_close))) struct pipes pipes = PIPES_INIT;
    if (make_arguments(&argv, &sandbox->stage, payload, spec->tmp_bytes, err) < 0 ||
        pipes_open(&pipes, err) < 0 || start_bubblewrap(sandbox, &argv, spec, &pipes, err) < 0 ||
        complete(sandbox, spec, &pipes, err) < 0)
        return -1;
    sandbox->status_fd = fd_steal(&pipes.status[0]);
    sandbox->log_fd = fd_steal(&pipes.log[0]);
    return 0;
}

/* With its storage in place, whose device can be limited now. */
static int start_limited(struct sandbox *sandbox, const struct launch_spec *spec, struct err *err)
{
    cgroup_limit_io(&sandbox->cgroup, spec, sandbox->stage.cipher);
    return sandbox_start(sandbox, spec, NULL, err);
}

static int start(struct sandbox *sandbox, const struct launch_spec *spec,
                 const struct launch_storage *storage, struct err *err)
{
    char group[CGROUP_NAME_SIZE];
    if (cgroup_name(spec->id, ".", group, err) < 0 ||
        cgroup_open(&sandbox->cgroup, group, spec, err) < 0 ||
        stage_make(&sandbox->stage, spec, storage, err) < 0 ||
        start_limited(sandbox, spec, err) < 0)
        return FAIL_CONTEXT(err, "sandbox");
    return 0;
}

/* --- ending --- */

/* The enclave is the first child of the sandbox's init (proc_pid_children(5)). */
static pid_t first_child(pid_t init)
{
    char path[64];
    char text[64] = "";
    AUTO_BUF struct buf children = BUF_INIT(65536);
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)init, (int)init);
    if (init <= 0 || file_read(path, &children, NULL) < 0)
        return -1;
    (void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(buf_text(&children), " "),
                   buf_text(&children));
    uint64_t pid = 0;
    return parse_u64(text, "pid", 2, INT32_MAX, &pid, NULL) < 0 ? -1 : (pid_t)pid;
}

void sandbox_terminate(const struct sandbox *sandbox)
{
    AUTO_CLOSE int fd = -1;
    pid_t parent = -1;
    pid_t enclave = first_child(sandbox->init);
    if (process_handle_open(enclave, &fd, NULL) < 0 || process_parent(enclave, &parent, NULL) < 0)
        return;
    if (parent == sandbox->init && !process_handle_ended(sandbox->init_handle, 0))
        (void)process_handle_signal(fd, SIGTERM);
}

/* Minor device numbers of the sandbox's FUSE mounts, which are the numbers of their connections. */
static size_t find_fuse(const struct sandbox *sandbox, unsigned minors[static FUSE_CONNECTIONS_MAX])
{
    char line[4096];
    size_t count = 0;
    (void)snprintf(line, sizeof(line), "/proc/%d/mountinfo", (int)sandbox->init);
    FILE *file = fopen(line, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        /* proc_pid_mountinfo(5): id, parent, major:minor; 0 is the major of all of these */
        const char *device = strstr(line, " 0:");
        if (count < FUSE_CONNECTIONS_MAX && device != NULL && strstr(line, " - fuse") != NULL)
            minors[count++] = (unsigned)strtoul(device + strlen(" 0:"), NULL, 10);
    }
    if (file != NULL)
        (void)fclose(file);
    /* what was read may be another's if it has ended */
    return process_handle_ended(sandbox->init_handle, 0) ? 0 : count;
}

/* A FUSE server that is killed while it has a file of its own mount open never ends, because its
 * last close waits for its own answer. Aborting the connection is what unlocks it. */
static void abort_fuse(const unsigned *minors, size_t count)
{
    (void)mount("fusectl", "/mnt", "fusectl", 0, NULL); /* in our own mount namespace */
    for (size_t i = 0; i < count; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/mnt/%u/abort", minors[i]);
        AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
        ssize_t ignored = fd >= 0 ? write(fd, "1", 1) : 0;
        (void)ignored;
    }
    (void)umount2("/mnt", MNT_DETACH);
}

static bool has_ended(pid_t monitor, int patience_ms)
{
    int64_t deadline = clock_monotonic_ms() + patience_ms;
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)monitor, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
            info.si_pid != 0)
            return true;
        if (clock_monotonic_ms() > deadline)
            return false;
        clock_sleep_ms(5);
    }
}

/* Not bubblewrap's monitor first: it reaps the sandbox's init, and when it ends, all of it has. */
void sandbox_kill(const struct sandbox *sandbox)
{
    unsigned minors[FUSE_CONNECTIONS_MAX];
    size_t count = sandbox->init_handle >= 0 ? find_fuse(sandbox, minors) : 0;
    if (sandbox->monitor <= 0)
        return;
    if (sandbox->init_handle >= 0)
        (void)process_handle_signal(sandbox->init_handle, SIGKILL);
    else
        (void)kill(sandbox->monitor, SIGKILL); /* our child, not reaped: the number is its own */
    if (has_ended(sandbox->monitor, KILL_PATIENCE_MS))
        return;
    if (sandbox->stage.own_mounts)
        abort_fuse(minors, count);
    if (!has_ended(sandbox->monitor, KILL_PATIENCE_MS))
        (void)kill(sandbox->monitor, SIGKILL);
}

void sandbox_remove(struct sandbox *sandbox)
{
    if (sandbox->network > 0)
        process_stop(sandbox->network, 1000);
    sandbox->network = -1;
    fd_close(fd_steal(&sandbox->init_handle));
    fd_close(fd_steal(&sandbox->status_fd));
    fd_close(fd_steal(&sandbox->log_fd));
    if (sandbox->cgroup.kind != CGROUP_NONE)
        cgroup_remove(sandbox->cgroup.name);
    stage_remove(&sandbox->stage);
}

/* --- is everything there? --- */

struct needed {
    const char *program;
    const char *package;
    bool with_quota_only;
};

static const struct needed needed_programs[] = {
    {"bwrap", "bubblewrap", false},        {"gocryptfs", "gocryptfs", false},
    {"slirp4netns", "slirp4netns", false}, {"ip", "iproute2", false},
    {"nsenter", "util-linux", false},      {"mkfs.ext4", "e2fsprogs", true},
};

static int fail_probe(const char *words, const char *hint, struct err *err)
{
    (void)FAIL(err, ERR_UNSUPPORTED, "bubblewrap cannot make a sandbox here: %s", words);
    err_hint(err, "%s", hint);
    return -1;
}

/* As an app's sandbox is made: namespaces, and in the network's what network.c does there. */
static int probe_namespaces(struct err *err)
{
    AUTO_BUF struct buf out = BUF_INIT(1024);
    AUTO_BUF struct buf errors = BUF_INIT(1024);
    int status = 0;
    AUTO_ARGV struct argv argv = ARGV_INIT;
    static const char *const capabilities[] = {"CAP_NET_ADMIN"};
    const struct bubblewrap sandbox = {.program = "bwrap",
                                       .own_network = true,
                                       .capabilities = capabilities,
                                       .capability_count = ARRAY_LEN(capabilities)};
    static const char *const ip[] = {"ip", "-batch", "-"};
    bubblewrap_begin(&argv, &sandbox);
    add_mount(&argv, MOUNT_READ_ONLY, NULL, "/");
    bubblewrap_end(&argv, "/");
    argv_add_all(&argv, ip, ARRAY_LEN(ip));
    if (argv_end(&argv, err) < 0)
        return -1;
    const char policy[] = "xfrm policy update dst 127.0.0.0/8 dir out action block\n";
    const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    const struct process_spec spec = {.argv = (const char *const *)argv.items,
                                      .env = env,
                                      .folder = "/",
                                      .set_ids = geteuid() == 0,
                                      .uid = geteuid() == 0 ? 65534 : geteuid(),
                                      .gid = geteuid() == 0 ? 65534 : getegid()};
    if (process_run(&spec, slice_str(policy), &out, &errors, PROBE_TIMEOUT_MS, &status, err) < 0)
        return -1;
    if (status == 0)
        return 0;
    if (strstr(buf_text(&errors), "bwrap:") == NULL)
        return fail_probe(buf_text(&errors), NETWORK_NEEDS, err);
    return fail_probe(buf_text(&errors), NAMESPACES_NEED, err);
}

int sandbox_probe(struct err *err)
{
    static const char *const programs[][2] = {{"bwrap", "bubblewrap"},
                                              {"slirp4netns", "slirp4netns"},
                                              {"ip", "iproute2"},
                                              {"nsenter", "util-linux"}};
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        AUTO_FREE char *path = NULL;
        if (process_find(programs[i][0], programs[i][1], &path, err) < 0)
            return -1;
    }
    if (access("/dev/net/tun", F_OK) < 0) {
        (void)FAIL(err, ERR_UNSUPPORTED, "no /dev/net/tun on this machine");
        err_hint(err, "load the kernel module: modprobe tun");
        return -1;
    }
    return probe_namespaces(err);
}

static int probe(bool with_quota, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(needed_programs); i++) {
        const struct needed *needed = &needed_programs[i];
        AUTO_FREE char *path = NULL;
        if ((with_quota || !needed->with_quota_only) &&
            process_find(needed->program, needed->package, &path, err) < 0)
            return -1;
    }
    if (with_quota && geteuid() != 0) {
        (void)FAIL(err, ERR_FORBIDDEN, "storage quotas need root");
        err_hint(err, "configure quota = \"none\", or run the node as root");
        return -1;
    }
    if (access("/dev/fuse", F_OK) < 0 || access("/dev/net/tun", F_OK) < 0) {
        (void)FAIL(err, ERR_UNSUPPORTED, "no /dev/fuse or /dev/net/tun on this machine");
        err_hint(err, "load the kernel modules: modprobe fuse tun");
        return -1;
    }
    return probe_namespaces(err);
}

const struct launcher launcher_process = {
    .name = "process",
    .probe = probe,
    .start = start,
    .terminate = sandbox_terminate,
    .kill = sandbox_kill,
    .remove = sandbox_remove,
};
