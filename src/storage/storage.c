// SPDX-License-Identifier: Apache-2.0
/*
 * The enclave's half of sealed storage: proves the key against the marker, then has gocryptfs mount
 * the cipher folder. gocryptfs gets its master key on standard input and needs no configuration
 * file, so nothing that the host could exchange decides how keys are made. Runs inside the enclave,
 * before confinement; owns the gocryptfs process.
 */
#include "storage/storage.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARKER_NAME "mse-storage"
#define MARKER_TEXT "mse sealed storage, version 1\n"
#define DATA_NAME "data"
#define KEY_SALT "mse storage, version 1"

enum { ERRORS_SIZE = 16 * 1024, POLL_MS = 2, STOP_GRACE_MS = 5000 };

static pid_t gocryptfs_pid = -1;

/* --- the marker --- */

static int derive(const struct secret *key, const char *purpose, struct secret *ret,
                  struct err *err)
{
    if (key->len != STORAGE_KEY_SIZE)
        return FAIL(err, ERR_INTERNAL, "storage key of %zu bytes, expected %d", key->len,
                    STORAGE_KEY_SIZE);
    AUTO_SECRET struct secret derived = SECRET_INIT;
    if (secret_init(&derived, 32, err) < 0 ||
        hkdf_sha256(secret_slice(key), slice_str(KEY_SALT), slice_str(purpose), derived.data,
                    derived.len, err) < 0)
        return -1;
    *ret = derived;
    derived = SECRET_INIT;
    return 0;
}

static int write_marker(const struct secret *key, const char *path, struct err *err)
{
    AUTO_BUF struct buf sealed = BUF_INIT(1024);
    if (box_seal(key->data, slice_str(MARKER_TEXT), slice_str(MARKER_NAME), &sealed, err) < 0)
        return -1;
    return file_write_atomic(path, buf_slice(&sealed), 0600, err);
}

static int check_marker(const struct secret *key, const char *path, struct err *err)
{
    AUTO_BUF struct buf sealed = BUF_INIT(1024);
    AUTO_BUF struct buf plain = BUF_INIT(1024);
    if (file_read(path, &sealed, err) < 0)
        return FAIL_CONTEXT(err, "sealed storage");
    if (box_unseal(key->data, buf_slice(&sealed), slice_str(MARKER_NAME), &plain, err) == 0 &&
        slice_is_str(buf_slice(&plain), MARKER_TEXT))
        return 0;
    err_clear(err);
    (void)FAIL(err, ERR_FORBIDDEN,
               "the sealed storage opens with another key: it belongs to "
               "another version of this app, another app or another node, "
               "or its marker was changed");
    err_hint(err, "only the version that wrote it can read it; a new deployment starts empty");
    return -1;
}

static int count_entries(const char *path, size_t *ret, struct err *err)
{
    DIR *folder = opendir(path);
    if (folder == NULL && errno == ENOENT) {
        *ret = 0;
        return 0;
    }
    if (folder == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the folder '%s'", path);
    size_t count = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 ? 1 : 0;
    (void)closedir(folder);
    *ret = count;
    return 0;
}

/* The host can take the marker away but not make one: data without a marker is refused. */
static int prove_key(const struct secret *key, const char *cipher, const char *data,
                     struct err *err)
{
    AUTO_SECRET struct secret marker_key = SECRET_INIT;
    AUTO_FREE char *marker = path_join(cipher, MARKER_NAME, err);
    size_t count = 0;
    if (marker == NULL || derive(key, "marker", &marker_key, err) < 0)
        return -1;
    if (file_exists(marker))
        return check_marker(&marker_key, marker, err);
    if (count_entries(data, &count, err) < 0)
        return -1;
    if (count > 0)
        return FAIL(err, ERR_INVALID, "the sealed storage has data but its marker '%s' is missing",
                    MARKER_NAME);
    return write_marker(&marker_key, marker, err);
}

/* --- gocryptfs --- */

/* What gocryptfs says goes to memory of fixed size: it may say much about a full disk, and names of
 * files must not reach the log, which the operator reads. */
static int open_errors(int *ret, struct err *err)
{
    AUTO_CLOSE int fd = memfd_create("gocryptfs-errors", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, ERRORS_SIZE) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0)
        return FAIL_ERRNO(err, ERR_MEMORY, "cannot make room for the messages of gocryptfs");
    *ret = fd_steal(&fd);
    return 0;
}

