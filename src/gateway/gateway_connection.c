// SPDX-License-Identifier: Apache-2.0
/*
 * The first moments of a connection: what it says (a ClientHello, whichever way it came), which app
 * it is for, whether there is room for it, and reaching that app. Runs on the gateway's loop thread
 * in msed, in the path of every byte of every app, on bytes of strangers.
 *
 * Room is a matter of shares. Who says nothing waits apart (waiting_room.h). Of those who do, an
 * app has a limit of its own, at which none of its users' addresses keeps out another; and at the
 * limit for all, whoever holds most gives: the app of the account that has most, and of its
 * connections the one that has been idle longest.
 */
#include "gateway/gateway_internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "net/client_hello.h"
#include "net/proxy.h"
#include "gateway/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    HELLO_TIMEOUT_MS = 5 * 1000,
    HELLO_READS = 64, /* more pieces than any client cuts it into */
    RETRY_MS = 20,
    RETRY_MAX_MS = 200,
    WARN_PAUSE_MS = 60 * 1000, /* between warnings about one app */
    LOOK_AT_MOST = 64,         /* connections, for one that is idle */
};

/* From accept until both ends are known; afterwards `relay` is in charge. */
struct connection {
    struct waiter waiter; /* while its ClientHello is read */
    struct connection *next;
    struct connection *previous;
    struct crowd_member member;    /* of its route's crowd, once it is admitted */
    struct connection *route_next; /* of its route */
    struct connection *route_previous;
    struct gateway *gateway;
    struct route *route;
    struct loop_watch watch; /* the client, while its ClientHello is read */
    struct loop_timer timer; /* its patience, and the pauses between tries to reach the app */
    int64_t deadline_ms;
    int64_t listed_ms; /* the activity by which it stands in its route's list */
    struct buf hello;
    unsigned hello_reads;
    struct relay relay;
    bool waiting; /* in the waiting room, watched */
    bool admitted;
    bool relaying;
};

/* --- the connections of a route --- */

static void list_enter(struct connection *connection)
{
    struct route *route = connection->route;
    connection->route_next = NULL;
    connection->route_previous = route->busy;
    if (route->busy != NULL)
        route->busy->route_next = connection;
    else
        route->idle = connection;
    route->busy = connection;
}

static void list_leave(struct connection *connection)
{
    struct route *route = connection->route;
    if (connection->route_next != NULL)
        connection->route_next->route_previous = connection->route_previous;
    else
        route->busy = connection->route_previous;
    if (connection->route_previous != NULL)
        connection->route_previous->route_next = connection->route_next;
    else
        route->idle = connection->route_next;
}

static void admit(struct connection *connection, struct route *route)
{
    struct gateway *gateway = connection->gateway;
    connection->route = route;
    connection->admitted = true;
    connection->listed_ms = loop_now_ms(gateway->loop);
    connection->deadline_ms = connection->listed_ms + gateway->options.connect_ms;
    list_enter(connection);
    connection->member.owner = connection;
    crowd_enter(&route->crowd, &connection->member, connection->waiter.address);
    route->open++;
    route->share->open++;
    gateway->admitted++;
}

static void unadmit(struct connection *connection)
{
    if (!connection->admitted)
        return;
    list_leave(connection);
    crowd_leave(&connection->route->crowd, &connection->member);
    connection->route->open--;
    connection->route->share->open--;
    connection->gateway->admitted--;
}

/* --- ends --- */

static void stop_waiting(struct connection *connection)
{
    struct gateway *gateway = connection->gateway;
    if (connection->waiting) {
        loop_watch_remove(gateway->loop, &connection->watch);
        waiting_room_leave(&gateway->room, &connection->waiter);
    }
    connection->waiting = false;
    loop_timer_cancel(gateway->loop, &connection->timer);
}

static void forget_connection(struct connection *connection)
{
    struct gateway *gateway = connection->gateway;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        gateway->connections = connection->next;
    unadmit(connection);
    gateway->counts.open--;
    buf_done(&connection->hello);
    free(connection);
}

static void drop_connection(struct connection *connection)
{
    if (connection->relaying) {
        relay_stop(&connection->relay);
    } else {
        stop_waiting(connection);
        fd_close(connection->watch.fd);
        connection->gateway->counts.refused++;
    }
    forget_connection(connection);
}

static void relay_closed(struct relay *relay)
{
    forget_connection(relay->data);
}

void gateway_connections_drop(struct gateway *gateway, const struct route *route)
{
    struct connection *next = NULL;
    for (struct connection *at = gateway->connections; at != NULL; at = next) {
        next = at->next;
        if (route == NULL || at->route == route)
            drop_connection(at);
    }
}

/* --- room --- */

/* The longest idle of a route that has some. The list is put in order only as far as it is looked
 * at: a connection that did something since goes to its end. */
static struct connection *longest_idle(struct route *route)
{
    struct connection *best = route->idle;
    for (int looked = 0; looked < LOOK_AT_MOST; looked++) {
        struct connection *first = route->idle;
        if (!first->relaying || first->relay.active_ms <= first->listed_ms)
            return first->listed_ms < best->listed_ms ? first : best;
        first->listed_ms = first->relay.active_ms;
        if (first->listed_ms < best->listed_ms)
            best = first;
        list_leave(first);
        list_enter(first);
    }
    return best;
}

