// SPDX-License-Identifier: Apache-2.0
/*
 * Files and folders in a temporary folder, with links, depth and mounts in the way.
 */
#include "base/file.h"

#include "base/fd.h"
#include "testing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static char *join(const char *folder, const char *name)
{
    char *path = path_join(folder, name, &err);
    assert_non_null(path);
    return path;
}

static void assert_contents(const char *path, const char *expected)
{
    AUTO_BUF struct buf text = BUF_INIT(1000);
    OK(file_read(path, &text, &err));
    assert_string_equal(buf_text(&text), expected);
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

static size_t entry_count(const char *path)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    size_t count = 0;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count - 2; /* "." and ".." */
}

static void test_write_atomic(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *path = join(temp.path, "file");
    mode_t old = umask(0077);
    OK(file_write_atomic(path, slice_str("one"), 0644, &err));
    (void)umask(old);
    assert_contents(path, "one");
    assert_int_equal(mode_of(path), 0644);
    OK(file_write_atomic(path, slice_str(""), 0600, &err));
    assert_contents(path, "");
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(entry_count(temp.path), 1);
}

static void test_write_atomic_fails(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *nowhere = join(temp.path, "no/file");
    FAILS(ERR_NOT_FOUND, "cannot write '", file_write_atomic(nowhere, slice_str("x"), 0600, &err));
    AUTO_FREE char *folder = join(temp.path, "folder");
    OK(folder_create(folder, 0700, &err));
    FAILS(ERR_IO, "cannot replace '", file_write_atomic(folder, slice_str("x"), 0600, &err));
    assert_int_equal(entry_count(temp.path), 1);
}

static void test_write_atomic_replaces_a_link(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *target = join(temp.path, "target");
    AUTO_FREE char *link = join(temp.path, "link");
    OK(file_write_atomic(target, slice_str("old"), 0600, &err));
    assert_int_equal(symlink("target", link), 0);
    OK(file_write_atomic(link, slice_str("new"), 0600, &err));
    assert_contents(target, "old");
    assert_contents(link, "new");
}

static void test_create_new(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *path = join(temp.path, "file");
    AUTO_FREE char *link = join(temp.path, "link");
    AUTO_FREE char *target = join(temp.path, "target");
    AUTO_FREE char *nowhere = join(temp.path, "no/file");
    OK(file_create_new(path, slice_str("one"), 0640, &err));
    assert_int_equal(mode_of(path), 0640);
    FAILS(ERR_EXISTS, "cannot create", file_create_new(path, slice_str("two"), 0600, &err));
    assert_contents(path, "one");
    assert_int_equal(symlink("target", link), 0);
    FAILS(ERR_EXISTS, "cannot create", file_create_new(link, slice_str("two"), 0600, &err));
    assert_false(file_exists(target));
    FAILS(ERR_NOT_FOUND, "cannot create", file_create_new(nowhere, slice_str("x"), 0600, &err));
}

static void test_read(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *path = join(temp.path, "file");
    AUTO_BUF struct buf text = BUF_INIT(5);
    FAILS(ERR_NOT_FOUND, path, file_read(path, &text, &err));
    OK(file_write_atomic(path, slice_str("123456"), 0600, &err));
    FAILS(ERR_TOO_LARGE, path, file_read(path, &text, &err));
    assert_int_equal(text.len, 0);
    FAILS(ERR_IO, temp.path, file_read(temp.path, &text, &err));
    assert_true(file_exists(path));
    OK(file_remove(path, &err));
    OK(file_remove(path, &err));
    assert_false(file_exists(path));
    FAILS(ERR_IO, "cannot remove", file_remove(temp.path, &err));
}

