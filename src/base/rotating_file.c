// SPDX-License-Identifier: Apache-2.0
/*
 * Log files of bounded size: what an app writes (kept by its supervisor) and the access log (kept
 * inside the enclave).
 */
#include "base/rotating_file.h"

#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int open_file(struct rotating_file *file, struct err *err)
{
    struct stat info;
    if (fd_open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600, &file->fd, err) < 0)
        return -1;
    file->size = fstat(file->fd, &info) == 0 ? (uint64_t)info.st_size : 0;
    return 0;
}

int rotating_file_open(struct rotating_file *file, const char *path, uint64_t max_bytes,
                       struct err *err)
{
    *file = ROTATING_FILE_INIT;
    file->max = max_bytes / 2;
    file->path = str_copy(path, err);
    file->old_path = str_printf(err, "%s.1", path);
    if (file->path != NULL && file->old_path != NULL && open_file(file, err) == 0)
        return 0;
    rotating_file_close(file);
    return -1;
}

static int rotate(struct rotating_file *file, struct err *err)
{
    fd_close(fd_steal(&file->fd));
    if (rename(file->path, file->old_path) < 0 && errno != ENOENT)
        return FAIL_ERRNO(err, ERR_IO, "cannot rename '%s'", file->path);
    return open_file(file, err);
}

int rotating_file_write(struct rotating_file *file, struct slice lines, struct err *err)
{
    if (file->fd < 0 && open_file(file, err) < 0)
        return -1;
    if (file->size > 0 && file->size + lines.len > file->max && rotate(file, err) < 0)
        return -1;
    if (fd_write_all(file->fd, lines, err) < 0)
        return -1;
    file->size += lines.len;
    return 0;
}

void rotating_file_close(struct rotating_file *file)
{
    fd_close(fd_steal(&file->fd));
    free(file->path);
    free(file->old_path);
    file->path = file->old_path = NULL;
}

/* --- reading --- */

/* *ret_fd stays -1 where there is none. */
static int open_part(const char *path, int *ret_fd, struct stat *info, struct err *err)
{
    struct err failure = ERR_INIT;
    if (fd_open(path, O_RDONLY | O_NOFOLLOW, 0, ret_fd, &failure) < 0) {
        if (failure.kind == ERR_NOT_FOUND)
            return 0;
        *err = failure;
        return -1;
    }
    return fstat(*ret_fd, info) == 0 ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", path);
}

static void keep_last(struct buf *out, uint64_t last)
{
    if (last == 0 || out->len <= last)
        return;
    /* From one byte earlier: it shows whether a line begins there. */
    size_t from = out->len - (size_t)last - 1;
    const uint8_t *line_end = memchr(out->data + from, '\n', out->len - from);
    buf_consume(out, line_end == NULL ? out->len : (size_t)(line_end + 1 - out->data));
}

int rotating_file_read(const char *path, uint64_t last, struct buf *out, struct err *err)
{
    AUTO_FREE char *old_path = str_printf(err, "%s.1", path);
    AUTO_CLOSE int fd = -1;
    AUTO_CLOSE int old_fd = -1;
    struct stat info = {0};
    struct stat old_info = {0};
    /* The newer one first: if it becomes the old one in between, it is opened twice, not never. */
    if (old_path == NULL || open_part(path, &fd, &info, err) < 0 ||
        open_part(old_path, &old_fd, &old_info, err) < 0)
        return -1;
    bool rotated = fd >= 0 && old_fd >= 0 && info.st_ino == old_info.st_ino;
    buf_clear(out);
    if (old_fd >= 0 && !rotated && fd_read_all(old_fd, out, err) < 0)
        return -1;
    if (fd >= 0 && fd_read_all(fd, out, err) < 0)
        return -1;
    keep_last(out, last);
    return 0;
}
