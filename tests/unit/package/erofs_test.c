// SPDX-License-Identifier: Apache-2.0
/*
 * The file system writer: what it writes is read back here by the rules of the kernel's headers,
 * its bytes are held against known ones, and what cannot be is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "package/erofs.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMAGE_MAX = 64 << 20, SUPER = 1024, INODE = 32, DIRENT = 12 };

/* Byte k of file i is i + k; `wrong` is added to the length that is given. */
struct given {
    const struct erofs_file *files;
    int wrong;
};

static int give(void *context, size_t index, struct erofs_writer *to, struct err *err)
{
    const struct given *given = context;
    const uint64_t size = given->files[index].size + (uint64_t)given->wrong;
    for (uint64_t i = 0; i < size; i++) {
        const uint8_t byte = (uint8_t)(index + i);
        if (erofs_bytes(to, slice_of(&byte, 1), err) < 0)
            return -1;
    }
    return 0;
}

static int write_image(const struct erofs_file *files, size_t count, int wrong, struct buf *out,
                       struct err *err)
{
    AUTO_CLOSE int fd = memfd_create("layer", MFD_CLOEXEC);
    struct given given = {files, wrong};
    uint64_t blocks = 0;
    if (erofs_write(files, count, give, &given, fd, &blocks, err) < 0)
        return -1;
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(fd_read_all(fd, out, err), 0);
    assert_int_equal(out->len, blocks * EROFS_BLOCK_SIZE);
    return 0;
}

/* --- the kernel's side --- */

static uint64_t number(struct slice image, uint64_t at, size_t size)
{
    uint64_t value = 0;
    assert_true(at + size <= image.len);
    for (size_t i = size; i > 0; i--)
        value = value << 8 | image.data[at + i - 1];
    return value;
}

struct inode {
    uint64_t mode;
    uint64_t links;
    uint64_t size;
    uint64_t block;
};

static struct inode inode_of(struct slice image, uint64_t nid)
{
    uint64_t at = nid * INODE;
    assert_int_equal(number(image, at, 2), 0); /* compact, plain */
    return (struct inode){number(image, at + 4, 2), number(image, at + 6, 2),
                          number(image, at + 8, 4), number(image, at + 16, 4)};
}

/* The number of `name` in a folder, by a walk over all its names, which must ascend. */
static uint64_t look_up(struct slice image, uint64_t nid, const char *name, uint64_t *ret_type)
{
    struct inode folder = inode_of(image, nid);
    char last[EROFS_NAME_MAX + 1] = "";
    uint64_t found = 0;
    assert_true(S_ISDIR(folder.mode));
    for (uint64_t done = 0; done < folder.size; done += EROFS_BLOCK_SIZE) {
        uint64_t base = folder.block * EROFS_BLOCK_SIZE + done;
        uint64_t left = folder.size - done;
        uint64_t used = left < EROFS_BLOCK_SIZE ? left : EROFS_BLOCK_SIZE;
        uint64_t count = number(image, base + 8, 2) / DIRENT;
        for (uint64_t i = 0; i < count; i++) {
            uint64_t start = number(image, base + i * DIRENT + 8, 2);
            uint64_t end = i + 1 < count ? number(image, base + (i + 1) * DIRENT + 8, 2) : used;
            char text[EROFS_NAME_MAX + 1] = "";
            assert_true(start < end && end - start <= EROFS_NAME_MAX);
            memcpy(text, image.data + base + start, end - start);
            assert_true(strcmp(last, text) < 0);
            (void)snprintf(last, sizeof(last), "%s", text);
            if (strcmp(text, name) == 0) {
                found = number(image, base + i * DIRENT, 8);
                *ret_type = number(image, base + i * DIRENT + 10, 1);
            }
        }
    }
    return found;
}

static uint64_t find(struct slice image, const char *path)
{
    uint64_t nid = number(image, SUPER + 14, 2);
    uint64_t type = 2;
    char copy[256];
    char *rest = copy;
    (void)snprintf(copy, sizeof(copy), "%s", path);
    for (const char *name = strsep(&rest, "/"); name != NULL; name = strsep(&rest, "/")) {
        uint64_t folder = nid;
        nid = look_up(image, folder, name, &type);
        assert_true(nid != 0);
        if (type == 2)
            assert_int_equal(look_up(image, nid, "..", &type), folder);
    }
    return nid;
}

