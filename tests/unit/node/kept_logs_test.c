// SPDX-License-Identifier: Apache-2.0
/*
 * The logs of releases that do not run: moved once, brought back, cut to their end, removed when
 * they are old.
 */
#include "testing.h"

#include "node/kept_logs.h"

#include "base/clock.h"
#include "base/file.h"

#include <sys/stat.h>

#define ID "11111111-1111-4111-8111-111111111111"

struct fixture {
    struct temp_folder folder;
    char *logs;
    char *app;
};

static int set_up(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture), &err);
    assert_non_null(fixture);
    fixture->folder = temp_folder_new();
    fixture->logs = path_join(fixture->folder.path, "logs", NULL);
    fixture->app = path_join(fixture->folder.path, "app", NULL);
    OK(folder_create(fixture->logs, 0700, &err));
    OK(folder_create(fixture->app, 0700, &err));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    temp_folder_remove(&fixture->folder);
    free(fixture->logs);
    free(fixture->app);
    free(fixture);
    return 0;
}

static void write_log(const struct fixture *fixture, const char *name, const char *text)
{
    AUTO_FREE char *path = path_join(fixture->app, name, NULL);
    OK(file_write_atomic(path, slice_str(text), 0600, &err));
}

/* "" where it is not there. */
static void expect(const char *folder, const char *name, const char *text)
{
    struct err ignored = ERR_INIT;
    AUTO_BUF struct buf found = BUF_INIT(4 << 20);
    AUTO_FREE char *path = path_join(folder, name, NULL);
    (void)!file_read(path, &found, &ignored);
    assert_string_equal(buf_text(&found), text);
}

static void moved_and_back_test(void **state)
{
    const struct fixture *fixture = *state;
    write_log(fixture, "log", "new\n");
    write_log(fixture, "log.1", "old\n");
    OK(kept_log_put(fixture->logs, ID, 3, fixture->app, &err));
    expect(fixture->logs, ID "/3", "new\n");
    expect(fixture->logs, ID "/3.1", "old\n");
    expect(fixture->app, "log", "");
    write_log(fixture, "log", "of another release\n");
    OK(kept_log_put(fixture->logs, ID, 3, fixture->app, &err)); /* a step done again */
    expect(fixture->logs, ID "/3", "new\n");
    expect(fixture->app, "log", "of another release\n");
    OK(kept_log_put(fixture->logs, ID, 4, fixture->app, &err));
    OK(kept_log_take_back(fixture->logs, ID, 3, fixture->app, &err));
    expect(fixture->app, "log", "new\n");
    expect(fixture->app, "log.1", "old\n");
    expect(fixture->logs, ID "/3", "");
    expect(fixture->logs, ID "/4", "of another release\n");
}

static void nothing_there_test(void **state)
{
    const struct fixture *fixture = *state;
    OK(kept_log_put(fixture->logs, ID, 1, fixture->app, &err));
    OK(kept_log_take_back(fixture->logs, ID, 1, fixture->app, &err));
    OK(kept_log_cut(fixture->logs, ID, 1, &err));
    OK(kept_log_forget(fixture->logs, ID, 1, &err));
    OK(kept_logs_forget_app(fixture->logs, ID, &err));
    OK(kept_logs_forget_app(fixture->logs, ID, &err));
}

static void write_lines(const struct fixture *fixture, const char *name, const char *word,
                        size_t size)
{
    AUTO_BUF struct buf text = BUF_INIT(4 << 20);
    for (int i = 0; text.len < size; i++)
        OK(buf_printf(&text, &err, "%s %d\n", word, i));
    write_log(fixture, name, buf_text(&text));
}

static size_t size_of(const struct fixture *fixture, const char *name)
{
    struct stat info = {0};
    AUTO_FREE char *path = path_join(fixture->logs, name, NULL);
    return stat(path, &info) == 0 ? (size_t)info.st_size : 0;
}

/* The end is what stays, of both files together, from the beginning of a line. */
static void cut_test(void **state)
{
    const struct fixture *fixture = *state;
    AUTO_FREE char *first = path_join(fixture->logs, ID "/1.1", NULL);
    AUTO_BUF struct buf text = BUF_INIT(4 << 20);
    write_lines(fixture, "log", "newer", 1000);
    write_lines(fixture, "log.1", "older", (size_t)2 * KEPT_LOG_MAX);
    OK(kept_log_put(fixture->logs, ID, 1, fixture->app, &err));
    OK(kept_log_cut(fixture->logs, ID, 1, &err));
    size_t both = size_of(fixture, ID "/1") + size_of(fixture, ID "/1.1");
    assert_in_range(both, KEPT_LOG_MAX - 100, KEPT_LOG_MAX);
    assert_in_range(size_of(fixture, ID "/1"), 1000, 1100);
    OK(file_read(first, &text, &err));
    assert_memory_equal(buf_text(&text), "older ", 6);
    write_lines(fixture, "log", "newer", (size_t)2 * KEPT_LOG_MAX);
    write_lines(fixture, "log.1", "older", 1000);
    OK(kept_log_put(fixture->logs, ID, 2, fixture->app, &err));
    OK(kept_log_cut(fixture->logs, ID, 2, &err));
    assert_in_range(size_of(fixture, ID "/2"), KEPT_LOG_MAX - 100, KEPT_LOG_MAX);
    assert_int_equal(size_of(fixture, ID "/2.1"), 0);
}

static void old_ones_go_test(void **state)
{
    const struct fixture *fixture = *state;
    AUTO_FREE char *path = path_join(fixture->app, "log", NULL);
    const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    write_log(fixture, "log", "text\n");
    assert_int_equal(utimensat(-1, path, long_ago, 0), 0); /* silent for years: it ends now */
    OK(kept_log_put(fixture->logs, ID, 1, fixture->app, &err));
    OK(kept_logs_trim(fixture->logs, clock_unix() - 100, &err));
    expect(fixture->logs, ID "/1", "text\n");
    OK(kept_logs_trim(fixture->logs, clock_unix() + 100, &err));
    expect(fixture->logs, ID "/1", "");
    OK(kept_logs_trim(fixture->logs, clock_unix() + 100, &err));
    assert_false(file_exists(fixture->logs) && size_of(fixture, ID) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(moved_and_back_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_there_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cut_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_ones_go_test, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
