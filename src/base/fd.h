// SPDX-License-Identifier: Apache-2.0
/*
 * File descriptors: owned, close-on-exec from birth, written and read whole.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <sys/types.h>

#define AUTO_CLOSE __attribute__((cleanup(fd_close_pointer)))

/* Closes unless negative; EINTR is not retried (Linux has closed it). */
void fd_close(int fd);
void fd_close_pointer(int *fd);
/* Gives an owned descriptor away: returns it and leaves -1 behind. */
int fd_steal(int *fd);

int fd_open(const char *path, int flags, mode_t mode, int *ret, struct err *err) MUST_USE;
int fd_open_at(int folder, const char *path, int flags, mode_t mode, int *ret,
               struct err *err) MUST_USE;
/* Both ends close-on-exec: [0] reads, [1] writes. */
int fd_pipe(int ret[2], struct err *err) MUST_USE;
int fd_write_all(int fd, struct slice bytes, struct err *err) MUST_USE;
/* Reads until `size` bytes or end of file; *ret_len says how many. */
int fd_read_full(int fd, void *to, size_t size, size_t *ret_len, struct err *err) MUST_USE;
/* Appends everything up to end of file; past out->max: ERR_TOO_LARGE. */
int fd_read_all(int fd, struct buf *out, struct err *err) MUST_USE;
/* Until it can be read from, at its end included, or `deadline_ms` of the monotonic clock has come:
 * TIMEOUT. A signal does not end the wait. */
int fd_wait_readable(int fd, int64_t deadline_ms, struct err *err) MUST_USE;
int fd_set_nonblocking(int fd, bool on, struct err *err) MUST_USE;

/* Unix stream sockets. The path must fit sun_path (107 bytes); longer is ERR_INVALID. */
int unix_listen(const char *path, mode_t mode, int *ret, struct err *err) MUST_USE;
int unix_connect(const char *path, int *ret, struct err *err) MUST_USE;
