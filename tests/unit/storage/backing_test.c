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
#include <sys/statvfs.h>
#include <sys/wait.h>

enum { QUOTA = STORAGE_QUOTA_MIN, PIECE = 64 * 1024 };

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
    };
    return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