static void test_folders(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *one = join(temp.path, "one");
    AUTO_FREE char *deep = join(one, "two//three/");
    AUTO_FREE char *file = join(one, "file");
    AUTO_FREE char *below_file = join(file, "x");
    FAILS(ERR_NOT_FOUND, "cannot create folder", folder_create(deep, 0700, &err));
    OK(folder_create_all(deep, 0700, &err));
    OK(folder_create_all(deep, 0700, &err));
    OK(folder_create(one, 0755, &err));
    assert_int_equal(mode_of(one), 0700); /* as it was */
    OK(file_write_atomic(file, slice_str(""), 0600, &err));
    FAILS(ERR_EXISTS, "is no folder", folder_create(file, 0700, &err));
    FAILS(ERR_EXISTS, "is no folder", folder_create_all(below_file, 0700, &err));
}

static void test_remove_tree_spares_link_targets(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *kept = join(temp.path, "kept");
    AUTO_FREE char *kept_file = join(kept, "file");
    AUTO_FREE char *tree = join(temp.path, "tree");
    AUTO_FREE char *inner = join(tree, "a/b");
    AUTO_FREE char *link = join(inner, "link");
    AUTO_FREE char *file = join(inner, "file");
    AUTO_FREE char *fifo = join(tree, "fifo");
    OK(folder_create_all(kept, 0700, &err));
    OK(folder_create_all(inner, 0700, &err));
    OK(file_write_atomic(kept_file, slice_str("kept"), 0600, &err));
    OK(file_write_atomic(file, slice_str("x"), 0400, &err));
    assert_int_equal(symlink(kept, link), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(chmod(inner, 0500), 0);
    OK(folder_remove_tree(tree, &err));
    assert_false(file_exists(tree));
    assert_contents(kept_file, "kept");
    OK(folder_remove_tree(tree, &err));
}

static void test_remove_tree_refuses(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *file = join(temp.path, "file");
    AUTO_FREE char *folder = join(temp.path, "folder");
    AUTO_FREE char *link = join(temp.path, "link");
    OK(file_write_atomic(file, slice_str("x"), 0600, &err));
    OK(folder_create(folder, 0700, &err));
    assert_int_equal(symlink(folder, link), 0);
    FAILS(ERR_IO, "cannot open", folder_remove_tree(file, &err));
    FAILS(ERR_IO, "cannot open", folder_remove_tree(link, &err));
    assert_true(file_exists(file) && file_exists(folder));
}

/* Deeper than descriptors may be open and longer than any path may be. */
static void test_remove_deep_tree(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *tree = join(temp.path, "tree");
    OK(folder_create(tree, 0700, &err));
    AUTO_CLOSE int at = -1;
    OK(fd_open(tree, O_RDONLY | O_DIRECTORY, 0, &at, &err));
    for (int i = 0; i < 1500; i++) {
        int next = -1;
        assert_int_equal(mkdirat(at, "level", 0700), 0);
        OK(fd_open_at(at, "level", O_RDONLY | O_DIRECTORY, 0, &next, &err));
        fd_close(at);
        at = next;
    }
    int file = -1;
    OK(fd_open_at(at, "file", O_WRONLY | O_CREAT, 0600, &file, &err));
    fd_close(file);
    OK(folder_remove_tree(tree, &err));
    assert_false(file_exists(tree));
}

/* In a process of its own, whose mounts nobody else sees. 0: as it should be, 1: not, 2: mounts
 * are not possible here. */
static int remove_tree_with_mount(const char *tree, const char *inner)
{
    AUTO_FREE char *file = join(inner, "file");
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", inner, "tmpfs", 0, NULL) < 0)
        return 2;
    if (file_write_atomic(file, slice_str("x"), 0600, &err) < 0)
        return 2;
    if (folder_remove_tree(tree, &err) == 0 || err.kind != ERR_CONFLICT)
        return 1;
    return file_exists(file) ? 0 : 1;
}

static void test_remove_tree_stays_on_its_mount(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *tree = join(temp.path, "tree");
    AUTO_FREE char *inner = join(tree, "a/mounted");
    OK(folder_create_all(inner, 0700, &err));
    pid_t pid = fork();
    if (pid == 0)
        _exit(remove_tree_with_mount(tree, inner));
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) == 2)
        skip();
    assert_int_equal(status, 0);
}

