// SPDX-License-Identifier: Apache-2.0
/*
 * Paths of the package that are data and not code: put into the data folder where there is nothing
 * yet, and taken out of the code, so that the union shows what was made of them. No marker says
 * that it was done: what is there is kept, what is not is put there as it was packaged. Runs in the
 * enclave, before the app.
 */
#include "storage/storage.h"
#include "storage/union.h"

#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEED ".mse-seed" /* beside the final name, until it is whole */

enum { PIECE_SIZE = 64 * 1024, DEPTH_MAX = 64 };

/* What is copied, and the path that it will have, to which it is bound. */
struct copy {
    const struct head_place *place;
    int from;
    const char *name;
    int to;
    const char *new_name;
    const char *path;
    int depth;
};

static int copy_item(const struct copy *copy, struct err *err);

static int copy_bytes(int from, int to, struct err *err)
{
    AUTO_FREE uint8_t *piece = mem_alloc(PIECE_SIZE, err);
    size_t len = PIECE_SIZE;
    while (piece != NULL && len == PIECE_SIZE) {
        if (fd_read_full(from, piece, PIECE_SIZE, &len, err) < 0 ||
            fd_write_all(to, slice_of(piece, len), err) < 0)
            return -1;
    }
    return piece == NULL ? -1 : 0;
}

