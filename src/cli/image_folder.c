// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the folder of an image on the machine of somebody who wants to know what it measures.
 */
#include "cli/image_folder.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "model/guest.h"

#include <fcntl.h>
#include <stdlib.h>

int image_folder_open(const char *path, struct image_folder *ret, struct err *err)
{
    AUTO_FREE char *file = path_join(path, IMAGE_FILE_DESCRIPTION, err);
    ret->description = BUF_INIT(IMAGE_MAX);
    ret->path = str_copy(path, err);
    if (file == NULL || ret->path == NULL)
        return -1;
    if (file_read(file, &ret->description, err) < 0) {
        if (err->kind == ERR_NOT_FOUND)
            err_hint(err, "'mse image build' makes the folder of an image");
        return -1;
    }
    if (image_decode(buf_slice(&ret->description), &ret->image, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", file);
    return sha256(buf_slice(&ret->description), ret->digest, err);
}

void image_folder_done(struct image_folder *folder)
{
    free(folder->path);
    buf_done(&folder->description);
}

static int check_digest(const char *path, const uint8_t found[static SHA256_SIZE],
                        const uint8_t expected[static SHA256_SIZE], struct err *err)
{
    char found_text[2 * SHA256_SIZE + 1];
    char expected_text[2 * SHA256_SIZE + 1];
    if (crypto_equal(found, expected, SHA256_SIZE))
        return 0;
    hex_encode(slice_of(found, SHA256_SIZE), found_text);
    hex_encode(slice_of(expected, SHA256_SIZE), expected_text);
    (void)FAIL(err, ERR_INVALID, "'%s' has SHA-256 %s, " IMAGE_FILE_DESCRIPTION " says %s", path,
               found_text, expected_text);
    err_hint(err, "the folder is not the image that it says; build or fetch it again");
    return -1;
}

int image_folder_read(const struct image_folder *folder, const char *name,
                      const uint8_t expected[static SHA256_SIZE], struct buf *out, struct err *err)
{
    uint8_t found[SHA256_SIZE];
    AUTO_FREE char *path = path_join(folder->path, name, err);
    if (path == NULL || file_read(path, out, err) < 0 || sha256(buf_slice(out), found, err) < 0)
        return -1;
    return check_digest(path, found, expected, err);
}

static int read_block(void *context, uint64_t index, uint8_t block[static VERITY_BLOCK_SIZE],
                      struct err *err)
{
    size_t len = 0;
    (void)index; /* verity_root asks for one after another */
    if (fd_read_full(*(int *)context, block, VERITY_BLOCK_SIZE, &len, err) < 0)
        return -1;
    if (len < VERITY_BLOCK_SIZE)
        return FAIL(err, ERR_INVALID, "ends within block %llu", (unsigned long long)index);
    return 0;
}

int image_folder_check_root(const struct image_folder *folder, struct err *err)
{
    uint8_t found[SHA256_SIZE];
    const struct verity *verity = &folder->image.verity;
    AUTO_CLOSE int fd = -1;
    AUTO_FREE char *path = path_join(folder->path, IMAGE_FILE_ROOT, err);
    if (path == NULL || sha256_file(path, found, err) < 0 ||
        check_digest(path, found, folder->image.root, err) < 0 ||
        fd_open(path, O_RDONLY, 0, &fd, err) < 0)
        return -1;
    if (verity_root(verity->blocks, read_block, &fd, found, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", path);
    if (!crypto_equal(found, verity->root, sizeof(found)))
        return FAIL(err, ERR_INVALID, "'%s' has another verity root than its description says",
                    path);
    return 0;
}
