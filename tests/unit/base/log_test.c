// SPDX-License-Identifier: Apache-2.0
/*
 * The log's lines, caught from standard error through a pipe.
 */
#include "base/log.h"

#include "base/fd.h"
#include "testing.h"

#include <stdio.h>
#include <unistd.h>

/* Standard error goes to a pipe between these two; the text that came out is in `out`. */
struct capture {
    int saved;
    int reader;
};

static struct capture capture_start(void)
{
    int ends[2];
    OK(fd_pipe(ends, &err));
    struct capture capture = {.saved = dup(STDERR_FILENO), .reader = ends[0]};
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    fd_close(ends[1]);
    return capture;
}

static void capture_end(struct capture *capture, struct buf *out)
{
    assert_true(dup2(capture->saved, STDERR_FILENO) >= 0);
    fd_close(capture->saved);
    OK(fd_read_all(capture->reader, out, &err));
    fd_close(capture->reader);
}

static void test_line(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(10000);
    log_init("test", LOG_INFO);
    struct capture capture = capture_start();
    log_warning("%d apples", 3);
    capture_end(&capture, &out);
    const char *line = buf_text(&out);
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ warning test: 3 apples\n";
    assert_int_equal(out.len, strlen(form));
    for (size_t i = 0; i < strlen(form); i++) {
        bool digit = form[i] == 'd' && i < strlen("dddd-dd-ddTdd:dd:dd.ddd");
        assert_true(digit ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i]);
    }
}

static void test_levels(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(10000);
    struct capture capture = capture_start();
    log_init("test", LOG_WARNING);
    assert_int_equal(log_level(), LOG_WARNING);
    log_debug("one");
    log_info("two");
    log_warning("three");
    log_error("four");
    log_init("test", LOG_DEBUG);
    log_debug("five");
    capture_end(&capture, &out);
    const char *text = buf_text(&out);
    assert_null(strstr(text, "one"));
    assert_null(strstr(text, "two"));
    assert_non_null(strstr(text, " warning test: three\n"));
    assert_non_null(strstr(text, " error test: four\n"));
    assert_non_null(strstr(text, " debug test: five\n"));
}

static void test_no_forged_lines(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(10000);
    log_init("test", LOG_INFO);
    struct capture capture = capture_start();
    log_info("a\nb\x1b[31mc\r\x7f");
    capture_end(&capture, &out);
    assert_true(strstr(buf_text(&out), "test: a?b?[31mc??\n") != NULL);
    assert_ptr_equal(strchr(buf_text(&out), '\n'), buf_text(&out) + out.len - 1);
}

static void test_long_line_is_cut(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(10000);
    AUTO_FREE char *text = mem_alloc(5001, &err);
    memset(text, 'x', 5000);
    struct capture capture = capture_start();
    log_error("%s", text);
    capture_end(&capture, &out);
    assert_int_equal(out.len, 2048);
    assert_int_equal(out.data[2047], '\n');
    assert_int_equal(out.data[2046], 'x');
}

static void test_errors(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(10000);
    struct capture capture = capture_start();
    (void)FAIL(&err, ERR_IO, "100%% broken");
    log_err(LOG_ERROR, &err);
    err_hint(&err, "mend it");
    log_err(LOG_ERROR, &err);
    capture_end(&capture, &out);
    assert_non_null(strstr(buf_text(&out), ": 100% broken\n"));
    assert_non_null(strstr(buf_text(&out), ": 100% broken (mend it)\n"));
}

static void test_a_flood_is_bounded(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    struct log_spare spare = {0};
    struct capture capture = capture_start();
    for (int i = 0; i < 10000; i++)
        log_sparingly(&spare, LOG_WARNING, "line %d", i);
    atomic_fetch_sub(&spare.minute, 1); /* a minute later */
    log_sparingly(&spare, LOG_WARNING, "the next");
    capture_end(&capture, &out);
    size_t lines = 0;
    for (size_t i = 0; i < out.len; i++)
        lines += out.data[i] == '\n';
    assert_in_range(lines, LOG_SPARE_LINES + 2, 2 * LOG_SPARE_LINES + 3); /* a real minute's turn */
    assert_non_null(strstr(buf_text(&out), "line 0\n"));
    assert_non_null(strstr(buf_text(&out), " more lines of the following kind were left out\n"));
    assert_non_null(strstr(buf_text(&out), "the next\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_no_forged_lines),
        cmocka_unit_test(test_long_line_is_cut),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_a_flood_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
