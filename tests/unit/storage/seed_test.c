// SPDX-License-Identifier: Apache-2.0
/*
 * The package's data: put where it is kept once, whole or not at all, and never in the code after.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "storage/head.h"
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/mse-seed-XXXXXX";
static struct storage_seed seed;
static struct secret key;
static struct err err;

static const char *at(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % ARRAY_LEN(paths)];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    assert_int_equal(file_write_atomic(at(name), slice_str(text), 0644, &err), 0);
}

static void assert_text(const char *name, const char *text)
{
    AUTO_BUF struct buf found = BUF_INIT(1 << 20);
    if (file_read(at(name), &found, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(buf_text(&found), text);
}

/* Of a file among the data: what is behind its head, which is bound to the path. */
static void assert_data(const char *path, const char *text)
{
    const struct head_place place = {&key, "app"};
    AUTO_BUF struct buf found = BUF_INIT(1 << 20);
    AUTO_FREE char *whole = path_join(at("data"), path, &err);
    AUTO_CLOSE int fd = open(whole, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(head_check(&place, fd, path), 0);
    assert_true(lseek(fd, HEAD_SIZE, SEEK_SET) == HEAD_SIZE);
    assert_int_equal(fd_read_all(fd, &found, &err), 0);
    assert_string_equal(buf_text(&found), text);
}

/* As the app would. */
static void write_data(const char *path, const char *text)
{
    AUTO_FREE char *whole = path_join(at("data"), path, &err);
    AUTO_CLOSE int fd = open(whole, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, text, strlen(text), HEAD_SIZE), strlen(text));
    assert_int_equal(ftruncate(fd, HEAD_SIZE + (off_t)strlen(text)), 0);
}

static void seed_path(const char *path)
{
    if (storage_seed(&seed, path, &err) < 0)
        fail_msg("%s", err.message);
}

static int open_folder(const char *name)
{
    assert_true(mkdir(at(name), 0755) == 0 || errno == EEXIST);
    return open(at(name), O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void make_code(void)
{
    assert_int_equal(folder_remove_tree(at("code"), &err), 0);
    fd_close(seed.code);
    seed.code = open_folder("code");
    assert_int_equal(mkdir(at("code/media"), 0755), 0);
    assert_int_equal(mkdir(at("code/media/deep"), 0755), 0);
    write_text("code/media/deep/picture", "packaged");
    assert_int_equal(symlink("deep/picture", at("code/media/link")), 0);
    write_text("code/db.sqlite3", "packaged");
    write_text("code/app.py", "code");
}

static int set_up(void **state)
{
    (void)state;
    err = ERR_INIT;
    assert_non_null(mkdtemp(base));
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(secret_random(&key, 32, &err), 0);
    seed = (struct storage_seed){
        .code = -1, .data = open_folder("data"), .key = &key, .purpose = "app"};
    make_code();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fd_close(seed.code);
    fd_close(seed.data);
    secret_done(&key);
    int result = folder_remove_tree(base, &err);
    memcpy(base + sizeof(base) - 7, "XXXXXX", 6);
    return result;
}

static void what_is_there_is_kept(void **state)
{
    (void)state;
    seed_path("db.sqlite3");
    seed_path("media/deep");
    seed_path("nothing");
    assert_data("db.sqlite3", "packaged");
    assert_data("media/deep/picture", "packaged");
    assert_false(file_exists(at("code/db.sqlite3")));
    assert_false(file_exists(at("code/media/deep")));
    assert_true(file_exists(at("code/media")));
    assert_text("code/app.py", "code");
    write_data("db.sqlite3", "changed");
    make_code(); /* the next start */
    seed_path("db.sqlite3");
    assert_data("db.sqlite3", "changed");
    assert_false(file_exists(at("code/db.sqlite3")));
}

static void a_cut_off_start_leaves_nothing_half(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at("data/.mse-seed"), 0755), 0);
    write_text("data/.mse-seed/half", "of before");
    seed_path("media");
    assert_data("media/deep/picture", "packaged");
    char link[256] = "";
    const struct head_place place = {&key, "app"};
    assert_true(readlink(at("data/media/link"), link, sizeof(link) - 1) > 0);
    assert_string_equal(head_link_target(&place, "media/link", link), "deep/picture");
    assert_null(head_link_target(&place, "media/other", link));
    assert_false(file_exists(at("data/media/half")));
    assert_false(file_exists(at("data/.mse-seed")));
}

/* The host put a link there: nothing is written to where it leads. */
static void no_link_is_followed(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at("elsewhere"), 0755), 0);
    assert_int_equal(symlink(at("elsewhere"), at("data/media")), 0);
    assert_int_equal(storage_seed(&seed, "media/deep", &err), -1);
    assert_non_null(strstr(err.message, "media/deep"));
    assert_false(file_exists(at("elsewhere/deep")));
    seed_path("media"); /* what is there is not the app's: it is not kept */
    assert_false(file_exists(at("elsewhere/deep")));
    assert_data("media/deep/picture", "packaged");
}

/* The host exchanged two files: neither is where it was put, so both come as packaged. */
static void what_lies_elsewhere_is_not_kept(void **state)
{
    (void)state;
    seed_path("db.sqlite3");
    write_data("db.sqlite3", "private");
    seed_path("media");
    assert_int_equal(rename(at("data/db.sqlite3"), at("data/media/deep/picture")), 0);
    make_code();
    seed_path("db.sqlite3");
    assert_data("db.sqlite3", "packaged");
    make_code();
    seed_path("media/deep/picture");
    assert_data("media/deep/picture", "packaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_there_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_off_start_leaves_nothing_half, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_link_is_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_lies_elsewhere_is_not_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
