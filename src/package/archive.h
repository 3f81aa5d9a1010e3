// SPDX-License-Identifier: Apache-2.0
/*
 * The plain archive: what the code folder becomes before it is encrypted. docs/package.md has the
 * byte tables.
 *
 *     magic "mse-code" | version u16be | zero u16be
 *     records of the top folder, sorted by name (as bytes):
 *         01 | name length u8 | name                                  a folder; its records follow,
 *         05                                                          up to this end mark
 *         02 | name length u8 | name | size u64be | bytes             a file, mode 0644
 *         03 | name length u8 | name | size u64be | bytes             a file, mode 0755
 *         04 | name length u8 | name | target length u16be | target   a symbolic link
 *     00                                                              the end
 *     zeros up to archive_padded_size()
 *
 * A name is one component of a path, so no archive can name a place outside its folder; names
 * ascend strictly, so none appears twice; a code folder has exactly one archive. No times, owners
 * or other modes.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

enum {
    ARCHIVE_VERSION = 1,
    ARCHIVE_HEADER_SIZE = 12,
    ARCHIVE_NAME_MAX = 255,
    ARCHIVE_TARGET_MAX = 1023,
    ARCHIVE_DEPTH_MAX = 64,      /* folders inside one another */
    ARCHIVE_ITEMS_MAX = 1000000, /* files, links and folders */
    ARCHIVE_RECORD_MAX = 2 + ARCHIVE_NAME_MAX + 2 + ARCHIVE_TARGET_MAX,
    ARCHIVE_SIZE_MIN = 4096, /* after padding */
};

/* The largest content of one archive (1 TiB); keeps every sum of sizes far from 2^64. */
#define ARCHIVE_CONTENT_MAX (UINT64_C(1) << 40)

enum archive_record {
    ARCHIVE_END = 0,
    ARCHIVE_FOLDER = 1,
    ARCHIVE_FILE = 2,
    ARCHIVE_PROGRAM = 3, /* a file with the executable bit */
    ARCHIVE_LINK = 4,
    ARCHIVE_FOLDER_END = 5,
};

/* One component: 1-255 bytes of UTF-8, not "." or "..", no slash, no control character. */
bool archive_name_valid(struct slice name);
/* A target that stays inside whatever other links exist: relative, `..` only at its beginning and
 * at most `depth` times, where depth counts the folders above the link (0 at the top). */
bool archive_target_valid(struct slice target, size_t depth);

int archive_header_append(struct buf *out, struct err *err) MUST_USE;
int archive_mark_append(struct buf *out, enum archive_record mark, struct err *err) MUST_USE;
int archive_folder_append(struct buf *out, const char *name, struct err *err) MUST_USE;
int archive_file_append(struct buf *out, const char *name, bool program, uint64_t size,
                        struct err *err) MUST_USE;
int archive_link_append(struct buf *out, const char *name, const char *target,
                        struct err *err) MUST_USE;

/* Bytes of a record without a file's contents. */
uint64_t archive_record_size(enum archive_record type, const char *name, const char *target);
/* What the size becomes so that it tells little: at least 4 KiB, then Padmé (Nikitin et al.,
 * "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PETS 2019,
 * section 4): sizes are rounded to as many significant bits as the exponent has, at most 12 % more.
 */
uint64_t archive_padded_size(uint64_t size);

/* Receives what a reader finds. Names are zero-terminated views. Each may fail. */
struct archive_handler {
    int (*folder_begin)(void *context, const char *name, struct err *err);
    int (*folder_end)(void *context, struct err *err);
    int (*file_begin)(void *context, const char *name, bool program, uint64_t size,
                      struct err *err);
    int (*file_data)(void *context, struct slice bytes, struct err *err);
    int (*file_end)(void *context, struct err *err);
    int (*link)(void *context, const char *name, const char *target, struct err *err);
};

struct archive_limits {
    uint64_t content_bytes; /* of all files together; each item counts 4096 more */
    uint64_t items;
};

/* A push parser like model/package_format.h's. Everything it accepts could have been written by the
 * functions above, byte for byte. */
struct archive_reader;
int archive_reader_new(const struct archive_handler *handler, void *context,
                       const struct archive_limits *limits, struct archive_reader **ret,
                       struct err *err) MUST_USE;
void archive_reader_free(struct archive_reader *reader);
DEFINE_CLEANUP(archive_reader_cleanup, struct archive_reader *, archive_reader_free)
#define AUTO_ARCHIVE_READER __attribute__((cleanup(archive_reader_cleanup)))
/* Errors: INVALID, TOO_LARGE, UNSUPPORTED and what the handler returns. Do not go on after one. */
int archive_reader_feed(struct archive_reader *reader, struct slice bytes,
                        struct err *err) MUST_USE;
/* No more bytes come: the archive must have ended, padded to the size that it must have. */
int archive_reader_end(struct archive_reader *reader, struct err *err) MUST_USE;
