// SPDX-License-Identifier: Apache-2.0
/*
 * The enclave's half of sealed storage with the real gocryptfs: what is written is cipher text on
 * the disk, comes back under the same key, and under another key nothing does.
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
#include <sys/wait.h>

static struct secret good_key;
static struct secret other_key;

static bool can_run(void)
{
    AUTO_FREE char *gocryptfs = NULL;
    if (!namespace_is_ready)
        return false;
    if (process_find("gocryptfs", NULL, &gocryptfs, NULL) < 0) {
        (void)printf("SKIP: gocryptfs is not installed\n");
        return false;
    }
    if (access("/dev/fuse", R_OK | W_OK) < 0) {
        (void)printf("SKIP: no usable /dev/fuse\n");
        return false;
    }
    return true;
}

static void mount_or_fail(const struct secret *key, const struct folders *folders)
{
    struct err err = ERR_INIT;
    if (storage_mount(key, folders->cipher, folders->plain, &err) < 0)
        fail_msg("%s", err.message);
}

static void write_plain(const struct folders *folders, const char *name, const char *text)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = path_join(folders->plain, name, &err);
    assert_int_equal(file_write_atomic(path, slice_str(text), 0600, &err), 0);
}

static void assert_plain(const struct folders *folders, const char *name, const char *text)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = path_join(folders->plain, name, &err);
    AUTO_BUF struct buf found = BUF_INIT(4096);
    if (file_read(path, &found, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(buf_text(&found), text);
}

/* Is the text in the name or the contents of any file below the folder? */
static bool appears_below(const char *folder, const char *text)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(65536);
    AUTO_BUF struct buf errors = BUF_INIT(4096);
    int status = 0;
    const char *const grep[] = {"grep", "-rqaF", text, folder, NULL};
    const char *const find[] = {"find", folder, "-name", text, NULL};
    struct process_spec spec = {.argv = grep};
    assert_int_equal(process_run(&spec, slice_str(""), &out, &errors, 20000, &status, &err), 0);
    bool in_contents = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    spec.argv = find;
    assert_int_equal(process_run(&spec, slice_str(""), &out, &errors, 20000, &status, &err), 0);
    return in_contents || out.len > 0;
}

static void test_round_trip(void **state)
{
    const struct folders *folders = *state;
    struct err err = ERR_INIT;
    if (!can_run())
        skip();
    mount_or_fail(&good_key, folders);
    write_plain(folders, "diary.txt", "meet at the old mill");
    assert_int_equal(storage_unmount(folders->plain, &err), 0);
    assert_false(appears_below(folders->cipher, "old mill"));
    assert_false(appears_below(folders->cipher, "diary.txt"));
    mount_or_fail(&good_key, folders);
    assert_plain(folders, "diary.txt", "meet at the old mill");
    assert_int_equal(storage_unmount(folders->plain, &err), 0);
}

static void test_other_key(void **state)
{
    const struct folders *folders = *state;
    struct err err = ERR_INIT;
    if (!can_run())
        skip();
    mount_or_fail(&good_key, folders);
    write_plain(folders, "a", "one");
    assert_int_equal(storage_unmount(folders->plain, &err), 0);
    assert_int_equal(storage_mount(&other_key, folders->cipher, folders->plain, &err), -1);
    assert_int_equal(err.kind, ERR_FORBIDDEN);
    err_clear(&err);
    mount_or_fail(&good_key, folders);
    assert_plain(folders, "a", "one");
    assert_int_equal(storage_unmount(folders->plain, &err), 0);
}

/* Every byte of the marker counts, and so does its being there. */
static void test_tampered_marker(void **state)
{
    const struct folders *folders = *state;
    struct err err = ERR_INIT;
    AUTO_FREE char *marker = path_join(folders->cipher, "mse-storage", &err);
    AUTO_BUF struct buf bytes = BUF_INIT(1024);
    if (!can_run())
        skip();
    mount_or_fail(&good_key, folders);
    write_plain(folders, "a", "one");
    assert_int_equal(storage_unmount(folders->plain, &err), 0);
    assert_int_equal(file_read(marker, &bytes, &err), 0);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 1;
        assert_int_equal(file_write_atomic(marker, buf_slice(&bytes), 0600, &err), 0);
        assert_int_equal(storage_mount(&good_key, folders->cipher, folders->plain, &err), -1);
        assert_int_equal(err.kind, ERR_FORBIDDEN);
        bytes.data[i] ^= 1;
    }
    assert_int_equal(file_remove(marker, &err), 0);
    assert_int_equal(storage_mount(&good_key, folders->cipher, folders->plain, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
}

/* The caller takes the cipher folder, /dev/fuse and the plain folder out of its own sight. */
static void test_works_out_of_sight(void **state)
{
    const struct folders *folders = *state;
    struct err err = ERR_INIT;
    AUTO_FREE char *home = path_join(folders->base, "home", &err);
    AUTO_FREE char *file = path_join(home, "a", &err);
    AUTO_BUF struct buf found = BUF_INIT(64);
    if (!can_run())
        skip();
    assert_int_equal(mount(folders->cipher, folders->cipher, NULL, MS_BIND, NULL), 0);
    mount_or_fail(&good_key, folders);
    assert_int_equal(folder_create(home, 0700, &err), 0);
    assert_int_equal(mount(folders->plain, home, NULL, MS_BIND, NULL), 0);
    assert_int_equal(umount2(folders->plain, MNT_DETACH), 0);
    assert_int_equal(umount2(folders->cipher, MNT_DETACH), 0);
    if (file_write_atomic(file, slice_str("still here"), 0600, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(file_read(file, &found, &err), 0);
    assert_string_equal(buf_text(&found), "still here");
    assert_int_equal(umount2(home, MNT_DETACH), 0);
    assert_int_equal(storage_unmount(folders->plain, &err), 0);
}

/* A failing gocryptfs is an error with its words, and leaves no mount. */
static void test_gocryptfs_fails(void **state)
{
    const struct folders *folders = *state;
    struct err err = ERR_INIT;
    AUTO_FREE char *plain = path_join(folders->plain, "not-there", &err);
    AUTO_FREE char *used = path_join(folders->plain, "in-the-way", &err);
    if (!can_run())
        skip();
    assert_int_equal(storage_mount(&good_key, folders->cipher, plain, &err), -1);
    assert_int_equal(file_write_atomic(used, slice_str("x"), 0600, &err), 0);
    assert_int_equal(storage_mount(&good_key, folders->cipher, folders->plain, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
    assert_non_null(strstr(err.message, "gocryptfs ended"));
    assert_int_equal(umount2(folders->plain, MNT_DETACH), -1);
    assert_int_equal(errno, EINVAL);
}

static int set_up(void **state)
{
    struct err err = ERR_INIT;
    if (crypto_init(&err) < 0 || secret_random(&good_key, STORAGE_KEY_SIZE, &err) < 0 ||
        secret_random(&other_key, STORAGE_KEY_SIZE, &err) < 0)
        return -1;
    return enter_namespace(state);
}

static int tear_down(void **state)
{
    secret_done(&good_key);
    secret_done(&other_key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_other_key, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_tampered_marker, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_works_out_of_sight, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_gocryptfs_fails, make_folders, remove_folders),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
