// SPDX-License-Identifier: Apache-2.0
/*
 * The room on the node's disk. What is promised is allocated (an app's storage, a package on its
 * way in), so that the file system itself counts it and nothing has to be counted beside: after a
 * kill at any moment the room that is left is what statvfs says. A reserve stays free for the
 * node's own database and logs.
 */
#pragma once

#include "node/node_config.h"

struct room {
    uint64_t free_bytes;    /* on the file system of the state folder, for the node's user */
    uint64_t reserve_bytes; /* of these are kept free */
    uint64_t size_bytes;    /* of the whole file system */
};

int room_look(const struct node_config *config, const char *folder, struct room *ret,
              struct err *err) MUST_USE;
/* Are `bytes` more to be had, with the reserve left as it is? Errors: NO_ROOM, which says the
 * sizes; `what` begins the sentence ("the storage of the app"). */
int room_check(const struct node_config *config, const char *folder, const char *what,
               uint64_t bytes, struct err *err) MUST_USE;
/* Allocates so many bytes of an empty file, and keeps them only where the reserve is left. `path`
 * names it in errors. A file system that cannot allocate is only asked for what it has free. */
int room_take(const struct node_config *config, int fd, const char *path, uint64_t bytes,
              struct err *err) MUST_USE;

/* Room that the node can still let go when something else on the machine has filled the disk: a
 * file `ballast` of at most 32 MiB (half of the reserve where that is less). It is removed, and
 * that is said, when nearly nothing is free, so that records and sockets can be written while the
 * operator makes room; it is made again when there is. Call every few seconds. */
void room_tend_ballast(const struct node_config *config, const char *folder);
