// SPDX-License-Identifier: Apache-2.0
/*
 * Memory, processor and process limits of one app: cgroup v2 or v1 where the machine lets us, else
 * rlimits. Used by the launchers, and by msed for builds of layers.
 */
#pragma once

#include "model/launch_spec.h"

#include <stdbool.h>

enum cgroup_kind { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

enum { CGROUP_NAME_SIZE = LAUNCH_ID_SIZE + 36 };

struct cgroup {
    enum cgroup_kind kind;
    char name[CGROUP_NAME_SIZE];
    enum cgroup_io { CGROUP_IO_FREE, CGROUP_IO_LIMITED, CGROUP_IO_REFUSED } io;
};

/* A group's name on this machine: an id, and which folder it works in (device and inode). So a node
 * on a copied state folder, or another node, never takes somebody's running group for one that it
 * left behind. */
int cgroup_name(const char *id, const char *folder, char ret[static CGROUP_NAME_SIZE],
                struct err *err) MUST_USE;

/* The memory that all enclaves of the machine may have together: all but an eighth of it, or all
 * but 512 MiB where that is more; half of a small machine's. It is also the limit of the group that
 * the apps' groups lie in. */
uint64_t cgroup_memory_of_all(void);
/* Makes the groups of that name with the limits; without cgroups (not root, nothing mounted) kind
 * is CGROUP_NONE and it is no error. */
int cgroup_open(struct cgroup *group, const char *name, const struct launch_spec *spec,
                struct err *err) MUST_USE;
/* Puts a process there (what it starts follows); with CGROUP_NONE, rlimits on the process. */
int cgroup_enter(const struct cgroup *group, pid_t pid, const struct launch_spec *spec,
                 struct err *err) MUST_USE;
/* Limits what the group reads from and writes to the disk that `stored`, a file or folder, lies on,
 * and the loop device between, to spec->io_bytes a second. After cgroup_open, before cgroup_enter.
 * A machine that cannot (no controller, a file system without a device of its own) starts the app
 * all the same: cgroup_text says so. */
void cgroup_limit_io(struct cgroup *group, const struct launch_spec *spec, const char *stored);
/* What is in force: "cgroup v1", "rlimits (no cgroups): no limit on CPU and I/O". */
const char *cgroup_text(const struct cgroup *group);
/* What would be in force of an app whose storage lies in this folder, in the same words. */
const char *cgroup_prospect(const char *folder);
/* Where the hierarchies are mounted, "/sys/fs/cgroup"; tests bring their own. */
extern const char *cgroup_root;
/* Has the kernel killed something in there for want of memory? */
bool cgroup_out_of_memory(const struct cgroup *group);
/* Was a process or thread refused there because there were too many? */
bool cgroup_out_of_processes(const struct cgroup *group);
/* Who is in there now, at most `max` of them; nobody without cgroups. */
size_t cgroup_members(const struct cgroup *group, pid_t *ret, size_t max);
/* Removes the groups of that name, also those that a killed supervisor left. Kills what is still in
 * them. */
void cgroup_remove(const char *name);
