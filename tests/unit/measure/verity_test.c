// SPDX-License-Identifier: Apache-2.0
/*
 * dm-verity roots as `veritysetup format --no-superblock` prints them, at every edge of the tree,
 * and the one way to write them down.
 */
#include "known.h"

#include "measure/verity.h"

/* Byte k of block i is 31 i + k, and its last 8 bytes are i. */
static int read_pattern(void *context, uint64_t index, uint8_t block[static VERITY_BLOCK_SIZE],
                        struct err *error)
{
    uint64_t *expected = context;
    if (index != *expected)
        return FAIL(error, ERR_INTERNAL, "blocks out of order");
    (*expected)++;
    for (size_t k = 0; k < VERITY_BLOCK_SIZE - 8; k++)
        block[k] = (uint8_t)((index & 255) * 31 + k);
    for (size_t k = 0; k < 8; k++)
        block[VERITY_BLOCK_SIZE - 8 + k] = (uint8_t)(index >> 8 * k);
    return 0;
}

static const struct {
    uint64_t blocks;
    const char *root;
} answers[] = {
    {1, "9ebd729a704463f170a947f015df032b2cd55601124002f810a153769f9b16c6"},
    {2, "0330dead19305caeb7d60bd84351a847b43c8b84d808b2b6d762c864d02f37fb"},
    {127, "2d831c961b8df6e8ddcb7afe0dd290e2f6c39834de31b3064c18bfef9ed5dcd0"},
    {128, "87dc7cf2839bd1f781a60339627c824d8d8c8c9c9331ef9898377bcf94aabc3c"},
    {129, "af5e076caf6990f33005d1af82469d0ae26687fe94c845d1c9fdc0274f8f5517"},
    {16384, "761e3e01a157a0747354b4b73a6cdae919f0f6c7665b1fc9cf1c05e9ada91697"},
    {16385, "75fdd11ed0344e80b42bdf01cdd4b8b5fb5f881dafce9d62734d024d36d0df17"},
};

static void roots_of_veritysetup(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        uint64_t next = 0;
        uint8_t root[VERITY_ROOT_SIZE];
        OK(verity_root(answers[i].blocks, read_pattern, &next, root, &err));
        assert_digest(root, sizeof(root), answers[i].root);
        assert_int_equal(next, answers[i].blocks);
    }
}

struct stored {
    struct buf image;
    uint64_t next;
};

static int read_stored(void *context, uint64_t index, uint8_t block[static VERITY_BLOCK_SIZE],
                       struct err *error)
{
    struct stored *stored = context;
    return read_pattern(&stored->next, index, block, error);
}

static int store(void *context, uint64_t number, const uint8_t block[static VERITY_BLOCK_SIZE],
                 struct err *error)
{
    struct stored *stored = context;
    (void)error;
    assert_true((number + 1) * VERITY_BLOCK_SIZE <= stored->image.cap);
    memcpy(stored->image.data + number * VERITY_BLOCK_SIZE, block, VERITY_BLOCK_SIZE);
    return 0;
}

/* SHA-256 of what `veritysetup format --no-superblock` appends to the same data. */
static void trees_of_veritysetup(void **state)
{
    (void)state;
    static const struct {
        uint64_t blocks;
        uint64_t tree;
        const char *sha256;
    } trees[] = {
        {1, 0, NULL},
        {2, 1, "f237586db9942aea5a0303d4ee501a097f7aab901394de682ebf8f6f4b1fb2dc"},
        {129, 3, "c76aa51f9695923a3c8991a5c01be7887b19dd125c01b7b8b8978e4acf187141"},
        {16385, 132, "82b11c5f8e4793e99e744893ee22dd788132bce755dd16815c94a48abe864677"},
    };
    for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
        const uint64_t blocks = trees[i].blocks;
        const size_t data = blocks * VERITY_BLOCK_SIZE;
        const size_t all = data + trees[i].tree * VERITY_BLOCK_SIZE;
        struct stored stored = {.image = BUF_INIT(all)};
        uint8_t root[VERITY_ROOT_SIZE];
        uint8_t plain[VERITY_ROOT_SIZE];
        uint8_t digest[SHA256_SIZE];
        uint64_t next = 0;
        assert_int_equal(verity_tree_blocks(blocks), trees[i].tree);
        assert_non_null(buf_reserve(&stored.image, all, &err));
        OK(verity_tree(blocks, read_stored, store, &stored, root, &err));
        OK(verity_root(blocks, read_pattern, &next, plain, &err));
        assert_memory_equal(root, plain, sizeof(root));
        if (trees[i].sha256 != NULL) {
            OK(sha256(slice_of(stored.image.data + data, all - data), digest, &err));
            assert_digest(digest, sizeof(digest), trees[i].sha256);
        }
        buf_done(&stored.image);
    }
}

