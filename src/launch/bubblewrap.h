// SPDX-License-Identifier: Apache-2.0
/*
 * Sandboxes of bubblewrap: its command line, and what it says of the sandbox that it has made. What
 * is seen inside is rows, made in their order:
 *
 *     const struct bubblewrap sandbox = {.program = bwrap, .own_network = true};
 *     const struct bubblewrap_mount mounts[] = {
 *         {.how = MOUNT_READ_ONLY, .at = "/usr"},
 *         {.how = MOUNT_TMPFS, .at = "/tmp", .mode = "1777", .size_bytes = 64 << 20},
 *     };
 *     bubblewrap_begin(&argv, &sandbox);
 *     bubblewrap_mounts(&argv, mounts, ARRAY_LEN(mounts));
 *     bubblewrap_end(&argv, "/");
 *     argv_add(&argv, "/usr/bin/true");
 *     if (argv_end(&argv, err) < 0)
 *         return -1;
 *
 * A launcher adds an app's enclave, msed its builds, mse its local tests.
 */
#pragma once

#include "base/argv.h"

#include <stdint.h>
#include <sys/types.h>

enum bubblewrap_how {
    MOUNT_READ_ONLY,
    MOUNT_READ_ONLY_TRY, /* only where `from` exists */
    MOUNT_WRITABLE,
    MOUNT_DEVICE,
    MOUNT_DATA, /* a read-only file with what `fd` gives, in memory */
    MOUNT_LINK, /* symbolic: `from` is its text */
    MOUNT_FOLDER,
    MOUNT_TMPFS,
    MOUNT_PROC,
    MOUNT_DEV,
    MOUNT_CLOSE, /* what is there becomes read-only */
};

struct bubblewrap_mount {
    enum bubblewrap_how how;
    const char *at;
    const char *from;    /* NULL: the same path outside */
    const char *mode;    /* octal digits, NULL: bubblewrap's own */
    uint64_t size_bytes; /* of MOUNT_TMPFS; 0: half of the memory */
    int fd;              /* of MOUNT_DATA */
};

/* Every sandbox has users, processes, IPC, host name and cgroups of its own, is root inside without
 * any capability but these, and ends with its parent. */
struct bubblewrap {
    const char *program; /* found by process_find("bwrap", "bubblewrap") */
    bool own_network;
    bool own_session; /* no terminal */
    const char *const *capabilities;
    size_t capability_count;
    const char *const (*variables)[2]; /* name and value; NULL: those that bubblewrap has */
    size_t variable_count;
    int info_fd;  /* takes which process is the sandbox's first; 0: nobody asks */
    int block_fd; /* the program waits for a byte of this; 0: for nothing */
};

void bubblewrap_begin(struct argv *argv, const struct bubblewrap *sandbox);
void bubblewrap_mounts(struct argv *argv, const struct bubblewrap_mount *mounts, size_t count);
/* The program starts in `folder`; it and its arguments are the caller's to add. */
void bubblewrap_end(struct argv *argv, const char *folder);

/* Reads from the other end of info_fd which process is the sandbox's first. Errors: TIMEOUT, IO
 * (it ended without a sandbox), INVALID. */
int bubblewrap_read_init(int info_fd, pid_t *ret, struct err *err) MUST_USE;
