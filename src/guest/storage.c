// SPDX-License-Identifier: Apache-2.0
/*
 * Layers, from the disk up:
 *
 *     mse-storage disk, its first block replaced by one in memory    dm-linear over loop and disk
 *     tags of 32 bytes for each block of 4096, journal               dm-integrity
 *     aegis128-random                                                dm-crypt, key from the keyring
 *     ext4                                                           mounted on GUEST_PLAIN
 *
 * dm-integrity's superblock depends on the disk's size alone. The kernel is asked to make it on a
 * device that swallows everything else (dm-zero), so that none of the host's is ever parsed. The
 * disk's own first block holds only a mark that the storage was made to its end.
 *
 * Runs in the broker.
 */
#include "guest/storage.h"

#include "base/fd.h"
#include "base/process.h"
#include "base/reader.h"
#include "guest/device.h"
#include "guest/dm.h"
#include "guest/guest.h"
#include "model/broker_protocol.h"
#include "model/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY_NAME "mse:storage"
#define MARK "mse-storage 1\n"

enum {
    SECTOR = 512,
    SECTORS_OF_BLOCK = GUEST_BLOCK_SIZE / SECTOR,
    TAG_SIZE = 32, /* aegis128: nonce and tag, 16 each */
    KEY_SIZE = 16,
    SUPERBLOCK_SECTORS_AT = 16, /* provided_data_sectors (dm-integrity.c, struct superblock) */
    /* mkfs looks for what was there before: at both ends. */
    CLEARED_BLOCKS = 32,
    MKFS_TIMEOUT_MS = 100 * 1000,
    DISK_WAIT_MS = 1000,
    BLOCKS_MIN = 1024,
};

struct storage {
    int disk;
    char disk_path[DEVICE_PATH_SIZE];
    char loop_path[DEVICE_PATH_SIZE];
    uint64_t sectors; /* of the disk, whole blocks */
    uint64_t data_sectors;
    bool is_new;
};

/* --- the disk --- */