static void bytes_that_are_there(void **state)
{
    (void)state;
    enum { BLOCKS = 129, STRIDE = 4099 };
    AUTO_BUF struct buf data = BUF_INIT(BLOCKS * VERITY_BLOCK_SIZE);
    uint8_t *bytes = buf_reserve(&data, (size_t)BLOCKS * VERITY_BLOCK_SIZE, &err);
    uint8_t root[VERITY_ROOT_SIZE];
    assert_non_null(bytes);
    for (uint64_t i = 0; i < BLOCKS;)
        OK(read_pattern(&i, i, bytes + i * VERITY_BLOCK_SIZE, &err));
    struct slice all = slice_of(bytes, (size_t)BLOCKS * VERITY_BLOCK_SIZE);
    OK(verity_root_of(all, root, &err));
    assert_digest(root, sizeof(root), answers[4].root);
    for (size_t i = 0; i < all.len; i += STRIDE) {
        uint8_t other[VERITY_ROOT_SIZE];
        bytes[i] ^= 0x04;
        OK(verity_root_of(all, other, &err));
        bytes[i] ^= 0x04;
        assert_memory_not_equal(other, root, sizeof(root));
    }
    FAILS(ERR_INVALID, "whole blocks", verity_root_of(slice_of(bytes, 4095), root, &err));
    FAILS(ERR_INVALID, "0 blocks", verity_root_of(slice_of(bytes, 0), root, &err));
}

static int read_failing(void *context, uint64_t index, uint8_t block[static VERITY_BLOCK_SIZE],
                        struct err *error)
{
    (void)context;
    memset(block, 0, VERITY_BLOCK_SIZE);
    return index < 3 ? 0 : FAIL(error, ERR_IO, "cannot read block 3");
}

static void a_read_that_fails_is_told(void **state)
{
    (void)state;
    uint8_t root[VERITY_ROOT_SIZE];
    FAILS(ERR_IO, "block 3", verity_root(9, read_failing, NULL, root, &err));
    FAILS(ERR_INVALID, "expected 1 to 2^32",
          verity_root(VERITY_BLOCKS_MAX + 1, read_failing, NULL, root, &err));
}

#define ROOT "6960d3e593540918e963081bf185bf7816570d15484791378fed10497bd0ca52"
#define SALT "0000000000000000000000000000000000000000000000000000000000000000"

static void one_way_to_write_it(void **state)
{
    (void)state;
    struct verity verity;
    char text[VERITY_TEXT_SIZE];
    OK(verity_parse(ROOT ":8158:" SALT, &verity, &err));
    assert_true(verity.blocks == 8158);
    verity_text(&verity, text);
    assert_string_equal(text, ROOT ":8158:" SALT);
    static const char *const refused[] = {
        "",
        ":",
        "::",
        ROOT,
        ROOT ":8158",
        ROOT ":8158:",
        ROOT "::" SALT,
        ROOT ":0:" SALT,
        ROOT ":08158:" SALT,
        ROOT ":+8158:" SALT,
        ROOT ":8158:" SALT "0",
        ROOT ":8158:" SALT " ",
        ROOT "0:8158:" SALT,
        ROOT ":4294967297:" SALT,
        ROOT ":99999999999999999999999:" SALT,
        "6960D3e593540918e963081bf185bf7816570d15484791378fed10497bd0ca52:8158:" SALT,
        "g960d3e593540918e963081bf185bf7816570d15484791378fed10497bd0ca52:8158:" SALT,
        ROOT ":8158:1000000000000000000000000000000000000000000000000000000000000000",
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        FAILS(ERR_INVALID, "is not ROOT:BLOCKS:SALT", verity_parse(refused[i], &verity, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_of_veritysetup), cmocka_unit_test(trees_of_veritysetup),
        cmocka_unit_test(bytes_that_are_there), cmocka_unit_test(a_read_that_fails_is_told),
        cmocka_unit_test(one_way_to_write_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
