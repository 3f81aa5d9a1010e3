// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP server as a whole: listeners, I/O threads, limits, counters, start and stop. Each I/O
 * thread has a loop of its own and owns the connections that it accepts. Runs in the node (API) and
 * in the enclave (the app).
 */
#include "base/lock.h"
#include "http/connection.h"

#include "base/clock.h"
#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 1024, ACCEPTS_PER_EVENT = 32, ACCEPT_PAUSE_MS = 100, MAX_IO_THREADS = 64 };

/* --- limits --- */

void http_limits_complete(struct http_limits *limits)
{
#define DEFAULT(field, value)                                                                      \
    do {                                                                                           \
        if (limits->field == 0)                                                                    \
            limits->field = (value);                                                               \
    } while (0)
    DEFAULT(io_threads, 1);
    DEFAULT(connections, 16384);
    DEFAULT(pipelining, 16);
    DEFAULT(header_count, 100);
    DEFAULT(header_bytes, 32 * 1024);
    DEFAULT(target_bytes, 8 * 1024);
    DEFAULT(body_bytes, (int64_t)2 * 1024 * 1024 * 1024);
    DEFAULT(held_bytes, 64 * 1024 * 1024);
    DEFAULT(spool_bytes, 2 * 1024 * 1024);
    DEFAULT(spool_total_bytes, 32 * 1024 * 1024);
    DEFAULT(header_timeout_ms, 10 * 1000);
    DEFAULT(body_timeout_ms, 30 * 1000);
    DEFAULT(idle_timeout_ms, 75 * 1000);
    DEFAULT(write_timeout_ms, 30 * 1000);
    DEFAULT(half_closed_ms, 5 * 1000);
#undef DEFAULT
    if (limits->header_bytes > IO_SCRATCH / 2)
        limits->header_bytes = IO_SCRATCH / 2;
    if (limits->target_bytes > limits->header_bytes)
        limits->target_bytes = limits->header_bytes;
    if (limits->io_threads > MAX_IO_THREADS)
        limits->io_threads = MAX_IO_THREADS;
}

/* --- listeners --- */

static int bind_tcp(const struct addrinfo *address, int *ret, struct err *err)
{
    AUTO_CLOSE int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a socket");
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return FAIL_ERRNO(err, errno == EADDRINUSE ? ERR_EXISTS : ERR_IO, "cannot listen");
    *ret = fd_steal(&fd);
    return 0;
}

static int listen_tcp(const char *host, int port, int *ret, struct err *err)
{
    char service[16];
    (void)snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *address = NULL;
    int result = getaddrinfo(host, service, &hints, &address);
    if (result != 0)
        return FAIL(err, ERR_INVALID,
                    "expected an address and a port to listen on, found '%s' and "
                    "%d: %s",
                    host, port, gai_strerror(result));
    result = bind_tcp(address, ret, err);
    freeaddrinfo(address);
    return result < 0 ? FAIL_CONTEXT(err, "%s port %d", host, port) : 0;
}

static void learn_address(struct listener *listener)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    if (getsockname(listener->fd, (struct sockaddr *)&address, &size) < 0)
        return;
    const struct sockaddr_in *v4 = (const void *)&address;
    const struct sockaddr_in6 *v6 = (const void *)&address;
    listener->is_tcp = address.ss_family == AF_INET || address.ss_family == AF_INET6;
    if (listener->is_tcp)
        listener->port = ntohs(address.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
}

static int open_listener(const struct http_listener *config, struct listener *ret, struct err *err)
{
    ret->proxy = config->proxy;
    ret->tls = config->tls;
    if (config->use_fd) {
        ret->fd = config->fd;
    } else if (config->unix_path != NULL) {
        if (unix_listen(config->unix_path, config->unix_mode, &ret->fd, err) < 0)
            return -1;
        ret->unix_path = str_copy(config->unix_path, err);
        if (ret->unix_path == NULL)
            return -1;
    } else if (config->host != NULL) {
        if (listen_tcp(config->host, config->port, &ret->fd, err) < 0)
            return -1;
    } else {
        return FAIL(err, ERR_INVALID, "a listener needs an address, a path or a descriptor");
    }
    learn_address(ret);
    return fd_set_nonblocking(ret->fd, true, err);
}

