// SPDX-License-Identifier: Apache-2.0
/*
 * File descriptors: opened close-on-exec, read and written whole across EINTR and short counts;
 * Unix sockets whose file has exactly the mode asked for. Owns nothing; runs in every process.
 */
#include "base/fd.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_PIECE = 16 * 1024, LISTEN_BACKLOG = 128 };

void fd_close(int fd)
{
    if (fd < 0)
        return;
    int saved = errno; /* a cleanup must not disturb the error that is being reported */
    (void)close(fd);
    errno = saved;
}

void fd_close_pointer(int *fd)
{
    fd_close(*fd);
}

int fd_steal(int *fd)
{
    int value = *fd;
    *fd = -1;
    return value;
}

static enum err_kind open_error_kind(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_FORBIDDEN;
    default:
        return ERR_IO;
    }
}

int fd_open(const char *path, int flags, mode_t mode, int *ret, struct err *err)
{
    return fd_open_at(AT_FDCWD, path, flags, mode, ret, err);
}

int fd_open_at(int folder, const char *path, int flags, mode_t mode, int *ret, struct err *err)
{
    int fd;
    do
        fd = openat(folder, path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return FAIL_ERRNO(err, open_error_kind(errno), "cannot open '%s'", path);
    *ret = fd;
    return 0;
}

int fd_pipe(int ret[2], struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a pipe");
    ret[0] = ends[0];
    ret[1] = ends[1];
    return 0;
}

int fd_write_all(int fd, struct slice bytes, struct err *err)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t count = write(fd, bytes.data + done, bytes.len - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot write");
        done += (size_t)count;
    }
    return 0;
}

int fd_read_full(int fd, void *to, size_t size, size_t *ret_len, struct err *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t count = read(fd, (uint8_t *)to + done, size - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot read");
        if (count == 0)
            break;
        done += (size_t)count;
    }
    *ret_len = done;
    return 0;
}

/* At the maximum only the end of the file may follow: one byte more is too large. */
static int expect_end(int fd, const struct buf *out, struct err *err)
{
    uint8_t extra;
    size_t len;
    if (fd_read_full(fd, &extra, 1, &len, err) < 0)
        return -1;
    mem_wipe(&extra, sizeof(extra));
    if (len > 0)
        return FAIL(err, ERR_TOO_LARGE, "larger than the limit of %zu bytes", out->max);
    return 0;
}

static void cut_back(struct buf *out, size_t len)
{
    if (out->data != NULL)
        out->data[len] = '\0';
    out->len = len;
}

int fd_read_all(int fd, struct buf *out, struct err *err)
{
    size_t before = out->len;
    for (;;) {
        size_t room = out->max > out->len ? out->max - out->len : 0;
        size_t piece = room < READ_PIECE ? room : READ_PIECE;
        if (piece == 0)
            break;
        uint8_t *place = buf_reserve(out, piece, err);
        size_t len = 0;
        if (place == NULL || fd_read_full(fd, place, piece, &len, err) < 0) {
            cut_back(out, before);
            return -1;
        }
        place[len] = '\0';
        out->len += len;
        if (len < piece)
            return 0;
    }
    if (expect_end(fd, out, err) < 0) {
        cut_back(out, before);
        return -1;
    }
    return 0;
}

int fd_wait_readable(int fd, int64_t deadline_ms, struct err *err)
{
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        if (left_ms < 0)
            left_ms = 0;
        int count = poll(&ready, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
        if (count > 0)
            return 0;
        if (count < 0 && errno != EINTR)
            return FAIL_ERRNO(err, ERR_IO, "cannot wait");
        if (count == 0 && left_ms < INT_MAX)
            return FAIL(err, ERR_TIMEOUT, "nothing came in time");
    }
}

int fd_set_nonblocking(int fd, bool on, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the flags of descriptor %d", fd);
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (fcntl(fd, F_SETFL, flags) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot set the flags of descriptor %d", fd);
    return 0;
}

static int unix_address(const char *path, struct sockaddr_un *ret, struct err *err)
{
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(ret->sun_path))
        return FAIL(err, ERR_INVALID, "socket path '%s' has %zu bytes, expected 1 to %zu", path,
                    len, sizeof(ret->sun_path) - 1);
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, len + 1);
    return 0;
}

/* A stream socket, and the address for it to bind or connect to. */
static int unix_socket(const char *path, struct sockaddr_un *ret, int *ret_fd, struct err *err)
{
    if (unix_address(path, ret, err) < 0)
        return -1;
    *ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return *ret_fd < 0 ? FAIL_ERRNO(err, ERR_IO, "cannot make a socket") : 0;
}

/* Gives a socket's file its mode. Others may write to the folder: what lies at the path is opened
 * without following a link and looked at before it is changed through that descriptor. */
static int set_socket_mode(const char *path, mode_t mode, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    struct stat status;
    if (fd_open(path, O_PATH | O_NOFOLLOW, 0, &fd, err) < 0)
        return -1;
    if (fstat(fd, &status) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at socket '%s'", path);
    if (!S_ISSOCK(status.st_mode))
        return FAIL(err, ERR_CONFLICT, "'%s' was replaced and is no socket any more", path);
    if ((status.st_mode & 07777) == mode)
        return 0;
    char name[64];
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd); /* fchmod refuses O_PATH */
    if (chmod(name, mode) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot set the mode of socket '%s'", path);
    return 0;
}

int unix_listen(const char *path, mode_t mode, int *ret, struct err *err)
{
    struct sockaddr_un address;
    AUTO_CLOSE int fd = -1;
    if (unix_socket(path, &address, &fd, err) < 0)
        return -1;
    /* On Linux the file takes its mode from the socket, less the umask: never more than asked. */
    if (fchmod(fd, mode) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot set the mode of socket '%s'", path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return FAIL_ERRNO(err, errno == EADDRINUSE ? ERR_EXISTS : ERR_IO, "cannot bind socket '%s'",
                          path);
    int result = set_socket_mode(path, mode, err);
    if (result == 0 && listen(fd, LISTEN_BACKLOG) < 0)
        result = FAIL_ERRNO(err, ERR_IO, "cannot listen on socket '%s'", path);
    if (result < 0) {
        (void)unlink(path);
        return -1;
    }
    *ret = fd_steal(&fd);
    return 0;
}

static enum err_kind connect_error_kind(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ECONNREFUSED:
        return ERR_UNREACHABLE;
    case EACCES:
    case EPERM:
        return ERR_FORBIDDEN;
    default:
        return ERR_IO;
    }
}

int unix_connect(const char *path, int *ret, struct err *err)
{
    struct sockaddr_un address;
    AUTO_CLOSE int fd = -1;
    if (unix_socket(path, &address, &fd, err) < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return FAIL_ERRNO(err, connect_error_kind(errno), "cannot connect to socket '%s'", path);
    *ret = fd_steal(&fd);
    return 0;
}
