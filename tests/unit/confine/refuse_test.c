// SPDX-License-Identifier: Apache-2.0
/*
 * Calls for new processes that are refused: each test forks a child that confines itself and makes
 * one, in the ways in which libraries and attackers do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"
#include "child.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>

static int expect_refused(long result)
{
    if (result != -1 || errno != EPERM) {
        (void)dprintf(status_fd, "result %ld, errno %d\n", result, errno);
        return CHILD_WRONG;
    }
    return CHILD_OK;
}

static int refused_raw_fork(void)
{
    return expect_refused(syscall(SYS_fork));
}

static int refused_raw_vfork(void)
{
    return expect_refused(syscall(SYS_vfork));
}

static int refused_raw_clone(void)
{
    return expect_refused(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0));
}

static int refused_fork(void)
{
    return expect_refused(fork());
}

static int refused_posix_spawn(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    pid_t pid;
    errno = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, NULL);
    return expect_refused(errno == 0 ? 0 : -1);
}

static int refused_popen(void)
{
    FILE *(*open_pipe)(const char *, const char *) = popen;
    return open_pipe("true", "r") == NULL ? CHILD_OK : CHILD_WRONG;
}

static int refused_execve(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    return expect_refused(execve("/bin/true", argv, NULL));
}

static int refused_execveat(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    return expect_refused(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, NULL, 0));
}

static void *refused_in_thread(void *argument)
{
    *(int *)argument = refused_fork();
    return NULL;
}

static int refused_thread_fork(void)
{
    pthread_t thread;
    int result = CHILD_WRONG;
    if (pthread_create(&thread, NULL, refused_in_thread, &result) == 0)
        (void)pthread_join(thread, NULL);
    return result;
}

static int handler_result = CHILD_WRONG;

static void refused_in_handler(int number)
{
    (void)number;
    handler_result = refused_raw_fork();
}

static int refused_handler_fork(void)
{
    struct sigaction action = {.sa_handler = refused_in_handler};
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)raise(SIGUSR1);
    return handler_result;
}

static int refused_with_blocked_signals(void)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    int result = refused_raw_fork();
    (void)sigprocmask(SIG_UNBLOCK, &all, NULL);
    return result;
}

static int refused_again_and_again(void)
{
    for (int i = 0; i < 10; i++) {
        if (refused_raw_fork() != CHILD_OK)
            return CHILD_WRONG;
    }
    return CHILD_OK;
}

static void *fork_many_times(void *argument)
{
    for (int i = 0; i < 200; i++) {
        if (syscall(SYS_fork) != -1 || errno != EPERM)
            *(int *)argument = CHILD_WRONG;
    }
    return NULL;
}

static int refused_from_many_threads(void)
{
    pthread_t threads[8];
    int results[ARRAY_LEN(threads)] = {0};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(null, status_fd); /* the pipe would be full */
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        if (pthread_create(&threads[i], NULL, fork_many_times, &results[i]) != 0)
            return CHILD_WRONG;
    }
    int result = CHILD_OK;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        (void)pthread_join(threads[i], NULL);
        result = results[i] != 0 ? CHILD_WRONG : result;
    }
    return result;
}

static int refused_self_answered(void)
{
    (void)answer_in_our_place(NULL);
    return refused_raw_fork();
}

/* No descriptor that the app could close keeps the guard. */
static int refused_with_all_closed(void)
{
    for (int fd = 3; fd < 64; fd++) {
        if (fd != status_fd)
            (void)close(fd);
    }
    return refused_raw_fork();
}

static void test_refused(void **state)
{
    static const struct {
        child_function child;
        const char *report;
    } cases[] = {
        {refused_raw_fork, "refused fork\n"},
        {refused_raw_vfork, "refused vfork\n"},
        {refused_raw_clone, "refused fork\n"},
        {refused_fork, "refused fork\n"},
        {refused_posix_spawn, "refused vfork\n"},
        {refused_popen, "refused vfork\n"},
        {refused_execve, "refused execve\n"},
        {refused_execveat, "refused execveat\n"},
        {refused_thread_fork, "refused fork\n"},
        {refused_handler_fork, "refused fork\n"},
        {refused_with_blocked_signals, "refused fork\n"},
        {refused_again_and_again,
         "refused fork\nrefused fork\nrefused fork\nrefused fork\nrefused fork\n"
         "refused fork\nrefused fork\nrefused fork\nrefused fork\nrefused fork\n"},
        {refused_from_many_threads, ""},
        {refused_self_answered, "refused fork\n"},
        {refused_with_all_closed, "refused fork\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome outcome = run_in(CONFINE_REFUSE, cases[i].child);
        if (!WIFEXITED(outcome.status) || WEXITSTATUS(outcome.status) != CHILD_OK ||
            strcmp(outcome.report, cases[i].report) != 0)
            fail_msg("case %zu: status %#x, '%s'", i, (unsigned)outcome.status, outcome.report);
    }
}

/* Without its process nothing is refused; so nothing begins. */
static void test_refusing_needs_the_guard(void **state)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    int status = 0;
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct confine_options options = {.new_processes = CONFINE_REFUSE, .status_fd = -1};
        struct err err = ERR_INIT;
        _exit(confine_self(&options, &err) == -1 && err.kind == ERR_CONFLICT ? CHILD_OK
                                                                             : CHILD_WRONG);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refusing_needs_the_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
