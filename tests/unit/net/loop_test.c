// SPDX-License-Identifier: Apache-2.0
/*
 * The event loop: order of timers, tasks from other threads, removal in the middle of a round.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "net/loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static struct err err;

static int setup(void **state)
{
    (void)state;
    err = ERR_INIT;
    return loop_new(&loop, &err);
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

/* --- timers --- */

enum { TIMERS = 100 };
static int fired[TIMERS];
static size_t fired_count;

static void on_timer(struct loop_timer *timer)
{
    fired[fired_count++] = (int)(intptr_t)timer->data;
}

static void on_last_timer(struct loop_timer *timer)
{
    (void)timer;
    loop_stop(loop);
}

static void timers_fire_in_order_of_time(void **state)
{
    (void)state;
    struct loop_timer timers[TIMERS] = {0};
    fired_count = 0;
    for (int i = 0; i < TIMERS; i++) {
        int place = i * 37 % TIMERS; /* a permutation: 37 and 100 have no common factor */
        timers[place] = (struct loop_timer){.fire = on_timer, .data = (void *)(intptr_t)place};
        loop_timer_set(loop, &timers[place], 0);
    }
    /* Ten at a time, a millisecond apart, by moving each once more. */
    for (int i = 0; i < TIMERS; i++)
        loop_timer_set(loop, &timers[i], 1 + i / 10);
    for (int i = 0; i < TIMERS; i += 3)
        loop_timer_cancel(loop, &timers[i]);
    struct loop_timer last = {.fire = on_last_timer};
    loop_timer_set(loop, &last, 20);
    assert_int_equal(loop_run(loop, &err), 0);
    assert_int_equal(fired_count, TIMERS - 34);
    for (size_t i = 0; i < fired_count; i++) {
        assert_int_not_equal(fired[i] % 3, 0);
        if (i > 0)
            assert_true(fired[i] / 10 >= fired[i - 1] / 10);
    }
}

static int rounds;

static void count_round(struct loop_timer *timer)
{
    if (++rounds < 50)
        loop_timer_set(loop, timer, 0);
}

static void stand_still(struct loop_timer *timer)
{
    (void)timer;
    clock_sleep_ms(1300); /* more than the second that is taken for work */
}

static void nobody_is_late_because_the_loop_stood_still(void **state)
{
    (void)state;
    rounds = 0;
    struct loop_timer still = {.fire = stand_still};
    struct loop_timer counter = {.fire = count_round};
    struct loop_timer last = {.fire = on_last_timer};
    loop_timer_set(loop, &still, 1);
    loop_timer_set(loop, &counter, 2);
    loop_timer_set(loop, &last, 1000);
    assert_int_equal(loop_run(loop, &err), 0);
    assert_int_equal(rounds, 50); /* the last one had its time before it, not only one round */
}

static struct loop_timer other;

static void on_cancelling_timer(struct loop_timer *timer)
{
    (void)timer;
    loop_timer_cancel(loop, &other);
}

static void a_timer_can_cancel_another_that_is_due(void **state)
{
    (void)state;
    fired_count = 0;
    struct loop_timer first = {.fire = on_cancelling_timer};
    other = (struct loop_timer){.fire = on_timer};
    struct loop_timer last = {.fire = on_last_timer};
    loop_timer_set(loop, &first, 1);
    loop_timer_set(loop, &other, 2);
    loop_timer_set(loop, &last, 5);
    clock_sleep_ms(4);
    assert_int_equal(loop_run(loop, &err), 0);
    assert_int_equal(fired_count, 0);
    assert_false(other.set);
}

/* --- tasks --- */

enum { POSTS = 2000, THREADS = 4 };
static atomic_int runs;
static int target;

static void on_task(struct loop_task *task)
{
    (void)task;
    if (atomic_fetch_add(&runs, 1) + 1 == target)
        loop_stop(loop);
}

static struct loop_task tasks[THREADS][POSTS];

static void *post_all(void *arg)
{
    struct loop_task *mine = arg;
    for (int i = 0; i < POSTS; i++) {
        if (i % 50 == 0)
            loop_hold_wakeups();
        mine[i] = (struct loop_task){.run = on_task};
        loop_post(loop, &mine[i]);
        if (i % 50 == 49)
            loop_release_wakeups();
    }
    return NULL;
}

