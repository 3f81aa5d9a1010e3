// SPDX-License-Identifier: Apache-2.0
/*
 * The folder of an image (docs/image.md), read and believed in nothing but its description: every
 * file must have the digest that image.json says, the root its verity root too.
 */
#pragma once

#include "measure/image.h"

struct image_folder {
    char *path;
    struct buf description; /* image.json */
    uint8_t digest[SHA256_SIZE];
    struct image image;
};

#define AUTO_IMAGE_FOLDER __attribute__((cleanup(image_folder_done)))

/* Reads and decodes image.json; *ret must be zeroed. Errors: NOT_FOUND, INVALID, IO. */
int image_folder_open(const char *path, struct image_folder *ret, struct err *err) MUST_USE;
void image_folder_done(struct image_folder *folder);

/* Appends a file of the folder whose SHA-256 must be this. Errors: INVALID (another file). */
int image_folder_read(const struct image_folder *folder, const char *name,
                      const uint8_t expected[static SHA256_SIZE], struct buf *out,
                      struct err *err) MUST_USE;
/* The file `root`: its digest, and the verity root of what is in it. */
int image_folder_check_root(const struct image_folder *folder, struct err *err) MUST_USE;
