// SPDX-License-Identifier: Apache-2.0
/*
 * One thread for both ways: it waits in poll alone. Runs beside QEMU, as the app's user.
 */
#include "launch/pump.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

struct way {
    int from;
    int to;
    uint8_t *piece; /* read and not written yet: piece[sent .. len - 1] */
    size_t len;
    size_t sent;
    bool ended; /* nothing more comes */
    bool shut;  /* and that was passed on */
};

static bool is_later(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static bool holds(const struct way *way)
{
    return way->sent < way->len;
}

static void pass_end(struct way *way)
{
    if (!way->ended || way->shut || holds(way))
        return;
    (void)shutdown(way->to, SHUT_WR);
    way->shut = true;
}

/* False: broken. */
static bool fill(struct way *way)
{
    ssize_t len = recv(way->from, way->piece, PUMP_PIECE, MSG_DONTWAIT);
    if (len < 0)
        return is_later();
    way->ended = len == 0;
    way->len = (size_t)len;
    way->sent = 0;
    return true;
}

static bool drain(struct way *way)
{
    ssize_t len =
        send(way->to, way->piece + way->sent, way->len - way->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (len < 0)
        return is_later();
    way->sent += (size_t)len;
    return true;
}

/* What is waited for at one end: to read for `out`, to write for `in`. */
static struct pollfd wanted(int fd, const struct way *out, const struct way *in)
{
    struct pollfd wait = {.fd = fd};
    if (!out->ended && !holds(out))
        wait.events |= POLLIN;
    if (holds(in))
        wait.events |= POLLOUT;
    if (wait.events == 0)
        wait.fd = -1; /* or its hang-up would be told without end */
    return wait;
}

static bool turn(struct way *way, const struct pollfd *from, const struct pollfd *to)
{
    bool may_write = holds(way) && to->revents != 0;
    bool may_read = !holds(way) && !way->ended && from->revents != 0;
    if ((may_write && !drain(way)) || (may_read && !fill(way)))
        return false;
    pass_end(way);
    return true;
}

void pump(int one, int other)
{
    AUTO_FREE uint8_t *pieces = mem_alloc((size_t)2 * PUMP_PIECE, NULL);
    struct way there = {.from = one, .to = other, .piece = pieces};
    struct way back = {
        .from = other, .to = one, .piece = pieces == NULL ? NULL : pieces + PUMP_PIECE};
    while (pieces != NULL && (!there.shut || !back.shut)) {
        struct pollfd fds[] = {wanted(one, &there, &back), wanted(other, &back, &there)};
        if (poll(fds, ARRAY_LEN(fds), -1) < 0) {
            if (errno != EINTR)
                return;
            continue;
        }
        if (!turn(&there, &fds[0], &fds[1]) || !turn(&back, &fds[1], &fds[0]))
            return;
    }
}
