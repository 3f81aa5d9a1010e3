// SPDX-License-Identifier: Apache-2.0
/*
 * What a sandbox is made of, gathered where the app's own user can reach it and nobody else looks:
 * as root, in a mount namespace of the supervisor's own, which takes every mount and loop device
 * with it when the supervisor ends, however it ends. Internal to launch/.
 */
#pragma once

#include "launch/launcher.h"

enum { STAGE_DEVICES_MAX = 2 };

/* Paths to bind into the sandbox. */
struct stage {
    char package[LAUNCH_PATH_MAX];
    char enclave[LAUNCH_PATH_MAX];
    char environment[LAUNCH_PATH_MAX]; /* "" : none */
    char node[LAUNCH_PATH_MAX];
    char cipher[LAUNCH_PATH_MAX];
    char fuse[LAUNCH_PATH_MAX];
    /* Of a VM; "" otherwise, as package, environment, cipher and fuse are "" for a VM. */
    char image[LAUNCH_PATH_MAX];
    char disks[LAUNCH_PATH_MAX]; /* folder VM_DISKS_FOLDER of the run folder */
    char storage[LAUNCH_PATH_MAX];
    char devices[STAGE_DEVICES_MAX][LAUNCH_PATH_MAX]; /* nodes of the app's user, as asked for */
    char etc[LAUNCH_PATH_MAX];                        /* folder with the files of stage_etc_files */
    bool own_mounts;                                  /* we are in a mount namespace of our own */
};

/* Files that stand in the sandbox's /etc, made by us. */
extern const char *const stage_etc_files[];
extern const size_t stage_etc_file_count;

/* Must be called with one thread, in the run folder. Mounts the storage. */
int stage_make(struct stage *stage, const struct launch_spec *spec,
               const struct launch_storage *storage, struct err *err) MUST_USE;
/* The same for a VM: `devices` (at most STAGE_DEVICES_MAX, NULL behind the last), spec->image, the
 * folder VM_DISKS_FOLDER, spec->storage (a file that is there).
 */
#define VM_DISKS_FOLDER "vm"
int stage_make_vm(struct stage *stage, const struct launch_spec *spec, const char *const *devices,
                  struct err *err) MUST_USE;
/* Takes the storage off, without waiting for the end of the supervisor and of its mounts. In the
 * run folder. */
void stage_remove(struct stage *stage);
