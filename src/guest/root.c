// SPDX-License-Identifier: Apache-2.0
/*
 * The root: a disk of the host behind dm-verity, whose root hash stands in the measured command
 * line. A block that is not the image's stops the kernel at once (panic_on_corruption), so no
 * program ever reads it.
 */
#include "guest/guest.h"

#include "base/fd.h"
#include "base/file.h"
#include "guest/device.h"
#include "guest/dm.h"
#include "model/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/fs.h>

#define NEW_ROOT "/new"

enum {
    SECTORS_OF_BLOCK = GUEST_BLOCK_SIZE / 512,
    DESCRIPTORS = 65536, /* a connection of the app takes one */
};

static int open_verity(const struct verity_spec *spec, const char *disk,
                       char path[static DM_PATH_SIZE], struct err *err)
{
    char parameters[512];
    const unsigned long long blocks = spec->data_blocks;
    (void)snprintf(parameters, sizeof(parameters),
                   "1 %s %s %d %d %llu %llu sha256 %s %s 1 panic_on_corruption", disk, disk,
                   GUEST_BLOCK_SIZE, GUEST_BLOCK_SIZE, blocks, blocks, spec->root, spec->salt);
    const struct dm_target target = {spec->data_blocks * SECTORS_OF_BLOCK, "verity", parameters};
    const struct dm_device device = {
        .name = "root", .targets = &target, .target_count = 1, .read_only = true};
    return dm_create(&device, path, err);
}

/* Shorter than it must be, the kernel would say so with an error of the device mapper. */
static int check_size(const char *disk, const struct verity_spec *spec, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    uint64_t bytes = 0;
    if (fd_open(disk, O_RDONLY, 0, &fd, err) < 0)
        return -1;
    if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot ask for the size of '%s'", disk);
    if (bytes / GUEST_BLOCK_SIZE < spec->data_blocks)
        return FAIL(err, ERR_INVALID, "the disk '%s' has %llu blocks, the image's root has %llu",
                    GUEST_DISK_ROOT, (unsigned long long)(bytes / GUEST_BLOCK_SIZE),
                    (unsigned long long)spec->data_blocks);
    return 0;
}

/* The initrd's own files stay in memory below; nothing leads to them any more. */
static int switch_root(struct err *err)
{
    static const char *const moved[] = {"/dev", "/proc", "/sys"};
    for (size_t i = 0; i < ARRAY_LEN(moved); i++) {
        char target[32];
        (void)snprintf(target, sizeof(target), "%s%s", NEW_ROOT, moved[i]);
        if (mount(moved[i], target, NULL, MS_MOVE, NULL) < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot move '%s' into the root", moved[i]);
    }
    if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
        chdir("/") < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot enter the root");
    return 0;
}

int step_root(struct guest *guest, struct err *err)
{
    char disk[DEVICE_PATH_SIZE];
    char device[DM_PATH_SIZE];
    if (device_find_disk(GUEST_DISK_ROOT, DEVICE_WAIT_MS, disk, err) < 0 ||
        check_size(disk, &guest->options.root, err) < 0 ||
        open_verity(&guest->options.root, disk, device, err) < 0 ||
        folder_create(NEW_ROOT, 0755, err) < 0)
        return -1;
    if (mount(device, NEW_ROOT, "erofs", MS_RDONLY | MS_NODEV | MS_NOSUID, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount the root");
    return switch_root(err);
}

static int mount_memory(const char *folder, const char *data, struct err *err)
{
    if (mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, data) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount memory on '%s'", folder);
    return 0;
}

/* /run in memory: the package, which the root's size cannot know, may take half of it. */
int step_folders(struct guest *guest, struct err *err)
{
    static const char *const folders[] = {"/run/mse", GUEST_PACKAGE, GUEST_ENVIRONMENT,
                                          GUEST_STORAGE};
    char data[64];
    struct rlimit descriptors = {DESCRIPTORS, DESCRIPTORS};
    (void)snprintf(data, sizeof(data), "mode=0755,size=%llu",
                   (unsigned long long)guest->memory_bytes / 2);
    if (mount_memory("/run", data, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        if (folder_create(folders[i], 0755, err) < 0)
            return -1;
    }
    /* Storage is mounted later, and must then appear in the app's world: a mount of its own whose
     * changes are passed on. */
    if (mount_memory(GUEST_STORAGE, "mode=0755,size=64k", err) < 0)
        return -1;
    if (mount(NULL, GUEST_STORAGE, NULL, MS_SHARED, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot share '%s'", GUEST_STORAGE);
    if (setrlimit(RLIMIT_NOFILE, &descriptors) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot allow %d descriptors", DESCRIPTORS);
    return folder_create(GUEST_PLAIN, 0700, err);
}
