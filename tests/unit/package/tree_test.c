// SPDX-License-Identifier: Apache-2.0
/*
 * The walk over a code folder: what is found, in which order, what is refused with its path.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "package/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/mse-tree-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return folder_remove_tree(folder, NULL);
}

static const char *at(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    assert_int_equal(file_write_atomic(at(name), slice_str(text), 0644, NULL), 0);
}

static void dir(const char *name)
{
    assert_int_equal(folder_create_all(at(name), 0755, NULL), 0);
}

static void expect_error(enum err_kind kind, const char *part)
{
    AUTO_TREE struct tree *tree = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(tree_scan(folder, &tree, &err), -1);
    assert_int_equal(err.kind, kind);
    if (strstr(err.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", err.message, part);
}

static void test_order(void **state)
{
    (void)state;
    dir("b/deep");
    dir("empty");
    dir("__pycache__");
    put("z.py", "zz");
    put("B.py", "b");
    put("b/deep/x", "");
    put("b-", "1");
    put("b.pyc", "1");
    put("__pycache__/x.py", "1");
    assert_int_equal(chmod(at("z.py"), 0700), 0);
    assert_int_equal(symlink("../z.py", at("b/link")), 0);
    AUTO_TREE struct tree *tree = NULL;
    assert_int_equal(tree_scan(folder, &tree, NULL), 0);
    AUTO_BUF struct buf list = BUF_INIT(4096);
    for (size_t i = 0; i < tree->count; i++)
        assert_int_equal(buf_printf(&list, NULL, "%d:%s ", (int)tree->items[i].type,
                                    tree->items[i].path == NULL ? "" : tree->items[i].path),
                         0);
    assert_string_equal(buf_text(&list),
                        "2:B.py 1:b 1:b/deep 2:b/deep/x 5: 4:b/link 5: 2:b- 1:empty 5: 3:z.py ");
    assert_int_equal(tree->totals.files, 4);
    assert_int_equal(tree->totals.folders, 3);
    assert_int_equal(tree->totals.links, 1);
    assert_int_equal(tree->totals.content_bytes, 4);
    assert_int_equal(tree->totals.archive_bytes, ARCHIVE_SIZE_MIN);
    assert_non_null(tree_find(tree, "b/deep/x"));
    assert_null(tree_find(tree, "b/deep/y"));
}

static void test_ignore_files(void **state)
{
    (void)state;
    dir("sub/data");
    dir("venv/bin");
    put(".mseignore", "*.log\n/venv/\n!keep.log\n");
    put("sub/.mseignore", "data/\n!x.log\n");
    put("a.log", "");
    put("keep.log", "");
    put("sub/x.log", "");
    put("sub/y.log", "");
    put("sub/data/big", "");
    assert_int_equal(symlink("/usr/bin/python3", at("venv/bin/python")), 0);
    AUTO_TREE struct tree *tree = NULL;
    assert_int_equal(tree_scan(folder, &tree, NULL), 0);
    assert_int_equal(tree->totals.files, 2);
    assert_non_null(tree_find(tree, "keep.log"));
    assert_non_null(tree_find(tree, "sub/x.log"));
}

static void test_links(void **state)
{
    (void)state;
    dir("sub");
    static const struct {
        const char *target;
        const char *error;
    } cases[] = {
        {"/etc/passwd", "'sub/link' is a symbolic link to '/etc/passwd', which leaves"},
        {"../../x", "leaves the code folder"},
        {"nothing", "cannot be followed"},
        {"link", "cannot be followed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(symlink(cases[i].target, at("sub/link")), 0);
        expect_error(ERR_INVALID, cases[i].error);
        assert_int_equal(unlink(at("sub/link")), 0);
    }
}

static void test_special(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    expect_error(ERR_INVALID, "'pipe' is a pipe");
    assert_int_equal(unlink(at("pipe")), 0);
    AUTO_CLOSE int fd = -1;
    assert_int_equal(unix_listen(at("sock"), 0600, &fd, NULL), 0);
    expect_error(ERR_INVALID, "'sock' is a socket");
}

static void test_names(void **state)
{
    (void)state;
    put("a\nb", "");
    expect_error(ERR_INVALID, "'a?b': names must be UTF-8");
    assert_int_equal(unlink(at("a\nb")), 0);
    put("a\xff", "");
    expect_error(ERR_INVALID, "names must be UTF-8");
}

static void test_depth(void **state)
{
    (void)state;
    char path[512] = "d";
    for (size_t i = 0; i < ARCHIVE_DEPTH_MAX; i++)
        memcpy(path + 1 + 2 * i, "/d", 3);
    dir(path);
    expect_error(ERR_INVALID, "more than 64 folders");
}

static void test_missing(void **state)
{
    (void)state;
    AUTO_TREE struct tree *tree = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(tree_scan(at("gone"), &tree, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    put("file", "");
    assert_int_equal(tree_scan(at("file"), &tree, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
}

/* Between the walk and the reading. */
static void expect_changed(struct tree *tree)
{
    AUTO_TREE_SOURCE struct tree_source *source = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(tree_source_new(tree, &source, &err), 0);
    uint8_t bytes[ARCHIVE_SIZE_MIN];
    assert_int_equal(tree_source_read(source, bytes, sizeof(bytes), &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_non_null(strstr(err.message, "'file' changed while it was being packed"));
}

static void test_changed(void **state)
{
    (void)state;
    put("file", "abc");
    AUTO_TREE struct tree *tree = NULL;
    assert_int_equal(tree_scan(folder, &tree, NULL), 0);
    put("file", "abd"); /* another inode */
    expect_changed(tree);
    tree_free(STEAL(tree));
    assert_int_equal(tree_scan(folder, &tree, NULL), 0);
    assert_int_equal(truncate(at("file"), 1), 0);
    expect_changed(tree);
    tree_free(STEAL(tree));
    assert_int_equal(tree_scan(folder, &tree, NULL), 0);
    assert_int_equal(unlink(at("file")), 0);
    assert_int_equal(symlink("/etc/passwd", at("file")), 0);
    expect_changed(tree);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_order), TEST(test_ignore_files), TEST(test_links),   TEST(test_special),
        TEST(test_names), TEST(test_depth),        TEST(test_missing), TEST(test_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