/* The app with the most connections, of the account with the most. */
static struct route *most_loaded(const struct gateway *gateway)
{
    const struct share *share = gateway->shares;
    for (const struct share *other = share; other != NULL; other = other->next) {
        if (other->open > share->open)
            share = other;
    }
    struct route *most = NULL;
    for (struct route *route = gateway->routes; route != NULL; route = route->next) {
        if (route->share == share && (most == NULL || route->open > most->open))
            most = route;
    }
    return most;
}

static bool is_idle(const struct connection *connection)
{
    const struct gateway *gateway = connection->gateway;
    return loop_now_ms(gateway->loop) - connection->listed_ms >= gateway->options.spare_ms;
}

/* An app at its own limit: among its own users, who is idle makes room, and then the address that
 * has most of them for one that has less. */
static bool make_room_in_route(struct route *route, const struct connection *newcomer)
{
    struct connection *idle = route->open > 0 ? longest_idle(route) : NULL;
    if (idle != NULL && is_idle(idle)) {
        drop_connection(idle);
        return true;
    }
    const struct crowd_peer *greedy = crowd_greediest(&route->crowd, newcomer->waiter.address);
    if (greedy == NULL)
        return false;
    drop_connection(greedy->first->owner);
    return true;
}

/* The node at its limit: who holds more than the newcomer's account does gives, idle or not. */
static bool make_room(struct connection *newcomer, struct route *route)
{
    struct route *most = most_loaded(newcomer->gateway);
    if (most == NULL || most->open == 0)
        return false;
    if (most->share->open <= route->share->open + 1)
        return make_room_in_route(most, newcomer) || make_room_in_route(route, newcomer);
    drop_connection(longest_idle(most));
    return true;
}

static bool may_enter(struct connection *connection, struct route *route)
{
    const struct gateway *gateway = connection->gateway;
    if (route->down)
        return false;
    if (route->open >= gateway->options.connections_per_app &&
        !make_room_in_route(route, connection))
        return false;
    unsigned limit = gateway->options.connections;
    return limit == 0 || gateway->admitted < limit || make_room(connection, route);
}

/* --- reaching the app --- */

/* The PROXY header, then what was read of the client's ClientHello. */
static int first_bytes(const struct connection *connection, struct buf *out, struct err *err)
{
    struct sockaddr_storage client = {.ss_family = AF_UNSPEC};
    struct sockaddr_storage local = {.ss_family = AF_UNSPEC};
    socklen_t client_len = sizeof(client);
    socklen_t local_len = sizeof(local);
    (void)getpeername(connection->watch.fd, (struct sockaddr *)&client, &client_len);
    (void)getsockname(connection->watch.fd, (struct sockaddr *)&local, &local_len);
    if (proxy_header_write((const struct sockaddr *)&client, (const struct sockaddr *)&local, out,
                           err) < 0)
        return -1;
    return buf_bytes(out, buf_slice(&connection->hello), err);
}

static int start_relay(struct connection *connection, int app_fd, struct err *err)
{
    AUTO_BUF struct buf first = BUF_INIT(RELAY_FIRST_MAX);
    if (first_bytes(connection, &first, err) < 0) {
        fd_close(app_fd);
        return -1;
    }
    loop_timer_cancel(connection->gateway->loop, &connection->timer);
    connection->relay.data = connection;
    connection->relaying = true;
    const int fds[2] = {fd_steal(&connection->watch.fd), app_fd};
    buf_done(&connection->hello);
    connection->hello = BUF_INIT(0);
    return relay_start(&connection->relay, &connection->gateway->relay_settings, fds,
                       buf_slice(&first), err);
}

/* The longer it has waited, the longer it waits. */
static void ask_again(struct connection *connection)
{
    struct loop *loop = connection->gateway->loop;
    int64_t pause_ms = (loop_now_ms(loop) - connection->listed_ms) / 8;
    pause_ms = pause_ms < RETRY_MS ? RETRY_MS : pause_ms;
    loop_timer_set(loop, &connection->timer, pause_ms < RETRY_MAX_MS ? pause_ms : RETRY_MAX_MS);
}

/* An app that is starting or whose queue is full is asked again for a while: once for all who wait
 * for it, or whoever fills its queue would keep the gateway busy with asking. */
static void reach_app(struct connection *connection)
{
    struct route *route = connection->route;
    int64_t now_ms = loop_now_ms(connection->gateway->loop);
    struct err err = ERR_INIT;
    int fd = -1;
    if (now_ms < route->retry_ms && now_ms < connection->deadline_ms) {
        ask_again(connection);
        return;
    }
    if (app_socket_connect(route->folder, route->socket, route->uid, &fd, &err) == 0) {
        if (start_relay(connection, fd, &err) < 0)
            drop_connection(connection);
        return;
    }
    bool may_change = err.kind == ERR_NOT_FOUND || err.kind == ERR_BUSY;
    if (may_change && now_ms < connection->deadline_ms) {
        route->retry_ms = now_ms + RETRY_MS;
        ask_again(connection);
        return;
    }
    if (!may_change && now_ms >= route->warn_ms) {
        log_warning("gateway: app %s: %s", route->id, err.message);
        route->warn_ms = now_ms + WARN_PAUSE_MS;
    }
    drop_connection(connection);
}

