// SPDX-License-Identifier: Apache-2.0
/*
 * Two files and no more, whole lines, nothing lost before a second rotation.
 */
#include "base/rotating_file.h"
#include "testing.h"

#include <stdio.h>
#include <unistd.h>

static struct temp_folder temp;
static char path[96];
static char old_path[96];

static int setup(void **state)
{
    temp = temp_folder_new();
    (void)snprintf(path, sizeof(path), "%s/log", temp.path);
    (void)snprintf(old_path, sizeof(old_path), "%s/log.1", temp.path);
    return 0;
}

static int teardown(void **state)
{
    temp_folder_remove(&temp);
    return 0;
}

static void expect_content(const char *name, const char *expected)
{
    AUTO_BUF struct buf text = BUF_INIT(4096);
    OK(file_read(name, &text, &err));
    assert_string_equal(buf_text(&text), expected);
}

static void it_rotates_and_goes_on_where_it_was(void **state)
{
    struct rotating_file file;
    OK(rotating_file_open(&file, path, 20, &err));
    OK(rotating_file_write(&file, slice_str("one\ntwo\n"), &err));
    rotating_file_close(&file);
    OK(rotating_file_open(&file, path, 20, &err));
    assert_int_equal(file.size, 8);
    OK(rotating_file_write(&file, slice_str("3\n"), &err)); /* full to the byte */
    expect_content(path, "one\ntwo\n3\n");
    assert_false(file_exists(old_path));
    OK(rotating_file_write(&file, slice_str("4\n"), &err));
    expect_content(old_path, "one\ntwo\n3\n");
    expect_content(path, "4\n");
    /* More than a file may hold still stays together. */
    OK(rotating_file_write(&file, slice_str("a long line, longer\n"), &err));
    expect_content(old_path, "4\n");
    expect_content(path, "a long line, longer\n");
    rotating_file_close(&file);
    assert_int_equal(access(path, X_OK), -1);
}

static void what_both_hold_is_read_from_the_beginning_of_a_line(void **state)
{
    static const struct {
        uint64_t last;
        const char *expected;
    } cases[] = {
        {0, "one\ntwo\n3\n4\n"},
        {100, "one\ntwo\n3\n4\n"},
        {12, "one\ntwo\n3\n4\n"},
        {11, "two\n3\n4\n"},
        {8, "two\n3\n4\n"},
        {7, "3\n4\n"},
        {2, "4\n"},
        {1, ""},
    };
    struct rotating_file file;
    AUTO_BUF struct buf text = BUF_INIT(4096);
    OK(buf_str(&text, "of before", &err));
    OK(rotating_file_read(path, 0, &text, &err));
    assert_string_equal(buf_text(&text), ""); /* neither is there */
    OK(rotating_file_open(&file, path, 20, &err));
    OK(rotating_file_write(&file, slice_str("one\ntwo\n3\n"), &err));
    OK(rotating_file_write(&file, slice_str("4\n"), &err));
    assert_true(file_exists(old_path));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        OK(rotating_file_read(path, cases[i].last, &text, &err));
        assert_string_equal(buf_text(&text), cases[i].expected);
    }
    struct buf small = BUF_INIT(4);
    assert_int_equal(rotating_file_read(path, 0, &small, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    buf_done(&small);
    rotating_file_close(&file);
}

static void a_link_is_not_followed(void **state)
{
    struct rotating_file file;
    assert_int_equal(symlink("elsewhere", path), 0);
    FAILS(ERR_IO, "log", rotating_file_open(&file, path, 20, &err));
    assert_int_equal(unlink(path), 0);
}

/* Whoever takes the file away costs its lines, not the ones to come. */
static void it_comes_back_after_a_failure(void **state)
{
    struct rotating_file file;
    OK(rotating_file_open(&file, path, 20, &err));
    OK(rotating_file_write(&file, slice_str("one line\n"), &err));
    OK(folder_remove_tree(temp.path, &err));
    FAILS(ERR_NOT_FOUND, "log", rotating_file_write(&file, slice_str("lost\n"), &err));
    OK(folder_create(temp.path, 0700, &err));
    OK(rotating_file_write(&file, slice_str("kept\n"), &err));
    expect_content(path, "kept\n");
    rotating_file_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_rotates_and_goes_on_where_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(what_both_hold_is_read_from_the_beginning_of_a_line, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_link_is_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(it_comes_back_after_a_failure, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
