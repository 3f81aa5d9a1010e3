// SPDX-License-Identifier: Apache-2.0
/*
 * A mount without code beside an ordinary folder: the same random operations on both have the same
 * results, and leave the same names, contents, sizes, modes and numbers of links. Then the mount is
 * served anew, and all is there.
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
#include <sys/stat.h>
#include <sys/wait.h>

enum { OPERATIONS = 4000, NAMES = 5, CHECK_EVERY = 100 };

static char base[] = "/tmp/mse-model-XXXXXX";
static struct secret key;
static struct err err;
static uint64_t state_of_random = 88172645463325252U;

static unsigned random_below(unsigned limit)
{
    state_of_random ^= state_of_random << 13; /* xorshift64: the same each time */
    state_of_random ^= state_of_random >> 7;
    state_of_random ^= state_of_random << 17;
    return (unsigned)(state_of_random % limit);
}

static const char *const sides[] = {"point", "model"};

/* Up to three names deep, from few names, so that they meet. */
static void random_path(char path[static 64])
{
    unsigned depth = 1 + random_below(3);
    path[0] = '\0';
    for (unsigned i = 0; i < depth; i++) {
        size_t len = strlen(path);
        (void)snprintf(path + len, 64 - len, "%s%c", i > 0 ? "/" : "",
                       (char)('a' + random_below(NAMES)));
    }
}

static void full(char to[static 256], const char *side, const char *path)
{
    (void)snprintf(to, 256, "%s/%s/%s", base, side, path);
}

struct operation {
    unsigned kind;
    char path[64];
    char other[64];
    unsigned number;
};

static int write_at(const char *path, unsigned number, int flags)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0644);
    char text[64];
    memset(text, 'a' + (int)(number % 26), sizeof(text));
    if (fd < 0)
        return -1;
    return pwrite(fd, text, 1 + number % sizeof(text), number % 9000) < 0 ? -1 : 0;
}

static int run(const struct operation *what, const char *side)
{
    char path[256];
    char other[256];
    struct stat info;
    full(path, side, what->path);
    full(other, side, what->other);
    switch (what->kind) {
    case 0:
    case 1:
        return write_at(path, what->number, O_CREAT);
    case 2:
        return write_at(path, what->number, O_CREAT | O_EXCL);
    case 3:
        return write_at(path, what->number, O_TRUNC);
    case 4:
        return truncate(path, what->number % 10000);
    case 5:
        return mkdir(path, 0755);
    case 6:
        return rmdir(path);
    case 7:
        return unlink(path);
    case 8:
    case 9:
        return rename(path, other);
    case 10:
        return renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_NOREPLACE);
    case 11:
        return link(path, other);
    case 12:
        return symlink(what->other, path);
    case 13:
        return write_at(path, what->number, O_APPEND);
    default: /* folders keep theirs: root reads all of the model's, the server is not root */
        if (lstat(path, &info) < 0 || !S_ISREG(info.st_mode))
            return 0;
        return chmod(path, what->number % 2 == 0 ? 0600 : 0640);
    }
}

/* What the mount does otherwise, as docs/sandbox.md says: links have one name, and no folder with
 * links in it is renamed. Then it is not done in the model either. */
static bool is_refused_on_purpose(const struct operation *what, int error)
{
    char path[256];
    struct stat info;
    full(path, "model", what->path);
    if (lstat(path, &info) < 0)
        return false;
    return (what->kind == 11 && error == EPERM && S_ISLNK(info.st_mode)) ||
           (what->kind >= 8 && what->kind <= 10 && error == EXDEV && S_ISDIR(info.st_mode));
}

static void assert_same_file(const char *one, const char *other)
{
    AUTO_BUF struct buf first = BUF_INIT(1 << 16);
    AUTO_BUF struct buf second = BUF_INIT(1 << 16);
    assert_int_equal(file_read(one, &first, &err), 0);
    assert_int_equal(file_read(other, &second, &err), 0);
    assert_true(slice_equal(buf_slice(&first), buf_slice(&second)));
}

static unsigned count_entries(const char *path)
{
    DIR *folder = opendir(path);
    unsigned count = 0;
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(folder);
    return count;
}