static int copy_file(const struct copy *copy, struct err *err)
{
    AUTO_CLOSE int source = -1;
    AUTO_CLOSE int file = -1;
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
    if (fd_open_at(copy->from, copy->name, O_RDONLY | O_NOFOLLOW, 0, &source, err) < 0 ||
        fd_open_at(copy->to, copy->new_name, flags, 0644, &file, err) < 0)
        return -1;
    int result = head_make(copy->place, file, copy->path);
    if (result < 0 || lseek(file, HEAD_SIZE, SEEK_SET) < 0) {
        errno = result < 0 ? -result : errno;
        return FAIL_ERRNO(err, ERR_IO, "cannot write '%s'", copy->name);
    }
    if (copy_bytes(source, file, err) < 0)
        return -1;
    if (fsync(file) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot write '%s'", copy->name);
    return 0;
}

static int copy_folder(const struct copy *copy, struct err *err)
{
    AUTO_CLOSE int source = -1;
    AUTO_CLOSE int to = -1;
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    if (copy->depth > DEPTH_MAX)
        return FAIL(err, ERR_INVALID, "folders are nested more than %d deep", DEPTH_MAX);
    if (mkdirat(copy->to, copy->new_name, 0755) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make the folder '%s'", copy->name);
    if (fd_open_at(copy->from, copy->name, flags, 0, &source, err) < 0 ||
        fd_open_at(copy->to, copy->new_name, flags, 0, &to, err) < 0)
        return -1;
    DIR *folder = fdopendir(fcntl(source, F_DUPFD_CLOEXEC, 0));
    if (folder == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the folder '%s'", copy->name);
    int result = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL && result == 0;
         entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        AUTO_FREE char *path = str_printf(err, "%s/%s", copy->path, entry->d_name);
        const struct copy inside = {.place = copy->place,
                                    .from = source,
                                    .name = entry->d_name,
                                    .to = to,
                                    .new_name = entry->d_name,
                                    .path = path,
                                    .depth = copy->depth + 1};
        result = path == NULL ? -1 : copy_item(&inside, err);
    }
    (void)closedir(folder);
    return result;
}

static int copy_link(const struct copy *copy, struct err *err)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(copy->from, copy->name, target, sizeof(target) - 1);
    if (len < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the link '%s'", copy->name);
    target[len] = '\0';
    AUTO_FREE char *text = head_link_text(copy->place, copy->path, target);
    if (text == NULL)
        return FAIL(err, ERR_MEMORY, "cannot make the link '%s'", copy->name);
    if (symlinkat(text, copy->to, copy->new_name) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make the link '%s'", copy->name);
    return 0;
}

static int copy_item(const struct copy *copy, struct err *err)
{
    struct stat info;
    if (fstatat(copy->from, copy->name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", copy->name);
    if (S_ISDIR(info.st_mode))
        return copy_folder(copy, err);
    if (S_ISLNK(info.st_mode))
        return copy_link(copy, err);
    return copy_file(copy, err);
}

/* A folder with all in it, or anything else. 0 also where there is nothing. */
static int remove_item(int folder, const char *name, struct err *err)
{
    AUTO_FREE char *path = str_printf(err, "/proc/self/fd/%d/%s", folder, name);
    struct stat info;
    if (path == NULL)
        return -1;
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode))
        return folder_remove_tree(path, err);
    return file_remove(path, err);
}

/* The folder that holds the path, made where `data`. *ret_name points into path. */
static int open_parent(int folder, const char *path, bool make, int *ret, const char **ret_name,
                       struct err *err)
{
    char above[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    *ret_name = slash == NULL ? path : slash + 1;
    if (slash != NULL)
        (void)snprintf(above, sizeof(above), "%.*s", (int)(slash - path), path);
    int result = make && slash != NULL ? union_mirror(folder, above) : 0;
    int fd = result < 0 ? result : union_open_below(folder, above, O_PATH | O_DIRECTORY);
    if (fd >= 0) {
        *ret = fd;
        return 0;
    }
    errno = -fd;
    return FAIL_ERRNO(err, ERR_IO, "cannot reach the folder of '%s'", path);
}

/* Beside its place first, then there at once: a start that is cut off leaves all of it or nothing
 * that counts. In one folder, because the enclave's Landlock domain lets nothing move from one to
 * another that it cannot name. */
static int put(int from, const char *name, const struct storage_seed *seed, const char *path,
               struct err *err)
{
    AUTO_CLOSE int to = -1;
    const char *new_name;
    const struct head_place place = {seed->key, seed->purpose};
    if (open_parent(seed->data, path, true, &to, &new_name, err) < 0 ||
        remove_item(to, SEED, err) < 0)
        return -1;
    const struct copy copy = {
        .place = &place, .from = from, .name = name, .to = to, .new_name = SEED, .path = path};
    if (copy_item(&copy, err) < 0)
        return -1;
    (void)unlinkat(to, new_name, 0); /* what lies there was not put there */
    if (renameat(to, SEED, to, new_name) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot put '%s' in its place", path);
    return 0;
}

/* Is something there that was put there? 1, 0, or -1. */
static int has_data(const struct storage_seed *seed, const char *path, struct err *err)
{
    const struct union_fs view = {.data = seed->data, .place = {seed->key, seed->purpose}};
    struct stat info;
    int result = union_stat_data(&view, path, &info);
    if (result == 0 || result == -ENOENT)
        return result == 0 ? 1 : 0;
    errno = -result;
    return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", path);
}

/* 1, 0, or -1. */
static int exists(int folder, const char *path, struct err *err)
{
    AUTO_CLOSE int fd = union_open_below(folder, path, O_PATH);
    if (fd >= 0)
        return 1;
    if (fd == -ENOENT)
        return 0;
    errno = -fd;
    return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", path);
}

static int move(const struct storage_seed *seed, const char *path, struct err *err)
{
    AUTO_CLOSE int from = -1;
    const char *name;
    int is_there = has_data(seed, path, err);
    if (is_there < 0 || open_parent(seed->code, path, false, &from, &name, err) < 0 ||
        (is_there == 0 && put(from, name, seed, path, err) < 0))
        return -1;
    return remove_item(from, name, err);
}

int storage_seed(const struct storage_seed *seed, const char *path, struct err *err)
{
    int is_packaged = exists(seed->code, path, err);
    if (is_packaged < 0 || (is_packaged == 1 && move(seed, path, err) < 0))
        return FAIL_CONTEXT(err, "the data '%s' of the package", path);
    return 0;
}
