// SPDX-License-Identifier: Apache-2.0
/*
 * Heads of stored files: a change of names that is cut off anywhere, or whose last block is lost,
 * leaves a file that is accepted at its old or at its new path, and never at neither.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "storage/head.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct err err;
static struct secret key;
static struct head_place place = {&key, "app"};

static int set_up(void **state)
{
    (void)state;
    return crypto_init(&err) < 0 || secret_random(&key, 32, &err) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    secret_done(&key);
    return 0;
}

static int new_file(const char *path)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(head_make(&place, fd, path), 0);
    return fd;
}

static bool is_at(int fd, const char *path)
{
    return head_check(&place, fd, path) == 0;
}

/* A block as the storage below has it after a write that the power cut: unreadable. */
static void lose_block(int fd, int number)
{
    static const uint8_t noise[HEAD_BLOCK] = {0x5a};
    assert_int_equal(pwrite(fd, noise, sizeof(noise), number * HEAD_BLOCK), sizeof(noise));
}

/* A copy of the file as it is. */
static int snapshot(int fd)
{
    uint8_t head[HEAD_SIZE];
    int copy = memfd_create("copy", MFD_CLOEXEC);
    assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
    assert_int_equal(pwrite(copy, head, sizeof(head), 0), sizeof(head));
    return copy;
}

/* The block that differs is the one that was written last: without it the file is at `path`. */
static void assert_survives(int before, int after, const char *path)
{
    uint8_t old[HEAD_BLOCK];
    uint8_t new[HEAD_BLOCK];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pread(before, old, sizeof(old), i * HEAD_BLOCK), sizeof(old));
        assert_int_equal(pread(after, new, sizeof(new), i * HEAD_BLOCK), sizeof(new));
        if (memcmp(old, new, sizeof(old)) == 0)
            continue;
        int torn = snapshot(after);
        lose_block(torn, i);
        assert_true(is_at(torn, path));
        (void)close(torn);
    }
}

static void a_new_file_is_at_its_path(void **state)
{
    (void)state;
    int fd = new_file("a/b");
    assert_true(is_at(fd, "a/b"));
    assert_false(is_at(fd, "a/c"));
    assert_false(is_at(fd, "b"));
    const struct head_place home = {&key, "home"};
    assert_int_equal(head_check(&home, fd, "a/b"), -ENOENT);
    (void)close(fd);
    fd = memfd_create("empty", MFD_CLOEXEC);
    assert_false(is_at(fd, "a/b"));
    (void)close(fd);
}

/* A hundred moves in a row, each cut at each of its two writes. */
static void a_move_that_is_cut_loses_nothing(void **state)
{
    (void)state;
    char now[16] = "file0";
    char next[16];
    int fd = new_file(now);
    for (int i = 1; i <= 100; i++) {
        (void)snprintf(next, sizeof(next), "file%d", i);
        int before = snapshot(fd);
        assert_int_equal(head_move_name(&place, fd, now, next, true), 0);
        assert_true(is_at(fd, now) && is_at(fd, next));
        assert_survives(before, fd, now); /* it has not been renamed yet */
        (void)close(before);
        before = snapshot(fd);
        assert_int_equal(head_settle(&place, fd, next), 0);
        assert_true(is_at(fd, next) && !is_at(fd, now));
        assert_survives(before, fd, next);
        (void)close(before);
        (void)snprintf(now, sizeof(now), "%s", next);
    }
    (void)close(fd);
}

static void a_move_that_failed_is_taken_back(void **state)
{
    (void)state;
    int fd = new_file("a");
    assert_int_equal(head_move_name(&place, fd, "a", "b", false), 0);
    assert_int_equal(head_settle(&place, fd, "a"), 0);
    assert_true(is_at(fd, "a") && !is_at(fd, "b"));
    (void)close(fd);
}

static void names_come_and_go(void **state)
{
    (void)state;
    char name[16];
    int fd = new_file("n0");
    for (int i = 1; i < HEAD_TAGS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        int before = snapshot(fd);
        assert_int_equal(head_add_name(&place, fd, "n0", name, true), 0);
        assert_survives(before, fd, "n0");
        (void)close(before);
    }
    assert_int_equal(head_add_name(&place, fd, "n0", "one too many", true), -EMLINK);
    assert_true(is_at(fd, "n0") && is_at(fd, "n63"));
    assert_int_equal(head_drop_name(&place, fd, "n0"), 0);
    assert_false(is_at(fd, "n0"));
    for (int i = 1; i < HEAD_TAGS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        assert_true(is_at(fd, name));
    }
    assert_int_equal(head_move_name(&place, fd, "n1", "m1", true), 0);
    assert_int_equal(head_settle(&place, fd, "m1"), 0);
    assert_true(is_at(fd, "m1") && is_at(fd, "n2") && !is_at(fd, "n1"));
    (void)close(fd);
}

static void other_blocks_are_none(void **state)
{
    (void)state;
    struct head_tags tags = {.count = 2};
    struct head_tags back;
    uint8_t block[HEAD_BLOCK];
    memset(tags.tags[0], 1, HEAD_TAG_SIZE);
    memset(tags.tags[1], 2, HEAD_TAG_SIZE);
    head_encode(&tags, block);
    assert_true(head_decode(slice_of(block, sizeof(block)), &back));
    assert_int_equal(back.count, 2);
    assert_memory_equal(back.tags, tags.tags, sizeof(tags.tags));
    static const size_t places[] = {0, 7, 8, 10 + 2 * HEAD_TAG_SIZE, HEAD_BLOCK - 1};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        block[places[i]] ^= 1;
        assert_false(head_decode(slice_of(block, sizeof(block)), &back));
        assert_int_equal(back.count, 0);
        block[places[i]] ^= 1;
    }
    block[9] = HEAD_TAGS_MAX + 1;
    assert_false(head_decode(slice_of(block, sizeof(block)), &back));
    assert_false(head_decode(slice_of(block, 100), &back));
    memset(block, 0, sizeof(block)); /* a hole */
    assert_false(head_decode(slice_of(block, sizeof(block)), &back));
}

static void a_links_text_is_of_one_place_and_target(void **state)
{
    (void)state;
    char *text = head_link_text(&place, "a/link", "../target");
    assert_string_equal(head_link_target(&place, "a/link", text), "../target");
    assert_null(head_link_target(&place, "b/link", text));
    text[HEAD_LINK_TAG]++;
    assert_null(head_link_target(&place, "a/link", text));
    assert_null(head_link_target(&place, "a/link", "../target"));
    assert_null(head_link_target(&place, "a/link", ""));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_is_at_its_path),
        cmocka_unit_test(a_move_that_is_cut_loses_nothing),
        cmocka_unit_test(a_move_that_failed_is_taken_back),
        cmocka_unit_test(names_come_and_go),
        cmocka_unit_test(other_blocks_are_none),
        cmocka_unit_test(a_links_text_is_of_one_place_and_target),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
