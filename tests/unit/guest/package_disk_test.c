// SPDX-License-Identifier: Apache-2.0
/*
 * The package disk: what was uploaded, padded to blocks; everything else is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "guest/package_disk.h"
#include "model/guest.h"
#include "model/manifest.h"
#include "model/package_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_ARCHIVE = 300000, DISK_MAX = 1 << 20 };

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/mse-package-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    return folder_remove_tree(folder, &err);
}

static int disk_of(struct slice bytes)
{
    int fd = memfd_create("disk", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.data, bytes.len), (ssize_t)bytes.len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void section(struct buf *out, enum package_section which, const void *bytes, size_t len)
{
    struct err err = ERR_INIT;
    assert_int_equal(package_section_append(out, which, len, &err), 0);
    assert_int_equal(buf_bytes(out, slice_of(bytes, len), &err), 0);
}

static void make_package(struct buf *out, size_t archive)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *code = mem_alloc(archive, &err);
    memset(code, 'c', archive);
    assert_int_equal(package_header_append(out, &err), 0);
    section(out, PACKAGE_MANIFEST, "{\"a\":1}", 7);
    section(out, PACKAGE_REQUIREMENTS, "flask", 5);
    section(out, PACKAGE_ARCHIVE, code, archive);
}

static void pad(struct buf *out, size_t more)
{
    struct err err = ERR_INIT;
    for (size_t i = 0; i < more; i++)
        assert_int_equal(buf_u8(out, 0, &err), 0);
}

static int unpack(struct slice bytes, struct buf *manifest, struct err *err)
{
    AUTO_CLOSE int disk = disk_of(bytes);
    struct err ignored = ERR_INIT;
    assert_int_equal(folder_remove_tree(folder, &ignored), 0);
    assert_int_equal(folder_create(folder, 0700, &ignored), 0);
    return package_disk_unpack(disk, folder, MAX_ARCHIVE, manifest, err);
}

static void test_padded_packages_are_laid_out(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4000, 65536, 200000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO_BUF struct buf disk = BUF_INIT(DISK_MAX);
        AUTO_BUF struct buf manifest = BUF_INIT(MANIFEST_MAX);
        AUTO_BUF struct buf code = BUF_INIT(DISK_MAX);
        char path[96];
        struct err err = ERR_INIT;
        make_package(&disk, sizes[i]);
        pad(&disk, (GUEST_BLOCK_SIZE - disk.len % GUEST_BLOCK_SIZE) % GUEST_BLOCK_SIZE);
        assert_int_equal(unpack(buf_slice(&disk), &manifest, &err), 0);
        assert_string_equal(buf_text(&manifest), "{\"a\":1}");
        (void)snprintf(path, sizeof(path), "%s/code.enc", folder);
        assert_int_equal(file_read(path, &code, &err), 0);
        assert_int_equal(code.len, sizes[i]);
        (void)snprintf(path, sizeof(path), "%s/certificate.pem", folder);
        assert_false(file_exists(path));
    }
}

static void refused(struct slice bytes, const char *expected)
{
    AUTO_BUF struct buf manifest = BUF_INIT(MANIFEST_MAX);
    struct err err = ERR_INIT;
    assert_int_equal(unpack(bytes, &manifest, &err), -1);
    if (strstr(err.message, expected) == NULL)
        fail_msg("'%s', expected '%s'", err.message, expected);
}

static void test_other_disks_are_refused(void **state)
{
    (void)state;
    AUTO_BUF struct buf disk = BUF_INIT(DISK_MAX);
    make_package(&disk, 5000);
    size_t whole = disk.len;
    for (size_t len = 0; len < whole; len += len < 80 ? 1 : 997)
        refused(slice_of(disk.data, len), "package: ");
    pad(&disk, GUEST_BLOCK_SIZE);
    refused(buf_slice(&disk), "something follows the package");
    disk.len = whole + 100;
    disk.data[whole + 99] = 1;
    refused(buf_slice(&disk), "something follows the package");
    disk.data[0] ^= 1;
    refused(buf_slice(&disk), "not an mse package");
    AUTO_BUF struct buf large = BUF_INIT(DISK_MAX);
    make_package(&large, MAX_ARCHIVE + 1);
    refused(buf_slice(&large), "the limit is 300000");
}

static int read_environment(struct slice bytes, struct buf *out, struct err *err)
{
    AUTO_CLOSE int disk = disk_of(bytes);
    return environment_disk_read(disk, out, err);
}

static void test_environment(void **state)
{
    (void)state;
    uint8_t disk[GUEST_BLOCK_SIZE] = {0, 0, 0, 4, 't', 'e', 's', 't'};
    AUTO_BUF struct buf out = BUF_INIT(GUEST_ENVIRONMENT_MAX);
    struct err err = ERR_INIT;
    assert_int_equal(read_environment(slice_of(disk, sizeof(disk)), &out, &err), 0);
    assert_string_equal(buf_text(&out), "test");
    for (size_t len = 0; len < 8; len++)
        assert_int_equal(read_environment(slice_of(disk, len), &out, &err), -1);
    disk[sizeof(disk) - 1] = 1;
    assert_int_equal(read_environment(slice_of(disk, sizeof(disk)), &out, &err), -1);
    assert_non_null(strstr(err.message, "something follows the description"));
    disk[1] = 0xff;
    assert_int_equal(read_environment(slice_of(disk, sizeof(disk)), &out, &err), -1);
    AUTO_BUF struct buf large = BUF_INIT(DISK_MAX);
    pad(&large, DISK_MAX / 2);
    assert_int_equal(read_environment(buf_slice(&large), &out, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_padded_packages_are_laid_out),
                                       cmocka_unit_test(test_other_disks_are_refused),
                                       cmocka_unit_test(test_environment)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
