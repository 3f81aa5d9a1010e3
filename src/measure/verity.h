// SPDX-License-Identifier: Apache-2.0
/*
 * The root of a dm-verity tree without superblock: SHA-256, salt of 32 zero bytes, blocks of 4096
 * bytes, as `veritysetup format --no-superblock` makes it. It is computed from the data alone; a
 * stored tree is not looked at. The tree can be had too: it is what the kernel checks a block with.
 *
 * Source: Linux, Documentation/admin-guide/device-mapper/verity.rst; version 1 hashes the salt
 * before the block.
 */
#pragma once

#include "crypto/crypto.h"

enum {
    VERITY_BLOCK_SIZE = 4096,
    VERITY_SALT_SIZE = 32,
    VERITY_ROOT_SIZE = SHA256_SIZE,
    /* "<root>:<blocks>:<salt>", the form of mse.root= and image.json */
    VERITY_TEXT_SIZE = 2 * VERITY_ROOT_SIZE + 1 + 20 + 1 + 2 * VERITY_SALT_SIZE + 1,
};
/* 2^32 blocks are 16 TiB. */
#define VERITY_BLOCKS_MAX (UINT64_C(1) << 32)

struct verity {
    uint8_t root[VERITY_ROOT_SIZE];
    uint64_t blocks; /* of data */
};

/* Fills `block` with block number `index`. */
typedef int verity_read(void *context, uint64_t index, uint8_t block[static VERITY_BLOCK_SIZE],
                        struct err *err);

/* Reads each block once, in order. Errors: INVALID (no block, too many), what `read` fails with. */
int verity_root(uint64_t blocks, verity_read *read, void *context,
                uint8_t ret[static VERITY_ROOT_SIZE], struct err *err) MUST_USE;
/* Takes block number `number` of the file that data and tree make together, the tree behind the
 * data; not in order. */
typedef int verity_write(void *context, uint64_t number,
                         const uint8_t block[static VERITY_BLOCK_SIZE], struct err *err);
/* Like verity_root, and gives out the tree. `context` is for both functions. */
int verity_tree(uint64_t blocks, verity_read *read, verity_write *write, void *context,
                uint8_t ret[static VERITY_ROOT_SIZE], struct err *err) MUST_USE;
/* How many blocks the tree has; blocks > 0. */
uint64_t verity_tree_blocks(uint64_t blocks);
/* The same over bytes that are there (a mapped file): whole blocks. */
int verity_root_of(struct slice data, uint8_t ret[static VERITY_ROOT_SIZE],
                   struct err *err) MUST_USE;

void verity_text(const struct verity *verity, char ret[static VERITY_TEXT_SIZE]);
/* Strict: lower-case digits, no leading zero, the salt all zero. Errors: INVALID. */
int verity_parse(const char *text, struct verity *ret, struct err *err) MUST_USE;
