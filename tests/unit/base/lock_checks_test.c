// SPDX-License-Identifier: Apache-2.0
/*
 * The checker of the order of locks: each violation in a process of its own, which must end by
 * abort and name both sides. The test brings the checker along, whatever the build's option says.
 */
#include "testing.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/lock.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct lock store = LOCK_INIT(LOCK_STORE);
static struct lock keeper = LOCK_INIT(LOCK_KEEPER);
static struct lock other_keeper = LOCK_INIT(LOCK_KEEPER);
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void in_order(void)
{
    lock_acquire(&keeper);
    lock_acquire(&store);
    lock_release(&keeper); /* the order of releasing does not matter */
    lock_release(&store);
    lock_acquire(&store);
    lock_release(&store);
    lock_acquire(&keeper);
    const struct timespec past = {0};
    (void)lock_wait_until(&keeper, &changed, &past);
    lock_release(&keeper);
    lock_expect_none("a callback");
}

static void out_of_order(void)
{
    lock_acquire(&store);
    lock_acquire(&keeper);
}

static void same_rank_twice(void)
{
    lock_acquire(&keeper);
    lock_acquire(&other_keeper);
}

static void callback_under_lock(void)
{
    lock_acquire(&keeper);
    lock_expect_none("the caller's function");
}

static void wait_with_a_second(void)
{
    const struct timespec past = {0};
    lock_acquire(&keeper);
    lock_acquire(&store);
    (void)lock_wait_until(&store, &changed, &past);
}

static void wait_without(void)
{
    lock_note_wait(&keeper);
}

static void release_of_another(void)
{
    lock_note_release(&keeper);
}

/* Signal 0: the function must come to its end without a word. */
static void expect(void (*function)(void), int signal_number, const char *words)
{
    int ends[2];
    AUTO_BUF struct buf text = BUF_INIT(4096);
    assert_int_equal(fd_pipe(ends, &err), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        function();
        _exit(0);
    }
    fd_close(ends[1]);
    ssize_t got = 1;
    while (got > 0) {
        uint8_t *to = buf_reserve(&text, 512, &err);
        assert_non_null(to);
        got = read(ends[0], to, 512);
        text.len += got > 0 ? (size_t)got : 0;
    }
    fd_close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, signal_number);
    assert_string_equal(buf_text(&text), words);
}

static void order_test(void **state)
{
    (void)state;
    expect(in_order, 0, "");
    expect(out_of_order, SIGABRT,
           "lock order: KEEPER (the list of apps) is wanted while STORE (the state database) is "
           "held\n");
    expect(same_rank_twice, SIGABRT,
           "lock order: KEEPER (the list of apps) is wanted while KEEPER (the list of apps) is "
           "held\n");
}

static void rules_test(void **state)
{
    (void)state;
    expect(callback_under_lock, SIGABRT,
           "lock order: the caller's function is called while KEEPER (the list of apps) is held\n");
    expect(wait_with_a_second, SIGABRT,
           "lock order: STORE (the state database) is waited with while KEEPER (the list of apps) "
           "is held\n");
    expect(wait_without, SIGABRT,
           "lock order: KEEPER (the list of apps) is waited with by a thread that does not hold "
           "it\n");
    expect(release_of_another, SIGABRT,
           "lock order: KEEPER (the list of apps) is released by a thread that does not hold "
           "it\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order_test), cmocka_unit_test(rules_test)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
