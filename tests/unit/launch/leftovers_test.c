// SPDX-License-Identifier: Apache-2.0
/*
 * What a killed supervisor has left is killed, and nobody who merely has its number: not with
 * another start time, and not after another boot, where numbers and times come again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/process.h"
#include "launch/leftovers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static pid_t victim;

static int set_up(void **state)
{
    const char *const argv[] = {"sleep", "60", NULL};
    const struct process_spec spec = {.argv = argv, .die_with_parent = true};
    struct err err = ERR_INIT;
    (void)snprintf(folder, sizeof(folder), "/tmp/mse-leftovers-XXXXXX");
    return mkdtemp(folder) == NULL || chdir(folder) < 0 ? -1 : process_start(&spec, &victim, &err);
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    process_stop(victim, 0);
    return chdir("/") < 0 ? -1 : folder_remove_tree(folder, &err);
}

static void write_text(const char *text)
{
    struct err err = ERR_INIT;
    assert_int_equal(file_write_atomic(LEFTOVERS_FILE, slice_str(text), 0600, &err), 0);
}

static void assert_spared(void)
{
    struct err err = ERR_INIT;
    assert_int_equal(leftovers_kill(folder, &err), 0);
    assert_int_equal(waitpid(victim, NULL, WNOHANG), 0);
    assert_false(file_exists(LEFTOVERS_FILE));
}

static void read_written(struct buf *text)
{
    struct err err = ERR_INIT;
    assert_int_equal(leftovers_write(&victim, 1, &err), 0);
    assert_int_equal(file_read(LEFTOVERS_FILE, text, &err), 0);
}

static void test_killed(void **state)
{
    struct err err = ERR_INIT;
    int status = 0;
    const pid_t pids[] = {-1, victim, 0};
    assert_int_equal(leftovers_write(pids, ARRAY_LEN(pids), &err), 0);
    assert_int_equal(leftovers_kill(folder, &err), 0);
    assert_int_equal(waitpid(victim, &status, 0), victim);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    victim = -1;
    assert_int_equal(leftovers_kill(folder, &err), 0); /* there is no file any more */
}

static void test_another_boot(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(4096);
    read_written(&text);
    text.data[0] = text.data[0] == 'a' ? 'b' : 'a'; /* of the boot's id */
    write_text(buf_text(&text));
    assert_spared();
}

/* A state folder that was copied while its apps run: the copy's node must not end them. */
static void test_a_copied_folder(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(4096);
    struct err err = ERR_INIT;
    char copy[96];
    char path[128];
    read_written(&text);
    (void)snprintf(copy, sizeof(copy), "%s/copy", folder);
    (void)snprintf(path, sizeof(path), "%s/" LEFTOVERS_FILE, copy);
    assert_int_equal(folder_create(copy, 0700, &err), 0);
    assert_int_equal(file_write_atomic(path, buf_slice(&text), 0600, &err), 0);
    assert_int_equal(leftovers_kill(copy, &err), 0);
    assert_false(file_exists(path));
    assert_int_equal(waitpid(victim, NULL, WNOHANG), 0);
    assert_true(file_exists(LEFTOVERS_FILE));
}

static void test_another_start(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(4096);
    read_written(&text);
    text.len--;
    assert_int_equal(buf_str(&text, "7\n", &err), 0);
    write_text(buf_text(&text));
    assert_spared();
}

static void test_damaged(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(4096);
    read_written(&text);
    const char *without_boot = strchr(buf_text(&text), '\n') + 1;
    const char *const damaged[] = {
        "", "\n\n", without_boot, "-1 0\n", "0 0\n1 1\n", "nonsense", "99999999999999999999 1\n"};
    for (size_t i = 0; i < ARRAY_LEN(damaged); i++) {
        write_text(damaged[i]);
        assert_spared();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_boot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_copied_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
