// SPDX-License-Identifier: Apache-2.0
/*
 * Groups of one id in two folders, as of a state folder and its copy, are two groups; every limit
 * is set. Needs root and cgroups; says SKIP aloud without.
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
#include <sys/stat.h>
#include <sys/sysmacros.h>
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

static void make_file(const char *folder, const char *name)
{
    AUTO_FREE char *path = path_join(folder, name, &err);
    AUTO_FREE char *above = path_folder(path, &err);
    assert_int_equal(folder_create_all(above, 0700, &err), 0);
    assert_int_equal(file_write_atomic(path, slice_str(""), 0600, &err), 0);
}

static void expect(const char *folder, const char *name, const char *text)
{
    AUTO_FREE char *path = path_join(folder, name, &err);
    AUTO_BUF struct buf found = BUF_INIT(4096);
    assert_int_equal(file_read(path, &found, &err), 0);
    assert_string_equal(buf_text(&found), text);
}

/* A tree with the files that version 2 has: what is written to each. */
static void version_2_gets_every_limit(void **state)
{
    (void)state;
    static const char *const files[] = {"memory.max",  "memory.swap.max", "memory.oom.group",
                                        "cpu.max",     "pids.max",        "io.max",
                                        "cgroup.procs"};
    char folder[] = "/tmp/mse-cgroup2-XXXXXX";
    char name[CGROUP_NAME_SIZE];
    char path[256];
    char expected[96];
    struct stat disk;
    struct cgroup group;
    struct launch_spec limited = spec;
    limited.io_bytes = 5000000;
    if (geteuid() != 0) {
        print_message("SKIP: limits are root's to set\n");
        skip();
    }
    assert_non_null(mkdtemp(folder));
    assert_int_equal(cgroup_name(spec.id, folder, name, &err), 0);
    make_file(folder, "cgroup.subtree_control");
    make_file(folder, "mse/cgroup.subtree_control");
    make_file(folder, "mse/memory.max");
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        (void)snprintf(path, sizeof(path), "mse/%s/%s", name, files[i]);
        make_file(folder, path);
    }
    (void)snprintf(path, sizeof(path), "%s/cgroup.controllers", folder);
    assert_int_equal(file_write_atomic(path, slice_str("cpu io memory pids\n"), 0600, &err), 0);
    cgroup_root = folder;
    assert_int_equal(cgroup_open(&group, name, &limited, &err), 0);
    assert_int_equal(group.kind, CGROUP_V2);
    cgroup_limit_io(&group, &limited, folder);
    assert_int_equal(cgroup_enter(&group, 4711, &limited, &err), 0);
    (void)snprintf(path, sizeof(path), "%s/mse/%s", folder, name);
    expect(path, "memory.max", "67108864");
    expect(path, "cpu.max", "50000 100000");
    expect(path, "pids.max", "16");
    expect(path, "cgroup.procs", "4711");
    assert_int_equal(stat(folder, &disk), 0);
    (void)snprintf(expected, sizeof(expected), "/sys/dev/block/%u:%u", major(disk.st_dev),
                   minor(disk.st_dev));
    if (file_exists(expected)) {
        AUTO_FREE char *limit = path_join(path, "io.max", &err);
        AUTO_BUF struct buf text = BUF_INIT(256);
        assert_int_equal(file_read(limit, &text, &err), 0);
        assert_non_null(strstr(buf_text(&text), " rbps=5000000 wbps=5000000"));
        assert_string_equal(cgroup_text(&group), "cgroup v2, with I/O");
    } else {
        expect(path, "io.max", "");
        assert_string_equal(cgroup_text(&group), "cgroup v2: no limit on I/O");
    }
    /* a file system without a device */
    cgroup_limit_io(&group, &limited, "/proc");
    assert_string_equal(cgroup_text(&group), "cgroup v2: no limit on I/O");
    cgroup_root = "/sys/fs/cgroup";
    assert_int_equal(folder_remove_tree(folder, &err), 0);
}

/* What the kernel has of it; the time that it takes is no test's to judge. */
static void a_limit_is_the_kernels(void **state)
{
    (void)state;
    char folder[] = "/var/tmp/mse-cgroup-io-XXXXXX";
    char name[CGROUP_NAME_SIZE];
    char path[256];
    struct cgroup group;
    struct launch_spec limited = spec;
    AUTO_BUF struct buf text = BUF_INIT(4096);
    limited.io_bytes = 1234567;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(cgroup_name(spec.id, folder, name, &err), 0);
    assert_int_equal(cgroup_open(&group, name, &limited, &err), 0);
    cgroup_limit_io(&group, &limited, folder);
    bool is_v2 = group.kind == CGROUP_V2;
    (void)snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/%s/%s", is_v2 ? "mse" : "blkio/mse", name,
                   is_v2 ? "io.max" : "blkio.throttle.write_bps_device");
    int result = group.io == CGROUP_IO_LIMITED ? file_read(path, &text, &err) : 0;
    cgroup_remove(name);
    assert_int_equal(rmdir(folder), 0);
    if (group.io != CGROUP_IO_LIMITED) {
        print_message("SKIP: %s\n", cgroup_text(&group));
        skip();
    }
    assert_int_equal(result, 0);
    assert_non_null(strstr(buf_text(&text), is_v2 ? "wbps=1234567" : " 1234567\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_of_one_folder),
        cmocka_unit_test(version_2_gets_every_limit),
        cmocka_unit_test(a_limit_is_the_kernels),
        cmocka_unit_test(a_copy_does_not_end_what_the_original_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
