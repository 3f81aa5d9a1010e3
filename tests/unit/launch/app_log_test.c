// SPDX-License-Identifier: Apache-2.0
/*
 * The app's log: printable lines with a time, a bounded size, a tail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "launch/app_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/mse-app-log-XXXXXX";

static int set_up(void **state)
{
    (void)memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    return mkdtemp(folder) == NULL || chdir(folder) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    return chdir("/") < 0 ? -1 : folder_remove_tree(folder, &err);
}

static void open_log(struct app_log *log, uint64_t max)
{
    struct err err = ERR_INIT;
    assert_int_equal(app_log_open(log, max, &err), 0);
}

/* The line of the file without its time. */
static void assert_line(const char *text)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf found = BUF_INIT(1 << 20);
    assert_int_equal(file_read("log", &found, &err), 0);
    assert_true(found.len > strlen("2026-11-22T10:00:00.123Z "));
    assert_string_equal(buf_text(&found) + strlen("2026-11-22T10:00:00.123Z "), text);
}

static void test_pieces_become_a_line(void **state)
{
    struct app_log log;
    open_log(&log, 1 << 20);
    app_log_write(&log, slice_str("hel"));
    app_log_write(&log, slice_str("lo\r\n"));
    app_log_close(&log);
    assert_line("hello\n");
}

static void test_an_unfinished_line_is_kept(void **state)
{
    struct app_log log;
    open_log(&log, 1 << 20);
    app_log_write(&log, slice_str("no newline"));
    app_log_close(&log);
    assert_line("no newline\n");
}

static void test_control_characters(void **state)
{
    struct app_log log;
    open_log(&log, 1 << 20);
    app_log_write(&log, slice_str("a\x1b[2J\tb\x7f \xc3\xa9 \xc2\x9b"
                                  "31m\n"));
    app_log_close(&log);
    assert_line("a?[2J\tb? \xc3\xa9 ?31m\n");
}

static void test_bytes_that_are_no_text(void **state)
{
    struct app_log log;
    open_log(&log, 1 << 20);
    app_log_write(&log, slice_of("\xff\xfe\0z\n", 5));
    app_log_close(&log);
    assert_line("???z\n");
}

static void test_rotation(void **state)
{
    struct app_log log;
    struct stat info;
    open_log(&log, 4096);
    for (int i = 0; i < 1000; i++)
        app_log_write(&log, slice_str("0123456789\n"));
    app_log_close(&log);
    assert_int_equal(stat("log", &info), 0);
    assert_true(info.st_size <= 2048);
    assert_int_equal(stat("log.1", &info), 0);
    assert_true(info.st_size <= 2048);
}

static void test_tail(void **state)
{
    struct app_log log;
    char line[32];
    open_log(&log, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(line, sizeof(line), "line %d\n", i);
        app_log_write(&log, slice_str(line));
    }
    assert_true(log.tail_len <= sizeof(log.tail));
    assert_memory_equal(log.tail + log.tail_len - 9, "line 999\n", 9);
    assert_memory_equal(log.tail, "line ", 5);
    app_log_close(&log);
}

static void test_the_end(void **state)
{
    struct app_log log;
    open_log(&log, 1 << 20);
    assert_false(app_log_ends_with(&log, "over"));
    app_log_write(&log, slice_str("over\nerror enclave: it is over\n"));
    assert_true(app_log_ends_with(&log, "it is over"));
    assert_false(app_log_ends_with(&log, "it is"));
    app_log_write(&log, slice_str("more"));
    assert_false(app_log_ends_with(&log, "it is over"));
    app_log_close(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces_become_a_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_unfinished_line_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_control_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bytes_that_are_no_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rotation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_end, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
