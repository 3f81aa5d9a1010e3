// SPDX-License-Identifier: Apache-2.0
/*
 * Groups of one id in two folders, as of a state folder and its copy, are two groups. Needs root
 * and cgroups; says SKIP aloud without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/process.h"
#include "launch/cgroup.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct err err;

static const struct launch_spec spec = {.id = "00000000-0000-4000-8000-00000000cafe",
                                        .memory_bytes = 64 << 20,
                                        .cpu_millis = 500,
                                        .pids_max = 16};

static void a_name_is_of_one_folder(void **state)
{
    (void)state;
    char here[CGROUP_NAME_SIZE];
    char again[CGROUP_NAME_SIZE];
    char there[CGROUP_NAME_SIZE];
    assert_int_equal(cgroup_name(spec.id, "/tmp", here, &err), 0);
    assert_int_equal(cgroup_name(spec.id, "/tmp/.", again, &err), 0);
    assert_int_equal(cgroup_name(spec.id, "/usr", there, &err), 0);
    assert_string_equal(here, again);
    assert_string_not_equal(here, there);
    assert_null(strchr(here, '/'));
    assert_int_equal(cgroup_name(spec.id, "/nowhere", there, &err), -1);
}

static void a_copy_does_not_end_what_the_original_runs(void **state)
{
    (void)state;
    char folder[] = "/tmp/mse-cgroup-XXXXXX";
    char original[CGROUP_NAME_SIZE];
    char copy[CGROUP_NAME_SIZE];
    const char *const argv[] = {"sleep", "60", NULL};
    const struct process_spec sleeper = {.argv = argv, .die_with_parent = true};
    struct cgroup group;
    pid_t pid = -1;
    int status = 0;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(cgroup_name(spec.id, folder, original, &err), 0);
    assert_int_equal(cgroup_name(spec.id, "/tmp", copy, &err), 0);
    assert_int_equal(cgroup_open(&group, original, &spec, &err), 0);
    if (group.kind == CGROUP_NONE) {
        print_message("SKIP: no cgroups here\n");
        (void)rmdir(folder);
        skip();
    }
    assert_int_equal(process_start(&sleeper, &pid, &err), 0);
    assert_int_equal(cgroup_enter(&group, pid, &spec, &err), 0);
    cgroup_remove(copy);
    cgroup_remove(spec.id);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    /* and its own removal ends it, once somebody reaps it */
    (void)signal(SIGCHLD, SIG_IGN);
    cgroup_remove(original);
    assert_int_equal(waitpid(pid, &status, 0), -1);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_of_one_folder),
        cmocka_unit_test(a_copy_does_not_end_what_the_original_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
