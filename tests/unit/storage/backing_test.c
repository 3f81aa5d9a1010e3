// SPDX-License-Identifier: Apache-2.0
/*
 * The host's half of sealed storage: a real ext4 in a real loop device where this machine lets root
 * have one. A full disk is an error to the writer and loses nothing; nothing stays behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/process.h"
#include "storage/storage.h"
#include "storage/storage_fixture.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

enum { QUOTA = STORAGE_QUOTA_MIN, PIECE = 64 * 1024, DISK = 64 * 1024 * 1024 };

static bool can_loop(void)
{
    if (!namespace_is_ready)
        return false;
    if (!is_real_root || access("/dev/loop-control", R_OK | W_OK) < 0) {
        (void)printf("SKIP: needs root and /dev/loop-control\n");
        return false;
    }
    return true;
}

static struct storage_backing backing_of(const struct folders *folders, uint64_t quota)
{
    return (struct storage_backing){
        .path = folders->image, .quota_bytes = quota, .uid = geteuid(), .gid = getegid()};
}

static void create_and_mount(const struct storage_backing *backing, const char *folder)
{
    struct err err = ERR_INIT;
    if (storage_backing_create(backing, &err) < 0 ||
        storage_backing_mount(backing, folder, &err) < 0)
        fail_msg("%s", err.message);
}

static bool loop_in_use(const char *path)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(4096);
    AUTO_BUF struct buf errors = BUF_INIT(4096);
    int status = 0;
    const char *const argv[] = {"losetup", "--noheadings", "-j", path, NULL};
    const struct process_spec spec = {.argv = argv};
    assert_int_equal(process_run(&spec, slice_str(""), &out, &errors, 20000, &status, &err), 0);
    return out.len > 0;
}

/* Autoclear happens when the kernel is done with the last user: bounded patience, no luck. */
static void assert_loop_goes_away(const char *path)
{
    for (int i = 0; i < 200 && loop_in_use(path); i++)
        (void)usleep(20000);
    assert_false(loop_in_use(path));
}

static void test_quota_holds_and_loses_nothing(void **state)
{
    const struct folders *folders = *state;
    const struct storage_backing backing = backing_of(folders, QUOTA);
    struct err err = ERR_INIT;
    static uint8_t piece[PIECE];
    AUTO_FREE char *kept = path_join(folders->cipher, "kept", &err);
    AUTO_FREE char *filler = path_join(folders->cipher, "filler", &err);
    AUTO_BUF struct buf found = BUF_INIT(PIECE);
    if (!can_loop())
        skip();
    memset(piece, 0x5a, sizeof(piece));
    create_and_mount(&backing, folders->cipher);
    assert_int_equal(file_write_atomic(kept, slice_of(piece, sizeof(piece)), 0600, &err), 0);
    int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    uint64_t written = 0;
    ssize_t len = 0;
    while ((len = write(fd, piece, sizeof(piece))) > 0 && written < 2 * (uint64_t)QUOTA)
        written += (uint64_t)len;
    assert_int_equal(len, -1);
    assert_int_equal(errno, ENOSPC);
    assert_true(written < QUOTA);
    assert_true(written > QUOTA / 2);
    (void)close(fd);
    assert_int_equal(storage_backing_unmount(folders->cipher, &err), 0);
    assert_loop_goes_away(folders->image);
    assert_int_equal(storage_backing_mount(&backing, folders->cipher, &err), 0);
    assert_int_equal(file_read(kept, &found, &err), 0);
    assert_true(slice_equal(buf_slice(&found), slice_of(piece, sizeof(piece))));
    assert_int_equal(unlink(filler), 0);
    assert_int_equal(file_write_atomic(filler, slice_of(piece, sizeof(piece)), 0600, &err), 0);
    assert_int_equal(storage_backing_unmount(folders->cipher, &err), 0);
    assert_int_equal(storage_backing_destroy(folders->image, &err), 0);
    assert_false(file_exists(folders->image));
    assert_loop_goes_away(folders->image);
}

