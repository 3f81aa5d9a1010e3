// SPDX-License-Identifier: Apache-2.0
/*
 * The host's half of sealed storage: a file system of limited size for each app's cipher text, in a
 * sparse file behind a loop device. ext4 with its journal: a node that loses power must not lose
 * an app's data, and the journal holds metadata only. Runs in the node (root); sees cipher text
 * only.
 */
#include "storage/storage.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

enum { MKFS_TIMEOUT_MS = 120000, LOOP_TRIES = 64, LOOP_PATH_SIZE = 64, UNMOUNTS_MAX = 64 };

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
    (void)snprintf(options, sizeof(options),
                   "root_owner=%u:%u,lazy_itable_init=1,lazy_journal_init=1,nodiscard",
                   (unsigned)backing->uid, (unsigned)backing->gid);
    const char *const argv[] = {mkfs,   "-q", "-F",    "-m", "0", "-b",
                                "4096", "-E", options, path, NULL};
    const struct process_spec spec = {.argv = argv};
    if (process_run(&spec, slice_str(""), &out, &errors, MKFS_TIMEOUT_MS, &status, err) < 0)
        return -1;
    if (status != 0)
        return FAIL(err, ERR_IO, "mkfs.ext4 failed on '%s': %s", path, buf_text(&errors));
    return 0;
}

static int create_image(const struct storage_backing *backing, struct err *err)
{
    if (backing->quota_bytes < STORAGE_QUOTA_MIN)
        return FAIL(err, ERR_INVALID, "a storage quota of %llu bytes, expected at least %d",
                    (unsigned long long)backing->quota_bytes, STORAGE_QUOTA_MIN);
    AUTO_FREE char *temporary = str_printf(err, "%s.new", backing->path);
    AUTO_CLOSE int fd = -1;
    if (temporary == NULL || file_remove(temporary, err) < 0 ||
        fd_open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd, err) < 0)
        return -1;
    if (ftruncate(fd, (off_t)backing->quota_bytes) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a file of %llu bytes: '%s'",
                          (unsigned long long)backing->quota_bytes, temporary);
    if (run_mkfs(backing, temporary, err) < 0)
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

static int mount_image(const struct storage_backing *backing, const char *folder, struct err *err)
{
    AUTO_CLOSE int image = -1;
    AUTO_CLOSE int loop = -1;
    char name[LOOP_PATH_SIZE];
    if (fd_open(backing->path, O_RDWR | O_NOFOLLOW, 0, &image, err) < 0 ||
        attach_loop(image, &loop, name, err) < 0)
        return -1;
    if (mount(name, folder, "ext4", MS_NOSUID | MS_NODEV | MS_NOEXEC, "discard") < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount '%s' on '%s'", backing->path, folder);
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

int storage_backing_cleanup(const char *path, struct err *err)
{
    if (!file_exists(path))
        return 0;
    AUTO_FREE char *resolved = path_resolve(path, err);
    if (resolved == NULL)
        return -1;
    DIR *folder = opendir("/sys/block");
    if (folder == NULL)
        return 0; /* no block devices in sight, so none of ours */
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char device[32];
        if (!str_starts_with(entry->d_name, "loop"))
            continue;
        loop_device_of(entry->d_name, resolved, device, sizeof(device));
        if (device[0] != '\0')
            release_loop(entry->d_name, device);
    }
    (void)closedir(folder);
    return 0;
}

int storage_backing_destroy(const char *path, struct err *err)
{
    struct stat info;
    if (storage_backing_cleanup(path, err) < 0)
        return -1;
    AUTO_FREE char *temporary = str_printf(err, "%s.new", path);
    if (temporary == NULL || file_remove(temporary, err) < 0)
        return -1;
    if (lstat(path, &info) < 0)
        return errno == ENOENT ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", path);
    return S_ISDIR(info.st_mode) ? folder_remove_tree(path, err) : file_remove(path, err);
}