static int open_listeners(struct http_server *server, const struct http_server_config *config,
                          struct err *err)
{
    server->listeners = mem_alloc_array(config->listener_count, sizeof(*server->listeners), err);
    if (server->listeners == NULL)
        return -1;
    server->listener_count = config->listener_count;
    for (size_t i = 0; i < config->listener_count; i++)
        server->listeners[i].fd = -1;
    for (size_t i = 0; i < config->listener_count; i++) {
        if (open_listener(&config->listeners[i], &server->listeners[i], err) < 0)
            return -1;
    }
    return 0;
}

/* `keep_given`: descriptors that were given stay the caller's (the start has failed). */
static void close_listeners(struct http_server *server, const struct http_server_config *given)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        struct listener *listener = &server->listeners[i];
        if (given == NULL || !given->listeners[i].use_fd)
            fd_close(listener->fd);
        listener->fd = -1;
        if (listener->unix_path != NULL)
            (void)unlink(listener->unix_path);
        free(listener->unix_path);
        listener->unix_path = NULL;
    }
}

int http_server_port(const struct http_server *server, size_t listener)
{
    return listener < server->listener_count ? server->listeners[listener].port : 0;
}

/* --- accepting --- */

static void refuse_connection(const struct listener *listener, int fd)
{
    /* Those that were let in to hear it are too many already: who speaks TLS hears nothing. */
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\n"
                               "Content-Length: 21\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
                               "too many connections\n";
    if (listener->tls == NULL)
        (void)send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    fd_close(fd);
}

static const char *address_text(const struct sockaddr_storage *address, char *text, int *ret_port)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    text[0] = '\0';
    if (address->ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &v4->sin_addr, text, ADDRESS_SIZE);
        *ret_port = ntohs(v4->sin_port);
    } else if (address->ss_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, text, ADDRESS_SIZE);
        *ret_port = ntohs(v6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
            return text + strlen("::ffff:");
    }
    return text;
}

