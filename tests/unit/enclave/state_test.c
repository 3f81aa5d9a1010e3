// SPDX-License-Identifier: Apache-2.0
/*
 * The sealed state against whoever holds the disk: a file opens under its own name, for the
 * identity that wrote it, whole, or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "enclave/enclave.h"

#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/mse-state-XXXXXX";
static struct secret sealing;
static struct err err;

static void open_state(struct enclave *enclave, uint8_t fingerprint, uint32_t epoch)
{
    *enclave = (struct enclave){.state_folder = -1};
    memset(enclave->fingerprint, fingerprint, sizeof(enclave->fingerprint));
    enclave->manifest.key_epoch = epoch;
    int fd = -1;
    assert_int_equal(fd_open(folder, O_PATH | O_DIRECTORY, 0, &fd, &err), 0);
    assert_int_equal(state_open(enclave, fd, &sealing, &err), 0);
}

static enum err_kind read_kind(const struct enclave *enclave, const char *name, const char *text)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);
    err_clear(&err);
    if (state_read(enclave, name, &out, &err) == 0)
        assert_true(slice_is_str(buf_slice(&out), text));
    return err.kind;
}

static void path_of(const char *name, char path[static 64])
{
    (void)snprintf(path, 64, "%s/%s", folder, name);
}

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(crypto_init(&err), 0);
    assert_non_null(mkdtemp(folder));
    return secret_random(&sealing, TEE_SEALING_KEY_SIZE, &err);
}

static int tear_down(void **state)
{
    (void)state;
    secret_done(&sealing);
    int result = folder_remove_tree(folder, &err);
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    return result;
}

static void bound_to_name_and_identity(void **state)
{
    (void)state;
    struct enclave enclave;
    struct enclave other;
    char from[64];
    char to[64];
    open_state(&enclave, 1, 1);
    assert_int_equal(read_kind(&enclave, "a", ""), ERR_NOT_FOUND);
    assert_false(state_has(&enclave, "a"));
    assert_int_equal(state_write(&enclave, "a", slice_str("of a"), &err), 0);
    assert_int_equal(state_write(&enclave, "b", slice_str("of b"), &err), 0);
    assert_int_equal(read_kind(&enclave, "a", "of a"), ERR_NONE);
    open_state(&other, 1, 2);
    assert_int_equal(read_kind(&other, "a", ""), ERR_REJECTED);
    state_close(&other);
    open_state(&other, 2, 1);
    assert_int_equal(read_kind(&other, "a", ""), ERR_REJECTED);
    state_close(&other);
    path_of("a", from);
    path_of("b", to);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(read_kind(&enclave, "b", ""), ERR_REJECTED);
    assert_non_null(strstr(err.message, "'b'"));
    assert_int_equal(read_kind(&enclave, "a", ""), ERR_NOT_FOUND);
    state_close(&enclave);
}

static void every_cut_and_changed_byte_is_refused(void **state)
{
    (void)state;
    struct enclave enclave;
    char path[64];
    AUTO_BUF struct buf bytes = BUF_INIT(4096);
    open_state(&enclave, 1, 1);
    assert_int_equal(state_write(&enclave, "a", slice_str("text"), &err), 0);
    path_of("a", path);
    assert_int_equal(file_read(path, &bytes, &err), 0);
    for (size_t i = 0; i < bytes.len; i++) {
        assert_int_equal(file_write_atomic(path, slice_of(bytes.data, i), 0600, &err), 0);
        assert_int_equal(read_kind(&enclave, "a", ""), ERR_REJECTED);
        bytes.data[i] ^= 0x80;
        assert_int_equal(file_write_atomic(path, buf_slice(&bytes), 0600, &err), 0);
        assert_int_equal(read_kind(&enclave, "a", ""), ERR_REJECTED);
        bytes.data[i] ^= 0x80;
    }
    state_close(&enclave);
}

/* None of these may be taken for "there is none yet", nor keep the start waiting. */
static void other_things_in_its_place(void **state)
{
    (void)state;
    struct enclave enclave;
    char path[64];
    open_state(&enclave, 1, 1);
    path_of("a", path);
    assert_int_equal(symlink("nowhere", path), 0);
    assert_true(state_has(&enclave, "a"));
    assert_int_equal(read_kind(&enclave, "a", ""), ERR_REJECTED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(read_kind(&enclave, "a", ""), ERR_REJECTED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(read_kind(&enclave, "a", ""), ERR_REJECTED);
    assert_int_equal(rmdir(path), 0);
    /* as the version before this one wrote it */
    assert_int_equal(
        file_write_atomic(path, slice_str("-----BEGIN PRIVATE KEY-----\n"), 0600, &err), 0);
    assert_int_equal(read_kind(&enclave, "a", ""), ERR_REJECTED);
    assert_int_equal(truncate(path, STATE_FILE_MAX + 1), 0);
    assert_int_equal(read_kind(&enclave, "a", ""), ERR_REJECTED);
    state_close(&enclave);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bound_to_name_and_identity, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_cut_and_changed_byte_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_things_in_its_place, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