/* Names before and behind "." and "..", nested folders, empty and whole files. */
static const struct erofs_file sample[] = {
    {"!first", 1},        {"-dash.py", 4096},          {".hidden", 4097}, {"a-b/x.py", 10},
    {"a/b/c/deep", 3},    {"a/b/c/empty", 0},          {"a/z", 100000},   {"b.dist-info/RECORD", 7},
    {"b/__init__.py", 0}, {"\xc3\xa9t\xc3\xa9.py", 5},
};

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(IMAGE_MAX);
    assert_int_equal(write_image(sample, ARRAY_LEN(sample), 0, &out, &err), 0);
    const struct slice image = buf_slice(&out);
    assert_int_equal(number(image, SUPER, 4), 0xe0f5e1e2);
    assert_int_equal(number(image, SUPER + 36, 4), image.len / EROFS_BLOCK_SIZE);
    assert_int_equal(number(image, SUPER + 16, 8), ARRAY_LEN(sample) + 7);
    for (size_t i = 0; i < ARRAY_LEN(sample); i++) {
        struct inode inode = inode_of(image, find(image, sample[i].path));
        assert_int_equal(inode.mode, S_IFREG | 0644);
        assert_int_equal(inode.size, sample[i].size);
        for (uint64_t k = 0; k < inode.size; k++)
            assert_int_equal(image.data[inode.block * EROFS_BLOCK_SIZE + k], (uint8_t)(i + k));
    }
    assert_int_equal(inode_of(image, find(image, "a")).links, 3);
    assert_int_equal(inode_of(image, find(image, "a/b/c")).mode, S_IFDIR | 0755);
}

/* Another version of this writer must give these bytes too: they are part of identities. */
static void its_bytes_do_not_change(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char text[2 * SHA256_SIZE + 1];
    uint8_t digest[SHA256_SIZE];
    AUTO_BUF struct buf out = BUF_INIT(IMAGE_MAX);
    assert_int_equal(write_image(sample, ARRAY_LEN(sample), 0, &out, &err), 0);
    assert_int_equal(sha256(buf_slice(&out), digest, &err), 0);
    hex_encode(slice_of(digest, sizeof(digest)), text);
    assert_string_equal(text, "92e6924fffd69cccb496f1d8af0bdbe0d0da5d618eb842047a27abe8339a6027");
    const char *keep = getenv("MSE_TEST_KEEP");
    if (keep != NULL) { /* for fsck.erofs */
        FILE *file = fopen(keep, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(out.data, 1, out.len, file), out.len);
        assert_int_equal(fclose(file), 0);
    }
}

/* A folder of several blocks of names. */
static void a_folder_can_be_large(void **state)
{
    (void)state;
    enum { COUNT = 2000, NAME = 32 };
    struct err err = ERR_INIT;
    static char names[COUNT][NAME];
    static struct erofs_file files[COUNT];
    AUTO_BUF struct buf out = BUF_INIT(IMAGE_MAX);
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(names[i], NAME, "big/name-of-a-file-%06zu", i);
        files[i] = (struct erofs_file){names[i], i % 3};
    }
    assert_int_equal(write_image(files, COUNT, 0, &out, &err), 0);
    for (size_t i = 0; i < COUNT; i += 371)
        assert_int_equal(inode_of(buf_slice(&out), find(buf_slice(&out), names[i])).size, i % 3);
}

static void refuse(const struct erofs_file *files, size_t count, int wrong, enum err_kind kind,
                   const char *part)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(IMAGE_MAX);
    assert_int_equal(write_image(files, count, wrong, &out, &err), -1);
    assert_int_equal(err.kind, kind);
    if (strstr(err.message, part) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, part);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct erofs_file twice[] = {{"a", 1}, {"a", 1}};
    static const struct erofs_file disorder[] = {{"b", 1}, {"a", 1}};
    static const struct erofs_file both[] = {{"a", 1}, {"a-b", 1}, {"a/b", 1}};
    static const struct erofs_file large[] = {{"a", EROFS_FILE_MAX + 1}};
    static const struct erofs_file sum[] = {{"a", EROFS_BYTES_MAX}, {"b", 1}};
    static const struct erofs_file one[] = {{"a", 5}};
    static const char *const bad[] = {"",   "/a",  "../a", "a/../b", "a//b",
                                      "a/", "./a", "a\nb", "\xff"};
    refuse(twice, 2, 0, ERR_INVALID, "'a' is there twice");
    refuse(disorder, 2, 0, ERR_INVALID, "not in its place");
    refuse(both, 3, 0, ERR_INVALID, "a file and a folder, are called 'a'");
    refuse(large, 1, 0, ERR_TOO_LARGE, "at most");
    refuse(sum, 2, 0, ERR_TOO_LARGE, "the files have more than");
    refuse(one, 1, 1, ERR_INVALID, "longer than");
    refuse(one, 1, -1, ERR_INVALID, "shorter than");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const struct erofs_file file = {bad[i], 1};
        refuse(&file, 1, 0, ERR_INVALID, "no path of a file");
    }
    char deep[2 * EROFS_DEPTH_MAX + 8] = "";
    for (size_t i = 0; i <= EROFS_DEPTH_MAX; i++)
        memcpy(deep + 2 * i, "d/f", 4);
    const struct erofs_file file = {deep, 1};
    refuse(&file, 1, 0, ERR_TOO_LARGE, "folders inside one another");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(its_bytes_do_not_change),
        cmocka_unit_test(a_folder_can_be_large),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
