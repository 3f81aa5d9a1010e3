// SPDX-License-Identifier: Apache-2.0
/*
 * A gateway on loopback with an app that listens as an enclave would, and clients that say hello.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "gateway/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char *const loopback[] = {"127.0.0.1"};
enum { PROXY_SIZE = 28, PATIENCE_S = 20 };
#define NAME "app-a.example.com"

struct fixture {
    char folder[64];
    char socket[96];
    int app; /* listening, as an enclave would */
    uint16_t port;
    struct gateway *gateway;
};

static inline uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    fd_close(fd);
    return ntohs(address.sin_port);
}

static inline struct gateway_route route_of(const struct fixture *fixture)
{
    return (struct gateway_route){.id = "app-a",
                                  .account = "uid:1",
                                  .folder = fixture->folder,
                                  .socket = "app.sock",
                                  .host_name = NAME,
                                  .port = fixture->port,
                                  .uid = getuid()};
}

static inline void start(struct fixture *fixture, const struct gateway_options *options)
{
    struct err err = ERR_INIT;
    if (gateway_new(options, &fixture->gateway, &err) < 0)
        fail_msg("%s", err.message);
}

static const struct gateway_options by_port = {.addresses = loopback,
                                               .address_count = 1,
                                               .connections_per_app = 4,
                                               .waiting = 1024,
                                               .held_max = 1 << 20,
                                               .idle_ms = 60000,
                                               .half_closed_ms = 60000,
                                               .connect_ms = 0,
                                               .spare_ms = 60000};

static inline int set_up(void **state)
{
    struct err err = ERR_INIT;
    struct fixture *fixture = mem_alloc(sizeof(*fixture), NULL);
    assert_non_null(fixture);
    (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/mse-gateway-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->socket, sizeof(fixture->socket), "%s/app.sock", fixture->folder);
    assert_int_equal(unix_listen(fixture->socket, 0700, &fixture->app, &err), 0);
    fixture->port = free_port();
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    gateway_free(fixture->gateway);
    fd_close(fixture->app);
    assert_int_equal(folder_remove_tree(fixture->folder, &err), 0);
    free(fixture);
    return 0;
}

static inline void add_route(struct fixture *fixture)
{
    struct err err = ERR_INIT;
    const struct gateway_route route = route_of(fixture);
    if (gateway_add(fixture->gateway, &route, &err) < 0)
        fail_msg("%s", err.message);
}

static inline void set_patience(int fd)
{
    const struct timeval limit = {.tv_sec = PATIENCE_S};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
}

/* From 127.0.0.`host`. */
static inline int client_from(uint8_t host, uint16_t port)
{
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(0x7f000000U + host)};
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    set_patience(fd);
    assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fd_close(fds[i]);
}

static inline int client_of(uint16_t port)
{
    return client_from(1, port);
}

static inline void read_exactly(int fd, void *to, size_t size)
{
    struct err err = ERR_INIT;
    size_t len = 0;
    assert_int_equal(fd_read_full(fd, to, size, &len, &err), 0);
    assert_int_equal(len, size);
}

static inline void write_all(int fd, const void *bytes, size_t len)
{
    struct err err = ERR_INIT;
    assert_int_equal(fd_write_all(fd, slice_of(bytes, len), &err), 0);
}

static inline size_t put_extension(uint8_t *to, uint8_t type, const void *content, size_t len)
{
    const uint8_t head[] = {0, type, 0, (uint8_t)len};
    memcpy(to, head, sizeof(head));
    memcpy(to + sizeof(head), content, len);
    return sizeof(head) + len;
}

/* A ClientHello with a server name and, unless NULL, one application protocol; below 256 bytes. */
static inline size_t make_hello(const char *name, const char *protocol, uint8_t *to)
{
    uint8_t content[128] = {0};
    uint8_t *body = to + 9;
    const uint8_t fixed[] = {0, 0, 2, 0x13, 0x01, 1, 0};
    size_t at = 2 + 32;
    memset(body, 3, at);
    memcpy(body + at, fixed, sizeof(fixed));
    at += sizeof(fixed) + 2;
    uint8_t *extensions = body + at;
    size_t len = strlen(name);
    content[1] = (uint8_t)(len + 3);
    content[4] = (uint8_t)len;
    memcpy(content + 5, name, len);
    at += put_extension(body + at, 0, content, len + 5);
    if (protocol != NULL) {
        len = strlen(protocol);
        const uint8_t head[] = {0, (uint8_t)(len + 1), (uint8_t)len};
        memcpy(content, head, sizeof(head));
        memcpy(content + sizeof(head), protocol, len);
        at += put_extension(body + at, 16, content, len + sizeof(head));
    }
    extensions[-2] = 0;
    extensions[-1] = (uint8_t)(body + at - extensions);
    const uint8_t heads[] = {22, 3, 1, 0, (uint8_t)(at + 4), 1, 0, 0, (uint8_t)at};
    memcpy(to, heads, sizeof(heads));
    return at + sizeof(heads);
}

static inline void say_hello(int client, const char *name, const char *protocol)
{
    uint8_t hello[512];
    size_t len = make_hello(name, protocol, hello);
    write_all(client, hello, len);
}

/* A client that has said what it wants. */
static inline int speaking_client(uint16_t port)
{
    int client = client_of(port);
    say_hello(client, NAME, NULL);
    return client;
}

static inline void expect_end(int fd)
{
    char byte = 0;
    ssize_t got = recv(fd, &byte, 1, 0);
    assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
}

/* Accepts as the enclave and takes the PROXY header off. */
static inline int app_accept(const struct fixture *fixture)
{
    struct pollfd waiting = {.fd = fixture->app, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, PATIENCE_S * 1000), 1);
    int fd = accept4(fixture->app, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    set_patience(fd);
    uint8_t header[PROXY_SIZE];
    read_exactly(fd, header, sizeof(header));
    assert_memory_equal(header, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01", 24);
    return fd;
}

/* ... and the ClientHello of a speaking client. */
static inline int app_accept_hello(const struct fixture *fixture)
{
    uint8_t expected[512];
    uint8_t hello[512];
    size_t len = make_hello(NAME, NULL, expected);
    int fd = app_accept(fixture);
    read_exactly(fd, hello, len);
    assert_memory_equal(hello, expected, len);
    return fd;
}

/* Like by_port, for all by name. */
static inline struct gateway_options by_name_options(const struct fixture *fixture)
{
    static char shared[32];
    static const char *const addresses[] = {shared};
    (void)snprintf(shared, sizeof(shared), "127.0.0.1:%u", fixture->port);
    struct gateway_options options = by_port;
    options.address_count = 0;
    options.shared = addresses;
    options.shared_count = 1;
    return options;
}

static inline void add_named(struct fixture *fixture, const char *id, const char *account,
                             const char *host_name)
{
    struct err err = ERR_INIT;
    struct gateway_route route = route_of(fixture);
    route.port = 0;
    route.id = id;
    route.account = account;
    route.host_name = host_name;
    if (gateway_add(fixture->gateway, &route, &err) < 0)
        fail_msg("%s", err.message);
}

static inline void start_shared(struct fixture *fixture)
{
    const struct gateway_options options = by_name_options(fixture);
    start(fixture, &options);
    add_named(fixture, "app-a", "uid:1", NAME);
}
