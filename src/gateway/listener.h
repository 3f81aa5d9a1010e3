// SPDX-License-Identifier: Apache-2.0
/*
 * Listening TCP sockets by numeric address, and the Unix sockets between gateway and apps.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

#define APP_SOCKET "app.sock" /* in the app's folder */
enum { APP_SOCKET_QUEUE = 1024 };

/* `address` is a numeric IPv4 or IPv6 address. Non-blocking. CONFLICT: the port is taken. */
int listener_open(const char *address, uint16_t port, int *ret, struct err *err) MUST_USE;
/* "127.0.0.1:443", "[::1]:443": splits and listens. */
int listener_open_text(const char *text, int *ret, struct err *err) MUST_USE;

/* The socket on which the gateway reaches an app: `name` in `folder`, in place of one that may be
 * there. Only this user can connect. At most APP_SOCKET_QUEUE connections wait to be accepted. */
int app_socket_listen(const char *folder, const char *name, int *ret, struct err *err) MUST_USE;
/* Connects to it (non-blocking). It should be out of an app's reach; all the same links are not
 * followed, it must be a socket, and `uid` must own it. NOT_FOUND: not there or nobody
 * listens, BUSY: its queue is full (both may change soon); FORBIDDEN: not what it should be. */
int app_socket_connect(const char *folder, const char *name, uid_t uid, int *ret,
                       struct err *err) MUST_USE;
