// SPDX-License-Identifier: Apache-2.0
/*
 * See build.h. bubblewrap makes the sandbox and waits; it gets its cgroup and its network, and only
 * then the first stranger's byte runs. What it writes to disk is measured while it grows: a quota
 * of the file system would need one that has them. Owns a cgroup and slirp4netns for the time of
 * the run. Runs in msed.
 */
#include "node/build.h"
#include "node/build_output.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "launch/bubblewrap.h"
#include "launch/cgroup.h"
#include "launch/network.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WATCH_MS = 500, OUTPUT_MAX = 1 << 20 };

struct build {
    const struct build_run *run;
    struct launch_spec limits; /* in the form that cgroups want */
    struct cgroup cgroup;
    int info[2];
    int block[2];
    int resolver[2];
    pid_t network; /* -1: none */
    uid_t uid;
    gid_t gid;
};

/* --- before it runs --- */

/* Ids of builds are never given twice in one msed; a killed one's are taken over by the next on its
 * state folder. */
static void name_build(char id[static LAUNCH_ID_SIZE])
{
    static atomic_uint last;
    (void)snprintf(id, LAUNCH_ID_SIZE, "build-%u", atomic_fetch_add(&last, 1));
}

static int open_cgroup(struct build *build, struct err *err)
{
    const struct build_limits *limits = build->run->limits;
    char name[CGROUP_NAME_SIZE];
    AUTO_FREE char *layers = path_folder(build->run->output, err);
    name_build(build->limits.id);
    if (layers == NULL || cgroup_name(build->limits.id, layers, name, err) < 0)
        return -1;
    build->limits.memory_bytes = limits->memory_bytes;
    build->limits.cpu_millis = limits->cpu_millis;
    build->limits.pids_max = limits->processes;
    cgroup_remove(name);
    return cgroup_open(&build->cgroup, name, &build->limits, err);
}

static int open_pipes(struct build *build, struct err *err)
{
    static const char resolver[] = "nameserver " NETWORK_NAME_SERVER "\n";
    if (fd_pipe(build->info, err) < 0 || fd_pipe(build->block, err) < 0 ||
        fd_pipe(build->resolver, err) < 0 ||
        fd_write_all(build->resolver[1], slice_str(resolver), err) < 0)
        return -1;
    fd_close(fd_steal(&build->resolver[1]));
    return 0;
}

/* The sandbox is there and waits. */
static int complete(void *context, pid_t pid, struct err *err)
{
    struct build *build = context;
    pid_t init = -1;
    (void)pid;
    fd_close(fd_steal(&build->info[1])); /* so that the end of bubblewrap is seen */
    fd_close(fd_steal(&build->block[0]));
    if (bubblewrap_read_init(build->info[0], &init, err) < 0 ||
        cgroup_enter(&build->cgroup, init, &build->limits, err) < 0)
        return -1;
    if (build->run->own_network &&
        network_start(init, build->uid, build->gid, &build->network, err) < 0)
        return -1;
    return fd_write_all(build->block[1], slice_str("x"), err);
}

/* --- while it runs --- */

static int check_cgroup(const struct build *build, struct err *err)
{
    const struct build_limits *limits = build->run->limits;
    if (cgroup_out_of_memory(&build->cgroup))
        return FAIL(err, ERR_APP, "it needs more than %llu bytes of memory (limits.build_memory)",
                    (unsigned long long)limits->memory_bytes);
    if (cgroup_out_of_processes(&build->cgroup))
        return FAIL(err, ERR_APP, "it starts more than %u processes and threads",
                    limits->processes);
    return 0;
}

/* Who is over a limit is ended at once, instead of living on with a part of it refused. */
static int check(void *context, struct err *err)
{
    const struct build *build = context;
    const struct build_output output = {.folder = build->run->output,
                                        .cgroup = &build->cgroup,
                                        .limit_bytes = build->run->limits->disk_bytes,
                                        .reserve_bytes = build->run->limits->reserve_bytes};
    return check_cgroup(build, err) < 0 ? -1 : build_output_check(&output, err);
}

static int explain(const struct build *build, const struct buf *errors, struct err *err)
{
    if (strstr(buf_text(errors), "No space left on device") == NULL)
        return 0;
    return FAIL(err, ERR_APP,
                "it fills its /tmp of %llu bytes (limits.build_memory) or its /dev/shm",
                (unsigned long long)build->run->limits->tmp_bytes);
}

static int run_sandbox(struct build *build, struct buf *errors, int *ret_status, struct err *err)
{
    AUTO_BUF struct buf out = BUF_INIT(OUTPUT_MAX);
    const struct process_fd fds[] = {{build->info[1], BUILD_INFO_FD},
                                     {build->block[0], BUILD_BLOCK_FD},
                                     {build->resolver[0], BUILD_RESOLVER_FD}};
    const struct process_spec spec = {
        .argv = build->run->argv,
        .env = build->run->env,
        .fds = fds,
        .fd_count = build->run->own_network ? 3 : 2,
        .folder = "/",
        .new_session = true,
        .set_ids = geteuid() == 0,
        .uid = build->uid,
        .gid = build->gid,
        .started = complete,
        .watch = check,
        .context = build,
        .watch_ms = WATCH_MS,
    };
    int result = process_run(&spec, slice_of(NULL, 0), &out, errors, build->run->timeout_ms,
                             ret_status, err);
    if (result == 0)
        result = check(build, err);
    return result == 0 && *ret_status != 0 ? explain(build, errors, err) : result;
}

int build_run(const struct build_run *run, struct buf *errors, int *ret_status, struct err *err)
{
    bool as_root = geteuid() == 0;
    struct build build = {.run = run,
                          .info = {-1, -1},
                          .block = {-1, -1},
                          .resolver = {-1, -1},
                          .network = -1,
                          .uid = as_root ? BUILD_UID : geteuid(),
                          .gid = as_root ? BUILD_UID : getegid()};
    int result = -1;
    if (open_cgroup(&build, err) == 0 && open_pipes(&build, err) == 0)
        result = run_sandbox(&build, errors, ret_status, err);
    if (build.network > 0)
        process_stop(build.network, 0);
    if (build.cgroup.name[0] != '\0')
        cgroup_remove(build.cgroup.name); /* with what is left in it */
    const int all[] = {build.info[0],  build.info[1],     build.block[0],
                       build.block[1], build.resolver[0], build.resolver[1]};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        fd_close(all[i]);
    return result;
}
