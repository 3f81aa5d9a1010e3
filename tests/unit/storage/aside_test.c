// SPDX-License-Identifier: Apache-2.0
/*
 * What is stored, put aside and brought back: a file or a folder, with a copy left or nothing, and
 * from wherever an end cut it short.
 */
#include "storage/storage.h"

#include "base/file.h"
#include "testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct place {
    char path[128];
    char aside[140];
    char copying[140];
    char failed[140];
};

static struct place place_in(const struct temp_folder *folder)
{
    struct place place;
    (void)snprintf(place.path, sizeof(place.path), "%s/storage", folder->path);
    (void)snprintf(place.aside, sizeof(place.aside), "%s.aside", place.path);
    (void)snprintf(place.copying, sizeof(place.copying), "%s.copying", place.path);
    (void)snprintf(place.failed, sizeof(place.failed), "%s.failed", place.path);
    return place;
}

static void put(const char *path, const char *text)
{
    OK(file_write_atomic(path, slice_str(text), 0600, &err));
}

static void assert_text(const char *path, const char *text)
{
    AUTO_BUF struct buf found = BUF_INIT(256);
    OK(file_read(path, &found, &err));
    assert_string_equal(buf_text(&found), text);
}

static void assert_alone(const struct place *place)
{
    assert_false(file_exists(place->aside));
    assert_false(file_exists(place->copying));
    assert_false(file_exists(place->failed));
}

static void test_a_copy_stays(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    const struct place place = place_in(&folder);
    (void)state;
    put(place.path, "before");
    OK(storage_backing_put_aside(place.path, true, &err));
    assert_text(place.path, "before");
    FAILS(ERR_CONFLICT, "in the way", storage_backing_put_aside(place.path, true, &err));
    put(place.path, "after");
    OK(storage_backing_put_back(place.path, &err));
    assert_text(place.path, "before");
    assert_alone(&place);
    OK(storage_backing_put_back(place.path, &err)); /* nothing to do */
    assert_text(place.path, "before");
}

/* An image is allocated whole; only what was written is read and copied. */
static void test_an_image(void **state)
{
    enum { SIZE = 64 << 20, PLACE = 40 << 20 };
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    const struct place place = place_in(&folder);
    struct stat info;
    char found[6] = "";
    (void)state;
    int fd = open(place.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    if (fallocate(fd, 0, 0, SIZE) < 0) {
        (void)close(fd);
        skip();
    }
    assert_int_equal(pwrite(fd, "before", 6, PLACE), 6);
    assert_int_equal(fsync(fd), 0);
    int64_t used = storage_backing_used(place.path);
    OK(storage_backing_put_aside(place.path, true, &err));
    assert_int_equal(storage_backing_used(place.path), used);
    assert_int_equal(stat(place.aside, &info), 0);
    assert_int_equal(info.st_size, SIZE);
    assert_true(info.st_blocks * 512 < SIZE / 8);
    assert_int_equal(pwrite(fd, "after!", 6, PLACE), 6);
    (void)close(fd);
    OK(storage_backing_put_back(place.path, &err));
    fd = open(place.path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, found, sizeof(found), PLACE), 6);
    assert_memory_equal(found, "before", 6);
    (void)close(fd);
}

static void test_nothing_stays(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    const struct place place = place_in(&folder);
    (void)state;
    put(place.path, "before");
    OK(storage_backing_put_aside(place.path, false, &err));
    assert_false(file_exists(place.path));
    OK(storage_backing_put_back(place.path, &err)); /* before anything new was made */
    assert_text(place.path, "before");
    OK(storage_backing_put_aside(place.path, false, &err));
    put(place.path, "after");
    OK(storage_backing_forget_aside(place.path, &err));
    assert_text(place.path, "after");
    assert_alone(&place);
}

static void test_a_folder(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    const struct place place = place_in(&folder);
    char inside[160];
    (void)state;
    (void)snprintf(inside, sizeof(inside), "%s/file", place.path);
    OK(folder_create(place.path, 0700, &err));
    put(inside, "before");
    OK(storage_backing_put_aside(place.path, true, &err));
    put(inside, "after");
    OK(storage_backing_put_back(place.path, &err));
    assert_text(inside, "before");
    assert_alone(&place);
}

/* Each state that an end of the node can leave. */
static void test_cut_short(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    const struct place place = place_in(&folder);
    (void)state;
    put(place.path, "before"); /* in the middle of copying */
    put(place.copying, "bef");
    OK(storage_backing_put_back(place.path, &err));
    assert_text(place.path, "before");
    assert_alone(&place);
    put(place.failed, "after"); /* between the two renames of putting back */
    assert_int_equal(rename(place.path, place.aside), 0);
    OK(storage_backing_put_back(place.path, &err));
    assert_text(place.path, "before");
    assert_alone(&place);
    put(place.failed, "after"); /* behind them */
    OK(storage_backing_put_back(place.path, &err));
    assert_text(place.path, "before");
    assert_alone(&place);
}

static void test_nothing_stored(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    const struct place place = place_in(&folder);
    (void)state;
    OK(storage_backing_put_aside(place.path, true, &err));
    OK(storage_backing_put_back(place.path, &err));
    OK(storage_backing_forget_aside(place.path, &err));
    assert_false(file_exists(place.path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_stays), cmocka_unit_test(test_nothing_stays),
        cmocka_unit_test(test_an_image),     cmocka_unit_test(test_a_folder),
        cmocka_unit_test(test_cut_short),    cmocka_unit_test(test_nothing_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
