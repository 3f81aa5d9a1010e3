// SPDX-License-Identifier: Apache-2.0
/*
 * The machine as a TEE's driver sees it. Needs nothing but libc, so that pid 1 of a confidential VM
 * can have it.
 */
#include "tee/platform.h"

#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int real_ioctl(int fd, unsigned long request, void *argument)
{
    return ioctl(fd, request, argument);
}

static int real_write(const char *path, struct slice bytes, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    if (fd_open(path, O_WRONLY, 0, &fd, err) < 0)
        return -1;
    if (write(fd, bytes.data, bytes.len) != (ssize_t)bytes.len)
        return FAIL_ERRNO(err, ERR_IO, "cannot write to '%s'", path);
    return 0;
}

struct tee_platform tee_platform = {
    .root = "", .ioctl = real_ioctl, .read = file_read, .write = real_write};

char *tee_path(const char *path, struct err *err)
{
    return str_printf(err, "%s%s", tee_platform.root, path);
}

bool tee_path_exists(const char *path)
{
    AUTO_FREE char *full = tee_path(path, NULL);
    return full != NULL && file_exists(full);
}

int tee_read(const char *path, struct buf *out, struct err *err)
{
    AUTO_FREE char *full = tee_path(path, err);
    return full == NULL ? -1 : tee_platform.read(full, out, err);
}

int tee_write(const char *path, struct slice bytes, struct err *err)
{
    AUTO_FREE char *full = tee_path(path, err);
    return full == NULL ? -1 : tee_platform.write(full, bytes, err);
}
