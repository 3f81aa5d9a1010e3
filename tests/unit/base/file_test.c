// SPDX-License-Identifier: Apache-2.0
/*
 * Files and folders in a temporary folder.
 */
#include "base/file.h"

#include "testing.h"

static void test_write_and_read(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *path = path_join(temp.path, "file", &err);
    AUTO_BUF struct buf text = BUF_INIT(100);
    FAILS(ERR_NOT_FOUND, "file", file_read(path, &text, &err));
    OK(file_write_atomic(path, slice_str("one"), 0640, &err));
    OK(file_write_atomic(path, slice_str("two"), 0640, &err));
    OK(file_read(path, &text, &err));
    assert_string_equal(buf_text(&text), "two");
    FAILS(ERR_EXISTS, "file", file_create_new(path, slice_str("three"), 0600, &err));
    OK(file_remove(path, &err));
    OK(file_remove(path, &err));
    assert_false(file_exists(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
