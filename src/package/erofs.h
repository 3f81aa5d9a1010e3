// SPDX-License-Identifier: Apache-2.0
/*
 * Writes a read-only file system: erofs, uncompressed, every file in whole blocks. The same files
 * give the same bytes, on every machine and in every version of this writer: the hash of what it
 * writes is part of identities. Folders are 0755, files 0644, all of root, of the year 1970.
 *
 * Source of the format: Linux, fs/erofs/erofs_fs.h and Documentation/filesystems/erofs.rst.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

enum {
    EROFS_BLOCK_SIZE = 4096,
    EROFS_FILES_MAX = 400000,
    EROFS_DEPTH_MAX = 32,
    EROFS_NAME_MAX = 255,
};
#define EROFS_FILE_MAX ((UINT64_C(1) << 32) - 1) /* its size has 32 bits */
#define EROFS_BYTES_MAX (UINT64_C(64) << 30)     /* of all files together */

struct erofs_file {
    const char *path; /* "a/b.py": names of archive_name_valid; folders need no entry */
    uint64_t size;
};

struct erofs_writer;

/* Gives the bytes of file number `index` to erofs_bytes: as many as its size says. */
typedef int erofs_source(void *context, size_t index, struct erofs_writer *to, struct err *err);
int erofs_bytes(struct erofs_writer *to, struct slice bytes, struct err *err) MUST_USE;

/* Writes from the place where `fd` is; `files` in the order of their paths as bytes. *ret_blocks:
 * how many. The source is asked for the files in that order. Errors: INVALID (a path that cannot
 * be; two of one name, a file and a folder among them; a source that gives more or less than it
 * said), TOO_LARGE, IO, what the source fails with. */
int erofs_write(const struct erofs_file *files, size_t count, erofs_source *source, void *context,
                int fd, uint64_t *ret_blocks, struct err *err) MUST_USE;
