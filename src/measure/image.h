// SPDX-License-Identifier: Apache-2.0
/*
 * image.json: what a confidential VM is made of, as canonical JSON (RFC 8785). Its SHA-256 names
 * the image and stands in every manifest as the environment's digest. docs/measure.md describes
 * each field. Measurements are computed from it and are no part of it. One image has exactly one
 * byte string: image_decode refuses any other spelling of the same values.
 */
#pragma once

#include "base/buf.h"
#include "format/names.h"
#include "measure/verity.h"

enum {
    IMAGE_FORMAT = 1,
    IMAGE_MAX = 16 * 1024, /* bytes; one has about 1.5 KiB */
    IMAGE_PACKAGE_SIZE = 200,
    IMAGE_PYTHON_SIZE = 16,
    IMAGE_CMDLINE_SIZE = 2048, /* x86's COMMAND_LINE_SIZE, with the zero byte */
    IMAGE_MEMORY_MIN = 64 << 20,
};
#define IMAGE_MEMORY_MAX (UINT64_C(1) << 50)

/* A file by its digest, and the Debian package ("name version") that it came from. */
struct image_file {
    uint8_t sha256[SHA256_SIZE];
    char package[IMAGE_PACKAGE_SIZE];
};

/* All in place: nothing to free. */
struct image {
    char name[NAME_SIZE];
    char python[IMAGE_PYTHON_SIZE]; /* "3.11" */
    struct image_file firmware_snp; /* digest all zero: the image has none for this TEE */
    struct image_file firmware_tdx;
    struct image_file kernel;
    uint8_t initrd[SHA256_SIZE];
    uint8_t root[SHA256_SIZE]; /* of the file: file system and hash tree */
    struct verity verity;      /* of the file system */
    char cmdline[IMAGE_CMDLINE_SIZE];
    uint64_t memory_min;          /* bytes; the guest refuses to start with less */
    uint8_t runtime[SHA256_SIZE]; /* of mse-enclave */
    uint8_t lock[SHA256_SIZE];    /* of the list of packages */
};

/* Appends the canonical bytes. Checks every field as image_decode does: ERR_INVALID. */
int image_encode(const struct image *image, struct buf *out, struct err *err) MUST_USE;
/* Strict: known keys only, every value within its bounds, no zero digest, the command line's
 * mse.root= and mse.memory= as the fields say, the bytes those of image_encode. Errors: INVALID,
 * TOO_LARGE, UNSUPPORTED (another format). */
int image_decode(struct slice bytes, struct image *ret, struct err *err) MUST_USE;

/* What of this image makes a guest weaker than it could be, one sentence for people; NULL behind
 * the last. Every one is in the command line, and so in the measurement. */
const char *image_weakness(const struct image *image, size_t index);
