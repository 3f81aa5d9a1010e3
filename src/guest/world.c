// SPDX-License-Identifier: Apache-2.0
/*
 * The app's world: what bubblewrap makes for the launcher `process`, made by pid 1. New user,
 * process, mount, IPC, host name and cgroup namespaces; root inside is user 1000 outside; a root
 * folder in memory with the image's /usr and /etc, a /dev of seven nodes, no /sys, no disks, no
 * ports, no device of the TEE. One capability for mounting and one to give capabilities up, which
 * mse-enclave drops before the app starts.
 *
 * Three processes: the maker (unshares, builds, becomes the waiter's parent and ends with its
 * status), the waiter (first process of the process namespace: reaps, passes SIGTERM on),
 * mse-enclave.
 */
#include "guest/guest.h"

#include "base/fd.h"
#include "base/file.h"
#include "model/broker_protocol.h"
#include "model/sandbox_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORLD "/run/mse/world"
#define OLD_ROOT "/run/mse/old"

enum { OUTSIDE_ID = 1000, LAST_CAPABILITY = 63 };

/* --- the root folder --- */

struct bind {
    const char *from;
    const char *to; /* below WORLD */
    unsigned long flags;
};

static const unsigned long locked = MS_NOSUID | MS_NODEV;

static const struct bind binds[] = {
    {"/usr", "/usr", MS_RDONLY},
    {"/etc", "/etc", MS_RDONLY},
    {GUEST_PACKAGE, GUEST_PACKAGE, MS_RDONLY | MS_NOEXEC},
    {GUEST_ENVIRONMENT, SANDBOX_ENVIRONMENT, MS_RDONLY | MS_NOEXEC},
    {GUEST_PLAIN, SANDBOX_PLAIN, 0},
};

static const char *const folders[] = {
    "/usr",
    "/etc",
    "/proc",
    "/dev",
    "/tmp",
    "/var",
    "/run",
    "/run/mse",
    SANDBOX_HOME,
    SANDBOX_MODULE,
    GUEST_PACKAGE,
    SANDBOX_ENVIRONMENT,
    SANDBOX_PLAIN,
    SANDBOX_NODE,
    SANDBOX_SECRETS_FOLDER,
    SANDBOX_CODE_FOLDER,
    OLD_ROOT,
};

static const char *const links[][2] = {
    {"usr/bin", "/bin"},
    {"usr/sbin", "/sbin"},
    {"usr/lib", "/lib"},
    {"usr/lib64", "/lib64"},
    {"../tmp", "/var/tmp"},
    {"/proc/self/fd", "/dev/fd"},
    {"/proc/self/fd/0", "/dev/stdin"},
    {"/proc/self/fd/1", "/dev/stdout"},
    {"/proc/self/fd/2", "/dev/stderr"},
};

static const char *const nodes[] = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                    "/dev/urandom", "/dev/tty",  "/dev/fuse"};

static int inside(const char *path, char to[static 128], struct err *err)
{
    int len = snprintf(to, 128, "%s%s", WORLD, path);
    return len > 0 && len < 128 ? 0 : FAIL(err, ERR_INTERNAL, "'%s' is too long", path);
}

static int mount_memory(const char *path, unsigned long flags, const char *data, struct err *err)
{
    char to[128];
    if (inside(path, to, err) < 0)
        return -1;
    if (mount("tmpfs", to, "tmpfs", locked | flags, data) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount memory on '%s'", path);
    return 0;
}

static int make_folders(struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        char to[128];
        if (inside(folders[i], to, err) < 0 || folder_create(to, 0755, err) < 0)
            return -1;
    }
    return 0;
}

static int make_links(struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        char to[128];
        if (inside(links[i][1], to, err) < 0)
            return -1;
        if (symlink(links[i][0], to) < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot make the link '%s'", links[i][1]);
    }
    return 0;
}

