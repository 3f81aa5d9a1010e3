// SPDX-License-Identifier: Apache-2.0
/*
 * The union of code and data, mounted for real: what the code has stays the code's whatever is put
 * into the data folder behind its back; everything else is kept there and behaves as files do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "storage/head.h"
#include "storage/storage.h"
#include "storage/storage_fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

static char base[] = "/tmp/mse-union-XXXXXX";
static char point[64];
static struct secret key;
static struct err err;

static const char *at(const char *where, const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % ARRAY_LEN(paths)];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s/%s", base, where, name);
    return path;
}

static const char *in(const char *name)
{
    return at("point", name);
}

static void put(const char *path, const char *text)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || fd_write_all(fd, slice_str(text), &err) < 0)
        fail_msg("%s: %s", path, strerror(errno));
}

/* A file of the data that is bound to its path, as only the union makes them. */
static void put_data(const char *name, const char *text)
{
    const struct head_place place = {&key, "app"};
    AUTO_CLOSE int fd = open(at("data", name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(head_make(&place, fd, name), 0);
    assert_int_equal(pwrite(fd, text, strlen(text), HEAD_SIZE), strlen(text));
}

static void assert_data(const char *name, const char *text)
{
    AUTO_BUF struct buf found = BUF_INIT(1 << 20);
    AUTO_CLOSE int fd = open(at("data", name), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(lseek(fd, HEAD_SIZE, SEEK_SET), HEAD_SIZE);
    assert_int_equal(fd_read_all(fd, &found, &err), 0);
    assert_string_equal(buf_text(&found), text);
}

static void assert_text(const char *path, const char *text)
{
    AUTO_BUF struct buf found = BUF_INIT(1 << 20);
    if (file_read(path, &found, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(buf_text(&found), text);
}

static void assert_fails(int result, int expected)
{
    assert_int_equal(result, -1);
    assert_int_equal(errno, expected);
}

static int set_up_with(uint64_t limit)
{
    if (!namespace_is_ready || access("/dev/fuse", R_OK | W_OK) < 0)
        return 0;
    char path[64];
    assert_non_null(mkdtemp(base));
    static const char *const folders[] = {"point", "code", "data", "code/app", "code/app/pkg"};
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", base, folders[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    put(at("code/app", "app.py"), "code");
    put(at("code/app", "pkg/inner.py"), "inner code");
    assert_int_equal(symlink("app.py", at("code/app", "link.py")), 0);
    (void)snprintf(point, sizeof(point), "%s/point", base);
    AUTO_CLOSE int code = open(at("code", "."), O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int data = open(at("data", "."), O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(secret_random(&key, 32, &err), 0);
    const struct storage_union spec = {.point = point,
                                       .code_parent = code,
                                       .code_name = "app",
                                       .data = data,
                                       .key = &key,
                                       .purpose = "app",
                                       .limit_bytes = limit};
    if (storage_union_mount(&spec, &err) < 0)
        fail_msg("%s", err.message);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(0);
}

enum { LIMIT = 1 << 20 };

static int set_up_limited(void **state)
{
    (void)state;
    return set_up_with(LIMIT);
}

static int tear_down(void **state)
{
    (void)state;
    if (point[0] == '\0')
        return 0;
    int status = -1;
    assert_int_equal(umount2(point, 0), 0); /* busy: something was left open */
    assert_true(waitpid(-1, &status, 0) > 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(folder_remove_tree(base, &err), 0);
    memcpy(base + sizeof(base) - 7, "XXXXXX", 6);
    point[0] = '\0';
    secret_done(&key);
    return 0;
}

#define SKIP_WITHOUT_FUSE()                                                                        \
    do {                                                                                           \
        if (point[0] == '\0') {                                                                    \
            (void)printf("SKIP: no usable /dev/fuse or mount namespace\n");                        \
            return;                                                                                \
        }                                                                                          \
    } while (0)

static void code_cannot_be_changed(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    assert_text(in("app.py"), "code");
    assert_text(in("pkg/inner.py"), "inner code");
    assert_text(in("link.py"), "code");
    assert_fails(open(in("app.py"), O_WRONLY), EROFS);
    assert_fails(open(in("app.py"), O_RDWR), EROFS);
    assert_fails(open(in("app.py"), O_RDONLY | O_TRUNC), EROFS);
    assert_fails(open(in("app.py"), O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
    assert_fails(truncate(in("app.py"), 0), EROFS);
    assert_fails(chmod(in("app.py"), 0777), EROFS);
    assert_fails(unlink(in("app.py")), EROFS);
    assert_fails(rmdir(in("pkg")), EROFS);
    assert_fails(mkdir(in("pkg"), 0755), EEXIST);
    assert_fails(symlink("x", in("app.py")), EEXIST);
    assert_fails(link(in("app.py"), in("other.py")), EXDEV);
    assert_fails(rename(in("app.py"), in("other.py")), EROFS);
    assert_fails(rename(in("pkg"), in("other")), EROFS);
    put(in("other.py"), "data");
    assert_fails(rename(in("other.py"), in("app.py")), EROFS);
    assert_fails(rename(in("other.py"), in("link.py")), EROFS);
    assert_text(in("app.py"), "code");
    assert_text(in("other.py"), "data");
}

/* What the host could do behind the mount's back: every path of the code stays the code's. */
static void data_never_takes_a_path_of_the_code(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    put_data("app.py", "evil");
    put_data("pkg", "a file where the code has a folder");
    assert_int_equal(mkdir(at("data", "link.py"), 0755), 0);
    assert_text(in("app.py"), "code");
    assert_text(in("pkg/inner.py"), "inner code");
    assert_text(in("link.py"), "code");
    assert_fails(open(in("pkg/new.py"), O_CREAT | O_WRONLY, 0644), ENOTDIR);
    assert_int_equal(unlink(at("data", "pkg")), 0);
    assert_int_equal(mkdir(at("data", "pkg"), 0755), 0);
    put_data("pkg/inner.py", "evil");
    assert_text(in("pkg/inner.py"), "inner code");
    assert_int_equal(unlink(at("data", "app.py")), 0);
    assert_int_equal(symlink("/etc/passwd", at("data", "app.py")), 0);
    assert_text(in("app.py"), "code");
}

static void byte_code_is_never_kept(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    assert_int_equal(mkdir(at("data", "__pycache__"), 0755), 0);
    put_data("__pycache__/app.cpython-311.pyc", "evil");
    assert_fails(access(in("__pycache__"), F_OK), ENOENT);
    assert_fails(access(in("__pycache__/app.cpython-311.pyc"), F_OK), ENOENT);
    assert_fails(mkdir(in("__pycache__"), 0755), EROFS);
    assert_fails(mkdir(in("pkg/__pycache__"), 0755), EROFS);
    assert_int_equal(mkdir(in("made"), 0755), 0);
    assert_fails(rename(in("made"), in("__pycache__")), EROFS);
}

/* Names that lead Python or ld.so to other code than they were asked for. */
static void names_that_lead_to_code_are_hidden(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    static const char *const names[] = {"evil-1.dist-info", "Evil-1.DIST-INFO", "evil.egg-info",
                                        "evil.egg-link",    "evil.egg",         "glibc-hwcaps"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(mkdir(at("data", names[i]), 0755), 0);
        assert_fails(access(in(names[i]), F_OK), ENOENT);
        assert_fails(mkdir(in(names[i]), 0755), EROFS);
        assert_fails(open(in(names[i]), O_CREAT | O_WRONLY, 0644), EROFS);
    }
    assert_int_equal(mkdir(at("code/app", "own-1.dist-info"), 0755), 0);
    assert_int_equal(access(in("own-1.dist-info"), F_OK), 0);
}

/* Not to be told whether the code has it is not the same as that it has it not. */
static void an_error_is_not_absence(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    assert_text(in("pkg/inner.py"), "inner code");
    assert_int_equal(rename(at("code/app", "pkg"), at("code/app", "moved")), 0);
    assert_int_equal(symlink("moved", at("code/app", "pkg")), 0);
    put(at("code/app", "moved/late.py"), "late code");
    assert_int_equal(mkdir(at("data", "pkg"), 0755), 0);
    put_data("pkg/late.py", "evil");
    /* the kernel still takes it for a folder; the union fails to look below it */
    assert_fails(open(in("pkg/late.py"), O_RDONLY), ELOOP);
    assert_fails(open(in("pkg/new"), O_CREAT | O_WRONLY, 0644), ELOOP);
    assert_fails(mkdir(in("pkg/folder"), 0755), ELOOP);
}

static void links_in_the_data_are_not_followed(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    assert_int_equal(mkdir(at("data", "real"), 0755), 0);
    put_data("real/file", "text");
    assert_text(in("real/file"), "text");
    assert_int_equal(rename(at("data", "real"), at("data", "moved")), 0);
    assert_int_equal(symlink("/etc", at("data", "real")), 0);
    /* the kernel still takes it for a folder; nothing may come out of /etc, nor go in */
    assert_fails(open(in("real/passwd"), O_RDONLY), ELOOP);
    assert_fails(open(in("real/new"), O_CREAT | O_WRONLY, 0644), ELOOP);
}

/* What who holds the disk can do to cipher texts, done to the files below. */
static void copy(const char *from, const char *to)
{
    AUTO_BUF struct buf bytes = BUF_INIT(1 << 20);
    assert_int_equal(file_read(at("data", from), &bytes, &err), 0);
    AUTO_CLOSE int fd = open(at("data", to), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_int_equal(fd_write_all(fd, buf_slice(&bytes), &err), 0);
}

static void assert_gone(const char *name)
{
    assert_fails(access(in(name), F_OK), ENOENT);
    assert_fails(open(in(name), O_RDONLY | O_CLOEXEC), ENOENT);
}

static void nothing_is_where_it_was_not_put(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    put(in("private.db"), "private");
    put(in("public.txt"), "public");
    assert_int_equal(mkdir(in("uploads"), 0755), 0);
    put(in("uploads/page.html"), "of a stranger");
    assert_int_equal(symlink("private.db", in("link")), 0);
    /* invented: names that nobody has asked for yet */
    assert_int_equal(mkdir(at("data", "templates"), 0755), 0);
    copy("uploads/page.html", "templates/page.html");
    assert_gone("templates/page.html");
    copy("private.db", "copy");
    assert_gone("copy");
    char text[256] = "";
    assert_true(readlink(at("data", "link"), text, sizeof(text) - 1) > 0);
    assert_int_equal(symlink(text, at("data", "other-link")), 0);
    assert_fails(access(in("other-link"), F_OK), ENOENT);
    assert_int_equal(symlink("/etc/passwd", at("data", "bare-link")), 0);
    assert_fails(access(in("bare-link"), F_OK), ENOENT);
    assert_int_equal(mkdir(at("data", "moved"), 0755), 0);
    assert_int_equal(rename(at("data", "uploads/page.html"), at("data", "moved/page.html")), 0);
    assert_gone("moved/page.html");
    /* not whole: cut, empty, another's head */
    put_data("cut", "text");
    assert_int_equal(truncate(at("data", "cut"), 100), 0);
    assert_gone("cut");
    put(at("data", "plain"), "text without a head");
    assert_gone("plain");
    DIR *folder = opendir(in("."));
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        assert_string_not_equal(entry->d_name, "copy");
        assert_string_not_equal(entry->d_name, "bare-link");
        assert_string_not_equal(entry->d_name, "plain");
    }
    (void)closedir(folder);
}

/* Under a name that is open, or was looked at: the kernel may know what it was like, not more. */
static void what_is_exchanged_is_not_opened(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    put(in("private.db"), "private");
    put(in("public.txt"), "public!");
    assert_int_equal(rename(at("data", "private.db"), at("data", "aside")), 0);
    assert_int_equal(rename(at("data", "public.txt"), at("data", "private.db")), 0);
    assert_int_equal(rename(at("data", "aside"), at("data", "public.txt")), 0);
    assert_fails(open(in("public.txt"), O_RDONLY | O_CLOEXEC), ENOENT);
    assert_fails(open(in("private.db"), O_RDWR | O_CLOEXEC), ENOENT);
    assert_fails(truncate(in("private.db"), 0), ENOENT);
    assert_fails(rename(in("public.txt"), in("taken.txt")), ENOENT);
}

/* What the host invented does not keep the app from its names. */
static void foreign_names_are_free(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    put(in("source"), "source");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        copy("source", names[i]);
    put(in("a"), "made");
    assert_text(in("a"), "made");
    AUTO_CLOSE int fd = open(in("b"), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(mkdir(in("c"), 0755), 0);
    assert_int_equal(symlink("source", in("d")), 0);
    assert_text(in("d"), "source");
    assert_int_equal(link(in("source"), in("e")), 0);
    assert_text(in("e"), "source");
    assert_int_equal(renameat2(AT_FDCWD, in("source"), AT_FDCWD, in("f"), RENAME_NOREPLACE), 0);
    assert_text(in("f"), "source");
}

static void every_name_of_a_file_is_its_own(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    put(in("one"), "text");
    assert_int_equal(link(in("one"), in("two")), 0);
    assert_int_equal(rename(in("one"), in("three")), 0);
    assert_text(in("two"), "text");
    assert_text(in("three"), "text");
    copy("three", "one"); /* where it was before */
    assert_fails(open(in("one"), O_RDONLY | O_CLOEXEC), ENOENT);
    assert_int_equal(unlink(in("two")), 0);
    copy("three", "two");
    assert_fails(open(in("two"), O_RDONLY | O_CLOEXEC), ENOENT);
    assert_text(in("three"), "text");
    /* whatever its mode: git keeps its objects like this */
    assert_int_equal(chmod(in("three"), 0400), 0);
    assert_int_equal(rename(in("three"), in("four")), 0);
    assert_text(in("four"), "text");
    assert_int_equal(symlink("four", in("link")), 0);
    assert_int_equal(rename(in("link"), in("link2")), 0);
    assert_text(in("link2"), "text");
    assert_fails(access(in("link"), F_OK), ENOENT);
    assert_fails(link(in("link2"), in("link3")), EPERM);
}

static void a_folder_moves_with_all_in_it(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    assert_int_equal(mkdir(in("tmp"), 0755), 0);
    assert_int_equal(mkdir(in("tmp/deep"), 0755), 0);
    put(in("tmp/a"), "a");
    put(in("tmp/deep/b"), "b");
    assert_int_equal(rename(in("tmp"), in("final")), 0);
    assert_text(in("final/a"), "a");
    assert_text(in("final/deep/b"), "b");
    assert_int_equal(mkdir(at("data", "tmp"), 0755), 0);
    copy("final/a", "tmp/a");
    assert_fails(open(in("tmp/a"), O_RDONLY | O_CLOEXEC), ENOENT);
    put(in("final/one"), "linked");
    assert_int_equal(link(in("final/one"), in("final/two")), 0);
    assert_int_equal(rename(in("final"), in("last")), 0);
    assert_text(in("last/one"), "linked");
    assert_text(in("last/two"), "linked");
    assert_int_equal(mkdir(at("data", "final"), 0755), 0);
    copy("last/one", "final/one");
    copy("last/one", "final/two");
    assert_fails(open(in("final/one"), O_RDONLY | O_CLOEXEC), ENOENT);
    assert_fails(open(in("final/two"), O_RDONLY | O_CLOEXEC), ENOENT);
    assert_int_equal(rename(in("last"), in("final")), 0);
    assert_int_equal(symlink("a", in("final/link")), 0);
    assert_fails(rename(in("final"), in("other")), EXDEV);
    assert_text(in("final/a"), "a");
}

/* A power cut leaves files without a head, and links on their way; the host leaves what it likes.
 */
static void an_empty_folder_can_be_removed(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    assert_int_equal(mkdir(in("folder"), 0755), 0);
    assert_int_equal(mkdir(in("full"), 0755), 0);
    put(in("full/own"), "own");
    put(at("data", "folder/unborn"), "");
    put(at("data", "folder/foreign"), "foreign");
    put(at("data", "full/foreign"), "foreign");
    assert_int_equal(symlink("x", at("data", "folder/.mse-moving")), 0);
    assert_fails(rmdir(in("full")), ENOTEMPTY);
    assert_text(in("full/own"), "own");
    assert_int_equal(rmdir(in("folder")), 0);
    assert_int_equal(mkdir(in("folder"), 0755), 0);
    put(at("data", "folder/unborn"), "");
    assert_int_equal(mkdir(in("empty"), 0755), 0);
    assert_int_equal(rename(in("empty"), in("folder")), 0); /* over one in which nothing is */
    assert_int_equal(rmdir(in("folder")), 0);
}

/* What is written by one name is read by the other, whatever the kernel has kept of it. */
static void a_file_of_two_names_is_one(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    put(in("one"), "text");
    assert_int_equal(link(in("one"), in("two")), 0);
    assert_text(in("one"), "text");
    assert_text(in("two"), "text");
    put(in("one"), "TEXT");
    assert_text(in("two"), "TEXT");
    put(in("two"), "more than that");
    assert_text(in("one"), "more than that");
    assert_int_equal(rename(in("one"), in("two")), 0); /* rename(2): both stay */
    assert_text(in("one"), "more than that");
    assert_text(in("two"), "more than that");
    assert_int_equal(unlink(in("two")), 0);
    assert_text(in("one"), "more than that");
}

/* What was replaced at a name has others still, and is not at this one any more. */
static void a_replaced_name_is_dropped(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    put(in("public"), "public");
    assert_int_equal(link(in("public"), in("private")), 0);
    put(in("new"), "new");
    assert_int_equal(rename(in("new"), in("public")), 0);
    put(in("private"), "private");
    assert_text(in("public"), "new");
    assert_int_equal(unlink(at("data", "public")), 0);
    copy("private", "public");
    assert_fails(open(in("public"), O_RDONLY | O_CLOEXEC), ENOENT);
    /* by a link too */
    put(in("other"), "other");
    assert_int_equal(link(in("other"), in("kept")), 0);
    assert_int_equal(symlink("private", in("link")), 0);
    assert_int_equal(rename(in("link"), in("other")), 0);
    assert_int_equal(unlink(at("data", "other")), 0);
    copy("kept", "other");
    assert_fails(open(in("other"), O_RDONLY | O_CLOEXEC), ENOENT);
    assert_text(in("kept"), "other");
}

static void data_is_kept_beside_the_code(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    put(in("new.txt"), "one");
    put(in("pkg/new.txt"), "two");
    assert_int_equal(mkdir(in("instance"), 0700), 0);
    put(in("instance/db"), "three");
    assert_data("new.txt", "one");
    assert_data("pkg/new.txt", "two");
    assert_data("instance/db", "three");
    assert_int_equal(rename(in("new.txt"), in("instance/moved.txt")), 0);
    assert_data("instance/moved.txt", "one");
    assert_fails(access(in("new.txt"), F_OK), ENOENT);
    put(in("instance/other.txt"), "four");
    assert_int_equal(rename(in("instance/other.txt"), in("instance/moved.txt")), 0);
    assert_text(in("instance/moved.txt"), "four");
    assert_int_equal(rename(in("instance"), in("pkg/renamed")), 0);
    assert_text(in("pkg/renamed/moved.txt"), "four");
    assert_int_equal(unlink(in("pkg/renamed/moved.txt")), 0);
    assert_int_equal(link(in("pkg/renamed/db"), in("pkg/second")), 0);
    assert_text(in("pkg/second"), "three");
    assert_int_equal(unlink(in("pkg/renamed/db")), 0);
    assert_int_equal(rmdir(in("pkg/renamed")), 0);
    assert_fails(access(in("pkg/renamed"), F_OK), ENOENT);
    assert_int_equal(symlink("second", in("pkg/to-second")), 0);
    assert_text(in("pkg/to-second"), "three");
    assert_fails(mknod(in("device"), S_IFCHR | 0600, 0x103), EPERM);
    assert_int_equal(mkfifo(in("pipe"), 0600), 0);
}

static void files_behave_as_files_do(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    struct stat info;
    char text[16] = "";
    AUTO_CLOSE int fd = open(in("file"), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "abc", 3), 3);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(write(fd, "def", 3), 3);
    assert_data("file", "abcdef");
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_size, 6);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_equal(ftruncate(fd, 4), 0);
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(chmod(in("file"), 0604), 0);
    const struct timespec times[] = {{.tv_sec = 5}, {.tv_sec = 7, .tv_nsec = 9}};
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(stat(at("data", "file"), &info), 0);
    assert_int_equal(info.st_size, HEAD_SIZE + 4);
    assert_int_equal(info.st_mode & 07777, 0604);
    assert_int_equal(info.st_mtim.tv_sec, 7);
    assert_int_equal(info.st_mtim.tv_nsec, 9);
    /* removed while it is open, and another of the same name */
    assert_int_equal(unlink(in("file")), 0);
    put(in("file"), "another");
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_size, 4);
    assert_int_equal(pread(fd, text, sizeof(text), 0), 4);
    assert_memory_equal(text, "abcd", 4);
    assert_int_equal(ftruncate(fd, 1), 0);
    assert_text(in("file"), "another");
    assert_int_equal(truncate(in("file"), 2), 0);
    assert_text(in("file"), "an");
}

static void shared_memory_of_a_file(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    AUTO_CLOSE int fd = open(in("shm"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, 32768), 0);
    char *map = mmap(NULL, 32768, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    memcpy(map + 4096, "mapped", 7);
    assert_int_equal(msync(map, 32768, MS_SYNC), 0);
    assert_int_equal(munmap(map, 32768), 0);
    char text[8] = "";
    AUTO_CLOSE int below = open(at("data", "shm"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(below, text, 7, HEAD_SIZE + 4096), 7);
    assert_string_equal(text, "mapped");
}

static void a_folder_shows_both(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    put_data("app.py", "evil");
    assert_int_equal(mkdir(at("data", "__pycache__"), 0755), 0);
    char name[16];
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        put_data(name, "");
    }
    DIR *folder = opendir(in("."));
    assert_non_null(folder);
    int data = 0;
    int code = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        assert_string_not_equal(entry->d_name, "__pycache__");
        data += entry->d_name[0] == 'n';
        code += strcmp(entry->d_name, "app.py") == 0 || strcmp(entry->d_name, "pkg") == 0 ||
                strcmp(entry->d_name, "link.py") == 0;
    }
    (void)closedir(folder);
    assert_int_equal(data, 3000);
    assert_int_equal(code, 3);
}

static const char *const failures[] = {"write", "rename", "unlink"};

static void *work(void *argument)
{
    const int number = *(const int *)argument;
    for (int i = 0; i < 150; i++) {
        char path[128];
        char other[128];
        (void)snprintf(path, sizeof(path), "%s/w%d-%d", point, number, i % 5);
        (void)snprintf(other, sizeof(other), "%s/pkg/w%d-%d", point, number, i % 7);
        AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, path, 20) != 20 || fsync(fd) < 0)
            return (void *)&failures[0];
        if (rename(path, other) < 0 || access(path, F_OK) == 0 || access(other, F_OK) < 0)
            return (void *)&failures[1];
        if (i % 3 == 0 && unlink(other) < 0)
            return (void *)&failures[2];
    }
    return NULL;
}

static void many_at_once(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    pthread_t threads[6];
    int numbers[ARRAY_LEN(threads)];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        numbers[i] = (int)i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *failed = NULL;
        (void)pthread_join(threads[i], &failed);
        if (failed != NULL)
            fail_msg("%s", *(const char *const *)failed);
    }
}

static int make(const char *name)
{
    return open(in(name), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
}

/* Whatever makes a file longer meets the limit, and what goes makes room again. */
static void a_limit_holds_for_all_that_grows(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    const off_t most = LIMIT - HEAD_SIZE;
    AUTO_CLOSE int fd = make("grows");
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, most), 0);
    assert_fails(ftruncate(fd, most + 1), ENOSPC);
    assert_int_equal(pwrite(fd, "x", 1, most - 1), 1);
    assert_fails((int)pwrite(fd, "x", 1, most), ENOSPC);
    assert_fails(fallocate(fd, 0, most, 1), ENOSPC);
    assert_fails(make("another"), ENOSPC);
    assert_int_equal(ftruncate(fd, most - HEAD_SIZE), 0);
    AUTO_CLOSE int other = make("another");
    assert_true(other >= 0);
    assert_fails((int)pwrite(other, "x", 1, 0), ENOSPC);
    assert_int_equal(unlink(in("grows")), 0); /* it is open: its bytes are still there */
    assert_fails((int)pwrite(other, "x", 1, 0), ENOSPC);
    fd_close(fd_steal(&fd));
    assert_int_equal(ftruncate(other, most), 0);
    assert_int_equal(unlink(in("another")), 0);
}

static void a_limit_counts_what_lies_in_folders(void **state)
{
    (void)state;
    SKIP_WITHOUT_FUSE();
    assert_int_equal(mkdir(in("a"), 0755), 0);
    assert_int_equal(mkdir(in("a/b"), 0755), 0);
    AUTO_CLOSE int fd = make("a/b/deep");
    assert_int_equal(ftruncate(fd, LIMIT / 2), 0);
    AUTO_CLOSE int other = make("flat");
    assert_fails(ftruncate(other, LIMIT / 2), ENOSPC);
    struct statvfs info;
    assert_int_equal(statvfs(point, &info), 0);
    assert_int_equal(info.f_blocks * info.f_frsize, LIMIT);
    assert_true(info.f_bavail * info.f_frsize <= LIMIT / 2);
    assert_int_equal(folder_remove_tree(in("a"), &err), 0);
    fd_close(fd_steal(&fd));
    assert_int_equal(ftruncate(other, LIMIT / 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(code_cannot_be_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(data_never_takes_a_path_of_the_code, set_up, tear_down),
        cmocka_unit_test_setup_teardown(byte_code_is_never_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_lead_to_code_are_hidden, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_is_not_absence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_in_the_data_are_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_where_it_was_not_put, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_exchanged_is_not_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_names_are_free, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_name_of_a_file_is_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_moves_with_all_in_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_folder_can_be_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_two_names_is_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_replaced_name_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(data_is_kept_beside_the_code, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_behave_as_files_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shared_memory_of_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_shows_both, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_limit_holds_for_all_that_grows, set_up_limited,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_limit_counts_what_lies_in_folders, set_up_limited,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
