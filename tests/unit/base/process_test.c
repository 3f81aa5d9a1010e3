// SPDX-License-Identifier: Apache-2.0
/*
 * Real small programs are started; their output, descriptors, signals and ends are looked at.
 */
#include "base/process.h"

#include "base/clock.h"
#include "base/fd.h"
#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG_MS = 30000 };

/* Runs a shell command to its successful end; what it wrote is appended to out. */
static void run_shell(const struct process_spec *more, const char *command, struct buf *out)
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    struct process_spec spec = more == NULL ? (struct process_spec){0} : *more;
    spec.argv = argv;
    AUTO_BUF struct buf errors = BUF_INIT(1000);
    int status = -1;
    OK(process_run(&spec, slice_of(NULL, 0), out, &errors, LONG_MS, &status, &err));
    assert_string_equal(buf_text(&errors), "");
    assert_int_equal(status, 0);
}

static void test_run(void **state)
{
    const char *const argv[] = {"sh", "-c", "cat; echo problem >&2; exit 3", NULL};
    AUTO_BUF struct buf out = BUF_INIT(100);
    AUTO_BUF struct buf errors = BUF_INIT(100);
    int status = 0;
    OK(process_run(&(struct process_spec){.argv = argv}, slice_str("input"), &out, &errors, LONG_MS,
                   &status, &err));
    assert_string_equal(buf_text(&out), "input");
    assert_string_equal(buf_text(&errors), "problem\n");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static void test_run_much(void **state)
{
    const char *const argv[] = {"cat", NULL};
    enum { SIZE = 300000 };
    AUTO_FREE uint8_t *input = mem_alloc(SIZE, &err);
    memset(input, 'x', SIZE);
    AUTO_BUF struct buf all = BUF_INIT(SIZE);
    AUTO_BUF struct buf part = BUF_INIT(1000);
    AUTO_BUF struct buf errors = BUF_INIT(0);
    struct process_spec spec = {.argv = argv};
    int status = -1;
    OK(process_run(&spec, slice_of(input, SIZE), &all, &errors, LONG_MS, &status, &err));
    assert_true(slice_equal(buf_slice(&all), slice_of(input, SIZE)));
    OK(process_run(&spec, slice_of(input, SIZE), &part, &errors, LONG_MS, &status, &err));
    assert_int_equal(part.len, 1000);
    assert_int_equal(status, 0);
}

static void test_run_times_out(void **state)
{
    const char *const argv[] = {"sh", "-c", "echo $$; sleep 60 & wait", NULL};
    AUTO_BUF struct buf out = BUF_INIT(100);
    AUTO_BUF struct buf errors = BUF_INIT(100);
    int status = 77;
    struct process_spec spec = {.argv = argv, .new_session = true};
    FAILS(ERR_TIMEOUT, "'sh': not done after 300 ms",
          process_run(&spec, slice_of(NULL, 0), &out, &errors, 300, &status, &err));
    assert_int_equal(status, 77);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left, */
    assert_int_equal(errno, ECHILD);
}

/* What a daemon leaves open does not keep process_run waiting. */
static void test_run_with_a_process_left_behind(void **state)
{
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    AUTO_BUF struct buf out = BUF_INIT(100);
    run_shell(NULL, "sleep 60 & echo $!", &out);
    pid_t left = (pid_t)strtol(buf_text(&out), NULL, 10);
    assert_true(left > 1);
    assert_int_equal(kill(left, SIGKILL), 0);
    assert_int_equal(waitpid(left, NULL, 0), left);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

struct watched {
    pid_t pid;
    int looks;
    int refuse_at; /* 0: at the start */
};

static int see_start(void *context, pid_t pid, struct err *failure)
{
    struct watched *watched = context;
    watched->pid = pid;
    return watched->refuse_at == 0 ? FAIL(failure, ERR_BUSY, "not today") : 0;
}

static int look(void *context, struct err *failure)
{
    struct watched *watched = context;
    return ++watched->looks == watched->refuse_at ? FAIL(failure, ERR_APP, "too much") : 0;
}

/* Who watches a run may end it: at its start, or later. */
static void test_run_is_watched(void **state)
{
    (void)state;
    const char *const argv[] = {"sleep", "1000", NULL};
    AUTO_BUF struct buf out = BUF_INIT(100);
    AUTO_BUF struct buf errors = BUF_INIT(100);
    struct watched watched = {.refuse_at = 3};
    struct process_spec spec = {
        .argv = argv, .started = see_start, .watch = look, .context = &watched, .watch_ms = 5};
    int status = 0;
    FAILS(ERR_APP, "too much",
          process_run(&spec, slice_of(NULL, 0), &out, &errors, LONG_MS, &status, &err));
    assert_int_equal(watched.looks, 3);
    assert_int_equal(kill(watched.pid, 0), -1);
    watched = (struct watched){0};
    FAILS(ERR_BUSY, "not today",
          process_run(&spec, slice_of(NULL, 0), &out, &errors, LONG_MS, &status, &err));
    assert_int_equal(watched.looks, 0);
    assert_int_equal(kill(watched.pid, 0), -1);
}

static int refuse_to_prepare(const struct process_spec *spec)
{
    (void)spec;
    errno = EXDEV;
    return -1;
}

static void test_prepare(void **state)
{
    (void)state;
    const char *const argv[] = {"true", NULL};
    pid_t pid = -1;
    const struct process_spec spec = {.argv = argv, .prepare = refuse_to_prepare};
    FAILS(ERR_IO, "cannot prepare 'true'", process_start(&spec, &pid, &err));
    assert_int_equal(err.errnum, EXDEV);
}

static void test_environment(void **state)
{
    AUTO_BUF struct buf none = BUF_INIT(1000);
    AUTO_BUF struct buf some = BUF_INIT(1000);
    const char *const argv[] = {"env", NULL};
    const char *const env[] = {"ONE=1", "TWO=a b", NULL};
    AUTO_BUF struct buf errors = BUF_INIT(1000);
    int status = -1;
    OK(process_run(&(struct process_spec){.argv = argv}, slice_of(NULL, 0), &none, &errors, LONG_MS,
                   &status, &err));
    assert_string_equal(buf_text(&none), "");
    OK(process_run(&(struct process_spec){.argv = argv, .env = env}, slice_of(NULL, 0), &some,
                   &errors, LONG_MS, &status, &err));
    assert_string_equal(buf_text(&some), "ONE=1\nTWO=a b\n");
}

static void test_folder(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *resolved = path_resolve(temp.path, &err);
    AUTO_BUF struct buf out = BUF_INIT(1000);
    run_shell(&(struct process_spec){.folder = temp.path}, "pwd -P", &out);
    AUTO_FREE char *expected = str_printf(&err, "%s\n", resolved);
    assert_string_equal(buf_text(&out), expected);
}

static void test_only_named_descriptors(void **state)
{
    int ends[2];
    OK(fd_pipe(ends, &err));
    AUTO_CLOSE int reader = ends[0];
    AUTO_CLOSE int inheritable = dup(ends[1]); /* without close-on-exec, and still not passed on */
    assert_true(inheritable >= 0);
    AUTO_CLOSE int writer = ends[1];
    const struct process_fd fds[] = {{.from = writer, .to = 7}};
    AUTO_BUF struct buf out = BUF_INIT(1000);
    run_shell(&(struct process_spec){.fds = fds, .fd_count = 1},
              "for n in $(seq 0 99); do [ -e /proc/$$/fd/$n ] && echo $n; done; echo hi >&7", &out);
    assert_string_equal(buf_text(&out), "0\n1\n2\n7\n");
    char text[3];
    size_t len = 0;
    OK(fd_read_full(reader, text, 3, &len, &err));
    assert_memory_equal(text, "hi\n", 3);
}

static void test_standard_descriptors_are_null(void **state)
{
    const char *const argv[] = {
        "sh", "-c",
        "[ $(readlink /proc/$$/fd/0) = /dev/null ] && [ $(readlink /proc/$$/fd/1) = /dev/null ] &&"
        " [ $(readlink /proc/$$/fd/2) = /dev/null ]",
        NULL};
    pid_t pid = -1;
    int status = -1;
    OK(process_start(&(struct process_spec){.argv = argv}, &pid, &err));
    OK(process_wait(pid, &status, &err));
    assert_int_equal(status, 0);
}

/* Each of three descriptors takes the number of the next: in any order of copying one by one,
 * somebody would be overwritten. */
static void test_descriptors_change_places(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    int fds[3];
    for (int i = 0; i < 3; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        AUTO_FREE char *path = path_join(temp.path, name, &err);
        OK(file_write_atomic(path, slice_str(name), 0600, &err));
        OK(fd_open(path, O_RDONLY, 0, &fds[i], &err));
    }
    const struct process_fd turned[] = {{.from = fds[0], .to = fds[1]},
                                        {.from = fds[1], .to = fds[2]},
                                        {.from = fds[2], .to = fds[0]},
                                        {.from = fds[0], .to = 0}};
    AUTO_FREE char *command = str_printf(&err,
                                         "cat /proc/self/fd/%d /proc/self/fd/%d "
                                         "/proc/self/fd/%d /proc/self/fd/0",
                                         fds[0], fds[1], fds[2]);
    AUTO_BUF struct buf out = BUF_INIT(100);
    run_shell(&(struct process_spec){.fds = turned, .fd_count = 4}, command, &out);
    assert_string_equal(buf_text(&out), "caba");
    for (int i = 0; i < 3; i++) {
        assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0); /* as they were here */
        fd_close(fds[i]);
    }
}

/* Without 32 and 33: these are glibc's own, which nobody but it can set, and whoever started the
 * tests may have left them ignored. */
static uint64_t signal_mask(const char *status, const char *key)
{
    const char *line = strstr(status, key);
    assert_non_null(line);
    return strtoull(line + strlen(key), NULL, 16) & ~(UINT64_C(3) << 31);
}

static void test_signals_are_reset(void **state)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction old;
    sigset_t blocked;
    sigset_t old_mask;
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGUSR1);
    assert_int_equal(sigaction(SIGPIPE, &ignore, &old), 0);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &old_mask), 0);
    AUTO_BUF struct buf out = BUF_INIT(1000);
    run_shell(NULL, "grep -E '^Sig(Ign|Blk)' /proc/self/status", &out);
    assert_int_equal(signal_mask(buf_text(&out), "SigBlk:"), 0);
    assert_int_equal(signal_mask(buf_text(&out), "SigIgn:"), 0);
    sigset_t now;
    assert_int_equal(sigprocmask(SIG_SETMASK, &old_mask, &now), 0);
    assert_int_equal(sigismember(&now, SIGUSR1), 1); /* and here they stayed */
    assert_int_equal(sigismember(&now, SIGTERM), 0);
    assert_int_equal(sigaction(SIGPIPE, &old, NULL), 0);
}