static void test_mount_flags(void **state)
{
    const struct folders *folders = *state;
    const struct storage_backing backing = backing_of(folders, QUOTA);
    struct err err = ERR_INIT;
    struct statvfs info;
    if (!can_loop())
        skip();
    create_and_mount(&backing, folders->cipher);
    assert_int_equal(statvfs(folders->cipher, &info), 0);
    assert_int_equal(info.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC),
                     ST_NOSUID | ST_NODEV | ST_NOEXEC);
    assert_int_equal(storage_backing_destroy(folders->image, &err), 0);
    assert_loop_goes_away(folders->image);
}

/* What kill -9 leaves: the mount stays. In another namespace it went away with its last process. */
static void test_cleanup_after_a_kill(void **state)
{
    const struct folders *folders = *state;
    const struct storage_backing backing = backing_of(folders, QUOTA);
    struct err err = ERR_INIT;
    if (!can_loop())
        skip();
    create_and_mount(&backing, folders->cipher);
    assert_true(loop_in_use(folders->image));
    assert_int_equal(storage_backing_cleanup(folders->image, &err), 0);
    assert_loop_goes_away(folders->image);
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
            storage_backing_mount(&backing, folders->cipher, &err) < 0)
            _exit(1);
        (void)raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_loop_goes_away(folders->image);
    assert_int_equal(storage_backing_destroy(folders->image, &err), 0);
}

