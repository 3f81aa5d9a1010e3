// SPDX-License-Identifier: Apache-2.0
/*
 * One run of a stranger's code on the node itself, to fill a folder: in a bubblewrap sandbox with
 * limits on memory, processors, processes and bytes on disk for all of it together, and a network
 * in which nothing of the host can be reached.
 */
#pragma once

#include "base/buf.h"

#include <stdint.h>

struct build_limits {
    uint64_t memory_bytes;  /* of all its processes, with what is in /tmp */
    uint64_t disk_bytes;    /* of what it writes */
    uint64_t reserve_bytes; /* that all builds leave free on the disk */
    uint64_t tmp_bytes;     /* of /tmp */
    uint32_t cpu_millis;
    uint32_t processes;
};

/* Descriptors in the sandbox; the arguments of bubblewrap name them. */
enum { BUILD_INFO_FD = 4, BUILD_BLOCK_FD = 5, BUILD_RESOLVER_FD = 6 };

struct build_run {
    const char *const *argv; /* of bubblewrap, with --info-fd and --block-fd; NULL-terminated */
    const char *const *env;
    const char *output; /* folder that it fills */
    bool own_network;   /* argv has --unshare-net and reads the resolver's file */
    const struct build_limits *limits;
    int timeout_ms;
};

/* The user that it runs as where the node is root. */
enum { BUILD_UID = 999999 };

/* Runs to the end. *ret_status as waitpid gives it; standard error goes to `errors`. APP: over a
 * limit, which the message names; TIMEOUT. */
int build_run(const struct build_run *run, struct buf *errors, int *ret_status,
              struct err *err) MUST_USE;