static void test_join_and_parts(void **state)
{
    static const struct {
        const char *folder, *name, *joined;
    } joins[] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"a", "/b", "/b"}};
    for (size_t i = 0; i < ARRAY_LEN(joins); i++) {
        AUTO_FREE char *path = join(joins[i].folder, joins[i].name);
        assert_string_equal(path, joins[i].joined);
    }
    static const struct {
        const char *path, *folder, *base;
    } parts[] = {{"a/b", "a", "b"}, {"a", ".", "a"}, {"/a", "/", "a"}, {"/a/b/c", "/a/b", "c"}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        AUTO_FREE char *folder = path_folder(parts[i].path, &err);
        assert_string_equal(folder, parts[i].folder);
        assert_string_equal(path_base(parts[i].path), parts[i].base);
    }
}

static void test_inside(void **state)
{
    assert_true(path_is_inside("/a/b", "/a"));
    assert_true(path_is_inside("/a", "/a"));
    assert_true(path_is_inside("/a/b", "/a/"));
    assert_true(path_is_inside("/a", "/"));
    assert_true(path_is_inside("/", "/"));
    assert_false(path_is_inside("/ab", "/a"));
    assert_false(path_is_inside("/a", "/a/b"));
    assert_false(path_is_inside("/", "/a"));
}

static void test_resolve(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *file = join(temp.path, "file");
    AUTO_FREE char *link = join(temp.path, "link");
    FAILS(ERR_NOT_FOUND, "cannot resolve", path_resolve(file, &err) == NULL ? -1 : 0);
    OK(file_write_atomic(file, slice_str("x"), 0600, &err));
    assert_int_equal(symlink("./file", link), 0);
    AUTO_FREE char *resolved = path_resolve(link, &err);
    AUTO_FREE char *resolved_file = path_resolve(file, &err);
    assert_string_equal(resolved, resolved_file);
}

static void test_unnamed(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_CLOSE int fd = -1;
    struct stat info;
    assert_int_equal(setenv("TMPDIR", temp.path, 1), 0);
    OK(file_open_unnamed(&fd, &err));
    assert_int_equal(unsetenv("TMPDIR"), 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_nlink, 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(folder_bytes(temp.path), 0);
}

static int count_name(void *context, const char *name, struct err *why)
{
    int *count = context;
    assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    ++*count;
    return strcmp(name, ".bad") == 0 ? FAIL(why, ERR_INVALID, "a bad one") : 0;
}

static void test_each_name(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *file = join(temp.path, "..file");
    AUTO_FREE char *folder = join(temp.path, "folder");
    AUTO_FREE char *bad = join(temp.path, ".bad");
    int count = 0;
    FAILS(ERR_IO, "cannot list", folder_each(folder, count_name, &count, &err));
    OK(folder_each(temp.path, count_name, &count, &err));
    assert_int_equal(count, 0);
    OK(file_write_atomic(file, slice_str("x"), 0600, &err));
    OK(folder_create(folder, 0700, &err));
    OK(folder_each(temp.path, count_name, &count, &err));
    assert_int_equal(count, 2);
    OK(file_write_atomic(bad, slice_str("x"), 0600, &err));
    FAILS(ERR_INVALID, "a bad one", folder_each(temp.path, count_name, &count, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_atomic),
        cmocka_unit_test(test_write_atomic_fails),
        cmocka_unit_test(test_write_atomic_replaces_a_link),
        cmocka_unit_test(test_create_new),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_remove_tree_spares_link_targets),
        cmocka_unit_test(test_remove_tree_refuses),
        cmocka_unit_test(test_remove_deep_tree),
        cmocka_unit_test(test_remove_tree_stays_on_its_mount),
        cmocka_unit_test(test_join_and_parts),
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_each_name),
        cmocka_unit_test(test_unnamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
