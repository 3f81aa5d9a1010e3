// SPDX-License-Identifier: Apache-2.0
/*
 * Routes, listeners and the first moments of a connection: which app it is for, and reaching that
 * app. Owns the loop thread, the listeners and all connections. Runs in msed, in the path of every
 * byte of every app, on bytes from the network.
 */
#include "node/gateway.h"

#include "base/fd.h"
#include "base/log.h"
#include "net/client_hello.h"
#include "net/loop.h"
#include "net/proxy.h"
#include "node/listener.h"
#include "node/relay.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    ADDRESSES_MAX = 8,
    ACCEPTS_PER_ROUND = 64,
    HELLO_TIMEOUT_MS = 10 * 1000,
    RETRY_MS = 20,
    PAUSE_MS = 100, /* when the process is out of descriptors */
};

struct listener {
    struct loop_watch watch;
    struct gateway *gateway;
    struct route *route; /* NULL: shared, by SNI */
    struct loop_timer pause;
    bool added; /* the loop knows it: only the loop's thread may touch it */
};

struct route {
    struct route *next;
    char *id;
    char *folder;
    char *socket;
    char *host_name;
    char *replaces; /* NULL: nothing */
    uint16_t port;
    uid_t uid;
    bool down;
    unsigned open;
    struct listener listeners[ADDRESSES_MAX];
    size_t listener_count;
};

/* From accept until both ends are known; afterwards `relay` is in charge. */
struct connection {
    struct connection *next;
    struct connection *previous;
    struct gateway *gateway;
    struct route *route;
    struct loop_watch watch; /* the client, while its ClientHello is read */
    struct loop_timer timer; /* its patience, and the pauses between tries to reach the app */
    int64_t deadline_ms;
    struct buf hello;
    struct relay relay;
    bool watching;
    bool relaying;
};

struct gateway {
    struct gateway_options options;
    struct relay_settings relay_settings;
    struct loop *loop;
    pthread_t thread;
    bool started;
    struct route *routes;
    struct connection *connections;
    struct listener shared[ADDRESSES_MAX];
    size_t shared_count;
    struct gateway_counts counts;
    uint8_t scratch[RELAY_CHUNK];
};

/* --- connections --- */

static void forget_connection(struct connection *connection)
{
    struct gateway *gateway = connection->gateway;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        gateway->connections = connection->next;
    if (connection->route != NULL)
        connection->route->open--;
    gateway->counts.open--;
    buf_done(&connection->hello);
    free(connection);
}

static void unwatch(struct connection *connection)
{
    if (connection->watching)
        loop_watch_remove(connection->gateway->loop, &connection->watch);
    connection->watching = false;
}

static void drop_connection(struct connection *connection)
{
    if (connection->relaying) {
        relay_stop(&connection->relay);
    } else {
        unwatch(connection);
        loop_timer_cancel(connection->gateway->loop, &connection->timer);
        fd_close(connection->watch.fd);
        connection->gateway->counts.refused++;
    }
    forget_connection(connection);
}

static void relay_closed(struct relay *relay)
{
    forget_connection(relay->data);
}

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
    unwatch(connection);
    loop_timer_cancel(connection->gateway->loop, &connection->timer);
    connection->relay.data = connection;
    connection->relaying = true;
    const int fds[2] = {fd_steal(&connection->watch.fd), app_fd};
    buf_done(&connection->hello);
    connection->hello = BUF_INIT(0);
    return relay_start(&connection->relay, &connection->gateway->relay_settings, fds,
                       buf_slice(&first), err);
}

/* An app that is starting or whose queue is full is asked again for a while. */
static void reach_app(struct connection *connection)
{
    struct gateway *gateway = connection->gateway;
    const struct route *route = connection->route;
    struct err err = ERR_INIT;
    int fd = -1;
    if (app_socket_connect(route->folder, route->socket, route->uid, &fd, &err) == 0) {
        if (start_relay(connection, fd, &err) < 0)
            drop_connection(connection);
        return;
    }
    bool may_change = err.kind == ERR_NOT_FOUND || err.kind == ERR_BUSY;
    if (may_change && loop_now_ms(gateway->loop) < connection->deadline_ms) {
        loop_timer_set(gateway->loop, &connection->timer, RETRY_MS);
        return;
    }
    if (!may_change)
        log_warning("gateway: app %s: %s", route->id, err.message);
    drop_connection(connection);
}

static bool give_route(struct connection *connection, struct route *route)
{
    struct gateway *gateway = connection->gateway;
    if (route->down || route->open >= gateway->options.connections_per_app)
        return false;
    connection->route = route;
    route->open++;
    connection->deadline_ms = loop_now_ms(gateway->loop) + gateway->options.connect_ms;
    return true;
}