static int look_at_disk(struct storage *storage, struct err *err)
{
    uint8_t block[GUEST_BLOCK_SIZE];
    size_t len = 0;
    uint64_t bytes = 0;
    if (fd_read_full(storage->disk, block, sizeof(block), &len, err) < 0)
        return -1;
    if (ioctl(storage->disk, BLKGETSIZE64, &bytes) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot ask for the size of '%s'", GUEST_DISK_STORAGE);
    if (bytes / GUEST_BLOCK_SIZE < BLOCKS_MIN)
        return FAIL(err, ERR_INVALID, "the disk '%s' has %llu bytes, expected at least %d",
                    GUEST_DISK_STORAGE, (unsigned long long)bytes, BLOCKS_MIN * GUEST_BLOCK_SIZE);
    storage->sectors = bytes / GUEST_BLOCK_SIZE * SECTORS_OF_BLOCK;
    storage->is_new = slice_is_zero(slice_of(block, len));
    const size_t mark = sizeof(MARK) - 1;
    if (storage->is_new || (memcmp(block, MARK, mark) == 0 &&
                            slice_is_zero(slice_of(block + mark, sizeof(block) - mark))))
        return 0;
    return FAIL(err, ERR_INVALID, "the disk '%s' holds something else than an app's storage",
                GUEST_DISK_STORAGE);
}

/* The last thing that is done to a new storage: one that was interrupted before is made anew. */
static int mark_disk(const struct storage *storage, struct err *err)
{
    uint8_t block[GUEST_BLOCK_SIZE] = MARK;
    if (pwrite(storage->disk, block, sizeof(block), 0) != (ssize_t)sizeof(block) ||
        fsync(storage->disk) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot write to '%s'", GUEST_DISK_STORAGE);
    return 0;
}

/* --- the superblock in memory --- */

static int attach_loop(struct storage *storage, int *ret_memory, struct err *err)
{
    AUTO_CLOSE int memory = memfd_create("superblock", MFD_CLOEXEC);
    AUTO_CLOSE int control = -1;
    AUTO_CLOSE int loop = -1;
    if (memory < 0 || ftruncate(memory, GUEST_BLOCK_SIZE) < 0)
        return FAIL_ERRNO(err, ERR_MEMORY, "cannot make a block in memory");
    if (fd_open("/dev/loop-control", O_RDWR, 0, &control, err) < 0)
        return -1;
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0)
        return FAIL_ERRNO(err, ERR_IO, "no free loop device");
    (void)snprintf(storage->loop_path, sizeof(storage->loop_path), "/dev/loop%d", number);
    if (fd_open(storage->loop_path, O_RDWR, 0, &loop, err) < 0)
        return -1;
    const struct loop_config config = {.fd = (uint32_t)memory, .block_size = GUEST_BLOCK_SIZE};
    if (ioctl(loop, LOOP_CONFIGURE, &config) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot attach a block in memory");
    *ret_memory = fd_steal(&memory);
    return 0;
}

/* The disk with its first block from memory; or, without the disk, with nothing behind it. */
static int create_base(const struct storage *storage, bool with_disk,
                       char path[static DM_PATH_SIZE], struct err *err)
{
    char first[DEVICE_PATH_SIZE + 16];
    char rest[DEVICE_PATH_SIZE + 16];
    (void)snprintf(first, sizeof(first), "%s 0", storage->loop_path);
    (void)snprintf(rest, sizeof(rest), "%s %d", storage->disk_path, SECTORS_OF_BLOCK);
    const struct dm_target targets[] = {
        {SECTORS_OF_BLOCK, "linear", first},
        {storage->sectors - SECTORS_OF_BLOCK, with_disk ? "linear" : "zero", with_disk ? rest : ""},
    };
    const struct dm_device device = {.name = with_disk ? "base" : "sizes",
                                     .targets = targets,
                                     .target_count = ARRAY_LEN(targets)};
    return dm_create(&device, path, err);
}

static int create_integrity(const char *name, const char *base, uint64_t sectors,
                            char path[static DM_PATH_SIZE], struct err *err)
{
    char parameters[128];
    (void)snprintf(parameters, sizeof(parameters), "%s 0 %d J 1 block_size:%d", base, TAG_SIZE,
                   GUEST_BLOCK_SIZE);
    const struct dm_target target = {sectors, "integrity", parameters};
    const struct dm_device device = {.name = name, .targets = &target, .target_count = 1};
    return dm_create(&device, path, err);
}

static int read_superblock(struct storage *storage, int memory, struct err *err)
{
    uint8_t block[GUEST_BLOCK_SIZE];
    if (pread(memory, block, sizeof(block), 0) != (ssize_t)sizeof(block))
        return FAIL_ERRNO(err, ERR_IO, "cannot read a block in memory");
    struct reader in = reader_of(slice_of(block, sizeof(block)), "superblock");
    if (reader_skip(&in, "head", SUPERBLOCK_SECTORS_AT, err) < 0 ||
        reader_u64le(&in, "sectors", &storage->data_sectors, err) < 0)
        return -1;
    storage->data_sectors -= storage->data_sectors % SECTORS_OF_BLOCK;
    if (storage->data_sectors == 0 || storage->data_sectors > storage->sectors)
        return FAIL(err, ERR_INTERNAL, "dm-integrity offers %llu of %llu sectors",
                    (unsigned long long)storage->data_sectors,
                    (unsigned long long)storage->sectors);
    return 0;
}

/* Has the kernel write the superblock of a disk of this size into memory. */
static int make_superblock(struct storage *storage, int memory, struct err *err)
{
    char base[DM_PATH_SIZE];
    char integrity[DM_PATH_SIZE];
    if (create_base(storage, false, base, err) < 0 ||
        create_integrity("sizes-integrity", base, SECTORS_OF_BLOCK, integrity, err) < 0 ||
        dm_remove("sizes-integrity", err) < 0 || dm_remove("sizes", err) < 0)
        return -1;
    return read_superblock(storage, memory, err);
}

/* --- the cipher --- */

static int add_key(struct slice key, long *ret, struct err *err)
{
    *ret = syscall(SYS_add_key, "logon", KEY_NAME, key.data, (size_t)KEY_SIZE,
                   KEY_SPEC_PROCESS_KEYRING);
    return *ret < 0 ? FAIL_ERRNO(err, ERR_IO, "cannot hand the storage key to the kernel") : 0;
}

static int create_crypt(const struct storage *storage, const char *integrity, struct slice key,
                        char path[static DM_PATH_SIZE], struct err *err)
{
    char parameters[256];
    long id = -1;
    (void)snprintf(parameters, sizeof(parameters),
                   "capi:aegis128-random :%d:logon:%s 0 %s 0 2 integrity:%d:aead sector_size:%d",
                   KEY_SIZE, KEY_NAME, integrity, TAG_SIZE, GUEST_BLOCK_SIZE);
    const struct dm_target target = {storage->data_sectors, "crypt", parameters};
    const struct dm_device device = {.name = "storage", .targets = &target, .target_count = 1};
    if (add_key(key, &id, err) < 0)
        return -1;
    int status = dm_create(&device, path, err);
    (void)syscall(SYS_keyctl, KEYCTL_INVALIDATE, id); /* the table has it now */
    return status;
}

/* --- the file system --- */

/* A block that was never written has no tag, and reading it is an error. */
static int clear_ends(const struct storage *storage, const char *path, struct err *err)
{
    static const uint8_t zeros[CLEARED_BLOCKS * GUEST_BLOCK_SIZE];
    AUTO_CLOSE int fd = -1;
    if (fd_open(path, O_WRONLY, 0, &fd, err) < 0)
        return -1;
    off_t last = (off_t)(storage->data_sectors * SECTOR - sizeof(zeros));
    if (pwrite(fd, zeros, sizeof(zeros), 0) != (ssize_t)sizeof(zeros) ||
        pwrite(fd, zeros, sizeof(zeros), last) != (ssize_t)sizeof(zeros) || fsync(fd) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot write to the storage");
    return 0;
}

static int make_file_system(const struct storage *storage, const char *path, struct err *err)
{
    const char *const argv[] = {
        "/usr/sbin/mkfs.ext4",
        "-q",
        "-F",
        "-b",
        "4096",
        "-m",
        "0",
        "-E",
        "nodiscard,lazy_itable_init=1,lazy_journal_init=0,root_owner=1000:1000",
        path,
        NULL};
    const struct process_spec spec = {.argv = argv, .folder = "/"};
    AUTO_BUF struct buf out = BUF_INIT(512);
    AUTO_BUF struct buf errors = BUF_INIT(512);
    int status = 0;
    if (clear_ends(storage, path, err) < 0 ||
        process_run(&spec, slice_of(NULL, 0), &out, &errors, MKFS_TIMEOUT_MS, &status, err) < 0)
        return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return mark_disk(storage, err);
    return FAIL(err, ERR_IO, "mkfs.ext4 failed: %.200s", buf_text(&errors));
}

static int mount_storage(const struct storage *storage, const char *path, struct err *err)
{
    if (storage->is_new && make_file_system(storage, path, err) < 0)
        return -1;
    if (mount(path, GUEST_PLAIN, "ext4", MS_NOSUID | MS_NODEV | MS_NOATIME, "errors=remount-ro") ==
        0)
        return 0;
    return FAIL_ERRNO(err, ERR_FORBIDDEN,
                      "the storage does not open: it was sealed under another key (another app, or "
                      "another version of it), or somebody changed it");
}

static int open_layers(struct storage *storage, struct slice key, struct err *err)
{
    char base[DM_PATH_SIZE];
    char integrity[DM_PATH_SIZE];
    char crypt[DM_PATH_SIZE];
    AUTO_CLOSE int memory = -1;
    if (look_at_disk(storage, err) < 0 || attach_loop(storage, &memory, err) < 0 ||
        make_superblock(storage, memory, err) < 0)
        return -1;
    /* An empty superblock has the kernel make the journal too. */
    static const uint8_t empty[GUEST_BLOCK_SIZE];
    if (storage->is_new && pwrite(memory, empty, sizeof(empty), 0) != (ssize_t)sizeof(empty))
        return FAIL_ERRNO(err, ERR_IO, "cannot clear a block in memory");
    if (create_base(storage, true, base, err) < 0)
        return -1;
    if (storage->is_new &&
        (create_integrity("integrity", base, SECTORS_OF_BLOCK, integrity, err) < 0 ||
         dm_remove("integrity", err) < 0))
        return -1;
    if (create_integrity("integrity", base, storage->data_sectors, integrity, err) < 0 ||
        create_crypt(storage, integrity, key, crypt, err) < 0)
        return -1;
    return mount_storage(storage, crypt, err);
}

int storage_open(struct slice key, struct err *err)
{
    struct storage storage = {.disk = -1};
    if (key.len != BROKER_KEY_SIZE)
        return FAIL(err, ERR_INTERNAL, "a storage key of %zu bytes, expected %d", key.len,
                    BROKER_KEY_SIZE);
    if (device_find_disk(GUEST_DISK_STORAGE, DISK_WAIT_MS, storage.disk_path, err) < 0 ||
        fd_open(storage.disk_path, O_RDWR, 0, &storage.disk, err) < 0)
        return -1;
    int status = open_layers(&storage, key, err);
    fd_close(storage.disk);
    return status;
}