static int bind_into(const char *from, const char *path, unsigned long flags, struct err *err)
{
    char to[128];
    if (inside(path, to, err) < 0)
        return -1;
    if (mount(from, to, NULL, MS_BIND, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot bind '%s'", from);
    if (flags != 0 && mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | locked | flags, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make '%s' read-only", path);
    return 0;
}

static int make_devices(struct err *err)
{
    if (mount_memory("/dev", MS_NOEXEC, "mode=0755,size=64k", err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        char to[128];
        AUTO_CLOSE int fd = -1;
        if (inside(nodes[i], to, err) < 0 ||
            fd_open(to, O_WRONLY | O_CREAT | O_EXCL, 0666, &fd, err) < 0 ||
            bind_into(nodes[i], nodes[i], 0, err) < 0)
            return -1;
    }
    char shared[128];
    if (inside("/dev/shm", shared, err) < 0 || folder_create(shared, 01777, err) < 0)
        return -1;
    return mount_memory("/dev/shm", MS_NOEXEC, "mode=1777,size=16m", err);
}

static int make_root(const struct guest *guest, struct err *err)
{
    char tmp[64];
    (void)snprintf(tmp, sizeof(tmp), "mode=1777,size=%llu",
                   (unsigned long long)guest->memory_bytes / 4);
    if (mount_memory("", 0, "mode=0755,size=1m", err) < 0 || make_folders(err) < 0 ||
        make_devices(err) < 0 || make_links(err) < 0 || mount_memory("/tmp", 0, tmp, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(binds); i++) {
        if (bind_into(binds[i].from, binds[i].to, binds[i].flags, err) < 0)
            return -1;
    }
    if (mount("proc", WORLD "/proc", "proc", locked | MS_NOEXEC, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount /proc");
    return 0;
}

static int enter_root(struct err *err)
{
    if (chdir(WORLD) < 0 || syscall(SYS_pivot_root, ".", WORLD OLD_ROOT) < 0 || chdir("/") < 0 ||
        umount2(OLD_ROOT, MNT_DETACH) < 0 || rmdir(OLD_ROOT) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot enter the app's world");
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | locked, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make the app's root read-only");
    return 0;
}

/* --- the processes --- */

static int drop_bounding(struct err *err)
{
    for (unsigned capability = 0; capability <= LAST_CAPABILITY; capability++) {
        if (capability == CAP_SYS_ADMIN || capability == CAP_SETPCAP)
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL)
            return FAIL_ERRNO(err, ERR_IO, "cannot drop capability %u", capability);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot refuse new privileges");
    return 0;
}

static int drop_all(struct err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    return syscall(SYS_capset, &head, none) == 0
               ? 0
               : FAIL_ERRNO(err, ERR_IO, "cannot drop the capabilities");
}

/* 1 and 2: the log; then those of model/sandbox_layout.h and the broker; nothing else. */
static int arrange_descriptors(const struct guest *guest, struct err *err)
{
    const int from[] = {guest->enclave_log[1], guest->enclave_log[1], guest->enclave_status[1],
                        guest->app_socket, guest->broker_socket};
    _Static_assert(SANDBOX_STATUS_FD == 3 && SANDBOX_LISTEN_FD == 4 && BROKER_FD == 5, "in order");
    int high[ARRAY_LEN(from)];
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, BROKER_FD + 1);
        if (high[i] < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot copy a descriptor");
    }
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        if (dup2(high[i], (int)i + 1) < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot place a descriptor");
    }
    if (syscall(SYS_close_range, BROKER_FD + 1, ~0U, 0) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot close descriptors");
    return 0;
}

static _Noreturn void end(struct guest *guest, const struct err *err)
{
    struct guest to = {.status_port = guest->enclave_status[1], .log_port = guest->enclave_log[1]};
    guest_say(&to, "%s", err->message);
    guest_report_failure(&to, err);
    _exit(1);
}

static _Noreturn void run_enclave(struct guest *guest)
{
    static const char *const argv[] = {GUEST_ENCLAVE, NULL};
    static const char *const environment[] = {
        "HOME=" SANDBOX_HOME,
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "LANG=C.UTF-8",
        "MODULE_PATH=" SANDBOX_MODULE,
        "TMPDIR=" SANDBOX_TMP,
        "TMP_PATH=" SANDBOX_TMP,
        "SECRETS_PATH=" SANDBOX_SECRETS,
        "PYTHONUNBUFFERED=1",
        NULL,
    };
    sigset_t none;
    struct err err = ERR_INIT;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    if (arrange_descriptors(guest, &err) < 0)
        end(guest, &err);
    (void)execve(GUEST_ENCLAVE, (char *const *)argv, (char *const *)environment);
    static const char words[] = "{\"state\":\"failed\",\"reason\":\"cannot start mse-enclave\"}\n";
    (void)!write(SANDBOX_STATUS_FD, words, sizeof(words) - 1);
    _exit(1);
}

/* How a shell says it: a signal is 128 and its number. */
static int exit_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static _Noreturn void wait_for(pid_t enclave)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGCHLD);
    for (;;) {
        int status = 0;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended == enclave)
            _exit(exit_status(status));
        if (ended > 0)
            continue;
        if (sigwaitinfo(&signals, NULL) == SIGTERM)
            (void)kill(enclave, SIGTERM);
    }
}

/* The first process of the namespace. */
static _Noreturn void become_waiter(struct guest *guest)
{
    struct err err = ERR_INIT;
    if (make_root(guest, &err) < 0 || enter_root(&err) < 0 || drop_bounding(&err) < 0)
        end(guest, &err);
    pid_t enclave = fork();
    if (enclave == 0)
        run_enclave(guest);
    if (enclave < 0)
        (void)FAIL_ERRNO(&err, ERR_IO, "cannot start mse-enclave");
    if (enclave < 0 || drop_all(&err) < 0)
        end(guest, &err);
    (void)syscall(SYS_close_range, 0, ~0U, 0);
    wait_for(enclave);
}

/* `sync`: to pid 1 and back, around its writing of the maps. */
static _Noreturn void make_world(struct guest *guest, const int sync[static 2])
{
    struct err err = ERR_INIT;
    char byte = 0;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                CLONE_NEWCGROUP) < 0) {
        (void)FAIL_ERRNO(&err, ERR_IO, "cannot make namespaces");
        end(guest, &err);
    }
    if (write(sync[1], &byte, 1) != 1 || read(sync[1], &byte, 1) != 1)
        _exit(1);
    if (sethostname("mse", 3) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
        (void)FAIL_ERRNO(&err, ERR_IO, "cannot become root of the app's world");
        end(guest, &err);
    }
    pid_t waiter = fork();
    if (waiter == 0)
        become_waiter(guest);
    if (waiter < 0) {
        (void)FAIL_ERRNO(&err, ERR_IO, "cannot start the app's world");
        end(guest, &err);
    }
    /* SIGTERM comes here; the waiter is blocked in it and passes it on. */
    (void)syscall(SYS_close_range, 0, ~0U, 0);
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGCHLD);
    for (;;) {
        int status = 0;
        if (waitpid(waiter, &status, WNOHANG) == waiter)
            _exit(exit_status(status));
        if (sigwaitinfo(&signals, NULL) == SIGTERM)
            (void)kill(waiter, SIGTERM);
    }
}

static int write_map(pid_t pid, const char *name, struct err *err)
{
    char path[64];
    char map[32];
    AUTO_CLOSE int fd = -1;
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    (void)snprintf(map, sizeof(map), "0 %d 1", OUTSIDE_ID);
    if (fd_open(path, O_WRONLY, 0, &fd, err) < 0)
        return -1;
    return fd_write_all(fd, slice_str(map), err);
}

static int complete(struct guest *guest, int sync, struct err *err)
{
    char byte = 0;
    size_t len = 0;
    if (fd_read_full(sync, &byte, 1, &len, err) < 0)
        return -1;
    if (len == 0)
        return FAIL(err, ERR_IO, "the app's world could not be made");
    if (write_map(guest->world, "uid_map", err) < 0 || write_map(guest->world, "gid_map", err) < 0)
        return -1;
    return fd_write_all(sync, slice_of(&byte, 1), err);
}

int step_world(struct guest *guest, struct err *err)
{
    int sync[2];
    if (chmod("/dev/fuse", 0666) < 0) /* root's alone, until somebody says otherwise */
        return FAIL_ERRNO(err, ERR_IO, "cannot open '/dev/fuse' to the app's world");
    if (folder_create(WORLD, 0755, err) < 0 || fd_pipe(guest->enclave_status, err) < 0 ||
        fd_pipe(guest->enclave_log, err) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sync) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a socket pair");
    guest->world = fork();
    if (guest->world == 0) {
        fd_close(sync[0]);
        make_world(guest, sync);
    }
    fd_close(sync[1]);
    int status = guest->world < 0 ? FAIL_ERRNO(err, ERR_IO, "cannot start the app's world")
                                  : complete(guest, sync[0], err);
    fd_close(sync[0]);
    fd_close(fd_steal(&guest->enclave_status[1]));
    fd_close(fd_steal(&guest->enclave_log[1]));
    fd_close(fd_steal(&guest->app_socket));
    fd_close(fd_steal(&guest->broker_socket));
    return status;
}
