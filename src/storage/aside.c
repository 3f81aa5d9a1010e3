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
#include <stdio.h>
#include <stdlib.h>
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

static int remove_any(const char *path, struct err *err)
{
    struct stat info;
    if (lstat(path, &info) < 0)
        return errno == ENOENT ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", path);
    return S_ISDIR(info.st_mode) ? folder_remove_tree(path, err) : file_remove(path, err);
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

/* coreutils' cp knows how to share blocks, to leave holes, and owners and times of a tree. */
static int copy(const char *from, const char *to, struct err *err)
{
    const char *const argv[] = {"cp", "--archive", "--reflink=auto", "--sparse=always", "--", from,
                                to,   NULL};
    const struct process_spec spec = {.argv = argv};
    AUTO_BUF struct buf out = BUF_INIT(MESSAGE_MAX);
    AUTO_BUF struct buf errors = BUF_INIT(MESSAGE_MAX);
    AUTO_CLOSE int fd = -1;
    int status = 0;
    if (remove_any(to, err) < 0 ||
        process_run(&spec, slice_of(NULL, 0), &out, &errors, COPY_TIMEOUT_MS, &status, err) < 0)
        return -1;
    if (status != 0)
        return FAIL(err, ERR_IO, "cannot copy '%s': %s", from, buf_text(&errors));
    if (fd_open(to, O_RDONLY, 0, &fd, err) < 0)
        return -1;
    return syncfs(fd) == 0 ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot write '%s'", to);
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
        (void)!remove_any(names.copying, &ignored);
        return -1;
    }
    return move(names.copying, names.aside, err);
}

int storage_backing_put_back(const char *path, struct err *err)
{
    struct names names AUTO(names_done) = {0};
    if (names_make(&names, path, err) < 0)
        return -1;
    if (file_exists(names.aside) && (remove_any(names.failed, err) < 0 ||
                                     (file_exists(path) && move(path, names.failed, err) < 0) ||
                                     move(names.aside, path, err) < 0))
        return -1;
    return remove_any(names.failed, err) < 0 ? -1 : remove_any(names.copying, err);
}

int storage_backing_forget_aside(const char *path, struct err *err)
{
    struct names names AUTO(names_done) = {0};
    if (names_make(&names, path, err) < 0 || remove_any(names.aside, err) < 0 ||
        remove_any(names.failed, err) < 0)
        return -1;
    return remove_any(names.copying, err);
}
