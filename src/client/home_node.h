// SPDX-License-Identifier: Apache-2.0
/*
 * Is the node at the other end of a Unix socket the one on this machine, and ours? A path says
 * nothing: ssh -L, socat and a container's mount put sockets into the file system behind which
 * another machine answers. The kernel says which process listens.
 */
#pragma once

#include "base/err.h"

/* `fd`: a connected Unix socket. 0 where the process that listens on it is root's or our own, runs
 * in our PID namespace, and is `program` (the msed beside us): the same file, or that path before
 * it was replaced. FORBIDDEN says what else it is. */
int home_node_check(int fd, const char *program, struct err *err) MUST_USE;
