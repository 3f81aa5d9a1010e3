// SPDX-License-Identifier: Apache-2.0
/*
 * A wheel: a ZIP of files to lay below one folder, as pip lays them with --target, but without
 * running or compiling anything. Left out: programs (`scripts`), C headers, byte code; whatever
 * else is not understood is refused. Every file is held against the wheel's own RECORD.
 *
 * Source: the Python packaging guide, "Binary distribution format", versions 1.x.
 */
#pragma once

#include "crypto/crypto.h"

enum { WHEEL_FILES_MAX = 200000, WHEEL_PATH_MAX = 1024 };

struct wheel_file {
    char *path;   /* below the folder */
    size_t place; /* in the ZIP */
    uint64_t size;
    bool hashed; /* false for RECORD itself */
    uint8_t sha256[SHA256_SIZE];
};

struct wheel {
    void *zip;
    struct wheel_file *files; /* in the ZIP's order */
    size_t count;
};
#define AUTO_WHEEL __attribute__((cleanup(wheel_done)))

/* Errors: NOT_FOUND, INVALID with what is wrong: no ZIP, names that lead out (an absolute path,
 * "..", a backslash), links, encrypted files, a folder of .data that is not known, a file that
 * RECORD does not have, or has and is missing, or with another size; TOO_LARGE. */
int wheel_open(const char *path, struct wheel *ret, struct err *err) MUST_USE;
void wheel_done(struct wheel *wheel);

typedef int wheel_sink(void *context, struct slice bytes, struct err *err);
/* The bytes of one file. Errors: INVALID: not those of RECORD; what the sink fails with. What the
 * sink got before a failure is worthless. */
int wheel_read(const struct wheel *wheel, const struct wheel_file *file, wheel_sink *sink,
               void *context, struct err *err) MUST_USE;

/* Where a file of a wheel comes to lie: "a.py", or what follows "x.data/purelib/". *ret_path is ""
 * where it is left out. Errors: INVALID. */
int wheel_place(const char *name, char ret_path[static WHEEL_PATH_MAX], struct err *err) MUST_USE;