/* The newest: what took a name over comes before what had it. */
static struct route *route_by_name(const struct gateway *gateway, const char *host_name)
{
    for (struct route *route = gateway->routes; route != NULL; route = route->next) {
        if (strcmp(route->host_name, host_name) == 0)
            return route;
    }
    return NULL;
}

/* Whoever answers acme-tls/1 for a name can get a certificate for it from a public authority. No
 * app of this node needs that way, so none is asked. */
static struct route *route_of_hello(const struct gateway *gateway, const struct client_hello *hello)
{
    if (hello->state != CLIENT_HELLO_NAMED || hello->offers_acme)
        return NULL;
    return route_by_name(gateway, hello->name);
}

static void hello_ready(struct loop_watch *watch, uint32_t events)
{
    struct connection *connection = watch->data;
    struct gateway *gateway = connection->gateway;
    struct err err = ERR_INIT;
    size_t room = CLIENT_HELLO_MAX - connection->hello.len;
    ssize_t got = recv(watch->fd, gateway->scratch, room, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    struct client_hello hello = {0};
    if (got <= 0 ||
        buf_bytes(&connection->hello, slice_of(gateway->scratch, (size_t)got), &err) < 0 ||
        client_hello_parse(buf_slice(&connection->hello), &hello, &err) < 0) {
        drop_connection(connection);
        return;
    }
    if (hello.state == CLIENT_HELLO_MORE)
        return;
    struct route *route = route_of_hello(gateway, &hello);
    if (route == NULL || !give_route(connection, route)) {
        drop_connection(connection);
        return;
    }
    unwatch(connection);
    loop_timer_cancel(gateway->loop, &connection->timer);
    reach_app(connection);
}

static void connection_timer(struct loop_timer *timer)
{
    struct connection *connection = timer->data;
    if (connection->route == NULL)
        drop_connection(connection); /* no ClientHello in time */
    else
        reach_app(connection);
}

static void start_connection(struct gateway *gateway, struct connection *connection,
                             struct route *route)
{
    struct err err = ERR_INIT;
    if (route != NULL) {
        if (give_route(connection, route))
            reach_app(connection);
        else
            drop_connection(connection);
        return;
    }
    loop_timer_set(gateway->loop, &connection->timer, HELLO_TIMEOUT_MS);
    if (loop_watch_add(gateway->loop, &connection->watch, EPOLLIN, &err) < 0) {
        drop_connection(connection);
        return;
    }
    connection->watching = true;
}

static void new_connection(struct gateway *gateway, struct route *route, int fd)
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
    connection->hello = BUF_INIT(CLIENT_HELLO_MAX);
    connection->watch = (struct loop_watch){.ready = hello_ready, .data = connection, .fd = fd};
    connection->timer = (struct loop_timer){.fire = connection_timer, .data = connection};
    connection->next = gateway->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    gateway->connections = connection;
    gateway->counts.open++;
    gateway->counts.accepted++;
    if (gateway->options.connections != 0 && gateway->counts.open > gateway->options.connections)
        drop_connection(connection);
    else
        start_connection(gateway, connection, route);
}

/* --- listeners --- */

static void listener_resume(struct loop_timer *timer)
{
    struct listener *listener = timer->data;
    struct err err = ERR_INIT;
    if (loop_watch_add(listener->gateway->loop, &listener->watch, EPOLLIN, &err) < 0)
        log_err(LOG_ERROR, &err);
}

static void listener_ready(struct loop_watch *watch, uint32_t events)
{
    struct listener *listener = watch->data;
    struct loop *loop = listener->gateway->loop;
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            new_connection(listener->gateway, listener->route, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_warning("gateway: no descriptor left for a new connection");
            loop_watch_remove(loop, watch);
            loop_timer_set(loop, &listener->pause, PAUSE_MS);
        }
        return;
    }
}

static void init_listener(struct gateway *gateway, struct listener *listener, struct route *route,
                          int fd)
{
    listener->gateway = gateway;
    listener->route = route;
    listener->watch = (struct loop_watch){.ready = listener_ready, .data = listener, .fd = fd};
    listener->pause = (struct loop_timer){.fire = listener_resume, .data = listener};
}

static int add_listener(struct listener *listener, struct err *err)
{
    if (loop_watch_add(listener->gateway->loop, &listener->watch, EPOLLIN, err) < 0)
        return -1;
    listener->added = true;
    return 0;
}

static void close_listener(struct listener *listener)
{
    if (listener->added) {
        loop_timer_cancel(listener->gateway->loop, &listener->pause);
        loop_watch_remove(listener->gateway->loop, &listener->watch);
    }
    fd_close(listener->watch.fd);
}

/* --- routes --- */

