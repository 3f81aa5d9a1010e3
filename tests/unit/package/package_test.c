// SPDX-License-Identifier: Apache-2.0
/*
 * Packing and unpacking: deterministic, nothing visible, every change noticed by name, nothing left
 * behind after a failure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "package/package.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char folder[64]; /* holds code/ and out/ */

static const uint8_t key[PACKAGE_KEY_SIZE] = {1, 2, 3};
static const uint8_t salt[PACKAGE_SALT_SIZE] = {4, 5, 6};
static const struct package_keys keys = {.key = {key, sizeof(key)}, .salt = {salt, sizeof(salt)}};
static const struct archive_limits limits = {64 << 20, 1000};

static const char *at(const char *name)
{
    static char paths[4][256];
    static size_t next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void ok(int result)
{
    assert_int_equal(result, 0);
}

static void put(const char *name, struct slice bytes, mode_t mode)
{
    ok(file_write_atomic(at(name), bytes, mode, NULL));
}

/* Enough for several chunks when `large`. */
static void make_code(bool large)
{
    ok(folder_create_all(at("code/sub/empty"), 0755, NULL));
    put("code/app.py", slice_str("print('the marker in the source')\n"), 0644);
    put("code/sub/run", slice_str("#!/bin/sh\n"), 0755);
    put("code/sub/nothing", slice_str(""), 0600);
    ok(symlink("sub/run", at("code/link")));
    if (!large)
        return;
    AUTO_BUF struct buf big = BUF_INIT(4 << 20);
    for (uint32_t i = 0; i < 300000; i++)
        ok(buf_u32be(&big, i * 2654435761u, NULL));
    put("code/sub/big", buf_slice(&big), 0644);
}

static int set_up(void **state)
{
    (void)state;
    ok(crypto_init(NULL));
    (void)snprintf(folder, sizeof(folder), "/tmp/mse-package-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    return folder_remove_tree(folder, NULL);
}

static int sink_buf(void *context, struct slice bytes, struct err *err)
{
    return buf_bytes(context, bytes, err);
}

static void pack(struct buf *out, uint8_t *commitment)
{
    AUTO_TREE struct tree *tree = NULL;
    struct err err = ERR_INIT;
    if (tree_scan(at("code"), &tree, &err) < 0 ||
        package_write(tree, &keys, sink_buf, out, commitment, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(out->len, package_encrypted_size(tree->totals.archive_bytes));
    uint8_t alone[PACKAGE_COMMITMENT_SIZE];
    ok(package_commit(tree, keys.salt, alone, NULL));
    assert_memory_equal(alone, commitment, sizeof(alone));
}

/* A descriptor that reads these bytes. */
static int reading(struct slice bytes)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    ok(fd_write_all(fd, bytes, NULL));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static int unpack(struct slice bytes, const struct package_keys *with, const uint8_t *commitment,
                  struct err *err)
{
    AUTO_CLOSE int fd = reading(bytes);
    return package_unpack(fd, with, commitment, &limits, at("out"), err);
}

static void expect_nothing_left(void)
{
    assert_false(file_exists(at("out")));
    assert_false(file_exists(at("out.partial")));
}

static void expect_same(const char *name, mode_t mode)
{
    char a[128];
    char b[128];
    (void)snprintf(a, sizeof(a), "code/%s", name);
    (void)snprintf(b, sizeof(b), "out/%s", name);
    AUTO_BUF struct buf before = BUF_INIT(8 << 20);
    AUTO_BUF struct buf after = BUF_INIT(8 << 20);
    ok(file_read(at(a), &before, NULL));
    ok(file_read(at(b), &after, NULL));
    assert_true(slice_equal(buf_slice(&before), buf_slice(&after)));
    struct stat status;
    ok(stat(at(b), &status));
    assert_int_equal(status.st_mode & 0111, mode & 0111);
}

static void round_trip(bool large)
{
    (void)umask(022);
    make_code(large);
    AUTO_BUF struct buf first = BUF_INIT(8 << 20);
    AUTO_BUF struct buf second = BUF_INIT(8 << 20);
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE];
    uint8_t again[PACKAGE_COMMITMENT_SIZE];
    pack(&first, commitment);
    pack(&second, again);
    assert_true(slice_equal(buf_slice(&first), buf_slice(&second)));
    assert_memory_equal(commitment, again, sizeof(again));
    struct err err = ERR_INIT;
    if (unpack(buf_slice(&first), &keys, commitment, &err) < 0)
        fail_msg("%s", err.message);
    expect_same("app.py", 0644);
    expect_same("sub/run", 0755);
    expect_same("sub/nothing", 0644);
    assert_true(file_exists(at("out/sub/empty")));
    char target[64] = "";
    assert_int_equal(readlink(at("out/link"), target, sizeof(target) - 1), 7);
    assert_string_equal(target, "sub/run");
    assert_false(file_exists(at("out.partial")));
    if (large)
        expect_same("sub/big", 0644);
}

static void test_small(void **state)
{
    (void)state;
    round_trip(false);
}

static void test_large(void **state)
{
    (void)state;
    round_trip(true);
}

static void test_nothing_visible(void **state)
{
    (void)state;
    make_code(false);
    AUTO_BUF struct buf sealed = BUF_INIT(1 << 20);
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE];
    pack(&sealed, commitment);
    static const char *const words[] = {"marker", "app.py", "sub/run", "nothing", "mse-code"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        assert_null(memmem(sealed.data, sealed.len, words[i], strlen(words[i])));
    /* A small change of the code does not change the size. */
    put("code/app.py", slice_str("print('the marker in the source, longer by a few bytes')\n"),
        0644);
    AUTO_BUF struct buf other = BUF_INIT(1 << 20);
    uint8_t other_commitment[PACKAGE_COMMITMENT_SIZE];
    pack(&other, other_commitment);
    assert_int_equal(other.len, sealed.len);
    assert_memory_not_equal(commitment, other_commitment, sizeof(commitment));
}

static void test_every_byte(void **state)
{
    (void)state;
    make_code(false);
    AUTO_BUF struct buf sealed = BUF_INIT(1 << 20);
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE];
    pack(&sealed, commitment);
    for (size_t i = 0; i < sealed.len; i += i < 64 || i > sealed.len - 64 ? 1 : 13) {
        struct err err = ERR_INIT;
        sealed.data[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_equal(unpack(buf_slice(&sealed), &keys, commitment, &err), -1);
        assert_int_equal(err.kind, ERR_CRYPTO);
        assert_non_null(strstr(err.message, "piece 1 does not open"));
        sealed.data[i] ^= (uint8_t)(1u << (i % 8));
    }
    expect_nothing_left();
    ok(unpack(buf_slice(&sealed), &keys, commitment, NULL));
}

static void expect_refused(struct slice bytes, const struct package_keys *with,
                           const uint8_t *commitment, enum err_kind kind, const char *part)
{
    struct err err = ERR_INIT;
    assert_int_equal(unpack(bytes, with, commitment, &err), -1);
    assert_int_equal(err.kind, kind);
    if (strstr(err.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", err.message, part);
    expect_nothing_left();
}

static void test_pieces(void **state)
{
    (void)state;
    make_code(true);
    AUTO_BUF struct buf sealed = BUF_INIT(8 << 20);
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE];
    pack(&sealed, commitment);
    const size_t piece = PACKAGE_CHUNK_SIZE + STREAM_OVERHEAD;
    assert_true(sealed.len > 3 * piece);
    struct slice all = buf_slice(&sealed);
    expect_refused(slice_of(all.data, 0), &keys, commitment, ERR_CRYPTO, "truncated at piece 1");
    expect_refused(slice_of(all.data, piece), &keys, commitment, ERR_CRYPTO,
                   "truncated at piece 2");
    expect_refused(slice_of(all.data, piece + 100), &keys, commitment, ERR_CRYPTO,
                   "piece 2 does not open");
    expect_refused(slice_of(all.data + piece, all.len - piece), &keys, commitment, ERR_CRYPTO,
                   "piece 1 does not open");
    AUTO_BUF struct buf longer = BUF_INIT(8 << 20);
    ok(buf_bytes(&longer, all, NULL));
    ok(buf_u8(&longer, 0, NULL));
    expect_refused(buf_slice(&longer), &keys, commitment, ERR_CRYPTO, "piece");
    AUTO_BUF struct buf swapped = BUF_INIT(8 << 20);
    ok(buf_bytes(&swapped, slice_of(all.data, piece), NULL));
    ok(buf_bytes(&swapped, slice_of(all.data + 2 * piece, piece), NULL));
    ok(buf_bytes(&swapped, slice_of(all.data + piece, piece), NULL));
    ok(buf_bytes(&swapped, slice_of(all.data + 3 * piece, all.len - 3 * piece), NULL));
    expect_refused(buf_slice(&swapped), &keys, commitment, ERR_CRYPTO, "piece 2 does not open");
}

/* Behind a final piece of full size nothing can be confused with a longer last piece. */
static void test_trailing(void **state)
{
    (void)state;
    AUTO_BUF struct buf plain = BUF_INIT(2 << 20);
    ok(archive_header_append(&plain, NULL));
    ok(archive_file_append(&plain, "a", false, PACKAGE_CHUNK_SIZE - 24, NULL));
    while (plain.len < PACKAGE_CHUNK_SIZE)
        ok(buf_u8(&plain, 0, NULL));
    uint8_t material[STREAM_KEY_SIZE + STREAM_HEADER_SIZE];
    ok(hkdf_sha256(keys.key, keys.salt, slice_str("mse code archive 1"), material, sizeof(material),
                   NULL));
    AUTO_STREAM struct stream *stream = NULL;
    ok(stream_encrypt_new(material, material + STREAM_KEY_SIZE, &stream, NULL));
    AUTO_BUF struct buf sealed = BUF_INIT(2 << 20);
    uint8_t *place = buf_reserve(&sealed, plain.len + STREAM_OVERHEAD, NULL);
    ok(stream_encrypt(stream, buf_slice(&plain), slice_str("mse code archive 1"), true, place,
                      NULL));
    sealed.len = plain.len + STREAM_OVERHEAD;
    ok(buf_u8(&sealed, 0, NULL));
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE] = {0};
    expect_refused(buf_slice(&sealed), &keys, commitment, ERR_CRYPTO,
                   "bytes behind the final piece 1");
}

static void test_wrong_keys(void **state)
{
    (void)state;
    make_code(false);
    AUTO_BUF struct buf sealed = BUF_INIT(1 << 20);
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE];
    pack(&sealed, commitment);
    uint8_t other[32] = {9};
    struct package_keys wrong_key = {.key = slice_of(other, 32), .salt = keys.salt};
    struct package_keys wrong_salt = {.key = keys.key, .salt = slice_of(other, 32)};
    struct package_keys short_key = {.key = slice_of(other, 31), .salt = keys.salt};
    expect_refused(buf_slice(&sealed), &wrong_key, commitment, ERR_CRYPTO, "another key or salt");
    expect_refused(buf_slice(&sealed), &wrong_salt, commitment, ERR_CRYPTO, "another key or salt");
    expect_refused(buf_slice(&sealed), &short_key, commitment, ERR_INVALID, "32 and 32 bytes");
    commitment[31] ^= 1;
    expect_refused(buf_slice(&sealed), &keys, commitment, ERR_REJECTED, "commitment");
}

static void test_limits_and_places(void **state)
{
    (void)state;
    make_code(false);
    AUTO_BUF struct buf sealed = BUF_INIT(1 << 20);
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE];
    pack(&sealed, commitment);
    struct archive_limits small = {10000, 1000};
    struct err err = ERR_INIT;
    AUTO_CLOSE int fd = reading(buf_slice(&sealed));
    assert_int_equal(package_unpack(fd, &keys, commitment, &small, at("out"), &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    expect_nothing_left();
    /* Not into what is there already, but over an empty folder and over an old attempt. */
    ok(folder_create(at("out"), 0755, NULL));
    put("out/mine", slice_str("x"), 0644);
    assert_int_equal(unpack(buf_slice(&sealed), &keys, commitment, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_true(file_exists(at("out/mine")));
    ok(unlink(at("out/mine")));
    ok(folder_create_all(at("out.partial/old"), 0755, NULL));
    ok(unpack(buf_slice(&sealed), &keys, commitment, &err));
    assert_true(file_exists(at("out/app.py")));
    assert_false(file_exists(at("out/old")));
}

static int sink_fails(void *context, struct slice bytes, struct err *err)
{
    int *calls = context;
    (void)bytes;
    (*calls)++;
    return *calls < 2 ? 0 : FAIL(err, ERR_IO, "the sink is full");
}

static void test_failures_while_packing(void **state)
{
    (void)state;
    make_code(true);
    AUTO_TREE struct tree *tree = NULL;
    ok(tree_scan(at("code"), &tree, NULL));
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE];
    struct err err = ERR_INIT;
    int calls = 0;
    assert_int_equal(package_write(tree, &keys, sink_fails, &calls, commitment, &err), -1);
    assert_string_equal(err.message, "the sink is full");
    assert_int_equal(calls, 2);
    ok(truncate(at("code/sub/big"), 1000));
    AUTO_BUF struct buf out = BUF_INIT(8 << 20);
    assert_int_equal(package_write(tree, &keys, sink_buf, &out, commitment, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_non_null(strstr(err.message, "'sub/big' changed"));
}

/* Keys that were derived from one archive meet no other, however little is different. */
static void refuse_another(bool big, const char *path)
{
    make_code(big);
    uint8_t digest[PACKAGE_COMMITMENT_SIZE];
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE];
    struct package_keys derived = keys;
    derived.digest_key = slice_str("12345678901234567890123456789012");
    derived.digest = digest;
    for (int changed = 0; changed < 2; changed++) {
        AUTO_TREE struct tree *tree = NULL;
        AUTO_BUF struct buf out = BUF_INIT(8 << 20);
        struct err err = ERR_INIT;
        ok(tree_scan(at("code"), &tree, NULL));
        if (!changed)
            ok(package_commit(tree, derived.digest_key, digest, NULL));
        int result = package_write(tree, &derived, sink_buf, &out, commitment, &err);
        assert_int_equal(result, changed ? -1 : 0);
        assert_int_equal(err.kind, changed ? ERR_CONFLICT : ERR_NONE);
        AUTO_CLOSE int fd = open(at(path), O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "\x7f", 1, 0), 1);
    }
    ok(folder_remove_tree(at("code"), NULL));
}

static void test_derived_keys_meet_one_archive(void **state)
{
    (void)state;
    refuse_another(false, "code/app.py");
    refuse_another(true, "code/sub/big");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_small),
        TEST(test_large),
        TEST(test_nothing_visible),
        TEST(test_every_byte),
        TEST(test_pieces),
        TEST(test_trailing),
        TEST(test_wrong_keys),
        TEST(test_limits_and_places),
        TEST(test_failures_while_packing),
        TEST(test_derived_keys_meet_one_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