static void read_errors(int fd, char *text, size_t size)
{
    ssize_t len = pread(fd, text, size - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '\n' ? ' ' : *c;
}

/* Its standard input: the key in hexadecimal, then the end. It fits a pipe, so nobody waits. */
static int open_key_pipe(const struct secret *key, int *ret, struct err *err)
{
    AUTO_SECRET struct secret digits = SECRET_INIT;
    AUTO_SECRET struct secret master = SECRET_INIT;
    int ends[2] = {-1, -1};
    if (derive(key, "gocryptfs master key", &master, err) < 0 ||
        secret_init(&digits, 2 * master.len + 1, err) < 0 || fd_pipe(ends, err) < 0)
        return -1;
    hex_encode(secret_slice(&master), (char *)digits.data);
    digits.data[digits.len - 1] = '\n';
    int result = fd_write_all(ends[1], secret_slice(&digits), err);
    fd_close(ends[1]);
    if (result < 0)
        fd_close(ends[0]);
    else
        *ret = ends[0];
    return result;
}

/* The plain folder becomes a shared mount, so that what gocryptfs mounts there in a namespace of
 * its own appears in ours too; see finish_mount. */
static int share_folder(const char *plain, struct err *err)
{
    if (mount(plain, plain, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, plain, NULL, MS_SHARED, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot prepare '%s' for mounting", plain);
    return 0;
}

static int start_gocryptfs(const struct secret *key, const char *data, const char *plain,
                           int errors_fd, struct err *err)
{
    AUTO_CLOSE int key_fd = -1;
    AUTO_FREE char *unshare = NULL;
    AUTO_FREE char *gocryptfs = NULL;
    if (process_find("unshare", "util-linux", &unshare, err) < 0 ||
        process_find("gocryptfs", "gocryptfs", &gocryptfs, err) < 0 ||
        open_key_pipe(key, &key_fd, err) < 0)
        return -1;
    /* Names depend on nothing but the name, so no file with a random value per folder is needed;
     * -noprealloc stays off: what does not fit must fail before it is written. */
    char notify[16];
    (void)snprintf(notify, sizeof(notify), "%d", (int)getpid());
    const char *const argv[] = {unshare,
                                "--mount",
                                "--propagation",
                                "unchanged",
                                "--",
                                gocryptfs,
                                "-q",
                                "-fg",
                                "-nosyslog",
                                "-notifypid",
                                notify,
                                "-masterkey",
                                "stdin",
                                "-deterministic-names",
                                data,
                                plain,
                                NULL};
    const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL};
    const struct process_fd fds[] = {{key_fd, STDIN_FILENO}, {errors_fd, STDERR_FILENO}};
    const struct process_spec spec = {
        .argv = argv,
        .env = env,
        .fds = fds,
        .fd_count = ARRAY_LEN(fds),
        .folder = "/",
        .new_session = true,
        .die_with_parent = true,
    };
    return process_start(&spec, &gocryptfs_pid, err);
}

static bool is_fuse(const char *path)
{
    struct statfs info;
    return statfs(path, &info) == 0 && (uint64_t)info.f_type == FUSE_SUPER_MAGIC;
}

static int fail_ended(int status, int errors_fd, struct err *err)
{
    char said[512];
    char how[64];
    read_errors(errors_fd, said, sizeof(said));
    process_status_text(status, how, sizeof(how));
    (void)FAIL(err, ERR_IO, "gocryptfs ended (%s): %s", how, said);
    if (access("/dev/fuse", R_OK | W_OK) < 0) {
        (void)FAIL(err, ERR_UNSUPPORTED, "there is no usable /dev/fuse: %s", said);
        err_hint(err, "load the kernel module: modprobe fuse");
    }
    return -1;
}

/* gocryptfs says SIGUSR1 when it serves, which is later than the mount can be seen: until then it
 * has a file open on its own mount, and killing it there would leave a process that never ends. */
static int wait_for_mount(int errors_fd, const sigset_t *ready, struct err *err)
{
    const struct timespec step = {.tv_nsec = POLL_MS * 1000000L};
    int64_t deadline = clock_monotonic_ms() + STORAGE_MOUNT_TIMEOUT_MS;
    while (sigtimedwait(ready, NULL, &step) != SIGUSR1) {
        int status = 0;
        if (waitpid(gocryptfs_pid, &status, WNOHANG) == gocryptfs_pid) {
            gocryptfs_pid = -1;
            return fail_ended(status, errors_fd, err);
        }
        if (clock_monotonic_ms() > deadline)
            return FAIL(err, ERR_TIMEOUT, "gocryptfs has mounted nothing within %d s",
                        STORAGE_MOUNT_TIMEOUT_MS / 1000);
    }
    return 0;
}

/* From here on, what happens in one of the two namespaces is not seen in the other. */
static int finish_mount(const char *plain, struct err *err)
{
    if (!is_fuse(plain))
        return FAIL(err, ERR_IO, "gocryptfs is ready but '%s' does not show its mount", plain);
    if (mount(NULL, plain, NULL, MS_PRIVATE, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make the mount on '%s' private", plain);
    return 0;
}

/* Ends what a failed mount left: the connection first (MNT_FORCE), so that nothing waits for an
 * answer that does not come. */
static void abandon_mount(const char *plain)
{
    struct err ignored = ERR_INIT;
    if (is_fuse(plain))
        (void)umount2(plain, MNT_FORCE);
    (void)!storage_unmount(plain, &ignored);
}

static int mount_data(const struct secret *key, const char *data, const char *plain,
                      struct err *err)
{
    AUTO_CLOSE int errors_fd = -1;
    sigset_t ready;
    sigset_t old;
    (void)sigemptyset(&ready);
    (void)sigaddset(&ready, SIGUSR1);
    if (open_errors(&errors_fd, err) < 0 || share_folder(plain, err) < 0)
        return -1;
    (void)pthread_sigmask(SIG_BLOCK, &ready, &old);
    int result = start_gocryptfs(key, data, plain, errors_fd, err);
    if (result == 0)
        result = wait_for_mount(errors_fd, &ready, err);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (result == 0)
        result = finish_mount(plain, err);
    if (result < 0)
        abandon_mount(plain);
    return result;
}

int storage_mount(const struct secret *key, const char *cipher, const char *plain, struct err *err)
{
    if (gocryptfs_pid > 0)
        return FAIL(err, ERR_CONFLICT, "this process has mounted a sealed storage already");
    AUTO_FREE char *data = path_join(cipher, DATA_NAME, err);
    if (data == NULL || prove_key(key, cipher, data, err) < 0 || folder_create(data, 0700, err) < 0)
        return -1;
    if (mount_data(key, data, plain, err) < 0)
        return FAIL_CONTEXT(err, "sealed storage");
    return 0;
}

int storage_unmount(const char *plain, struct err *err)
{
    /* one for gocryptfs's, one for share_folder's */
    for (int i = 0; i < 2; i++) {
        if (umount2(plain, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
            return FAIL_ERRNO(err, ERR_IO, "cannot unmount '%s'", plain);
    }
    if (gocryptfs_pid > 0)
        process_stop(gocryptfs_pid, STOP_GRACE_MS);
    gocryptfs_pid = -1;
    return 0;
}
