// SPDX-License-Identifier: Apache-2.0
/*
 * A log file of bounded size: when it is full it becomes PATH.1, in place of the one before, and a
 * new one is begun.
 */
#pragma once

#include "base/buf.h"

#include <stdint.h>

struct rotating_file {
    char *path;
    char *old_path;
    int fd; /* -1: not open */
    uint64_t size;
    uint64_t max; /* of each of the two */
};

#define ROTATING_FILE_INIT ((struct rotating_file){.fd = -1})

/* Appends to what is there; mode 0600, no links followed. max_bytes: for both files together. */
int rotating_file_open(struct rotating_file *file, const char *path, uint64_t max_bytes,
                       struct err *err) MUST_USE;
/* Whole lines, which stay in one file. Rotates first where they would not fit. Errors: IO (a full
 * disk, a file that cannot be made anew); the next call tries again. */
int rotating_file_write(struct rotating_file *file, struct slice lines, struct err *err) MUST_USE;
void rotating_file_close(struct rotating_file *file);

/* Replaces out by what both hold, oldest first; with `last` not more than so many bytes of the end,
 * from the beginning of a line. Another thread or process may be writing. Files that are not there
 * are empty. Errors: IO, TOO_LARGE (out->max). */
int rotating_file_read(const char *path, uint64_t last, struct buf *out, struct err *err) MUST_USE;
