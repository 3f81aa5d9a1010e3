// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets of the gateway. Owns nothing. Runs in msed.
 */
#include "gateway/listener.h"

#include "base/fd.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static int listen_on(const struct addrinfo *info, const char *address, uint16_t port, int *ret,
                     struct err *err)
{
    AUTO_CLOSE int fd =
        socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0)
        return FAIL_ERRNO(err, errno == EAFNOSUPPORT ? ERR_UNSUPPORTED : ERR_IO,
                          "cannot make a socket for '%s'", address);
    const int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        enum err_kind kind = errno == EADDRINUSE      ? ERR_CONFLICT
                             : errno == EADDRNOTAVAIL ? ERR_UNSUPPORTED
                             : errno == EACCES        ? ERR_FORBIDDEN
                                                      : ERR_IO;
        return FAIL_ERRNO(err, kind, "cannot listen on '%s' port %u", address, port);
    }
    *ret = fd_steal(&fd);
    return 0;
}

int listener_open(const char *address, uint16_t port, int *ret, struct err *err)
{
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", port);
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *info = NULL;
    int code = getaddrinfo(address, service, &hints, &info);
    if (code != 0)
        return FAIL(err, ERR_INVALID, "'%s' is not a numeric IP address: %s", address,
                    gai_strerror(code));
    int result = listen_on(info, address, port, ret, err);
    freeaddrinfo(info);
    return result;
}

int listener_open_text(const char *text, int *ret, struct err *err)
{
    char address[64];
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    if (len == 0 || len >= sizeof(address))
        return FAIL(err, ERR_INVALID, "'%s': ADDRESS:PORT expected", text);
    memcpy(address, text, len);
    address[len] = '\0';
    uint64_t port = 0;
    if (parse_u64(colon + 1, "port", 0, 65535, &port, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", text);
    const char *bare = address;
    if (address[0] == '[' && address[len - 1] == ']') {
        address[len - 1] = '\0';
        bare++;
    }
    return listener_open(bare, (uint16_t)port, ret, err);
}

static int check_socket(int fd, const char *name, uid_t uid, struct err *err)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", name);
    if (!S_ISSOCK(info.st_mode))
        return FAIL(err, ERR_FORBIDDEN, "'%s' of the app is not a socket", name);
    if (info.st_uid != uid)
        return FAIL(err, ERR_FORBIDDEN, "'%s' belongs to user %u, %u expected", name, info.st_uid,
                    uid);
    return 0;
}

/* The socket is found once and then named by its descriptor: what the app puts in its place
 * meanwhile, a link to another app's socket or to the node's own, is never connected to. */
static int connect_found(int found, const char *name, int *ret, struct err *err)
{
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", found);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        if (errno == EAGAIN)
            return FAIL_ERRNO(err, ERR_BUSY, "'%s'", name);
        return FAIL_ERRNO(err, errno == ECONNREFUSED ? ERR_NOT_FOUND : ERR_IO, "'%s'", name);
    }
    *ret = fd_steal(&fd);
    return 0;
}

int app_socket_listen(const char *folder, const char *name, int *ret, struct err *err)
{
    char path[64]; /* the folder's own may be too long for a socket's address */
    AUTO_CLOSE int fd = -1;
    AUTO_CLOSE int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder_fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot open '%s'", folder);
    if (unlinkat(folder_fd, name, 0) < 0 && errno != ENOENT)
        return FAIL_ERRNO(err, ERR_IO, "cannot remove '%s' in '%s'", name, folder);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", folder_fd, name);
    if (unix_listen(path, 0600, &fd, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", folder);
    if (listen(fd, APP_SOCKET_QUEUE) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot listen on '%s' in '%s'", name, folder);
    *ret = fd_steal(&fd);
    return 0;
}

int app_socket_connect(const char *folder, const char *name, uid_t uid, int *ret, struct err *err)
{
    AUTO_CLOSE int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder_fd < 0)
        return FAIL_ERRNO(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "'%s'", folder);
    AUTO_CLOSE int found = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (found < 0)
        return FAIL_ERRNO(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "'%s'", name);
    if (check_socket(found, name, uid, err) < 0)
        return -1;
    return connect_found(found, name, ret, err);
}
