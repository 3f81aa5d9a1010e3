// SPDX-License-Identifier: Apache-2.0
/*
 * The host's half of sealed storage: a file system of limited size for each app's cipher text, in a
 * file behind a loop device. All of the file is allocated before anything is written to it and
 * stays so: whoever fills the disk later, an app has the room that its quota promises. ext4 with
 * its journal: a node that loses power must not lose an app's data, and the journal holds metadata
 * only. Runs in the node (root); sees cipher text only.
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
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

enum {
    MKFS_TIMEOUT_MS = 120000,
    LOOP_TRIES = 64,
    LOOP_PATH_SIZE = 64,
    UNMOUNTS_MAX = 64,
    RELEASE_PATIENCE_MS = 20000,
    RELEASE_POLL_MS = 5
};

/* --- room --- */

static int fail_unreserved(const char *path, struct err *err)
{
    err_set(err, ERR_UNSUPPORTED, 0,
            "the file system of '%s' does not keep room for a file, so that one app could fill the "
            "disk under the others",
            path);
    err_hint(err, "put the node's state folder on ext4 or xfs, or write quota = \"none\" in "
                  "msed.toml to do without");
    return -1;
}

/* btrfs writes every block to a new place, reserved or not, unless the file says otherwise before
 * it has any. */
static int stop_copying(int fd, const char *path, struct err *err)
{
    struct statfs info;
    struct stat file;
    int flags = 0;
    if (fstatfs(fd, &info) < 0 || fstat(fd, &file) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", path);
    if (info.f_type != BTRFS_SUPER_MAGIC)
        return 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        return fail_unreserved(path, err);
    if ((flags & FS_NOCOW_FL) != 0)
        return 0;
    flags |= FS_NOCOW_FL;
    return file.st_size == 0 && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0
               ? 0
               : fail_unreserved(path, err);
}

/* Allocates what of the file is not; its contents stay. A file system that only pretends (ZFS)
 * shows in the blocks that the file then has. */
static int allocate(int fd, const char *path, uint64_t size, struct err *err)
{
    struct stat info;
    if (stop_copying(fd, path, err) < 0)
        return -1;
    while (fallocate(fd, 0, 0, (off_t)size) < 0) {
        if (errno == EINTR)
            continue;
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            return fail_unreserved(path, err);
        bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
        return FAIL_ERRNO(err, full ? ERR_NO_ROOM : ERR_IO,
                          "the disk has no room for a storage of %llu MiB",
                          (unsigned long long)(size >> 20));
    }
    if (fstat(fd, &info) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", path);
    return (uint64_t)info.st_blocks * 512 >= size ? 0 : fail_unreserved(path, err);
}

static int allocate_image(const struct storage_backing *backing, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    struct stat info;
    if (fd_open(backing->path, O_RDWR | O_NOFOLLOW, 0, &fd, err) < 0)
        return -1;
    if (fstat(fd, &info) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", backing->path);
    return allocate(fd, backing->path, (uint64_t)info.st_size, err);
}

/* PATH.room: all of the room, and nothing else yet. */
static int make_room(const struct storage_backing *backing, struct err *err)
{
    if (backing->quota_bytes < STORAGE_QUOTA_MIN)
        return FAIL(err, ERR_INVALID, "a storage quota of %llu bytes, expected at least %d",
                    (unsigned long long)backing->quota_bytes, STORAGE_QUOTA_MIN);
    AUTO_FREE char *path = str_printf(err, "%s.room", backing->path);
    AUTO_CLOSE int fd = -1;
    if (path == NULL || fd_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, &fd, err) < 0)
        return -1;
    if (allocate(fd, path, backing->quota_bytes, err) == 0)
        return 0;
    (void)unlink(path); /* what was had of it is needed elsewhere */
    return -1;
}

int storage_backing_reserve(const struct storage_backing *backing, struct err *err)
{
    if (backing->quota_bytes == 0)
        return 0;
    int result =
        file_exists(backing->path) ? allocate_image(backing, err) : make_room(backing, err);
    return result < 0 ? FAIL_CONTEXT(err, "storage") : 0;
}

/* --- creating --- */

static int run_mkfs(const struct storage_backing *backing, const char *path, struct err *err)
{
    AUTO_FREE char *mkfs = NULL;
    char options[128];
    int status = 0;
    AUTO_BUF struct buf out = BUF_INIT(4096);
    AUTO_BUF struct buf errors = BUF_INIT(4096);
    if (process_find("mkfs.ext4", "e2fsprogs", &mkfs, err) < 0)
        return -1;
    /* a file that was just allocated reads as zeros: nothing of it needs to be written */
    (void)snprintf(options, sizeof(options),
                   "root_owner=%u:%u,assume_storage_prezeroed=1,nodiscard", (unsigned)backing->uid,
                   (unsigned)backing->gid);
    const char *const argv[] = {mkfs,   "-q", "-F",    "-m", "0", "-b",
                                "4096", "-E", options, path, NULL};
    const struct process_spec spec = {.argv = argv};
    if (process_run(&spec, slice_str(""), &out, &errors, MKFS_TIMEOUT_MS, &status, err) < 0)
        return -1;
    if (status != 0)
        return FAIL(err, ERR_IO, "mkfs.ext4 failed on '%s': %s", path, buf_text(&errors));
    return 0;
}

/* mkfs works on PATH.new, so that a file that it was killed at is never taken for room. What mkfs
 * gave back of it is allocated again. */
static int create_image(const struct storage_backing *backing, struct err *err)
{
    AUTO_FREE char *room = str_printf(err, "%s.room", backing->path);
    AUTO_FREE char *temporary = str_printf(err, "%s.new", backing->path);
    AUTO_CLOSE int fd = -1;
    if (room == NULL || temporary == NULL || file_remove(temporary, err) < 0 ||
        make_room(backing, err) < 0)
        return -1;
    if (rename(room, temporary) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot rename '%s'", room);
    if (run_mkfs(backing, temporary, err) < 0 ||
        fd_open(temporary, O_RDWR | O_NOFOLLOW, 0, &fd, err) < 0 ||
        allocate(fd, temporary, backing->quota_bytes, err) < 0)
        return -1;
    if (fsync(fd) < 0 || rename(temporary, backing->path) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot finish '%s'", backing->path);
    return 0;
}

static int create_folder(const struct storage_backing *backing, struct err *err)
{
    if (folder_create(backing->path, 0700, err) < 0)
        return -1;
    if (geteuid() == 0 && chown(backing->path, backing->uid, backing->gid) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot give '%s' to user %u", backing->path,
                          (unsigned)backing->uid);
    return 0;
}

int storage_backing_create(const struct storage_backing *backing, struct err *err)
{
    if (file_exists(backing->path))
        return 0;
    int result =
        backing->quota_bytes == 0 ? create_folder(backing, err) : create_image(backing, err);
    return result < 0 ? FAIL_CONTEXT(err, "storage") : 0;
}

/* --- mounting --- */

static int fail_loop(struct err *err, const char *what)
{
    bool denied = errno == EPERM || errno == EACCES;
    (void)FAIL_ERRNO(err, denied ? ERR_FORBIDDEN : ERR_UNSUPPORTED, "%s", what);
    err_hint(err, "storage with a quota needs root and loop devices (modprobe loop); without them "
                  "configure quota = \"none\"");
    return -1;
}

/* Attaches the image to a free loop device; between asking for the number and using it somebody
 * else may have taken it. *ret keeps the device alive until it is mounted (autoclear). */
static int attach_loop(int image_fd, int *ret, char name[static LOOP_PATH_SIZE], struct err *err)
{
    AUTO_CLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return fail_loop(err, "cannot open '/dev/loop-control'");
    for (int i = 0; i < LOOP_TRIES; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0)
            return fail_loop(err, "cannot get a loop device");
        (void)snprintf(name, LOOP_PATH_SIZE, "/dev/loop%d", number);
        AUTO_CLOSE int loop = open(name, O_RDWR | O_CLOEXEC);
        if (loop < 0)
            return fail_loop(err, "cannot open a loop device");
        struct loop_config config = {.fd = (uint32_t)image_fd, .block_size = 4096};
        config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
        if (ioctl(loop, LOOP_CONFIGURE, &config) == 0) {
            *ret = fd_steal(&loop);
            return 0;
        }
        if (errno != EBUSY)
            return fail_loop(err, "cannot attach the image to a loop device");
    }
    return FAIL(err, ERR_BUSY, "found no free loop device in %d tries", LOOP_TRIES);
}

static void write_setting(const char *path, const char *value)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written = fd >= 0 ? write(fd, value, strlen(value)) : 0;
    (void)written; /* a kernel without it: holes are filled again at the next start */
}

/* What is discarded in the file system becomes a hole in the image, which anybody may fill the disk
 * into. Nothing is discarded on mount's account; these stop the two other ways, fstrim(8) and the
 * zeros that ext4 writes around small extents. `name` is "/dev/loopN". */
static void keep_allocated(const char *name)
{
    char path[LOOP_PATH_SIZE + 64];
    const char *device = path_base(name);
    (void)snprintf(path, sizeof(path), "/sys/block/%s/queue/discard_max_bytes", device);
    write_setting(path, "0");
    (void)snprintf(path, sizeof(path), "/sys/fs/ext4/%s/extent_max_zeroout_kb", device);
    write_setting(path, "0");
}

static int mount_image(const struct storage_backing *backing, const char *folder, struct err *err)
{
    AUTO_CLOSE int image = -1;
    AUTO_CLOSE int loop = -1;
    char name[LOOP_PATH_SIZE];
    if (fd_open(backing->path, O_RDWR | O_NOFOLLOW, 0, &image, err) < 0 ||
        attach_loop(image, &loop, name, err) < 0)
        return -1;
    if (mount(name, folder, "ext4", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount '%s' on '%s'", backing->path, folder);
    keep_allocated(name);
    return 0;
}

static int mount_folder(const struct storage_backing *backing, const char *folder, struct err *err)
{
    if (mount(backing->path, folder, NULL, MS_BIND, NULL) < 0)
        return FAIL_ERRNO(err, errno == EPERM ? ERR_FORBIDDEN : ERR_IO, "cannot bind '%s' to '%s'",
                          backing->path, folder);
    return 0;
}

int storage_backing_mount(const struct storage_backing *backing, const char *folder,
                          struct err *err)
{
    int result = backing->quota_bytes == 0 ? mount_folder(backing, folder, err)
                                           : mount_image(backing, folder, err);
    return result < 0 ? FAIL_CONTEXT(err, "storage") : 0;
}

int storage_backing_unmount(const char *folder, struct err *err)
{
    if (umount2(folder, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
        return FAIL_ERRNO(err, ERR_IO, "cannot unmount '%s'", folder);
    return 0;
}

/* --- what it holds --- */

/* Blocks that were allocated but never written read as holes. */
static int64_t written_bytes(int fd)
{
    int64_t bytes = 0;
    off_t end = 0;
    for (off_t start = lseek(fd, 0, SEEK_DATA); start >= 0; start = lseek(fd, end, SEEK_DATA)) {
        end = lseek(fd, start, SEEK_HOLE);
        if (end < 0)
            break;
        bytes += end - start;
    }
    return bytes;
}

int64_t storage_backing_used(const char *path)
{
    struct stat info;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &info) < 0)
        return 0;
    return S_ISDIR(info.st_mode) ? folder_bytes(path) : written_bytes(fd);
}

/* --- what a killed process left behind --- */

/* Device number of "8:1" as mountinfo and /sys write it, or "" when this loop is not of `path`. */
static void loop_device_of(const char *entry, const char *path, char *device, size_t size)
{
    char file[128];
    AUTO_BUF struct buf backing = BUF_INIT(4200);
    AUTO_BUF struct buf number = BUF_INIT(32);
    size_t len = strlen(path);
    device[0] = '\0';
    (void)snprintf(file, sizeof(file), "/sys/block/%.32s/loop/backing_file", entry);
    if (file_read(file, &backing, NULL) < 0 || backing.len <= len ||
        memcmp(backing.data, path, len) != 0 || backing.data[len] != '\n')
        return;
    (void)snprintf(file, sizeof(file), "/sys/block/%.32s/dev", entry);
    if (file_read(file, &number, NULL) < 0 || number.len < 2)
        return;
    (void)snprintf(device, size, "%.*s", (int)number.len - 1, buf_text(&number));
}

/* Unmounts the last mount of this device in /proc/self/mountinfo; false when there is none. */
static bool unmount_one(const char *device)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[8192];
    char target[4096] = "";
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char number[32];
        char point[4096];
        /* proc_pid_mountinfo(5): id, parent, major:minor, root, mount point */
        if (sscanf(line, "%*d %*d %31s %*s %4095s", number, point) == 2 &&
            strcmp(number, device) == 0)
            memcpy(target, point, sizeof(target));
    }
    if (file != NULL)
        (void)fclose(file);
    return target[0] != '\0' && umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
}

static void release_loop(const char *entry, const char *device)
{
    char name[LOOP_PATH_SIZE];
    for (int i = 0; i < UNMOUNTS_MAX && unmount_one(device); i++)
        continue;
    (void)snprintf(name, sizeof(name), "/dev/%.32s", entry);
    AUTO_CLOSE int fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        (void)ioctl(fd,
                    LOOP_CLR_FD); /* gone already with autoclear, or now, or with its last user */
}

/* How many loop devices hold the image; each is asked to go. */
static size_t release_loops(const char *path)
{
    size_t count = 0;
    DIR *folder = opendir("/sys/block");
    if (folder == NULL)
        return 0; /* no block devices in sight, so none of ours */
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char device[32];
        if (!str_starts_with(entry->d_name, "loop"))
            continue;
        loop_device_of(entry->d_name, path, device, sizeof(device));
        if (device[0] == '\0')
            continue;
        release_loop(entry->d_name, device);
        count++;
    }
    (void)closedir(folder);
    return count;
}

/* A mount in the namespace of a process that is ending writes what it has until it is gone. */
int storage_backing_cleanup(const char *path, struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + RELEASE_PATIENCE_MS;
    if (!file_exists(path))
        return 0;
    AUTO_FREE char *resolved = path_resolve(path, err);
    if (resolved == NULL)
        return -1;
    while (release_loops(resolved) > 0) {
        if (clock_monotonic_ms() > deadline)
            return FAIL(err, ERR_BUSY,
                        "the storage '%s' is still mounted after %d s, by a process that does not "
                        "end",
                        path, RELEASE_PATIENCE_MS / 1000);
        clock_sleep_ms(RELEASE_POLL_MS);
    }
    return 0;
}

int storage_backing_destroy(const char *path, struct err *err)
{
    if (storage_backing_cleanup(path, err) < 0)
        return -1;
    AUTO_FREE char *temporary = str_printf(err, "%s.new", path);
    AUTO_FREE char *room = str_printf(err, "%s.room", path);
    if (temporary == NULL || room == NULL || file_remove(temporary, err) < 0 ||
        file_remove(room, err) < 0)
        return -1;
    return path_remove(path, err);
}
