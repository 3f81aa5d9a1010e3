// SPDX-License-Identifier: Apache-2.0
/*
 * The disks of a VM: the package is the uploaded one to the byte, whole blocks, and the storage is
 * made once.
 */
#include "testing.h"

#include "launch/vm_disks.h"
#include "model/guest.h"
#include "model/package_format.h"

#include <stdio.h>
#include <sys/stat.h>

static void put(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    OK(file_write_atomic(path, slice_str(text), 0600, &err));
}

static void read_back(const char *folder, const char *name, struct buf *out)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    OK(file_read(path, out, &err));
    assert_int_equal(out->len % GUEST_BLOCK_SIZE, 0);
}

/* What package_reader makes of the disk: the sections' names and bytes, one after another. */
static int begin(void *context, enum package_section section, uint64_t length, struct err *error)
{
    return buf_printf(context, error, "%s %llu:", package_section_name(section),
                      (unsigned long long)length);
}

static int data(void *context, enum package_section section, struct slice bytes, struct err *error)
{
    (void)section;
    return buf_bytes(context, bytes, error);
}

static int end(void *context, enum package_section section, struct err *error)
{
    (void)section;
    return buf_str(context, "\n", error);
}

static void the_package_is_the_uploaded_one(void **state)
{
    (void)state;
    static const struct package_handler handler = {begin, data, end};
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    AUTO_BUF struct buf disk = BUF_INIT(1 << 20);
    AUTO_BUF struct buf sections = BUF_INIT(1 << 20);
    struct launch_spec spec = {.package = folder.path};
    struct package_reader reader;
    put(folder.path, "manifest.json", "{}");
    put(folder.path, "requirements.txt", "");
    put(folder.path, "certificate.pem", "a certificate");
    put(folder.path, "code.enc", "encrypted");
    OK(vm_disks_make(folder.path, &spec, slice_str("{\"a\":1}"), &err));
    read_back(folder.path, VM_DISK_PACKAGE, &disk);
    package_reader_init(&reader, &handler, &sections, 1 << 20);
    size_t len = disk.len;
    while (len > 0 && disk.data[len - 1] == 0)
        len--;
    OK(package_reader_feed(&reader, slice_of(disk.data, len), &err));
    OK(package_reader_end(&reader, &err));
    assert_string_equal(buf_text(&sections),
                        "manifest 2:{}\ncertificate 13:a certificate\narchive 9:encrypted\n");

    AUTO_BUF struct buf environment = BUF_INIT(1 << 20);
    read_back(folder.path, VM_DISK_ENVIRONMENT, &environment);
    assert_memory_equal(environment.data, "\0\0\0\7{\"a\":1}\0", 12);

    /* once more over what is there: another description */
    OK(vm_disks_make(folder.path, &spec, slice_str("{}"), &err));
    buf_clear(&environment);
    read_back(folder.path, VM_DISK_ENVIRONMENT, &environment);
    assert_memory_equal(environment.data, "\0\0\0\2{}\0", 7);
}

static void a_description_has_a_limit(void **state)
{
    (void)state;
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    AUTO_BUF struct buf large = BUF_INIT(GUEST_ENVIRONMENT_MAX + 1);
    struct launch_spec spec = {.package = folder.path};
    assert_non_null(buf_reserve(&large, GUEST_ENVIRONMENT_MAX + 1, &err));
    FAILS(ERR_TOO_LARGE, "at most 65536",
          vm_disks_make(folder.path, &spec, slice_of(large.data, GUEST_ENVIRONMENT_MAX + 1), &err));
}

static void the_storage_is_made_once(void **state)
{
    (void)state;
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    char path[128];
    struct stat info;
    (void)snprintf(path, sizeof(path), "%s/storage", folder.path);
    struct launch_spec spec = {.storage = path};
    FAILS(ERR_INVALID, "has a size", vm_storage_make(&spec, &err));
    spec.quota_bytes = (1 << 20) + 1;
    OK(vm_storage_make(&spec, &err));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 1 << 20);
    assert_int_equal(info.st_mode & 0777, 0600);
    spec.quota_bytes = 2 << 20; /* what is in it stays */
    OK(vm_storage_make(&spec, &err));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_package_is_the_uploaded_one),
        cmocka_unit_test(a_description_has_a_limit),
        cmocka_unit_test(the_storage_is_made_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