static void free_route(struct route *route)
{
    if (route == NULL)
        return;
    for (size_t i = 0; i < route->listener_count; i++)
        close_listener(&route->listeners[i]);
    free(route->id);
    free(route->folder);
    free(route->socket);
    free(route->host_name);
    free(route->replaces);
    free(route);
}
DEFINE_CLEANUP(route_cleanup, struct route *, free_route)

/* An address family that the machine does not have is left out, as long as one works. */
static int open_listeners(struct gateway *gateway, struct route *route, struct err *err)
{
    for (size_t i = 0; i < gateway->options.address_count && i < ADDRESSES_MAX; i++) {
        int fd = -1;
        struct err failure = ERR_INIT;
        if (listener_open(gateway->options.addresses[i], route->port, &fd, &failure) == 0) {
            init_listener(gateway, &route->listeners[route->listener_count++], route, fd);
            continue;
        }
        if (failure.kind != ERR_UNSUPPORTED) {
            *err = failure;
            return -1;
        }
    }
    if (route->listener_count == 0)
        return FAIL(err, ERR_IO, "gateway: no address to listen on for port %u", route->port);
    return 0;
}

static struct route *make_route(struct gateway *gateway, const struct gateway_route *from,
                                struct err *err)
{
    AUTO(route_cleanup) struct route *route = mem_alloc(sizeof(*route), err);
    if (route == NULL)
        return NULL;
    route->id = str_copy(from->id, err);
    route->folder = str_copy(from->folder, err);
    route->socket = str_copy(from->socket, err);
    route->host_name = str_copy(from->host_name, err);
    route->port = from->port;
    route->uid = from->uid;
    if (from->replaces != NULL)
        route->replaces = str_copy(from->replaces, err);
    if (route->id == NULL || route->folder == NULL || route->socket == NULL ||
        route->host_name == NULL || (from->replaces != NULL && route->replaces == NULL))
        return NULL;
    if (route->port != 0 && open_listeners(gateway, route, err) < 0)
        return NULL;
    return STEAL(route);
}

/* --- calls from other threads --- */

struct call {
    struct loop_task task;
    struct gateway *gateway;
    int (*run)(struct gateway *gateway, void *argument, struct err *err);
    void *argument;
    struct err *err;
    int result;
    sem_t done;
};

static void run_call(struct loop_task *task)
{
    struct call *call = task->data;
    call->result = call->run(call->gateway, call->argument, call->err);
    (void)sem_post(&call->done);
}

static int on_loop(struct gateway *gateway,
                   int (*run)(struct gateway *gateway, void *argument, struct err *err),
                   void *argument, struct err *err)
{
    struct call call = {.gateway = gateway, .run = run, .argument = argument, .err = err};
    call.task = (struct loop_task){.run = run_call, .data = &call};
    (void)sem_init(&call.done, 0, 0);
    loop_post(gateway->loop, &call.task);
    int woken = -1;
    while (woken < 0)
        woken = sem_wait(&call.done); /* a signal may interrupt it */
    (void)sem_destroy(&call.done);
    return call.result;
}

static void drop_connections_of(struct gateway *gateway, const struct route *route)
{
    struct connection *next = NULL;
    for (struct connection *at = gateway->connections; at != NULL; at = next) {
        next = at->next;
        if (at->route == route)
            drop_connection(at);
    }
}

static void remove_route(struct gateway *gateway, struct route **place)
{
    struct route *route = *place;
    *place = route->next;
    drop_connections_of(gateway, route);
    free_route(route);
}

static bool takes_over(const struct route *route, const struct route *from)
{
    return route->replaces != NULL && strcmp(route->replaces, from->id) == 0;
}

static int check_route(const struct gateway *gateway, const struct route *route, struct err *err)
{
    for (const struct route *other = gateway->routes; other != NULL; other = other->next) {
        if (strcmp(other->id, route->id) == 0)
            return FAIL(err, ERR_EXISTS, "gateway: app '%s' has a route already", route->id);
    }
    if (route->host_name[0] == '\0' || gateway->shared_count == 0)
        return 0;
    const struct route *holder = route_by_name(gateway, route->host_name);
    if (holder == NULL || takes_over(route, holder))
        return 0;
    return FAIL(err, ERR_CONFLICT, "the host name '%s' is in use by another app of the node",
                route->host_name);
}

/* Takes the route over, also on failure. */
static int insert_route(struct gateway *gateway, void *argument, struct err *err)
{
    struct route *route = argument;
    if (check_route(gateway, route, err) < 0) {
        free_route(route);
        return -1;
    }
    route->next = gateway->routes;
    gateway->routes = route;
    for (size_t i = 0; i < route->listener_count; i++) {
        if (add_listener(&route->listeners[i], err) < 0) {
            remove_route(gateway, &gateway->routes);
            return -1;
        }
    }
    return 0;
}

