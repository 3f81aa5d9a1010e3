// SPDX-License-Identifier: Apache-2.0
/*
 * The pump between a client and an app. Owns the two descriptors and what waits to be written. Runs
 * on the gateway's loop thread in msed; the bytes are TLS records that the node cannot read.
 */
#include "gateway/relay.h"

#include "base/fd.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct relay_end *other_end(struct relay_end *end)
{
    return end == &end->relay->client ? &end->relay->app : &end->relay->client;
}

static void close_end(struct relay_end *end)
{
    if (end->added)
        loop_watch_remove(end->relay->settings->loop, &end->watch);
    end->added = false;
    fd_close(end->watch.fd);
    end->watch.fd = -1;
    *end->relay->settings->held -= end->out.len;
    buf_done(&end->out);
}

void relay_stop(struct relay *relay)
{
    loop_timer_cancel(relay->settings->loop, &relay->timer);
    close_end(&relay->client);
    close_end(&relay->app);
}

static void finish(struct relay *relay)
{
    relay_stop(relay);
    relay->settings->closed(relay);
}

/* An end that waits for nothing leaves the loop altogether: otherwise a hang-up would be reported
 * again and again while we are not ready to read what came before it. */
static int watch(struct relay_end *end, struct err *err)
{
    struct loop *loop = end->relay->settings->loop;
    uint32_t events = 0;
    if (!end->eof && other_end(end)->out.len == 0)
        events |= EPOLLIN;
    if (end->out.len > 0)
        events |= EPOLLOUT;
    if (events == 0) {
        if (end->added)
            loop_watch_remove(loop, &end->watch);
        end->added = false;
        return 0;
    }
    if (end->added)
        return loop_watch_change(loop, &end->watch, events, err);
    if (loop_watch_add(loop, &end->watch, events, err) < 0)
        return -1;
    end->added = true;
    return 0;
}

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* Sends as much as the socket takes; *ret_sent says how much that was. */
static int send_some(const struct relay_end *end, struct slice bytes, size_t *ret_sent)
{
    ssize_t sent = send(end->watch.fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && !would_block(errno))
        return -1;
    *ret_sent = sent > 0 ? (size_t)sent : 0;
    return 0;
}

static int flush(struct relay_end *end)
{
    size_t sent = 0;
    if (end->out.len > 0 && send_some(end, buf_slice(&end->out), &sent) < 0)
        return -1;
    *end->relay->settings->held -= sent;
    if (sent < end->out.len) {
        buf_consume(&end->out, sent);
        return 0;
    }
    size_t max = end->out.max;
    buf_done(&end->out); /* idle connections hold no memory */
    end->out = BUF_INIT(max);
    if (other_end(end)->eof && !end->shut) {
        end->shut = true;
        (void)shutdown(end->watch.fd, SHUT_WR);
    }
    return 0;
}

static int forward(struct relay_end *to, struct slice bytes, struct err *err)
{
    size_t sent = 0;
    if (send_some(to, bytes, &sent) < 0)
        return -1;
    if (sent == bytes.len)
        return 0;
    if (buf_bytes(&to->out, slice_of(bytes.data + sent, bytes.len - sent), err) < 0)
        return -1;
    *to->relay->settings->held += bytes.len - sent;
    return 0;
}

/* Who has closed its side may be gone altogether: the other must not keep the connection for it. */
static int64_t patience_ms(const struct relay *relay)
{
    const struct relay_settings *settings = relay->settings;
    bool half_closed = relay->client.eof || relay->app.eof;
    return half_closed && settings->half_closed_ms < settings->idle_ms ? settings->half_closed_ms
                                                                       : settings->idle_ms;
}

static int pull(struct relay_end *from, struct err *err)
{
    struct relay_end *to = other_end(from);
    if (from->eof || to->out.len > 0)
        return 0;
    const struct relay_settings *settings = from->relay->settings;
    uint8_t *scratch = settings->scratch;
    /* who does not read costs what was read for it: many of them must not cost all memory */
    size_t size = *settings->held < settings->held_max ? RELAY_CHUNK : RELAY_SMALL_CHUNK;
    ssize_t got = recv(from->watch.fd, scratch, size, MSG_DONTWAIT);
    if (got < 0)
        return would_block(errno) ? 0 : -1;
    if (got > 0)
        return forward(to, slice_of(scratch, (size_t)got), err);
    from->eof = true;
    loop_timer_set(from->relay->settings->loop, &from->relay->timer, patience_ms(from->relay));
    return flush(to);
}

static int step(struct relay_end *end, uint32_t events, struct err *err)
{
    if ((events & EPOLLERR) != 0)
        return -1;
    if ((events & EPOLLOUT) != 0 && flush(end) < 0)
        return -1;
    if ((events & (EPOLLIN | EPOLLHUP)) != 0 && pull(end, err) < 0)
        return -1;
    if (watch(end, err) < 0)
        return -1;
    return watch(other_end(end), err);
}

static void end_ready(struct loop_watch *watched, uint32_t events)
{
    struct relay_end *end = watched->data;
    struct relay *relay = end->relay;
    struct err err = ERR_INIT;
    relay->active_ms = loop_now_ms(relay->settings->loop);
    if (step(end, events, &err) < 0 || (relay->client.shut && relay->app.shut))
        finish(relay);
}

/* The timer is not moved at every byte: it fires, looks at the last activity and sleeps on. */
static void timer_fired(struct loop_timer *timer)
{
    struct relay *relay = timer->data;
    int64_t idle_for = loop_now_ms(relay->settings->loop) - relay->active_ms;
    if (idle_for >= patience_ms(relay))
        finish(relay);
    else
        loop_timer_set(relay->settings->loop, timer, patience_ms(relay) - idle_for);
}

static void init_end(struct relay *relay, struct relay_end *end, int fd)
{
    *end = (struct relay_end){.relay = relay, .out = BUF_INIT(RELAY_CHUNK + RELAY_FIRST_MAX)};
    end->watch = (struct loop_watch){.ready = end_ready, .data = end, .fd = fd};
}

int relay_start(struct relay *relay, const struct relay_settings *settings, const int fds[2],
                struct slice first, struct err *err)
{
    relay->settings = settings;
    relay->active_ms = loop_now_ms(settings->loop);
    relay->timer = (struct loop_timer){.fire = timer_fired, .data = relay};
    init_end(relay, &relay->client, fds[0]);
    init_end(relay, &relay->app, fds[1]);
    if (forward(&relay->app, first, err) < 0 || watch(&relay->client, err) < 0 ||
        watch(&relay->app, err) < 0) {
        relay_stop(relay);
        return FAIL(err, ERR_IO, "gateway: the app closed the connection");
    }
    loop_timer_set(settings->loop, &relay->timer, settings->idle_ms);
    return 0;
}