static void test_session(void **state)
{
    AUTO_BUF struct buf own = BUF_INIT(100);
    AUTO_BUF struct buf same = BUF_INIT(100);
    static const char command[] = "read -r p n s r g session rest < /proc/$$/stat;"
                                  "[ $session = $$ ] && echo own || echo same";
    run_shell(&(struct process_spec){.new_session = true}, command, &own);
    run_shell(NULL, command, &same);
    assert_string_equal(buf_text(&own), "own\n");
    assert_string_equal(buf_text(&same), "same\n");
}

static void test_ids(void **state)
{
    if (geteuid() != 0)
        skip();
    AUTO_BUF struct buf out = BUF_INIT(100);
    run_shell(&(struct process_spec){.set_ids = true, .uid = 65534, .gid = 65533},
              "id -u; id -g; id -G", &out);
    assert_string_equal(buf_text(&out), "65534\n65533\n65533\n");
    run_shell(NULL, "true", &out);
    const char *const argv[] = {"true", NULL};
    pid_t pid = fork();
    if (pid == 0) { /* who has no privilege cannot become somebody else */
        pid_t started = -1;
        struct process_spec spec = {.argv = argv, .set_ids = true, .uid = 0, .gid = 0};
        if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
            _exit(2);
        _exit(process_start(&spec, &started, &err) < 0 && err.kind == ERR_FORBIDDEN ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_cannot_start(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *garbage = path_join(temp.path, "garbage", &err);
    AUTO_FREE char *plain = path_join(temp.path, "plain", &err);
    OK(file_write_atomic(garbage, slice_str("\x01\x02"), 0755, &err));
    OK(file_write_atomic(plain, slice_str("x"), 0644, &err));
    pid_t pid = -7;
#define START(...)                                                                                 \
    process_start(&(struct process_spec){.argv = (const char *const[]){__VA_ARGS__, NULL}}, &pid,  \
                  &err)
    FAILS(ERR_NOT_FOUND, "'mse-no-such' is not installed", START("mse-no-such"));
    FAILS(ERR_NOT_FOUND, "cannot start '/mse/no/such'", START("/mse/no/such"));
    FAILS(ERR_IO, "Exec format error", START(garbage));
    FAILS(ERR_IO, "Permission denied", START(plain));
#undef START
    const char *const argv[] = {"true", NULL};
    FAILS(ERR_NOT_FOUND, "in folder '/mse/no'",
          process_start(&(struct process_spec){.argv = argv, .folder = "/mse/no"}, &pid, &err));
    const struct process_fd fds[] = {{.from = 999, .to = 3}};
    FAILS(
        ERR_INTERNAL, "descriptor 999",
        process_start(&(struct process_spec){.argv = argv, .fds = fds, .fd_count = 1}, &pid, &err));
    const char *const nothing[] = {NULL};
    FAILS(ERR_INTERNAL, "no program",
          process_start(&(struct process_spec){.argv = nothing}, &pid, &err));
    assert_int_equal(pid, -7);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* failed children are reaped */
}

static void test_relative_program_with_folder(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *script = path_join(temp.path, "script", &err);
    AUTO_FREE char *here = path_resolve(".", &err);
    OK(file_write_atomic(script, slice_str("#!/bin/sh\nexit 5\n"), 0755, &err));
    assert_int_equal(chdir(temp.path), 0);
    const char *const argv[] = {"./script", NULL};
    pid_t pid = -1;
    int status = -1;
    OK(process_start(&(struct process_spec){.argv = argv, .folder = "/"}, &pid, &err));
    OK(process_wait(pid, &status, &err));
    assert_int_equal(chdir(here), 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 5);
}

/* Starts a shell command that says "ready" on its standard output, and waits for that. */
static pid_t start_and_wait_ready(const char *command)
{
    int ends[2];
    OK(fd_pipe(ends, &err));
    const char *const argv[] = {"sh", "-c", command, NULL};
    const struct process_fd fds[] = {{.from = ends[1], .to = 1}};
    pid_t pid = -1;
    OK(process_start(&(struct process_spec){.argv = argv, .fds = fds, .fd_count = 1}, &pid, &err));
    fd_close(ends[1]);
    char text[6];
    size_t len = 0;
    OK(fd_read_full(ends[0], text, 6, &len, &err));
    assert_memory_equal(text, "ready\n", 6);
    fd_close(ends[0]);
    return pid;
}

static void test_stop(void **state)
{
    int64_t before = clock_monotonic_ms();
    pid_t polite = start_and_wait_ready("trap 'exit 0' TERM; echo ready; while :; do :; done");
    process_stop(polite, LONG_MS);
    assert_int_equal(waitpid(polite, NULL, WNOHANG), -1);
    pid_t stubborn = start_and_wait_ready("trap '' TERM; echo ready; exec sleep 60");
    process_stop(stubborn, 50);
    assert_int_equal(waitpid(stubborn, NULL, WNOHANG), -1);
    pid_t at_once = start_and_wait_ready("echo ready; exec sleep 60");
    process_stop(at_once, 0);
    assert_int_equal(waitpid(at_once, NULL, WNOHANG), -1);
    assert_true(clock_monotonic_ms() - before < LONG_MS);
    process_stop(0, 0);  /* would be our own group */
    process_stop(-1, 0); /* would be everybody */
}

static void test_wait(void **state)
{
    const char *const argv[] = {"sh", "-c", "kill -9 $$", NULL};
    pid_t pid = -1;
    int status = -1;
    OK(process_start(&(struct process_spec){.argv = argv}, &pid, &err));
    OK(process_wait(pid, &status, &err));
    char text[64];
    process_status_text(status, text, sizeof(text));
    assert_string_equal(text, "signal 9 (Killed)");
    process_status_text(3 << 8, text, sizeof(text));
    assert_string_equal(text, "exit status 3");
    process_status_text(0xffff, text, sizeof(text));
    assert_string_equal(text, "wait status 0xffff");
    FAILS(ERR_NOT_FOUND, "cannot wait for process", process_wait(pid, &status, &err));
}

/* A process in between ends; the one that it started must go with it. */
static void test_dies_with_parent(void **state)
{
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    int ends[2];
    OK(fd_pipe(ends, &err));
    pid_t between = fork();
    if (between == 0) {
        const char *const argv[] = {"sleep", "60", NULL};
        pid_t started = -1;
        struct process_spec spec = {.argv = argv, .die_with_parent = true};
        if (process_start(&spec, &started, NULL) < 0 ||
            fd_write_all(ends[1], slice_of(&started, sizeof(started)), NULL) < 0)
            _exit(1);
        _exit(0);
    }
    fd_close(ends[1]);
    pid_t started = -1;
    size_t len = 0;
    OK(fd_read_full(ends[0], &started, sizeof(started), &len, &err));
    fd_close(ends[0]);
    assert_int_equal(len, sizeof(started));
    int status = -1;
    assert_int_equal(waitpid(between, &status, 0), between);
    assert_int_equal(status, 0);
    assert_int_equal(waitpid(started, &status, 0), started);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static void test_find(void **state)
{
    AUTO_FREE char *shell = NULL;
    AUTO_FREE char *path = NULL;
    OK(process_find("sh", NULL, &shell, &err));
    assert_int_equal(shell[0], '/');
    OK(process_find("./x/y", NULL, &path, &err));
    assert_string_equal(path, "./x/y");
    char *none = NULL;
    FAILS(ERR_NOT_FOUND, "'mse-no-such' is not installed",
          process_find("mse-no-such", "mse-package", &none, &err));
    assert_string_equal(err.hint, "apt-get install mse-package");
    assert_null(none);
}

static void test_find_looks_through_path(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *old = str_copy(getenv("PATH"), &err);
    AUTO_FREE char *here = path_resolve(".", &err);
    AUTO_FREE char *program = path_join(temp.path, "mse-test-program", &err);
    AUTO_FREE char *with_folder = str_printf(&err, "/nowhere::.:%s", temp.path);
    OK(file_write_atomic(program, slice_str("#!/bin/sh\n"), 0755, &err));
    char *found = NULL;
    assert_int_equal(setenv("PATH", with_folder, 1), 0);
    OK(process_find("mse-test-program", NULL, &found, &err));
    assert_string_equal(found, program);
    free(found);
    found = NULL;
    assert_int_equal(chdir(temp.path), 0);
    assert_int_equal(setenv("PATH", ".::", 1), 0); /* the working folder is never looked in */
    FAILS(ERR_NOT_FOUND, "not installed", process_find("mse-test-program", NULL, &found, &err));
    assert_int_equal(unsetenv("PATH"), 0);
    OK(process_find("sh", NULL, &found, &err));
    free(found);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(setenv("PATH", old, 1), 0);
}

static void test_start_time(void **state)
{
    unsigned long long first = 0;
    unsigned long long second = 1;
    char name[16];
    OK(process_start_time(getpid(), &first, &err));
    assert_true(first > 0);
    assert_int_equal(prctl(PR_GET_NAME, name), 0);
    assert_int_equal(prctl(PR_SET_NAME, "a) R 1 (b 2 3"), 0); /* looks like more fields */
    OK(process_start_time(getpid(), &second, &err));
    assert_int_equal(prctl(PR_SET_NAME, name), 0);
    assert_true(first == second);
    FAILS(ERR_NOT_FOUND, "no process 0", process_start_time(0, &second, &err));
    FAILS(ERR_NOT_FOUND, "no process", process_start_time(0x7ffffff0, &second, &err));
    assert_true(first == second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_run_much),
        cmocka_unit_test(test_run_times_out),
        cmocka_unit_test(test_run_with_a_process_left_behind),
        cmocka_unit_test(test_run_is_watched),
        cmocka_unit_test(test_prepare),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_only_named_descriptors),
        cmocka_unit_test(test_standard_descriptors_are_null),
        cmocka_unit_test(test_descriptors_change_places),
        cmocka_unit_test(test_signals_are_reset),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_cannot_start),
        cmocka_unit_test(test_relative_program_with_folder),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_dies_with_parent),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_find_looks_through_path),
        cmocka_unit_test(test_start_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
