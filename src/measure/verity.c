// SPDX-License-Identifier: Apache-2.0
/*
 * dm-verity's root hash in one pass over the data: each level of the tree keeps the one block that
 * is being filled with the hashes of the level below.
 */
#include "measure/verity.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    HASHES_A_BLOCK = VERITY_BLOCK_SIZE / SHA256_SIZE,
    HASHES_BITS = 7, /* 2^7 hashes */
    LEVELS_MAX = 5,  /* VERITY_BLOCKS_MAX needs no more */
};
_Static_assert(HASHES_A_BLOCK == 1 << HASHES_BITS, "a power of two");

struct level {
    uint8_t block[VERITY_BLOCK_SIZE];
    size_t count;    /* hashes in it */
    uint64_t number; /* of the block, where the tree is stored: the top level comes first */
};

struct tree {
    struct level levels[LEVELS_MAX];
    size_t depth; /* levels of hashes; 0 where one block is all */
    uint8_t root[VERITY_ROOT_SIZE];
    verity_write *write; /* NULL: the tree is not wanted */
    void *context;
};

static size_t depth_of(uint64_t blocks)
{
    size_t depth = 0;
    while ((blocks - 1) >> (HASHES_BITS * depth) != 0)
        depth++;
    return depth;
}

static int hash_block(const uint8_t block[static VERITY_BLOCK_SIZE],
                      uint8_t ret[static SHA256_SIZE], struct err *err)
{
    static const uint8_t salt[VERITY_SALT_SIZE];
    AUTO_DIGEST struct digest *digest = NULL;
    if (digest_new_sha256(&digest, err) < 0 ||
        digest_update(digest, slice_of(salt, sizeof(salt)), err) < 0 ||
        digest_update(digest, slice_of(block, VERITY_BLOCK_SIZE), err) < 0)
        return -1;
    return digest_final(digest, ret, err);
}

/* Blocks of hashes on one level, over so many blocks of data. */
static uint64_t blocks_of_level(uint64_t blocks, size_t level)
{
    return ((blocks - 1) >> (HASHES_BITS * (level + 1))) + 1;
}

uint64_t verity_tree_blocks(uint64_t blocks)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < depth_of(blocks); i++)
        sum += blocks_of_level(blocks, i);
    return sum;
}

static void number_levels(struct tree *tree, uint64_t blocks)
{
    uint64_t number = blocks;
    for (size_t i = tree->depth; i > 0; i--) {
        tree->levels[i - 1].number = number;
        number += blocks_of_level(blocks, i - 1);
    }
}

/* Hashes the level's block, with zeros where no hash came, and empties it. */
static int close_block(struct tree *tree, struct level *level, uint8_t ret[static SHA256_SIZE],
                       struct err *err)
{
    if (hash_block(level->block, ret, err) < 0)
        return -1;
    if (tree->write != NULL && tree->write(tree->context, level->number, level->block, err) < 0)
        return -1;
    *level = (struct level){.number = level->number + 1};
    return 0;
}

/* A hash for `level`; a block that is full goes up, what goes up from the top is the root. */
static int put_hash(struct tree *tree, size_t level, uint8_t hash[static SHA256_SIZE],
                    struct err *err)
{
    for (; level < tree->depth; level++) {
        struct level *to = &tree->levels[level];
        memcpy(to->block + to->count * SHA256_SIZE, hash, SHA256_SIZE);
        to->count++;
        if (to->count < HASHES_A_BLOCK)
            return 0;
        if (close_block(tree, to, hash, err) < 0)
            return -1;
    }
    memcpy(tree->root, hash, sizeof(tree->root));
    return 0;
}

/* The last blocks, which are not full. */
static int finish(struct tree *tree, struct err *err)
{
    for (size_t i = 0; i < tree->depth; i++) {
        uint8_t hash[SHA256_SIZE];
        if (tree->levels[i].count > 0 && (close_block(tree, &tree->levels[i], hash, err) < 0 ||
                                          put_hash(tree, i + 1, hash, err) < 0))
            return -1;
    }
    return 0;
}