/* Whose it is. */
static void learn_peer_key(const struct listener *listener, int fd,
                           const struct sockaddr_storage *address, uint8_t key[CROWD_KEY_SIZE])
{
    struct ucred credentials = {.uid = (uid_t)-1};
    socklen_t size = sizeof(credentials);
    if (listener->is_tcp) {
        crowd_key_of_address(address, key);
        return;
    }
    (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
    crowd_key_of_user(credentials.uid, key);
}

static bool accept_one(struct accepting *accepting)
{
    struct io_thread *io = accepting->io;
    struct http_server *server = io->server;
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    int fd = accept4(accepting->watch.fd, (struct sockaddr *)&address, &size,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        bool full = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (full) { /* the connection stays in the backlog: look again in a while */
            (void)loop_watch_change(io->loop, &accepting->watch, 0, NULL);
            loop_timer_set(io->loop, &accepting->timer, ACCEPT_PAUSE_MS);
        }
        return !full && (errno == ECONNABORTED || errno == EINTR);
    }
    char text[ADDRESS_SIZE];
    struct accepted accepted = {.fd = fd};
    learn_peer_key(accepting->listener, fd, &address, accepted.peer);
    accepted.surplus = atomic_load(&server->connections) >= server->limits.connections &&
                       !connection_make_room(io, accepted.peer);
    count(&io->stats.refused, accepted.surplus);
    if (accepted.surplus &&
        atomic_load(&server->connections) >= server->limits.connections + SURPLUS_MAX) {
        refuse_connection(accepting->listener, fd);
        return true;
    }
    accepted.address = slice_str(address_text(&address, text, &accepted.port));
    connection_accept(io, accepting->listener, &accepted);
    return true;
}

static void on_listener(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    int left = ACCEPTS_PER_EVENT;
    while (left > 0 && accept_one(watch->data))
        left--;
}

static void on_accept_pause(struct loop_timer *timer)
{
    struct accepting *accepting = timer->data;
    (void)loop_watch_change(accepting->io->loop, &accepting->watch, EPOLLIN, NULL);
}

static int start_accepting(struct io_thread *io, struct err *err)
{
    struct http_server *server = io->server;
    io->accepting = mem_alloc_array(server->listener_count, sizeof(*io->accepting), err);
    if (io->accepting == NULL)
        return -1;
    for (size_t i = 0; i < server->listener_count; i++) {
        struct accepting *accepting = &io->accepting[i];
        accepting->io = io;
        accepting->listener = &server->listeners[i];
        accepting->timer = (struct loop_timer){.fire = on_accept_pause, .data = accepting};
        accepting->watch = (struct loop_watch){
            .ready = on_listener, .data = accepting, .fd = server->listeners[i].fd};
        if (loop_watch_add(io->loop, &accepting->watch, EPOLLIN, err) < 0)
            return -1;
    }
    return 0;
}

static void stop_accepting(struct io_thread *io)
{
    for (size_t i = 0; io->accepting != NULL && i < io->server->listener_count; i++) {
        loop_timer_cancel(io->loop, &io->accepting[i].timer);
        loop_watch_remove(io->loop, &io->accepting[i].watch);
        io->accepting[i].watch.fd = -1;
    }
}

/* --- I/O threads --- */

static void bury(struct loop_task *task)
{
    struct io_thread *io = task->data;
    while (io->graveyard != NULL) {
        struct connection *connection = io->graveyard;
        io->graveyard = connection->next;
        free(connection);
    }
}

static void on_round_end(void *data)
{
    struct io_thread *io = data;
    if (!io->called_handler)
        return;
    io->called_handler = false;
    io->server->round_end(io->server->context);
}

void server_note_connection_gone(struct http_server *server)
{
    if (atomic_fetch_sub(&server->connections, 1) != 1 || !atomic_load(&server->stopping))
        return;
    lock_acquire(&server->lock);
    (void)pthread_cond_broadcast(&server->emptied);
    lock_release(&server->lock);
}

void server_note_exchange_gone(struct io_thread *io)
{
    if (io->quitting && io->exchange_count == 0)
        loop_stop(io->loop);
}

static void stop_connection(struct connection *connection, bool abort)
{
    if (abort && connection->linked_count > 0)
        (void)atomic_fetch_add(&connection->io->server->aborted_by_stop, connection->linked_count);
    if (abort || connection->phase == PHASE_PROXY || connection->phase == PHASE_HANDSHAKE)
        connection_close(connection);
    else if (connection->phase == PHASE_HTTP)
        connection->protocol->stop(connection);
}

/* What the stopping thread wants of this one. */
static void on_control(struct loop_task *task)
{
    struct io_thread *io = task->data;
    const struct http_server *server = io->server;
    bool abort = atomic_load(&server->aborting);
    if (!io->stopped)
        stop_accepting(io);
    for (struct connection *at = io->connections; at != NULL && (abort || !io->stopped);) {
        struct connection *next = at->next;
        stop_connection(at, abort);
        at = next;
    }
    io->stopped = true;
    io->quitting = atomic_load(&server->quitting);
    server_note_exchange_gone(io);
}

static void *run_io(void *arg)
{
    struct io_thread *io = arg;
    struct err err = ERR_INIT;
    if (loop_run(io->loop, &err) < 0)
        abort(); /* epoll itself is broken: a server that hangs would be worse */
    return NULL;
}

static int start_thread(struct io_thread *io, struct err *err)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    int result = pthread_create(&io->thread, NULL, run_io, io);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        return (err_set(err, ERR_IO, result, "cannot start a thread"), -1);
    io->started = true;
    return 0;
}

/* Not while a thread waits for what comes in, or for room to write: it would wait for longer. */
static int64_t rest_us(void *data)
{
    struct io_thread *io = data;
    struct http_server *server = io->server;
    return atomic_load(&io->waiting) > 0 ? 0 : server->rest_us(server->context);
}

static int prepare_io(struct http_server *server, struct io_thread *io, struct err *err)
{
    io->server = server;
    io->bury = (struct loop_task){.run = bury, .data = io};
    io->control = (struct loop_task){.run = on_control, .data = io};
    if (loop_new(&io->loop, err) < 0)
        return -1;
    if (server->round_end != NULL)
        loop_set_round_end(io->loop, on_round_end, io);
    if (server->rest_us != NULL)
        loop_set_rest(io->loop, rest_us, io);
    return start_accepting(io, err);
}