static void assert_same(const char *path)
{
    char one[256];
    char other[256];
    struct stat info[2];
    full(one, sides[0], path);
    full(other, sides[1], path);
    int results[] = {lstat(one, &info[0]), lstat(other, &info[1])};
    if (results[0] != results[1])
        fail_msg("%s: %s", path, results[0] == 0 ? "is there" : "is not there");
    if (results[0] < 0)
        return;
    assert_int_equal(info[0].st_mode, info[1].st_mode);
    if (S_ISREG(info[0].st_mode)) {
        assert_int_equal(info[0].st_size, info[1].st_size);
        assert_int_equal(info[0].st_nlink, info[1].st_nlink);
        assert_same_file(one, other);
    } else if (S_ISLNK(info[0].st_mode)) {
        char targets[2][256] = {"", ""};
        assert_true(readlink(one, targets[0], 255) == info[0].st_size);
        assert_true(readlink(other, targets[1], 255) > 0);
        assert_string_equal(targets[0], targets[1]);
    } else {
        assert_int_equal(count_entries(one), count_entries(other));
    }
}

/* Each path that there can be. */
static void assert_all_the_same(void)
{
    char path[8];
    for (char a = 'a'; a < 'a' + NAMES; a++) {
        (void)snprintf(path, sizeof(path), "%c", a);
        assert_same(path);
        for (char b = 'a'; b < 'a' + NAMES; b++) {
            (void)snprintf(path, sizeof(path), "%c/%c", a, b);
            assert_same(path);
            for (char c = 'a'; c < 'a' + NAMES; c++) {
                (void)snprintf(path, sizeof(path), "%c/%c/%c", a, b, c);
                assert_same(path);
            }
        }
    }
}

static void serve(void)
{
    char path[256];
    full(path, "data", "");
    AUTO_CLOSE int data = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    full(path, "point", "");
    const struct storage_union spec = {
        .point = path, .code_parent = -1, .data = data, .key = &key, .purpose = "home"};
    if (storage_union_mount(&spec, &err) < 0)
        fail_msg("%s", err.message);
}

static void end_serving(void)
{
    char path[256];
    int status = -1;
    full(path, "point", "");
    assert_int_equal(umount2(path, 0), 0);
    assert_true(waitpid(-1, &status, 0) > 0);
}

static void one_after_another(void)
{
    for (unsigned i = 0; i < OPERATIONS; i++) {
        struct operation what = {.kind = random_below(15), .number = random_below(100000)};
        random_path(what.path);
        random_path(what.other);
        errno = 0;
        int first = run(&what, sides[0]);
        int first_error = first < 0 ? errno : 0;
        if (first < 0 && is_refused_on_purpose(&what, first_error))
            continue;
        int second = run(&what, sides[1]);
        int second_error = second < 0 ? errno : 0;
        if (first != second || first_error != second_error)
            fail_msg("operation %u: %u '%s' '%s': %s, and in the model %s", i, what.kind, what.path,
                     what.other, strerror(first_error), strerror(second_error));
        if (i % CHECK_EVERY == 0)
            assert_all_the_same();
    }
}

static void random_operations_do_what_they_do_elsewhere(void **state)
{
    (void)state;
    char path[256];
    if (!namespace_is_ready || access("/dev/fuse", R_OK | W_OK) < 0) {
        (void)printf("SKIP: no usable /dev/fuse or mount namespace\n");
        return;
    }
    static const char *const folders[] = {"point", "model", "data"};
    const char *seed = getenv("MSE_MODEL_SEED"); /* to try others: any number but 0 */
    if (seed != NULL)
        state_of_random = strtoull(seed, NULL, 10);
    assert_non_null(mkdtemp(base));
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        full(path, folders[i], "");
        assert_int_equal(mkdir(path, 0755), 0);
    }
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(secret_random(&key, 32, &err), 0);
    serve();
    one_after_another();
    assert_all_the_same();
    end_serving();
    serve(); /* by a server that knows nothing yet */
    assert_all_the_same();
    end_serving();
    secret_done(&key);
    assert_int_equal(folder_remove_tree(base, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_do_what_they_do_elsewhere),
    };
    return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
