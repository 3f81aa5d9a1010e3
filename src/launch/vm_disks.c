// SPDX-License-Identifier: Apache-2.0
/*
 * Makes the disks of a VM in its run folder. The package is put together again from the parts that
 * the node keeps: the same bytes as were uploaded, since the format leaves no choice.
 */
#include "launch/vm_disks.h"

#include "base/fd.h"
#include "base/file.h"
#include "model/guest.h"
#include "model/package_format.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_SIZE = 256 * 1024 };

static const struct {
    enum package_section section;
    const char *name;
} parts[] = {
    {PACKAGE_MANIFEST, "manifest.json"},
    {PACKAGE_REQUIREMENTS, "requirements.txt"},
    {PACKAGE_CERTIFICATE, "certificate.pem"},
    {PACKAGE_ARCHIVE, "code.enc"},
};

static int copy_file(int from, int to, struct err *err)
{
    AUTO_FREE uint8_t *piece = mem_alloc(PIECE_SIZE, err);
    size_t len = PIECE_SIZE;
    if (piece == NULL)
        return -1;
    while (len == PIECE_SIZE) {
        if (fd_read_full(from, piece, PIECE_SIZE, &len, err) < 0 ||
            fd_write_all(to, slice_of(piece, len), err) < 0)
            return -1;
    }
    return 0;
}

/* A part that is absent or empty has no section. */
static int add_part(size_t index, const struct launch_spec *spec, int to, struct err *err)
{
    AUTO_FREE char *path = path_join(spec->package, parts[index].name, err);
    AUTO_BUF struct buf head = BUF_INIT(PACKAGE_SECTION_HEADER_SIZE);
    AUTO_CLOSE int from = -1;
    struct stat info;
    struct err missing = ERR_INIT;
    if (path == NULL)
        return -1;
    if (fd_open(path, O_RDONLY, 0, &from, &missing) < 0 && missing.kind == ERR_NOT_FOUND)
        return 0;
    if (from < 0 || fstat(from, &info) < 0)
        return FAIL(err, ERR_IO, "cannot read '%s'", path);
    if (info.st_size == 0)
        return 0;
    if (package_section_append(&head, parts[index].section, (uint64_t)info.st_size, err) < 0 ||
        fd_write_all(to, buf_slice(&head), err) < 0)
        return -1;
    return copy_file(from, to, err);
}

/* Zeros up to a whole block. */
static int pad(int fd, struct err *err)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot measure a disk");
    off_t whole = (info.st_size + GUEST_BLOCK_SIZE - 1) / GUEST_BLOCK_SIZE * GUEST_BLOCK_SIZE;
    if (ftruncate(fd, whole) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot fill up a disk");
    return 0;
}

static int open_disk(const char *folder, const char *name, int *ret, struct err *err)
{
    AUTO_FREE char *path = path_join(folder, name, err);
    if (path == NULL || file_remove(path, err) < 0)
        return -1;
    return fd_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644, ret, err);
}

static int make_package(const char *folder, const struct launch_spec *spec, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    AUTO_BUF struct buf head = BUF_INIT(PACKAGE_HEADER_SIZE);
    if (open_disk(folder, VM_DISK_PACKAGE, &fd, err) < 0 || package_header_append(&head, err) < 0 ||
        fd_write_all(fd, buf_slice(&head), err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (add_part(i, spec, fd, err) < 0)
            return -1;
    }
    return pad(fd, err);
}

static int make_environment(const char *folder, struct slice description, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    AUTO_BUF struct buf bytes = BUF_INIT(GUEST_ENVIRONMENT_MAX + 4);
    if (description.len > GUEST_ENVIRONMENT_MAX)
        return FAIL(err, ERR_TOO_LARGE, "a description of %zu bytes, at most %d", description.len,
                    GUEST_ENVIRONMENT_MAX);
    if (open_disk(folder, VM_DISK_ENVIRONMENT, &fd, err) < 0 ||
        buf_u32be(&bytes, (uint32_t)description.len, err) < 0 ||
        buf_bytes(&bytes, description, err) < 0 || fd_write_all(fd, buf_slice(&bytes), err) < 0)
        return -1;
    return pad(fd, err);
}

int vm_disks_make(const char *folder, const struct launch_spec *spec, struct slice description,
                  struct err *err)
{
    if (make_package(folder, spec, err) < 0 || make_environment(folder, description, err) < 0)
        return FAIL_CONTEXT(err, "disks");
    return 0;
}

int vm_storage_make(const struct launch_spec *spec, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    if (file_exists(spec->storage))
        return 0;
    if (spec->quota_bytes == 0)
        return FAIL(err, ERR_INVALID, "the storage of a VM has a size, and none was given");
    off_t size = (off_t)(spec->quota_bytes / GUEST_BLOCK_SIZE * GUEST_BLOCK_SIZE);
    if (fd_open(spec->storage, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd, err) < 0)
        return -1;
    if (ftruncate(fd, size) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make '%s'", spec->storage);
    return 0;
}