static int start_all(struct http_server *server, struct err *err)
{
    server->io = mem_alloc_array(server->limits.io_threads, sizeof(*server->io), err);
    if (server->io == NULL)
        return -1;
    server->io_count = server->limits.io_threads;
    for (size_t i = 0; i < server->io_count; i++) {
        if (prepare_io(server, &server->io[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < server->io_count; i++) {
        if (start_thread(&server->io[i], err) < 0)
            return -1;
    }
    return 0;
}

static void free_io(struct io_thread *io)
{
    while (io->spare != NULL) {
        struct http_exchange *exchange = io->spare;
        io->spare = exchange->next;
        exchange_free(exchange);
    }
    bury(&io->bury);
    crowd_done(&io->crowd);
    free(io->accepting);
    loop_free(io->loop);
}

static void free_server(struct http_server *server, const struct http_server_config *given)
{
    for (size_t i = 0; i < server->io_count; i++)
        free_io(&server->io[i]);
    close_listeners(server, given);
    free(server->io);
    free(server->listeners);
    lock_done(&server->lock);
    (void)pthread_cond_destroy(&server->emptied);
    free(server);
}

/* --- start and stop --- */

static void end_threads(struct http_server *server)
{
    atomic_store(&server->quitting, true);
    for (size_t i = 0; i < server->io_count; i++) {
        if (server->io[i].started)
            loop_post(server->io[i].loop, &server->io[i].control);
    }
    for (size_t i = 0; i < server->io_count; i++) {
        if (server->io[i].started)
            (void)pthread_join(server->io[i].thread, NULL);
    }
}

int http_server_start(const struct http_server_config *config, struct http_server **ret,
                      struct err *err)
{
    struct http_server *server = mem_alloc(sizeof(*server), err);
    if (server == NULL)
        return -1;
    server->limits = config->limits;
    http_limits_complete(&server->limits);
    server->handler = config->handler;
    server->context = config->context;
    server->extended_connect = config->extended_connect;
    server->round_end = config->round_end;
    server->rest_us = config->rest_us;
    server->access_log = config->access_log;
    server->server_timing = config->server_timing;
    lock_init(&server->lock, LOCK_HTTP_SERVER);
    clock_cond_init(&server->emptied);
    if (open_listeners(server, config, err) < 0 || start_all(server, err) < 0) {
        atomic_store(&server->aborting, true);
        end_threads(server);
        free_server(server, config);
        return -1;
    }
    *ret = server;
    return 0;
}

static void control_all(struct http_server *server)
{
    for (size_t i = 0; i < server->io_count; i++)
        loop_post(server->io[i].loop, &server->io[i].control);
}

/* until NULL: for as long as it takes */
static void wait_until_empty(struct http_server *server, const struct timespec *until)
{
    lock_acquire(&server->lock);
    int result = 0;
    while (atomic_load(&server->connections) > 0 && result == 0) {
        if (until == NULL)
            lock_wait(&server->lock, &server->emptied);
        else
            result = lock_wait_until(&server->lock, &server->emptied, until);
    }
    lock_release(&server->lock);
}

unsigned http_server_stop(struct http_server *server, int64_t deadline_ms)
{
    struct timespec until = clock_deadline_us(deadline_ms * 1000);
    atomic_store(&server->stopping, true);
    control_all(server);
    wait_until_empty(server, &until);
    atomic_store(&server->aborting, true);
    control_all(server);
    wait_until_empty(server, NULL);
    return atomic_load(&server->aborted_by_stop);
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    (void)http_server_stop(server, 0);
    end_threads(server);
    free_server(server, NULL);
}

/* --- counters --- */

void http_server_stats(const struct http_server *server, struct http_server_stats *ret)
{
    *ret = (struct http_server_stats){0};
    uint64_t *sums = (uint64_t *)ret;
    size_t fields = sizeof(*ret) / sizeof(uint64_t);
    for (size_t i = 0; i < server->io_count; i++) {
        const uint64_t *numbers = (const uint64_t *)&server->io[i].stats;
        for (size_t j = 0; j < fields; j++)
            sums[j] += __atomic_load_n(&numbers[j], __ATOMIC_RELAXED);
    }
}
