// SPDX-License-Identifier: Apache-2.0
/*
 * Descriptors over pipes, files and Unix sockets in a temporary folder.
 */
#include "base/fd.h"

#include "base/clock.h"
#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static bool is_close_on_exec(int fd)
{
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

static void test_close(void **state)
{
    errno = EDOM;
    fd_close(-1);
    AUTO_CLOSE int fd = -1;
    OK(fd_open("/dev/null", O_RDONLY, 0, &fd, &err));
    assert_true(is_close_on_exec(fd));
    int taken = fd_steal(&fd);
    assert_int_equal(fd, -1);
    errno = EDOM;
    fd_close(taken);
    assert_int_equal(errno, EDOM);
    assert_int_equal(fcntl(taken, F_GETFD), -1);
}

static void test_open_errors(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    int fd = -7;
    AUTO_CLOSE int folder = -1;
    FAILS(ERR_NOT_FOUND, "'/nowhere/x'", fd_open("/nowhere/x", O_RDONLY, 0, &fd, &err));
    OK(fd_open(temp.path, O_RDONLY | O_DIRECTORY, 0, &folder, &err));
    FAILS(ERR_EXISTS, "cannot open", fd_open(temp.path, O_CREAT | O_EXCL, 0600, &fd, &err));
    FAILS(ERR_IO, "cannot open", fd_open(temp.path, O_WRONLY, 0, &fd, &err));
    FAILS(ERR_NOT_FOUND, "'x'", fd_open_at(folder, "x", O_RDONLY, 0, &fd, &err));
    assert_int_equal(fd, -7);
    AUTO_CLOSE int made = -1;
    OK(fd_open_at(folder, "x", O_WRONLY | O_CREAT, 0600, &made, &err));
}

static void test_pipe(void **state)
{
    int ends[2];
    OK(fd_pipe(ends, &err));
    AUTO_CLOSE int reader = ends[0];
    int writer = ends[1];
    assert_true(is_close_on_exec(reader) && is_close_on_exec(writer));
    OK(fd_write_all(writer, slice_str("hello"), &err));
    OK(fd_write_all(writer, slice_of(NULL, 0), &err));
    char text[10];
    size_t len = 0;
    OK(fd_read_full(reader, text, 3, &len, &err));
    assert_int_equal(len, 3);
    fd_close(writer);
    OK(fd_read_full(reader, text, sizeof(text), &len, &err));
    assert_int_equal(len, 2);
    assert_memory_equal(text, "lo", 2);
}

static void test_read_and_write_errors(void **state)
{
    int ends[2];
    OK(fd_pipe(ends, &err));
    AUTO_CLOSE int reader = ends[0];
    AUTO_CLOSE int writer = ends[1];
    char text[4];
    size_t len = 77;
    FAILS(ERR_IO, "cannot write", fd_write_all(reader, slice_str("x"), &err));
    FAILS(ERR_IO, "cannot read", fd_read_full(writer, text, sizeof(text), &len, &err));
    assert_int_equal(len, 77);
    OK(fd_set_nonblocking(reader, true, &err));
    FAILS(ERR_IO, "cannot read", fd_read_full(reader, text, sizeof(text), &len, &err));
    assert_int_equal(err.errnum, EAGAIN);
    OK(fd_set_nonblocking(reader, false, &err));
    assert_int_equal(fcntl(reader, F_GETFL) & O_NONBLOCK, 0);
    FAILS(ERR_IO, "descriptor -1", fd_set_nonblocking(-1, true, &err));
}

/* The end of a pipe that has `count` bytes 'x' in it (at most what a pipe holds). */
static int pipe_with(size_t count)
{
    int ends[2];
    OK(fd_pipe(ends, &err));
    for (size_t i = 0; i < count; i++)
        OK(fd_write_all(ends[1], slice_str("x"), &err));
    fd_close(ends[1]);
    return ends[0];
}

static void test_read_all_at_the_maximum(void **state)
{
    static const struct {
        size_t count, max;
        bool fits;
    } cases[] = {{0, 0, true}, {1, 0, false}, {0, 5, true},       {4, 5, true},
                 {5, 5, true}, {6, 5, false}, {3000, 3000, true}, {3001, 3000, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_CLOSE int fd = pipe_with(cases[i].count);
        AUTO_BUF struct buf out = BUF_INIT(cases[i].max + 3);
        OK(buf_str(&out, "abc", &err));
        if (cases[i].fits) {
            OK(fd_read_all(fd, &out, &err));
            assert_int_equal(out.len, cases[i].count + 3);
        } else {
            FAILS(ERR_TOO_LARGE, "limit", fd_read_all(fd, &out, &err));
            assert_string_equal(buf_text(&out), "abc");
        }
        assert_int_equal(out.data[out.len], 0);
    }
}

static void test_read_all_fails(void **state)
{
    AUTO_CLOSE int folder = -1;
    AUTO_BUF struct buf out = BUF_INIT(100);
    OK(fd_open("/", O_RDONLY, 0, &folder, &err));
    FAILS(ERR_IO, "cannot read", fd_read_all(folder, &out, &err));
    assert_int_equal(out.len, 0);
}

static void on_alarm(int number)
{
    (void)number;
}

/* Signals keep coming, bytes do not: the wait ends at its time, and does not take the signal for
 * bytes. */
static void test_wait_is_interrupted(void **state)
{
    (void)state;
    int ends[2];
    const struct sigaction action = {.sa_handler = on_alarm}; /* without SA_RESTART */
    struct sigaction before;
    const struct itimerval often = {{0, 1000}, {0, 1000}};
    const struct itimerval never = {0};
    OK(fd_pipe(ends, &err));
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    FAILS(ERR_TIMEOUT, "in time", fd_wait_readable(ends[0], clock_monotonic_ms() + 50, &err));
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    OK(fd_write_all(ends[1], slice_str("x"), &err));
    OK(fd_wait_readable(ends[0], clock_monotonic_ms(), &err));
    fd_close(ends[1]);
    OK(fd_wait_readable(ends[0], clock_monotonic_ms() + 1000, &err));
    fd_close(ends[0]);
}

static void test_unix_socket(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *path = path_join(temp.path, "socket", &err);
    AUTO_CLOSE int listener = -1;
    AUTO_CLOSE int client = -1;
    FAILS(ERR_UNREACHABLE, "socket '/tmp", unix_connect(path, &client, &err));
    mode_t old = umask(0077);
    OK(unix_listen(path, 0660, &listener, &err));
    (void)umask(old);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0660);
    int other = -1;
    FAILS(ERR_EXISTS, "cannot bind", unix_listen(path, 0600, &other, &err));
    OK(unix_connect(path, &client, &err));
    AUTO_CLOSE int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(server >= 0 && is_close_on_exec(listener) && is_close_on_exec(client));
    OK(fd_write_all(client, slice_str("hi"), &err));
    char text[2];
    size_t len = 0;
    OK(fd_read_full(server, text, 2, &len, &err));
    assert_memory_equal(text, "hi", 2);
    fd_close(fd_steal(&listener));
    FAILS(ERR_UNREACHABLE, "Connection refused", unix_connect(path, &other, &err));
    assert_int_equal(other, -1);
}

static void test_unix_path_length(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    char path[200];
    size_t start = (size_t)snprintf(path, sizeof(path), "%s/", temp.path);
    memset(path + start, 'x', sizeof(path) - start);
    int fd = -7;
    path[108] = '\0';
    FAILS(ERR_INVALID, "108 bytes", unix_listen(path, 0600, &fd, &err));
    FAILS(ERR_INVALID, "108 bytes", unix_connect(path, &fd, &err));
    FAILS(ERR_INVALID, "0 bytes", unix_listen("", 0600, &fd, &err));
    assert_int_equal(fd, -7);
    path[107] = '\0';
    AUTO_CLOSE int longest = -1;
    OK(unix_listen(path, 0600, &longest, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_open_errors),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_read_and_write_errors),
        cmocka_unit_test(test_read_all_at_the_maximum),
        cmocka_unit_test(test_read_all_fails),
        cmocka_unit_test(test_wait_is_interrupted),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_unix_path_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
