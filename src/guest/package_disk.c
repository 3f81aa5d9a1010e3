// SPDX-License-Identifier: Apache-2.0
/*
 * Two disks of the host that hold no file system. The package is what the owner uploaded, taken
 * apart by the reader that the node uses (model/package_format.h) and checked by mse-enclave
 * against the manifest, whose hash is the fingerprint; here only sizes and form are judged.
 */
#include "guest/package_disk.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/reader.h"
#include "guest/device.h"
#include "guest/guest.h"
#include "guest/sha256.h"
#include "model/guest.h"
#include "model/manifest.h"
#include "model/package_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { PIECE = 64 * 1024, PADDING_MAX = GUEST_BLOCK_SIZE };

static const char *const names[] = {
    [PACKAGE_MANIFEST] = "manifest.json",
    [PACKAGE_REQUIREMENTS] = "requirements.txt",
    [PACKAGE_CERTIFICATE] = "certificate.pem",
    [PACKAGE_ARCHIVE] = "code.enc",
};

struct unpacking {
    const char *folder;
    struct buf *manifest;
    int file;
    bool complete; /* the archive, the last section, has ended */
};

static int begin(void *context, enum package_section section, uint64_t length, struct err *err)
{
    (void)length;
    struct unpacking *to = context;
    AUTO_FREE char *path = path_join(to->folder, names[section], err);
    if (path == NULL)
        return -1;
    return fd_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644, &to->file, err);
}

static int data(void *context, enum package_section section, struct slice bytes, struct err *err)
{
    struct unpacking *to = context;
    if (section == PACKAGE_MANIFEST && buf_bytes(to->manifest, bytes, err) < 0)
        return -1;
    return fd_write_all(to->file, bytes, err);
}

static int end(void *context, enum package_section section, struct err *err)
{
    (void)err;
    struct unpacking *to = context;
    fd_close(fd_steal(&to->file));
    to->complete = section == PACKAGE_ARCHIVE;
    return 0;
}

static const struct package_handler handler = {begin, data, end};

static int read_piece(int disk, uint8_t *piece, size_t *ret_len, struct err *err)
{
    if (fd_read_full(disk, piece, PIECE, ret_len, err) < 0)
        return FAIL_CONTEXT(err, "package disk");
    return 0;
}

/* How much of a piece the reader may get: it refuses bytes behind the archive, but on a disk zeros
 * fill the last block. Up to the end of a section, and of what lies between sections one byte. */
static size_t part(const struct package_reader *reader, size_t len)
{
    if (!reader->in_section)
        return 1;
    return reader->section_left < len ? (size_t)reader->section_left : len;
}

static int unpack(int disk, struct package_reader *reader, struct unpacking *to, uint8_t *piece,
                  struct err *err)
{
    uint64_t padding = 0;
    for (;;) {
        size_t len = 0;
        if (read_piece(disk, piece, &len, err) < 0)
            return -1;
        if (len == 0)
            return package_reader_end(reader, err);
        size_t pos = 0;
        while (pos < len && !to->complete) {
            size_t taken = part(reader, len - pos);
            if (package_reader_feed(reader, slice_of(piece + pos, taken), err) < 0)
                return -1;
            pos += taken;
        }
        padding += len - pos;
        if (!slice_is_zero(slice_of(piece + pos, len - pos)) || padding >= PADDING_MAX)
            return FAIL(err, ERR_INVALID, "package disk: something follows the package");
    }
}

int package_disk_unpack(int disk, const char *folder, uint64_t max_archive, struct buf *manifest,
                        struct err *err)
{
    struct package_reader reader;
    struct unpacking to = {.folder = folder, .manifest = manifest, .file = -1};
    AUTO_FREE uint8_t *piece = mem_alloc(PIECE, err);
    if (piece == NULL)
        return -1;
    package_reader_init(&reader, &handler, &to, max_archive);
    int status = unpack(disk, &reader, &to, piece, err);
    fd_close(to.file);
    return status;
}

int environment_disk_read(int disk, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf bytes = BUF_INIT(sizeof(uint32_t) + GUEST_ENVIRONMENT_MAX + PADDING_MAX);
    struct slice description;
    uint32_t size = 0;
    if (fd_read_all(disk, &bytes, err) < 0)
        return FAIL_CONTEXT(err, "environment disk");
    struct reader in = reader_of(buf_slice(&bytes), "environment disk");
    if (reader_u32be(&in, "length", &size, err) < 0 ||
        reader_slice(&in, "description", size, &description, err) < 0)
        return -1;
    if (size > GUEST_ENVIRONMENT_MAX)
        return FAIL(err, ERR_TOO_LARGE, "environment disk: %u bytes, the limit is %d", size,
                    GUEST_ENVIRONMENT_MAX);
    if (!slice_is_zero(slice_of(bytes.data + in.pos, bytes.len - in.pos)))
        return FAIL(err, ERR_INVALID, "environment disk: something follows the description");
    return buf_bytes(out, description, err);
}

/* --- the step --- */

static int open_disk(const char *serial, int *ret, struct err *err)
{
    char path[DEVICE_PATH_SIZE];
    if (device_find_disk(serial, DEVICE_WAIT_MS, path, err) < 0)
        return -1;
    return fd_open(path, O_RDONLY, 0, ret, err);
}

static int read_environment(struct err *err)
{
    AUTO_CLOSE int disk = -1;
    AUTO_BUF struct buf description = BUF_INIT(GUEST_ENVIRONMENT_MAX);
    if (open_disk(GUEST_DISK_ENVIRONMENT, &disk, err) < 0 ||
        environment_disk_read(disk, &description, err) < 0)
        return -1;
    return file_write_atomic(GUEST_ENVIRONMENT "/environment.json", buf_slice(&description), 0644,
                             err);
}

int step_package(struct guest *guest, struct err *err)
{
    AUTO_CLOSE int disk = -1;
    AUTO_BUF struct buf manifest = BUF_INIT(MANIFEST_MAX);
    if (read_environment(err) < 0 || open_disk(GUEST_DISK_PACKAGE, &disk, err) < 0 ||
        package_disk_unpack(disk, GUEST_PACKAGE, guest->memory_bytes / 2, &manifest, err) < 0)
        return -1;
    sha256_of(buf_slice(&manifest), guest->fingerprint);
    return 0;
}
