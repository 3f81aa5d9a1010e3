// SPDX-License-Identifier: Apache-2.0
/*
 * The history of the storage against whoever holds the disk: each start is one opening more; what
 * another app, another epoch or nobody wrote there is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "enclave/enclave.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/mse-history-XXXXXX";
static char path[64];
static struct err err;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(crypto_init(&err), 0);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/history", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    int result = folder_remove_tree(folder, &err);
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    return result;
}

/* A start with this volume key; ERR_NONE or why not. */
static enum err_kind start(struct enclave *enclave, uint8_t key, const char *id, uint64_t epoch)
{
    *enclave = (struct enclave){.state_folder = -1};
    (void)snprintf(enclave->manifest.id, sizeof(enclave->manifest.id), "%s", id);
    enclave->manifest.key_epoch = epoch;
    assert_int_equal(secret_init(&enclave->volume_key, TEE_SEALING_KEY_SIZE, &err), 0);
    memset(enclave->volume_key.data, key, TEE_SEALING_KEY_SIZE);
    err_clear(&err);
    int status = history_open(enclave, path, &err);
    secret_done(&enclave->volume_key);
    return status == 0 ? ERR_NONE : err.kind;
}

static void each_start_is_one_more(void **state)
{
    (void)state;
    static struct enclave first;
    static struct enclave now;
    struct storage_word word;
    assert_int_equal(start(&first, 1, "a", 1), ERR_NONE);
    assert_int_equal(first.history.openings, 1);
    for (uint64_t i = 2; i < STORAGE_HEADS_MAX + 3; i++) {
        assert_int_equal(start(&now, 1, "a", 1), ERR_NONE);
        assert_int_equal(now.history.openings, i);
        storage_history_say(&now.history, 1, &word);
        assert_int_equal(word.has_then, i <= STORAGE_HEADS_MAX);
        if (word.has_then)
            assert_memory_equal(word.then, first.history.heads[0], STORAGE_HEAD_SIZE);
    }
}

static void an_older_copy_splits(void **state)
{
    (void)state;
    static struct enclave one;
    static struct enclave two;
    AUTO_BUF struct buf copy = BUF_INIT(64 << 10);
    assert_int_equal(start(&one, 1, "a", 1), ERR_NONE);
    assert_int_equal(file_read(path, &copy, &err), 0);
    assert_int_equal(start(&one, 1, "a", 1), ERR_NONE);
    assert_int_equal(file_write_atomic(path, buf_slice(&copy), 0600, &err), 0);
    assert_int_equal(start(&two, 1, "a", 1), ERR_NONE);
    assert_int_equal(two.history.openings, one.history.openings);
    assert_memory_not_equal(two.history.heads[1], one.history.heads[1], STORAGE_HEAD_SIZE);
}

static void of_another_app_or_epoch(void **state)
{
    (void)state;
    static struct enclave enclave;
    assert_int_equal(start(&enclave, 1, "a", 1), ERR_NONE);
    assert_int_equal(start(&enclave, 2, "a", 1), ERR_REJECTED);
    assert_int_equal(start(&enclave, 1, "b", 1), ERR_REJECTED);
    assert_int_equal(start(&enclave, 1, "a", 2), ERR_REJECTED);
    assert_non_null(strstr(err.message, "not what this app wrote"));
    assert_int_equal(start(&enclave, 1, "a", 1), ERR_NONE);
    assert_int_equal(enclave.history.openings, 2);
}

static void no_changed_byte_is_taken(void **state)
{
    (void)state;
    static struct enclave enclave;
    AUTO_BUF struct buf good = BUF_INIT(64 << 10);
    assert_int_equal(start(&enclave, 1, "a", 1), ERR_NONE);
    assert_int_equal(file_read(path, &good, &err), 0);
    for (size_t i = 0; i < good.len; i++) {
        good.data[i] ^= 1;
        assert_int_equal(file_write_atomic(path, buf_slice(&good), 0600, &err), 0);
        assert_int_equal(start(&enclave, 1, "a", 1), ERR_REJECTED);
        good.data[i] ^= 1;
    }
    assert_int_equal(file_write_atomic(path, slice_of(good.data, good.len - 1), 0600, &err), 0);
    assert_int_equal(start(&enclave, 1, "a", 1), ERR_REJECTED);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    static struct enclave enclave;
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(start(&enclave, 1, "a", 1), ERR_REJECTED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(start(&enclave, 1, "a", 1), ERR_REJECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_start_is_one_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_copy_splits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_another_app_or_epoch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_changed_byte_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