int verity_tree(uint64_t blocks, verity_read *read, verity_write *write, void *context,
                uint8_t ret[static VERITY_ROOT_SIZE], struct err *err)
{
    if (blocks == 0 || blocks > VERITY_BLOCKS_MAX)
        return FAIL(err, ERR_INVALID, "verity: %" PRIu64 " blocks, expected 1 to 2^32", blocks);
    struct tree tree = {.depth = depth_of(blocks), .write = write, .context = context};
    number_levels(&tree, blocks);
    for (uint64_t i = 0; i < blocks; i++) {
        uint8_t block[VERITY_BLOCK_SIZE];
        uint8_t hash[SHA256_SIZE];
        if (read(context, i, block, err) < 0 || hash_block(block, hash, err) < 0 ||
            put_hash(&tree, 0, hash, err) < 0)
            return -1;
    }
    if (finish(&tree, err) < 0)
        return -1;
    memcpy(ret, tree.root, sizeof(tree.root));
    return 0;
}

int verity_root(uint64_t blocks, verity_read *read, void *context,
                uint8_t ret[static VERITY_ROOT_SIZE], struct err *err)
{
    return verity_tree(blocks, read, NULL, context, ret, err);
}

static int read_slice(void *context, uint64_t index, uint8_t block[static VERITY_BLOCK_SIZE],
                      struct err *err)
{
    const struct slice *data = context;
    (void)err;
    memcpy(block, data->data + index * VERITY_BLOCK_SIZE, VERITY_BLOCK_SIZE);
    return 0;
}

int verity_root_of(struct slice data, uint8_t ret[static VERITY_ROOT_SIZE], struct err *err)
{
    if (data.len % VERITY_BLOCK_SIZE != 0)
        return FAIL(err, ERR_INVALID, "verity: %zu bytes, expected whole blocks of %d", data.len,
                    VERITY_BLOCK_SIZE);
    return verity_root(data.len / VERITY_BLOCK_SIZE, read_slice, &data, ret, err);
}

void verity_text(const struct verity *verity, char ret[static VERITY_TEXT_SIZE])
{
    char root[2 * VERITY_ROOT_SIZE + 1];
    hex_encode(slice_of(verity->root, sizeof(verity->root)), root);
    (void)snprintf(ret, VERITY_TEXT_SIZE, "%s:%" PRIu64 ":%0*d", root, verity->blocks,
                   2 * VERITY_SALT_SIZE, 0);
}

/* Any other spelling than verity_text's is refused: an image has one description. */
int verity_parse(const char *text, struct verity *ret, struct err *err)
{
    struct verity verity = {.blocks = 0};
    char root[2 * VERITY_ROOT_SIZE + 1];
    char number[21];
    char again[VERITY_TEXT_SIZE];
    const char *first = strchr(text, ':');
    const char *second = first == NULL ? NULL : strchr(first + 1, ':');
    if (second != NULL && (size_t)(first - text) < sizeof(root) &&
        (size_t)(second - first - 1) < sizeof(number)) {
        (void)snprintf(root, sizeof(root), "%.*s", (int)(first - text), text);
        (void)snprintf(number, sizeof(number), "%.*s", (int)(second - first - 1), first + 1);
        if (hex_decode(root, "root", verity.root, sizeof(verity.root), NULL) == 0 &&
            parse_u64(number, "blocks", 1, VERITY_BLOCKS_MAX, &verity.blocks, NULL) == 0) {
            verity_text(&verity, again);
            if (strcmp(text, again) == 0) {
                *ret = verity;
                return 0;
            }
        }
    }
    return FAIL(err, ERR_INVALID,
                "verity: '%.200s' is not ROOT:BLOCKS:SALT: 64 lower-case hexadecimal digits, a "
                "number, 64 zeros",
                text);
}
