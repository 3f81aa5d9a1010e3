// SPDX-License-Identifier: Apache-2.0
/*
 * The network of a sandbox: outgoing connections through slirp4netns, everything of the host's own
 * out of reach. Used by the launchers, and by msed for builds of layers.
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

/* Address of the name server inside; see network.c. */
#define NETWORK_NAME_SERVER "10.213.0.3"

/* What a kernel must have beyond namespaces, for a hint. */
#define NETWORK_NEEDS "the kernel needs IPsec policies (CONFIG_XFRM_USER): modprobe xfrm_user"

/* Prepares the network namespace of `init` before anything runs in it; starts the process that
 * carries its traffic, as uid/gid, which dies with the calling thread. Errors: NOT_FOUND (a missing
 * program, with its package), IO, TIMEOUT. */
int network_start(pid_t init, uid_t uid, gid_t gid, pid_t *ret, struct err *err) MUST_USE;
