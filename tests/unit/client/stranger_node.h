// SPDX-License-Identifier: Apache-2.0
/*
 * A node that says what a test wants: it answers each connection to a Unix socket with the same
 * bytes, and keeps what it was sent last.
 */
#pragma once

#include "base/text.h"
#include "testing.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct stranger_node {
    struct temp_folder folder;
    char path[80];
    const char *answer;
    size_t answer_size;
    char request[64 << 10]; /* the last one, ended by a zero byte */
    int fd;
    int stop[2];
    pthread_t thread;
};

/* Until the head is there, and the body that its Content-Length says. */
static void stranger_read(struct stranger_node *node, int fd)
{
    size_t len = 0;
    for (;;) {
        ssize_t count = read(fd, node->request + len, sizeof(node->request) - 1 - len);
        if (count <= 0)
            return;
        len += (size_t)count;
        node->request[len] = '\0';
        const char *body = strstr(node->request, "\r\n\r\n");
        const char *length = strcasestr(node->request, "content-length: ");
        if (body == NULL)
            continue;
        size_t wanted = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
        if (len >= (size_t)(body + 4 - node->request) + wanted)
            return;
    }
}

static void *stranger_run(void *context)
{
    struct stranger_node *node = context;
    for (;;) {
        struct pollfd fds[] = {{.fd = node->fd, .events = POLLIN},
                               {.fd = node->stop[0], .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 || fds[1].revents != 0)
            return NULL;
        int fd = accept(node->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        stranger_read(node, fd);
        for (size_t sent = 0; sent < node->answer_size;) {
            ssize_t count = send(fd, node->answer + sent, node->answer_size - sent, MSG_NOSIGNAL);
            if (count <= 0)
                break;
            sent += (size_t)count;
        }
        (void)close(fd);
    }
}

static inline void stranger_start(struct stranger_node *node)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    node->folder = temp_folder_new();
    (void)snprintf(node->path, sizeof(node->path), "%s/s", node->folder.path);
    memcpy(address.sun_path, node->path, strlen(node->path) + 1);
    node->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(node->fd >= 0);
    assert_int_equal(bind(node->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(node->fd, 4), 0);
    assert_int_equal(pipe(node->stop), 0);
    assert_int_equal(pthread_create(&node->thread, NULL, stranger_run, node), 0);
}

static inline void stranger_stop(struct stranger_node *node)
{
    assert_int_equal(write(node->stop[1], "", 1), 1);
    assert_int_equal(pthread_join(node->thread, NULL), 0);
    (void)close(node->fd);
    (void)close(node->stop[0]);
    (void)close(node->stop[1]);
    temp_folder_remove(&node->folder);
}