/* --- the ClientHello --- */

/* Whoever answers acme-tls/1 for a name can get a certificate for it from a public authority. No
 * app of this node needs that way, so none is asked. */
static struct route *route_of_hello(const struct connection *connection,
                                    const struct client_hello *hello)
{
    if (hello->offers_acme)
        return NULL;
    if (connection->route != NULL)
        return connection->route; /* the port says it */
    return hello->state == CLIENT_HELLO_NAMED
               ? gateway_route_by_name(connection->gateway, hello->name)
               : NULL;
}

/* -1: it is nothing for us, or over. */
static int read_hello(struct connection *connection, struct client_hello *ret)
{
    struct gateway *gateway = connection->gateway;
    struct err err = ERR_INIT;
    size_t room = CLIENT_HELLO_MAX - connection->hello.len;
    ssize_t got = recv(connection->watch.fd, gateway->scratch, room, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0 || ++connection->hello_reads > HELLO_READS ||
        buf_bytes(&connection->hello, slice_of(gateway->scratch, (size_t)got), &err) < 0)
        return -1;
    return client_hello_parse(buf_slice(&connection->hello), ret, &err);
}

static void hello_ready(struct loop_watch *watch, uint32_t events)
{
    struct connection *connection = watch->data;
    struct client_hello hello = {.state = CLIENT_HELLO_MORE};
    int result = read_hello(connection, &hello);
    if (result == 0 && hello.state == CLIENT_HELLO_MORE)
        return;
    struct route *route = result == 0 ? route_of_hello(connection, &hello) : NULL;
    if (route == NULL || !may_enter(connection, route)) {
        drop_connection(connection);
        return;
    }
    stop_waiting(connection);
    admit(connection, route);
    reach_app(connection);
}

static void connection_timer(struct loop_timer *timer)
{
    struct connection *connection = timer->data;
    if (connection->admitted)
        reach_app(connection);
    else
        drop_connection(connection); /* no ClientHello in time */
}

static struct connection *of_waiter(struct waiter *waiter)
{
    _Static_assert(offsetof(struct connection, waiter) == 0, "a waiter is its connection");
    return (struct connection *)waiter;
}

/* Who has to leave is looked at once more: it may have spoken meanwhile. */
static void enter_room(struct connection *connection)
{
    struct waiting_room *room = &connection->gateway->room;
    struct waiter *surplus = waiting_room_surplus(room, &connection->waiter);
    unsigned before = room->count;
    if (surplus != NULL)
        hello_ready(&of_waiter(surplus)->watch, EPOLLIN);
    if (surplus != NULL && room->count == before) {
        connection->gateway->counts.crowded_out++;
        drop_connection(of_waiter(surplus));
    }
    waiting_room_enter(room, &connection->waiter);
    connection->waiting = true;
}

static void start_waiting(struct connection *connection)
{
    struct gateway *gateway = connection->gateway;
    struct err err = ERR_INIT;
    if (loop_watch_add(gateway->loop, &connection->watch, EPOLLIN, &err) < 0) {
        drop_connection(connection);
        return;
    }
    enter_room(connection);
    loop_timer_set(gateway->loop, &connection->timer, HELLO_TIMEOUT_MS);
}

void gateway_connection_new(struct gateway *gateway, struct route *route, int fd,
                            const struct sockaddr_storage *address)
{
    struct err err = ERR_INIT;
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    struct connection *connection = mem_alloc(sizeof(*connection), &err);
    if (connection == NULL) {
        fd_close(fd);
        return;
    }
    connection->gateway = gateway;
    connection->route = route;
    connection->hello = BUF_INIT(CLIENT_HELLO_MAX);
    connection->watch = (struct loop_watch){.ready = hello_ready, .data = connection, .fd = fd};
    connection->timer = (struct loop_timer){.fire = connection_timer, .data = connection};
    crowd_key_of_address(address, connection->waiter.address);
    connection->next = gateway->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    gateway->connections = connection;
    gateway->counts.open++;
    gateway->counts.accepted++;
    if (route != NULL && route->down)
        drop_connection(connection);
    else
        start_waiting(connection);
}

void gateway_connections_init(struct gateway *gateway)
{
    unsigned room = gateway->options.waiting;
    gateway->room = (struct waiting_room){.max = room, .max_per_address = room >= 4 ? room / 4 : 1};
    gateway->relay_settings =
        (struct relay_settings){.loop = gateway->loop,
                                .scratch = gateway->scratch,
                                .held_max = gateway->options.held_max,
                                .held = &gateway->held,
                                .idle_ms = gateway->options.idle_ms,
                                .half_closed_ms = gateway->options.half_closed_ms,
                                .closed = relay_closed};
}
