// SPDX-License-Identifier: Apache-2.0
/*
 * The supervisor's control socket: pushes status lines, takes requests. Internal to launch/.
 */
#pragma once

#include "base/buf.h"

#include <poll.h>
#include <stdbool.h>

enum { CONTROL_CLIENTS_MAX = 8, CONTROL_REQUEST_MAX = 1024, CONTROL_FDS = CONTROL_CLIENTS_MAX + 1 };

#define CONTROL_SOCKET "control.sock"

struct control_client {
    int fd;
    struct buf request;
};

struct control {
    int listen_fd;
    struct control_client clients[CONTROL_CLIENTS_MAX];
};

/* What a client may ask for. */
struct control_request {
    bool stop;
    int grace_ms;
};

/* CONTROL_SOCKET in the working folder, mode 0600. */
int control_open(struct control *control, struct err *err) MUST_USE;
void control_close(struct control *control);
/* Fills CONTROL_FDS entries. */
void control_poll(const struct control *control, struct pollfd *fds);
/* After poll: accepts (a new client is sent `greeting`), reads; *request is set where one came. */
void control_handle(struct control *control, const struct pollfd *fds, struct slice greeting,
                    struct control_request *request);
/* Sends a line to everybody; who does not read is dropped. */
void control_push(struct control *control, struct slice line);
/* {"cmd":"stop","grace_ms":N} and nothing else. */
int control_request_decode(struct slice line, struct control_request *ret,
                           struct err *err) MUST_USE;
