// SPDX-License-Identifier: Apache-2.0
/*
 * What an app stored, put aside while a new release of it is tried: a file or a folder beside the
 * backing, whole or not there. Runs on the host, on cipher text.
 */
#include "storage/storage.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COPY_TIMEOUT_MS = 30 * 60 * 1000, MESSAGE_MAX = 4096 };

struct names {
    char *aside;   /* as it was */
    char *copying; /* a copy that is not finished */
    char *failed;  /* what the release that was tried made of it, on its way out */
};

static void names_done(struct names *names)
{
    free(names->aside);
    free(names->copying);
    free(names->failed);
}

static int names_make(struct names *names, const char *path, struct err *err)
{
    names->aside = str_printf(err, "%s.aside", path);
    names->copying = str_printf(err, "%s.copying", path);
    names->failed = str_printf(err, "%s.failed", path);
    return names->aside == NULL || names->copying == NULL || names->failed == NULL ? -1 : 0;
}

/* On disk when it returns: both names are in one folder. */
static int move(const char *from, const char *to, struct err *err)
{
    AUTO_FREE char *folder = path_folder(to, err);
    AUTO_CLOSE int fd = -1;
    if (folder == NULL || fd_open(folder, O_RDONLY | O_DIRECTORY, 0, &fd, err) < 0)
        return -1;
    if (rename(from, to) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot rename '%s'", from);
    return fsync(fd) == 0 ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot write '%s'", folder);
}

static int copy_range(int from, int to, off_t start, off_t end, struct err *err)
{
    off_t in = start;
    off_t out = start;
    while (in < end) {
        ssize_t len = copy_file_range(from, &in, to, &out, (size_t)(end - in), 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return FAIL_ERRNO(err, len < 0 && errno == ENOSPC ? ERR_NO_ROOM : ERR_IO,
                              "cannot copy what is stored");
    }
    return 0;
}

/* Only what was written: all of an image is allocated, and reading the rest of it would cost its
 * whole size in time, and in memory of the kernel. */
static int copy_written(int from, int to, struct err *err)
{
    off_t end = 0;
    off_t start = lseek(from, 0, SEEK_DATA);
    for (; start >= 0; start = lseek(from, end, SEEK_DATA)) {
        end = lseek(from, start, SEEK_HOLE);
        if (end < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot look for what is stored");
        if (copy_range(from, to, start, end, err) < 0)
            return -1;
    }
    return errno == ENXIO ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot look for what is stored");
}

static int copy_image(const char *path, const struct stat *info, const char *to_path,
                      struct err *err)
{
    AUTO_CLOSE int from = -1;
    AUTO_CLOSE int to = -1;
    if (fd_open(path, O_RDONLY | O_NOFOLLOW, 0, &from, err) < 0 ||
        fd_open(to_path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &to, err) < 0)
        return -1;
    if (fchown(to, info->st_uid, info->st_gid) < 0 || fchmod(to, info->st_mode & 0777) < 0 ||
        ftruncate(to, info->st_size) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make '%s'", to_path);
    /* a file system that can shares the blocks */
    if (ioctl(to, FICLONE, from) < 0 && copy_written(from, to, err) < 0)
        return -1;
    return fsync(to) == 0 ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot write '%s'", to_path);
}

/* coreutils' cp knows the owners, times and links of a tree. */
static int copy_folder(const char *from, const char *to, struct err *err)
{
    const char *const argv[] = {"cp", "--archive", "--reflink=auto", "--", from, to, NULL};
    const struct process_spec spec = {.argv = argv};
    AUTO_BUF struct buf out = BUF_INIT(MESSAGE_MAX);
    AUTO_BUF struct buf errors = BUF_INIT(MESSAGE_MAX);
    AUTO_CLOSE int fd = -1;
    int status = 0;
    if (process_run(&spec, slice_of(NULL, 0), &out, &errors, COPY_TIMEOUT_MS, &status, err) < 0)
        return -1;
    if (status != 0)
        return FAIL(err, ERR_IO, "cannot copy '%s': %s", from, buf_text(&errors));
    if (fd_open(to, O_RDONLY, 0, &fd, err) < 0)
        return -1;
    return syncfs(fd) == 0 ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot write '%s'", to);
}

static int copy(const char *from, const char *to, struct err *err)
{
    struct stat info;
    if (lstat(from, &info) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", from);
    if (path_remove(to, err) < 0)
        return -1;
    return S_ISDIR(info.st_mode) ? copy_folder(from, to, err) : copy_image(from, &info, to, err);
}

int storage_backing_put_aside(const char *path, bool leave_copy, struct err *err)
{
    struct names names AUTO(names_done) = {0};
    if (names_make(&names, path, err) < 0)
        return -1;
    if (file_exists(names.aside))
        return FAIL(err, ERR_CONFLICT, "'%s' is in the way", names.aside);
    if (!file_exists(path))
        return 0;
    if (!leave_copy)
        return move(path, names.aside, err);
    if (copy(path, names.copying, err) < 0) {
        struct err ignored = ERR_INIT;
        (void)!path_remove(names.copying, &ignored);
        return -1;
    }
    return move(names.copying, names.aside, err);
}

int storage_backing_put_back(const char *path, struct err *err)
{
    struct names names AUTO(names_done) = {0};
    if (names_make(&names, path, err) < 0)
        return -1;
    if (file_exists(names.aside) && (path_remove(names.failed, err) < 0 ||
                                     (file_exists(path) && move(path, names.failed, err) < 0) ||
                                     move(names.aside, path, err) < 0))
        return -1;
    return path_remove(names.failed, err) < 0 ? -1 : path_remove(names.copying, err);
}

int storage_backing_forget_aside(const char *path, struct err *err)
{
    struct names names AUTO(names_done) = {0};
    if (names_make(&names, path, err) < 0 || path_remove(names.aside, err) < 0 ||
        path_remove(names.failed, err) < 0)
        return -1;
    return path_remove(names.copying, err);
}
