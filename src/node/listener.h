// SPDX-License-Identifier: Apache-2.0
/*
 * Listening TCP sockets by numeric address, and connecting to a socket in a folder that somebody
 * else may write to.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

/* `address` is a numeric IPv4 or IPv6 address. Non-blocking. CONFLICT: the port is taken. */
int listener_open(const char *address, uint16_t port, int *ret, struct err *err) MUST_USE;
/* "127.0.0.1:443", "[::1]:443": splits and listens. */
int listener_open_text(const char *text, int *ret, struct err *err) MUST_USE;

/* Connects (non-blocking) to the Unix socket `name` in `folder`, which an app may write to: links
 * are not followed, it must be a socket, and `uid` must own it. NOT_FOUND: not there or nobody
 * listens, BUSY: its queue is full (both may change soon); FORBIDDEN: not what it should be. */
int app_socket_connect(const char *folder, const char *name, uid_t uid, int *ret,
                       struct err *err) MUST_USE;
