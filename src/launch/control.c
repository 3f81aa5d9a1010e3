// SPDX-License-Identifier: Apache-2.0
/*
 * Who speaks to a supervisor: msed, and after its restart the next one. The socket's mode keeps
 * everybody else out. Nothing here waits: a client that does not read loses its connection, one
 * that says nonsense too. Runs in the supervisor.
 */
#include "launch/control.h"

#include "base/fd.h"
#include "base/file.h"
#include "format/json.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GRACE_MAX_MS = 10 * 60 * 1000 };

int control_open(struct control *control, struct err *err)
{
    *control = (struct control){.listen_fd = -1};
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        control->clients[i] = (struct control_client){.fd = -1};
    if (file_remove(CONTROL_SOCKET, err) < 0 ||
        unix_listen(CONTROL_SOCKET, 0600, &control->listen_fd, err) < 0)
        return FAIL_CONTEXT(err, "control socket");
    return 0;
}

static void drop(struct control_client *client)
{
    fd_close(fd_steal(&client->fd));
    buf_done(&client->request);
}

void control_close(struct control *control)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        drop(&control->clients[i]);
    if (control->listen_fd >= 0)
        (void)unlink(CONTROL_SOCKET);
    fd_close(fd_steal(&control->listen_fd));
}

void control_poll(const struct control *control, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = control->listen_fd, .events = POLLIN};
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        fds[i + 1] = (struct pollfd){.fd = control->clients[i].fd, .events = POLLIN};
}

static void send_line(struct control_client *client, struct slice line)
{
    ssize_t sent = send(client->fd, line.data, line.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != (ssize_t)line.len)
        drop(client);
}

void control_push(struct control *control, struct slice line)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i].fd >= 0)
            send_line(&control->clients[i], line);
    }
}

static void accept_client(struct control *control, struct slice greeting)
{
    int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX && fd >= 0; i++) {
        struct control_client *client = &control->clients[i];
        if (client->fd >= 0)
            continue;
        *client = (struct control_client){.fd = fd, .request = BUF_INIT(CONTROL_REQUEST_MAX)};
        send_line(client, greeting);
        return;
    }
    fd_close(fd);
}

int control_request_decode(struct slice line, struct control_request *ret, struct err *err)
{
    static const char *const known[] = {"cmd", "grace_ms"};
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    const char *command = NULL;
    uint64_t grace = 0;
    if (json_parse(line, "request", CONTROL_REQUEST_MAX, &root, err) < 0 ||
        json_top(root, "request", &top, err) < 0 ||
        json_only_keys(&top, known, ARRAY_LEN(known), err) < 0 ||
        json_read_text(&top, "cmd", 32, &command, err) < 0 ||
        json_read_u64(&top, "grace_ms", 0, GRACE_MAX_MS, &grace, err) < 0)
        return -1;
    if (strcmp(command, "stop") != 0)
        return FAIL(err, ERR_INVALID, "unknown request '%s'", command);
    *ret = (struct control_request){.stop = true, .grace_ms = (int)grace};
    return 0;
}

static int take_lines(struct control_client *client, struct control_request *request,
                      struct err *err)
{
    for (;;) {
        const uint8_t *end = client->request.len == 0
                                 ? NULL
                                 : memchr(client->request.data, '\n', client->request.len);
        if (end == NULL)
            return 0;
        size_t len = (size_t)(end - client->request.data);
        if (control_request_decode(slice_of(client->request.data, len), request, err) < 0)
            return -1;
        buf_consume(&client->request, len + 1);
    }
}

static void read_client(struct control_client *client, struct control_request *request)
{
    struct err err = ERR_INIT;
    uint8_t piece[256];
    ssize_t len = read(client->fd, piece, sizeof(piece));
    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0 || buf_bytes(&client->request, slice_of(piece, (size_t)len), &err) < 0 ||
        take_lines(client, request, &err) < 0)
        drop(client);
}

void control_handle(struct control *control, const struct pollfd *fds, struct slice greeting,
                    struct control_request *request)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (fds[i + 1].fd >= 0 && fds[i + 1].fd == control->clients[i].fd &&
            fds[i + 1].revents != 0)
            read_client(&control->clients[i], request);
    }
    if ((fds[0].revents & POLLIN) != 0)
        accept_client(control, greeting);
}