static void every_task_of_every_thread_runs_once(void **state)
{
    (void)state;
    atomic_store(&runs, 0);
    target = THREADS * POSTS;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, tasks[i]), 0);
    assert_int_equal(loop_run(loop, &err), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&runs), target);
}

static void a_task_posted_twice_before_it_runs_runs_once(void **state)
{
    (void)state;
    atomic_store(&runs, 0);
    target = 1;
    struct loop_task task = {.run = on_task};
    loop_post(loop, &task);
    loop_post(loop, &task);
    assert_int_equal(loop_run(loop, &err), 0);
    assert_int_equal(atomic_load(&runs), 1);
}

/* --- descriptors --- */

struct end {
    struct loop_watch watch;
    struct end *peer;
    int calls;
};

static void on_first_of_two(struct loop_watch *watch, uint32_t events)
{
    struct end *end = watch->data;
    assert_true(events & EPOLLIN);
    end->calls++;
    loop_watch_remove(loop, &end->peer->watch); /* its event is in this round too */
    loop_watch_remove(loop, &end->watch);
    loop_stop(loop);
}

static void a_removed_watch_is_not_called_even_in_the_same_round(void **state)
{
    (void)state;
    int sockets[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    struct end ends[2] = {0};
    for (int i = 0; i < 2; i++) {
        ends[i].peer = &ends[1 - i];
        ends[i].watch =
            (struct loop_watch){.ready = on_first_of_two, .data = &ends[i], .fd = sockets[i]};
        assert_int_equal(loop_watch_add(loop, &ends[i].watch, EPOLLIN, &err), 0);
        assert_int_equal(write(sockets[i], "x", 1), 1);
    }
    assert_int_equal(loop_run(loop, &err), 0);
    assert_int_equal(ends[0].calls + ends[1].calls, 1);
    fd_close(sockets[0]);
    fd_close(sockets[1]);
}

static void on_unexpected(struct loop_watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
    fail();
}

static void a_watch_without_events_is_silent(void **state)
{
    (void)state;
    int pipe_ends[2];
    assert_int_equal(fd_pipe(pipe_ends, &err), 0);
    struct loop_watch watch = {.ready = on_unexpected, .fd = pipe_ends[0]};
    assert_int_equal(loop_watch_add(loop, &watch, EPOLLIN, &err), 0);
    assert_int_equal(loop_watch_change(loop, &watch, 0, &err), 0);
    assert_int_equal(write(pipe_ends[1], "x", 1), 1);
    struct loop_timer last = {.fire = on_last_timer};
    loop_timer_set(loop, &last, 2);
    assert_int_equal(loop_run(loop, &err), 0);
    loop_watch_remove(loop, &watch);
    fd_close(pipe_ends[0]);
    fd_close(pipe_ends[1]);
}

static void watching_a_closed_descriptor_is_an_error(void **state)
{
    (void)state;
    int pipe_ends[2];
    assert_int_equal(fd_pipe(pipe_ends, &err), 0);
    fd_close(pipe_ends[0]);
    fd_close(pipe_ends[1]);
    struct loop_watch watch = {.ready = on_unexpected, .fd = pipe_ends[0]};
    assert_int_equal(loop_watch_add(loop, &watch, EPOLLIN, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
}

/* --- stop --- */

static void on_signal(int number)
{
    (void)number;
    loop_stop(loop);
}

static void a_signal_handler_can_stop_it(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(raise(SIGUSR1), 0); /* a stop before the run ends it at once */
    assert_int_equal(loop_run(loop, &err), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    assert_false(loop_is_current(loop));
}

static int round_ends;

static void on_round_end(void *data)
{
    assert_int_equal(atomic_load(&runs), round_ends); /* before the round's one task, then after */
    assert_true(loop_is_current(data));
    round_ends++;
}

static void the_round_end_hook_comes_before_and_after_the_tasks(void **state)
{
    (void)state;
    round_ends = 0;
    atomic_store(&runs, 0);
    target = 1;
    loop_set_round_end(loop, on_round_end, loop);
    struct loop_task task = {.run = on_task};
    loop_post(loop, &task);
    assert_int_equal(loop_run(loop, &err), 0);
    assert_int_equal(round_ends, 2);
    assert_int_equal(atomic_load(&runs), 1);
}

/* --- rests --- */

enum { HALF_A_MINUTE_US = 30 * 1000 * 1000 }; /* longer than the test's time limit */

static sem_t asked;
static int rests;

/* Once for long, then never. */
static int64_t rest_once(void *data)
{
    (void)data;
    (void)sem_post(&asked);
    return rests++ == 0 ? HALF_A_MINUTE_US : 0;
}

static void *post_held(void *task)
{
    (void)sem_wait(&asked);
    loop_hold_wakeups();
    loop_post(loop, task);
    loop_release_wakeups();
    return NULL;
}

static void *post_held_then_rouse(void *task)
{
    (void)sem_wait(&asked);
    loop_hold_wakeups();
    loop_post(loop, task);
    loop_rouse(loop); /* the loop does not wait for the release */
    (void)sem_wait(&asked);
    loop_release_wakeups();
    return NULL;
}

static void *post_lazily_then_post(void *posted)
{
    (void)sem_wait(&asked);
    loop_post_lazily(loop, posted);
    loop_post(loop, (struct loop_task *)posted + 1);
    return NULL;
}

/* Runs the loop, which rests at once, until `count` of the thread's tasks have run. */
static void rest_beside(void *(*thread)(void *posted), struct loop_task *posted, int count)
{
    pthread_t id;
    rests = 0;
    target = count;
    atomic_store(&runs, 0);
    assert_int_equal(sem_init(&asked, 0, 0), 0);
    loop_set_rest(loop, rest_once, NULL);
    assert_int_equal(pthread_create(&id, NULL, thread, posted), 0);
    assert_int_equal(loop_run(loop, &err), 0);
    (void)sem_post(&asked);
    (void)pthread_join(id, NULL);
    assert_int_equal(atomic_load(&runs), count);
}

static void releasing_held_wakeups_ends_a_rest(void **state)
{
    (void)state;
    struct loop_task task = {.run = on_task};
    rest_beside(post_held, &task, 1);
}

static void rousing_ends_a_rest(void **state)
{
    (void)state;
    struct loop_task task = {.run = on_task};
    rest_beside(post_held_then_rouse, &task, 1);
}

static void a_lazy_task_runs_with_the_next(void **state)
{
    (void)state;
    struct loop_task two[] = {{.run = on_task}, {.run = on_task}};
    rest_beside(post_lazily_then_post, two, 2);
}

static void *post_and_hold(void *task)
{
    loop_hold_wakeups();
    loop_post(loop, task);
    (void)sem_wait(&asked); /* blocked, with the wake-up held */
    loop_release_wakeups();
    return NULL;
}

static void a_held_wakeup_is_not_kept_from_a_loop_that_waits(void **state)
{
    (void)state;
    struct loop_task task = {.run = on_task};
    pthread_t id;
    target = 1;
    atomic_store(&runs, 0);
    assert_int_equal(sem_init(&asked, 0, 0), 0);
    assert_int_equal(pthread_create(&id, NULL, post_and_hold, &task), 0);
    assert_int_equal(loop_run(loop, &err), 0);
    (void)sem_post(&asked);
    (void)pthread_join(id, NULL);
    assert_int_equal(atomic_load(&runs), 1);
}

static void without_a_rest_timers_end_the_wait(void **state)
{
    (void)state;
    struct loop_timer last = {.fire = on_last_timer};
    assert_int_equal(sem_init(&asked, 0, 0), 0);
    rests = 1; /* says 0 from now on: an ordinary wait, ended by the timer */
    loop_set_rest(loop, rest_once, NULL);
    loop_timer_set(loop, &last, 1);
    assert_int_equal(loop_run(loop, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(releasing_held_wakeups_ends_a_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(rousing_ends_a_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lazy_task_runs_with_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(a_held_wakeup_is_not_kept_from_a_loop_that_waits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_a_rest_timers_end_the_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(timers_fire_in_order_of_time, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_late_because_the_loop_stood_still, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_timer_can_cancel_another_that_is_due, setup, teardown),
        cmocka_unit_test_setup_teardown(every_task_of_every_thread_runs_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_task_posted_twice_before_it_runs_runs_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_removed_watch_is_not_called_even_in_the_same_round, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_watch_without_events_is_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(watching_a_closed_descriptor_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_signal_handler_can_stop_it, setup, teardown),
        cmocka_unit_test_setup_teardown(the_round_end_hook_comes_before_and_after_the_tasks, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