static void test_without_quota(void **state)
{
    const struct folders *folders = *state;
    const struct storage_backing backing = backing_of(folders, 0);
    struct err err = ERR_INIT;
    struct stat info;
    AUTO_FREE char *inside = path_join(folders->image, "file", &err);
    if (!namespace_is_ready)
        skip();
    create_and_mount(&backing, folders->cipher);
    AUTO_FREE char *seen = path_join(folders->cipher, "file", &err);
    assert_int_equal(file_write_atomic(seen, slice_str("x"), 0600, &err), 0);
    assert_true(file_exists(inside));
    assert_int_equal(stat(folders->image, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    assert_int_equal(storage_backing_unmount(folders->cipher, &err), 0);
    assert_int_equal(storage_backing_destroy(folders->image, &err), 0);
    assert_false(file_exists(folders->image));
}

static void test_small_quota_is_refused(void **state)
{
    const struct folders *folders = *state;
    const struct storage_backing backing = backing_of(folders, STORAGE_QUOTA_MIN - 1);
    struct err err = ERR_INIT;
    assert_int_equal(storage_backing_create(&backing, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_false(file_exists(folders->image));
}

/* A creation that was interrupted leaves nothing that the next one takes for done. */
static void test_interrupted_creation(void **state)
{
    const struct folders *folders = *state;
    const struct storage_backing backing = backing_of(folders, QUOTA);
    struct err err = ERR_INIT;
    AUTO_FREE char *half = str_printf(&err, "%s.new", folders->image);
    if (!can_loop())
        skip();
    assert_int_equal(file_write_atomic(half, slice_str("half"), 0600, &err), 0);
    create_and_mount(&backing, folders->cipher);
    assert_false(file_exists(half));
    assert_int_equal(storage_backing_destroy(folders->image, &err), 0);
    assert_loop_goes_away(folders->image);
}

/* --- somebody fills the disk --- */

/* A disk of its own at `plain`, with two apps' storages on it, and what is mounted of them. */
struct small_disk {
    struct storage_backing disk;
    struct storage_backing apps[2];
    char images[2][160];
    char mounts[2][160];
};

static void make_disk(const struct folders *folders, struct small_disk *ret)
{
    struct err err = ERR_INIT;
    ret->disk = backing_of(folders, DISK);
    create_and_mount(&ret->disk, folders->plain);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(ret->images[i], sizeof(ret->images[i]), "%s/app%d", folders->plain, i);
        (void)snprintf(ret->mounts[i], sizeof(ret->mounts[i]), "%s/mount%d", folders->plain, i);
        ret->apps[i] = backing_of(folders, QUOTA);
        ret->apps[i].path = ret->images[i];
        assert_int_equal(folder_create(ret->mounts[i], 0700, &err), 0);
    }
}

static void remove_disk(const struct folders *folders, const struct small_disk *disk)
{
    struct err err = ERR_INIT;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(storage_backing_destroy(disk->images[i], &err), 0);
        assert_loop_goes_away(disk->images[i]);
    }
    assert_int_equal(storage_backing_unmount(folders->plain, &err), 0);
    assert_int_equal(storage_backing_destroy(folders->image, &err), 0);
    assert_loop_goes_away(folders->image);
}

/* Writes and syncs until that fails; how, is what it returns. */
static int fill(const char *folder, uint64_t *ret_written)
{
    static const uint8_t piece[PIECE] = {0x5a};
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/filler", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int reason = 0;
    assert_true(fd >= 0);
    for (*ret_written = 0; *ret_written < 2 * (uint64_t)DISK; *ret_written += PIECE) {
        errno = 0;
        ssize_t len = write(fd, piece, sizeof(piece));
        if (len != (ssize_t)sizeof(piece) || fdatasync(fd) < 0) {
            reason = errno != 0 ? errno : ENOSPC; /* a short write is the end of the room */
            break;
        }
    }
    (void)close(fd);
    return reason;
}

/* Small writes all over a file, each on disk before the next: what a database does. */
static void write_like_a_database(const char *folder, uint8_t value)
{
    uint8_t page[4096];
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/database", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    memset(page, value, sizeof(page));
    for (off_t i = 0; i < 256; i++) {
        off_t place = i * 37 % 256 * (off_t)sizeof(page);
        assert_int_equal(pwrite(fd, page, sizeof(page), place), sizeof(page));
        assert_int_equal(fdatasync(fd), 0);
    }
    assert_int_equal(close(fd), 0);
}

static void assert_database(const char *folder, uint8_t value)
{
    struct err err = ERR_INIT;
    char path[200];
    AUTO_BUF struct buf found = BUF_INIT(256 * 4096);
    (void)snprintf(path, sizeof(path), "%s/database", folder);
    assert_int_equal(file_read(path, &found, &err), 0);
    assert_int_equal(found.len, 256 * 4096);
    for (size_t i = 0; i < found.len; i++)
        assert_int_equal(found.data[i], value);
}

static void test_a_full_disk_costs_no_app_anything(void **state)
{
    const struct folders *folders = *state;
    struct small_disk disk;
    struct err err = ERR_INIT;
    uint64_t written = 0;
    if (!can_loop())
        skip();
    make_disk(folders, &disk);
    for (int i = 0; i < 2; i++)
        create_and_mount(&disk.apps[i], disk.mounts[i]);
    write_like_a_database(disk.mounts[1], 1);
    assert_int_equal(fill(folders->plain, &written), ENOSPC); /* anything on the machine */
    assert_int_equal(fill(disk.mounts[0], &written), ENOSPC); /* an app, up to its quota */
    assert_true(written > QUOTA / 2);
    assert_true(written < QUOTA);
    write_like_a_database(disk.mounts[1], 2);
    assert_int_equal(storage_backing_unmount(disk.mounts[1], &err), 0);
    assert_loop_goes_away(disk.images[1]);
    assert_int_equal(storage_backing_mount(&disk.apps[1], disk.mounts[1], &err), 0);
    assert_database(disk.mounts[1], 2);
    remove_disk(folders, &disk);
}

static void assert_allocated(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_blocks * 512 >= info.st_size);
}

/* What an app deletes, and fstrim(8), make no holes that somebody else could fill. */
static void test_room_is_not_given_back(void **state)
{
    const struct folders *folders = *state;
    const struct storage_backing backing = backing_of(folders, QUOTA);
    struct err err = ERR_INIT;
    char path[200];
    uint64_t written = 0;
    if (!can_loop())
        skip();
    create_and_mount(&backing, folders->cipher);
    assert_allocated(folders->image);
    (void)snprintf(path, sizeof(path), "%s/filler", folders->cipher);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fill(folders->cipher, &written), ENOSPC);
        assert_int_equal(unlink(path), 0);
        write_like_a_database(folders->cipher, (uint8_t)i);
    }
    int fd = open(folders->cipher, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct fstrim_range all = {.len = UINT64_MAX};
    assert_int_equal(ioctl(fd, FITRIM, &all), -1);
    (void)close(fd);
    sync();
    assert_allocated(folders->image);
    assert_true(storage_backing_used(folders->image) > QUOTA / 2);
    assert_int_equal(storage_backing_destroy(folders->image, &err), 0);
    assert_loop_goes_away(folders->image);
}

