// SPDX-License-Identifier: Apache-2.0
/*
 * Routes, listeners, and what other threads ask of the gateway. Owns the loop thread, the listeners
 * and all connections. Runs in msed.
 */
#include "gateway/gateway_internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "net/client_hello.h"
#include "gateway/listener.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

enum {
    ACCEPTS_PER_ROUND = 64,
    PAUSE_MS = 100, /* when the process is out of descriptors */
};

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
        struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
        socklen_t len = sizeof(address);
        int fd =
            accept4(watch->fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            gateway_connection_new(listener->gateway, listener->route, fd, &address);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_sparingly(&listener->gateway->exhaustions, LOG_WARNING,
                          "gateway: no descriptor left for a new connection");
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

static void leave_share(struct gateway *gateway, struct route *route)
{
    struct share *share = route->share;
    route->share = NULL;
    if (share == NULL || --share->routes > 0)
        return;
    struct share **place = &gateway->shares;
    while (*place != share)
        place = &(*place)->next;
    *place = share->next;
    free(share->account);
    free(share);
}

static int join_share(struct gateway *gateway, struct route *route, struct err *err)
{
    struct share *share = gateway->shares;
    while (share != NULL && strcmp(share->account, route->account) != 0)
        share = share->next;
    if (share == NULL) {
        share = mem_alloc(sizeof(*share), err);
        if (share == NULL)
            return -1;
        share->account = STEAL(route->account);
        share->next = gateway->shares;
        gateway->shares = share;
    }
    share->routes++;
    route->share = share;
    return 0;
}

static void free_route(struct route *route)
{
    if (route == NULL)
        return;
    for (size_t i = 0; i < route->listener_count; i++)
        close_listener(&route->listeners[i]);
    free(route->id);
    free(route->account);
    free(route->folder);
    free(route->socket);
    free(route->host_name);
    free(route->replaces);
    crowd_done(&route->crowd);
    free(route);
}
DEFINE_CLEANUP(route_cleanup, struct route *, free_route)

/* An address family that the machine does not have is left out, as long as one works. */
static int open_listeners(struct gateway *gateway, struct route *route, struct err *err)
{
    for (size_t i = 0; i < gateway->options.address_count && i < GATEWAY_ADDRESSES_MAX; i++) {
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
    route->account = str_copy(from->account, err);
    route->folder = str_copy(from->folder, err);
    route->socket = str_copy(from->socket, err);
    route->host_name = str_copy(from->host_name, err);
    route->port = from->port;
    route->uid = from->uid;
    if (from->replaces != NULL)
        route->replaces = str_copy(from->replaces, err);
    if (route->id == NULL || route->account == NULL || route->folder == NULL ||
        route->socket == NULL || route->host_name == NULL ||
        (from->replaces != NULL && route->replaces == NULL))
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

static void remove_route(struct gateway *gateway, struct route **place)
{
    struct route *route = *place;
    *place = route->next;
    gateway_connections_drop(gateway, route);
    leave_share(gateway, route);
    free_route(route);
}

struct route *gateway_route_by_name(const struct gateway *gateway, const char *host_name)
{
    for (struct route *route = gateway->routes; route != NULL; route = route->next) {
        if (strcmp(route->host_name, host_name) == 0)
            return route;
    }
    return NULL;
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
    const struct route *holder = gateway_route_by_name(gateway, route->host_name);
    if (holder == NULL || takes_over(route, holder))
        return 0;
    return FAIL(err, ERR_CONFLICT, "the host name '%s' is in use by another app of the node",
                route->host_name);
}

/* Takes the route over, also on failure. */
static int insert_route(struct gateway *gateway, void *argument, struct err *err)
{
    struct route *route = argument;
    if (check_route(gateway, route, err) < 0 || join_share(gateway, route, err) < 0) {
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
            gateway_connections_drop(gateway, route);
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
    struct gateway_counts *counts = argument;
    *counts = gateway->counts;
    counts->waiting = gateway->room.count;
    counts->held = gateway->held;
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
    if (gateway->options.shared_count > GATEWAY_ADDRESSES_MAX)
        return FAIL(err, ERR_INVALID, "gateway: %zu addresses, at most %d expected",
                    gateway->options.shared_count, GATEWAY_ADDRESSES_MAX);
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
    gateway_connections_init(gateway);
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
    gateway_connections_drop(gateway, NULL);
    while (gateway->routes != NULL)
        remove_route(gateway, &gateway->routes);
    for (size_t i = 0; i < gateway->shared_count; i++)
        close_listener(&gateway->shared[i]);
    loop_free(gateway->loop);
    free(gateway);
}
