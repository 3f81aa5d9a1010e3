// SPDX-License-Identifier: Apache-2.0
/*
 * SO_PEERCRED of a connected stream names the process that called listen(): for a forwarder that is
 * the forwarder. Runs on the owner's machine, asks /proc, changes nothing.
 */
#include "client/home_node.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process_handle.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5; Debian 12's headers are older than its backported kernels */
#endif

enum { PROC_PATH_SIZE = 64, LINK_SIZE = 4096, COMMAND_SIZE = 64 };

static const char deleted[] = " (deleted)";

/* The listening process itself, whatever becomes of its number. Before Linux 6.5 the process that
 * has the number now: it may be another one where the listener has ended and left the socket to a
 * child. */
static int open_peer(int fd, pid_t pid, struct err *err)
{
    int pidfd = -1;
    socklen_t size = sizeof(pidfd);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
        return pidfd;
    return process_handle_open(pid, &pidfd, err) < 0 ? -1 : pidfd;
}

static int read_link(pid_t pid, const char *name, char text[static LINK_SIZE])
{
    char path[PROC_PATH_SIZE];
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    ssize_t len = readlink(path, text, LINK_SIZE - 1);
    if (len < 0)
        return -1;
    text[len] = '\0';
    return 0;
}

/* Both links are there and name the same thing. */
static bool same_namespace(pid_t pid, const char *name)
{
    char theirs[LINK_SIZE];
    char ours[LINK_SIZE];
    return read_link(pid, name, theirs) == 0 && read_link(getpid(), name, ours) == 0 &&
           strcmp(theirs, ours) == 0;
}

static bool same_file(pid_t pid, const char *program)
{
    char path[PROC_PATH_SIZE];
    struct stat theirs;
    struct stat ours;
    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    return stat(path, &theirs) == 0 && stat(program, &ours) == 0 && theirs.st_dev == ours.st_dev &&
           theirs.st_ino == ours.st_ino;
}

/* It was started from the program's path, which holds a newer file now. Paths are compared only
 * within one mount namespace: in a container anything may lie there. */
static bool was_replaced(pid_t pid, const char *program)
{
    char link[LINK_SIZE];
    if (!same_namespace(pid, "ns/mnt") || read_link(pid, "exe", link) < 0 ||
        !str_ends_with(link, deleted))
        return false;
    link[strlen(link) - strlen(deleted)] = '\0';
    return strcmp(link, program) == 0;
}

/* For the error alone: the name that the process gives itself. */
static void read_command(pid_t pid, char text[static COMMAND_SIZE])
{
    char path[PROC_PATH_SIZE];
    AUTO_BUF struct buf command = BUF_INIT(COMMAND_SIZE);
    struct err ignored = ERR_INIT;
    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    bool read = file_read(path, &command, &ignored) == 0 && command.len > 0;
    struct slice name =
        slice_of(command.data, read ? command.len - 1 : 0); /* without its newline */
    text_copy_printable(text, COMMAND_SIZE, name, "");
}

static int check_process(pid_t pid, const char *program, struct err *err)
{
    char exe[LINK_SIZE];
    char command[COMMAND_SIZE];
    read_command(pid, command);
    if (read_link(pid, "exe", exe) < 0)
        return FAIL(err, ERR_FORBIDDEN,
                    "which program the process %d ('%s') that listens there runs cannot be seen",
                    (int)pid, command);
    if (!same_namespace(pid, "ns/pid"))
        return FAIL(err, ERR_FORBIDDEN, "the process %d ('%s') that listens there is a container's",
                    (int)pid, command);
    if (same_file(pid, program) || was_replaced(pid, program))
        return 0;
    return FAIL(err, ERR_FORBIDDEN, "the process %d that listens there is '%s', not '%s'", (int)pid,
                exe, program);
}

int home_node_check(int fd, const char *program, struct err *err)
{
    struct ucred peer = {.pid = 0};
    socklen_t size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return FAIL_ERRNO(err, ERR_FORBIDDEN, "which process listens there is not known");
    if (peer.pid <= 0) /* of a namespace that we do not see */
        return FAIL(err, ERR_FORBIDDEN, "the process that listens there is outside this container");
    if (peer.uid != 0 && peer.uid != geteuid())
        return FAIL(err, ERR_FORBIDDEN,
                    "the process %d that listens there belongs to the user %u, not to root or you",
                    (int)peer.pid, (unsigned)peer.uid);
    AUTO_CLOSE int pidfd = open_peer(fd, peer.pid, err);
    if (pidfd < 0 || check_process(peer.pid, program, err) < 0) {
        err->kind = ERR_FORBIDDEN;
        return -1;
    }
    /* Then its number was its own while /proc was read. */
    if (process_handle_ended(pidfd, 0))
        return FAIL(err, ERR_FORBIDDEN, "the process %d that listened there has ended",
                    (int)peer.pid);
    return 0;
}