static void test_what_does_not_fit_is_refused(void **state)
{
    const struct folders *folders = *state;
    struct small_disk disk;
    struct err err = ERR_INIT;
    uint64_t written = 0;
    if (!can_loop())
        skip();
    make_disk(folders, &disk);
    disk.apps[0].quota_bytes = 2 * (uint64_t)DISK;
    assert_int_equal(storage_backing_reserve(&disk.apps[0], &err), -1);
    assert_int_equal(err.kind, ERR_NO_ROOM);
    assert_int_equal(storage_backing_reserve(&disk.apps[1], &err), 0); /* nothing of it is left */
    assert_int_equal(fill(folders->plain, &written), ENOSPC);
    assert_int_equal(storage_backing_create(&disk.apps[1], &err), 0); /* it had its room */
    assert_allocated(disk.images[1]);
    remove_disk(folders, &disk);
}

/* ext2 allocates blocks only when they are written. */
static void test_a_disk_that_cannot_reserve(void **state)
{
    const struct folders *folders = *state;
    const struct storage_backing disk = backing_of(folders, DISK);
    struct storage_backing app = backing_of(folders, QUOTA);
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(4096);
    AUTO_BUF struct buf errors = BUF_INIT(4096);
    AUTO_FREE char *image = str_printf(&err, "%s/app", folders->plain);
    AUTO_FREE char *room = str_printf(&err, "%s/app.room", folders->plain);
    int status = 0;
    if (!can_loop())
        skip();
    assert_int_equal(storage_backing_create(&disk, &err), 0);
    const char *const argv[] = {"/sbin/mkfs.ext2", "-q", "-F", "-b", "4096", folders->image, NULL};
    const struct process_spec spec = {.argv = argv};
    assert_int_equal(process_run(&spec, slice_str(""), &out, &errors, 20000, &status, &err), 0);
    assert_int_equal(status, 0);
    assert_int_equal(storage_backing_mount(&disk, folders->plain, &err), 0);
    app.path = image;
    assert_int_equal(storage_backing_create(&app, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "does not keep room"));
    assert_non_null(strstr(err.hint, "quota = \"none\""));
    assert_false(file_exists(image));
    assert_false(file_exists(room));
    assert_int_equal(storage_backing_unmount(folders->plain, &err), 0);
    assert_int_equal(storage_backing_destroy(folders->image, &err), 0);
    assert_loop_goes_away(folders->image);
}

/* An image of before, while its app runs. */
static void test_a_sparse_image_is_filled(void **state)
{
    const struct folders *folders = *state;
    const struct storage_backing backing = backing_of(folders, QUOTA);
    struct err err = ERR_INIT;
    if (!can_loop())
        skip();
    assert_int_equal(storage_backing_create(&backing, &err), 0);
    int fd = open(folders->image, O_RDWR | O_CLOEXEC);
    assert_int_equal(
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, QUOTA / 2, QUOTA / 4), 0);
    (void)close(fd);
    assert_int_equal(storage_backing_mount(&backing, folders->cipher, &err), 0);
    write_like_a_database(folders->cipher, 7);
    assert_int_equal(storage_backing_reserve(&backing, &err), 0);
    assert_allocated(folders->image);
    assert_int_equal(storage_backing_unmount(folders->cipher, &err), 0);
    assert_loop_goes_away(folders->image);
    assert_int_equal(storage_backing_mount(&backing, folders->cipher, &err), 0);
    assert_database(folders->cipher, 7);
    assert_int_equal(storage_backing_destroy(folders->image, &err), 0);
    assert_loop_goes_away(folders->image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_quota_holds_and_loses_nothing, make_folders,
                                        remove_folders),
        cmocka_unit_test_setup_teardown(test_mount_flags, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_cleanup_after_a_kill, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_without_quota, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_small_quota_is_refused, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_interrupted_creation, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_a_full_disk_costs_no_app_anything, make_folders,
                                        remove_folders),
        cmocka_unit_test_setup_teardown(test_room_is_not_given_back, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_what_does_not_fit_is_refused, make_folders,
                                        remove_folders),
        cmocka_unit_test_setup_teardown(test_a_disk_that_cannot_reserve, make_folders,
                                        remove_folders),
        cmocka_unit_test_setup_teardown(test_a_sparse_image_is_filled, make_folders,
                                        remove_folders),
    };
    return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
