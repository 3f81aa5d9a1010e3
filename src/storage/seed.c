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

static int copy_item(int from, const char *name, int to, const char *new_name, int depth,
                     struct err *err);

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

static int copy_file(int from, const char *name, int to, const char *new_name, struct err *err)
{
    AUTO_CLOSE int source = -1;
    AUTO_CLOSE int copy = -1;
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    if (fd_open_at(from, name, O_RDONLY | O_NOFOLLOW, 0, &source, err) < 0 ||
        fd_open_at(to, new_name, flags, 0644, &copy, err) < 0 || copy_bytes(source, copy, err) < 0)
        return -1;
    if (fsync(copy) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot write '%s'", name);
    return 0;
}

static int copy_folder(int from, const char *name, int to, const char *new_name, int depth,
                       struct err *err)
{
    AUTO_CLOSE int source = -1;
    AUTO_CLOSE int copy = -1;
    if (depth > DEPTH_MAX)
        return FAIL(err, ERR_INVALID, "folders are nested more than %d deep", DEPTH_MAX);
    if (mkdirat(to, new_name, 0755) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make the folder '%s'", name);
    if (fd_open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &source, err) < 0 ||
        fd_open_at(to, new_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &copy, err) < 0)
        return -1;
    DIR *folder = fdopendir(fcntl(source, F_DUPFD_CLOEXEC, 0));
    if (folder == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the folder '%s'", name);
    int result = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL && result == 0;
         entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = copy_item(source, entry->d_name, copy, entry->d_name, depth + 1, err);
    }
    (void)closedir(folder);
    return result;
}

static int copy_link(int from, const char *name, int to, const char *new_name, struct err *err)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(from, name, target, sizeof(target) - 1);
    if (len < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the link '%s'", name);
    target[len] = '\0';
    if (symlinkat(target, to, new_name) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make the link '%s'", name);
    return 0;
}

static int copy_item(int from, const char *name, int to, const char *new_name, int depth,
                     struct err *err)
{
    struct stat info;
    if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", name);
    if (S_ISDIR(info.st_mode))
        return copy_folder(from, name, to, new_name, depth, err);
    if (S_ISLNK(info.st_mode))
        return copy_link(from, name, to, new_name, err);
    return copy_file(from, name, to, new_name, err);
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
    if (open_parent(seed->data, path, true, &to, &new_name, err) < 0 ||
        remove_item(to, SEED, err) < 0 || copy_item(from, name, to, SEED, 0, err) < 0)
        return -1;
    if (renameat(to, SEED, to, new_name) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot put '%s' in its place", path);
    return 0;
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
    int is_there = exists(seed->data, path, err);
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