int gateway_add(struct gateway *gateway, const struct gateway_route *route, struct err *err)
{
    struct route *made = make_route(gateway, route, err);
    if (made == NULL)
        return FAIL_CONTEXT(err, "route of app %s", route->id);
    return on_loop(gateway, insert_route, made, err);
}

static int delete_route(struct gateway *gateway, void *argument, struct err *err)
{
    const char *id = argument;
    for (struct route **place = &gateway->routes; *place != NULL; place = &(*place)->next) {
        if (strcmp((*place)->id, id) == 0) {
            remove_route(gateway, place);
            return 0;
        }
    }
    return 0;
}

void gateway_remove(struct gateway *gateway, const char *id)
{
    char copy[64] = {0};
    memcpy(copy, id, strnlen(id, sizeof(copy) - 1));
    (void)on_loop(gateway, delete_route, copy, NULL);
}

struct down_call {
    const char *id;
    bool down;
};

static int set_down(struct gateway *gateway, void *argument, struct err *err)
{
    const struct down_call *call = argument;
    for (struct route *route = gateway->routes; route != NULL; route = route->next) {
        if (strcmp(route->id, call->id) != 0)
            continue;
        route->down = call->down;
        if (call->down)
            drop_connections_of(gateway, route);
    }
    return 0;
}

void gateway_set_down(struct gateway *gateway, const char *id, bool down)
{
    struct down_call call = {.id = id, .down = down};
    (void)on_loop(gateway, set_down, &call, NULL);
}

static int copy_counts(struct gateway *gateway, void *argument, struct err *err)
{
    *(struct gateway_counts *)argument = gateway->counts;
    return 0;
}

struct gateway_counts gateway_count(struct gateway *gateway)
{
    struct gateway_counts counts = {0};
    (void)on_loop(gateway, copy_counts, &counts, NULL);
    return counts;
}

bool gateway_port_free(const char *const *addresses, size_t count, uint16_t port)
{
    for (size_t i = 0; i < count; i++) {
        AUTO_CLOSE int fd = -1;
        struct err err = ERR_INIT;
        if (listener_open(addresses[i], port, &fd, &err) < 0 && err.kind != ERR_UNSUPPORTED)
            return false;
    }
    return true;
}

/* --- life --- */

static void *run_thread(void *argument)
{
    struct gateway *gateway = argument;
    struct err err = ERR_INIT;
    if (loop_run(gateway->loop, &err) < 0)
        log_err(LOG_ERROR, &err);
    return NULL;
}

static int open_shared(struct gateway *gateway, struct err *err)
{
    if (gateway->options.shared_count > ADDRESSES_MAX)
        return FAIL(err, ERR_INVALID, "gateway: %zu addresses, at most %d expected",
                    gateway->options.shared_count, ADDRESSES_MAX);
    for (size_t i = 0; i < gateway->options.shared_count; i++) {
        int fd = -1;
        if (listener_open_text(gateway->options.shared[i], &fd, err) < 0)
            return FAIL_CONTEXT(err, "gateway");
        struct listener *listener = &gateway->shared[gateway->shared_count++];
        init_listener(gateway, listener, NULL, fd);
        if (add_listener(listener, err) < 0)
            return -1;
    }
    return 0;
}

int gateway_new(const struct gateway_options *options, struct gateway **ret, struct err *err)
{
    AUTO_GATEWAY struct gateway *gateway = mem_alloc(sizeof(*gateway), err);
    if (gateway == NULL || loop_new(&gateway->loop, err) < 0)
        return -1;
    gateway->options = *options;
    gateway->relay_settings = (struct relay_settings){.loop = gateway->loop,
                                                      .scratch = gateway->scratch,
                                                      .idle_ms = options->idle_ms,
                                                      .closed = relay_closed};
    if (open_shared(gateway, err) < 0)
        return -1;
    if (pthread_create(&gateway->thread, NULL, run_thread, gateway) != 0)
        return FAIL(err, ERR_MEMORY, "cannot start the gateway's thread");
    gateway->started = true;
    *ret = STEAL(gateway);
    return 0;
}

void gateway_free(struct gateway *gateway)
{
    if (gateway == NULL)
        return;
    if (gateway->started) {
        loop_stop(gateway->loop);
        (void)pthread_join(gateway->thread, NULL);
    }
    struct connection *next = NULL;
    for (struct connection *each = gateway->connections; each != NULL; each = next) {
        next = each->next;
        drop_connection(each);
    }
    while (gateway->routes != NULL)
        remove_route(gateway, &gateway->routes);
    for (size_t i = 0; i < gateway->shared_count; i++)
        close_listener(&gateway->shared[i]);
    loop_free(gateway->loop);
    free(gateway);
}
