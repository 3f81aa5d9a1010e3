// SPDX-License-Identifier: Apache-2.0
/*
 * The gateway on loopback: bytes both ways behind a PROXY header, half-closed connections, a slow
 * reader, limits, routing by server name, and sockets that an app swapped for something else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "node/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
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

static uint16_t free_port(void)
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

static struct gateway_route route_of(const struct fixture *fixture)
{
    return (struct gateway_route){.id = "app-a",
                                  .account = "uid:1",
                                  .folder = fixture->folder,
                                  .socket = "app.sock",
                                  .host_name = NAME,
                                  .port = fixture->port,
                                  .uid = getuid()};
}

static void start(struct fixture *fixture, const struct gateway_options *options)
{
    struct err err = ERR_INIT;
    if (gateway_new(options, &fixture->gateway, &err) < 0)
        fail_msg("%s", err.message);
}

static const struct gateway_options by_port = {.addresses = loopback,
                                               .address_count = 1,
                                               .connections_per_app = 4,
                                               .waiting = 1024,
                                               .idle_ms = 60000,
                                               .half_closed_ms = 60000,
                                               .connect_ms = 0,
                                               .spare_ms = 60000};

static int set_up(void **state)
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

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    gateway_free(fixture->gateway);
    fd_close(fixture->app);
    assert_int_equal(folder_remove_tree(fixture->folder, &err), 0);
    free(fixture);
    return 0;
}

static void add_route(struct fixture *fixture)
{
    struct err err = ERR_INIT;
    const struct gateway_route route = route_of(fixture);
    if (gateway_add(fixture->gateway, &route, &err) < 0)
        fail_msg("%s", err.message);
}

static void set_patience(int fd)
{
    const struct timeval limit = {.tv_sec = PATIENCE_S};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
}

/* From 127.0.0.`host`. */
static int client_from(uint8_t host, uint16_t port)
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

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fd_close(fds[i]);
}

static int client_of(uint16_t port)
{
    return client_from(1, port);
}

static void read_exactly(int fd, void *to, size_t size)
{
    struct err err = ERR_INIT;
    size_t len = 0;
    assert_int_equal(fd_read_full(fd, to, size, &len, &err), 0);
    assert_int_equal(len, size);
}

static void write_all(int fd, const void *bytes, size_t len)
{
    struct err err = ERR_INIT;
    assert_int_equal(fd_write_all(fd, slice_of(bytes, len), &err), 0);
}

static size_t put_extension(uint8_t *to, uint8_t type, const void *content, size_t len)
{
    const uint8_t head[] = {0, type, 0, (uint8_t)len};
    memcpy(to, head, sizeof(head));
    memcpy(to + sizeof(head), content, len);
    return sizeof(head) + len;
}

/* A ClientHello with a server name and, unless NULL, one application protocol; below 256 bytes. */
static size_t make_hello(const char *name, const char *protocol, uint8_t *to)
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

static void say_hello(int client, const char *name, const char *protocol)
{
    uint8_t hello[512];
    size_t len = make_hello(name, protocol, hello);
    write_all(client, hello, len);
}

/* A client that has said what it wants. */
static int speaking_client(uint16_t port)
{
    int client = client_of(port);
    say_hello(client, NAME, NULL);
    return client;
}

static void expect_end(int fd)
{
    char byte = 0;
    ssize_t got = recv(fd, &byte, 1, 0);
    assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
}

/* Accepts as the enclave and takes the PROXY header off. */
static int app_accept(const struct fixture *fixture)
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
static int app_accept_hello(const struct fixture *fixture)
{
    uint8_t expected[512];
    uint8_t hello[512];
    size_t len = make_hello(NAME, NULL, expected);
    int fd = app_accept(fixture);
    read_exactly(fd, hello, len);
    assert_memory_equal(hello, expected, len);
    return fd;
}

static void both_ways_test(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &by_port);
    add_route(fixture);
    int client = speaking_client(fixture->port);
    int app = app_accept_hello(fixture);
    char text[8] = {0};
    write_all(client, "ping", 4);
    read_exactly(app, text, 4);
    assert_string_equal(text, "ping");
    write_all(app, "pong", 4);
    read_exactly(client, text, 4);
    assert_string_equal(text, "pong");
    assert_int_equal(gateway_count(fixture->gateway).open, 1);
    /* the client has said all, the app still answers */
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    expect_end(app);
    write_all(app, "late", 4);
    fd_close(app);
    read_exactly(client, text, 4);
    assert_string_equal(text, "late");
    expect_end(client);
    fd_close(client);
    while (gateway_count(fixture->gateway).open > 0)
        continue;
}

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + at / 251);
}

enum { BULK = 8 * 1024 * 1024 };

static pid_t send_bulk(int fd)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child != 0)
        return child;
    uint8_t *bytes = mem_alloc(BULK, NULL);
    struct err err = ERR_INIT;
    for (size_t i = 0; bytes != NULL && i < BULK; i++)
        bytes[i] = pattern(i);
    _exit(bytes != NULL && fd_write_all(fd, slice_of(bytes, BULK), &err) == 0 ? 0 : 1);
}

/* More than every buffer on the way holds, to a reader that starts late: nothing is lost and the
 * gateway answers meanwhile. */
static void slow_reader_test(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &by_port);
    add_route(fixture);
    int client = speaking_client(fixture->port);
    int app = app_accept_hello(fixture);
    pid_t child = send_bulk(app);
    fd_close(app);
    int other = speaking_client(fixture->port);
    int other_app = app_accept_hello(fixture);
    char text[5] = {0};
    write_all(other, "ping", 4);
    read_exactly(other_app, text, 4);
    uint8_t *bytes = mem_alloc(BULK, NULL);
    assert_non_null(bytes);
    read_exactly(client, bytes, BULK);
    for (size_t i = 0; i < BULK; i++) {
        if (bytes[i] != pattern(i))
            fail_msg("byte %zu differs", i);
    }
    free(bytes);
    expect_end(client);
    fd_close(client);
    fd_close(other);
    fd_close(other_app);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void limit_test(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &by_port);
    add_route(fixture);
    int clients[4];
    for (int i = 0; i < 4; i++)
        clients[i] = speaking_client(fixture->port);
    while (gateway_count(fixture->gateway).open < 4)
        continue;
    int fifth = speaking_client(fixture->port);
    expect_end(fifth);
    assert_int_equal(gateway_count(fixture->gateway).refused, 1);
    fd_close(fifth);
    for (int i = 0; i < 4; i++)
        fd_close(clients[i]);
}

static void total_limit_test(void **state)
{
    struct fixture *fixture = *state;
    struct gateway_options options = by_port;
    options.connections = 1;
    start(fixture, &options);
    add_route(fixture);
    int first = speaking_client(fixture->port);
    int app = app_accept_hello(fixture);
    int second = speaking_client(fixture->port);
    expect_end(second);
    fd_close(second);
    char text[5] = {0};
    write_all(first, "ping", 4);
    read_exactly(app, text, 4);
    fd_close(first);
    fd_close(app);
}

static void remove_test(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &by_port);
    add_route(fixture);
    int client = speaking_client(fixture->port);
    int app = app_accept_hello(fixture);
    assert_false(gateway_port_free(loopback, 1, fixture->port));
    gateway_remove(fixture->gateway, "app-a");
    expect_end(client);
    expect_end(app);
    fd_close(client);
    fd_close(app);
    assert_int_equal(gateway_count(fixture->gateway).open, 0);
    assert_true(gateway_port_free(loopback, 1, fixture->port));
    add_route(fixture); /* and again */
}

static void taken_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start(fixture, &by_port);
    add_route(fixture);
    struct gateway_route route = route_of(fixture);
    route.id = "app-b";
    assert_int_equal(gateway_add(fixture->gateway, &route, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    err_clear(&err);
    route.id = "app-a";
    route.port = free_port();
    assert_int_equal(gateway_add(fixture->gateway, &route, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
}

static void absent_app_test(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &by_port);
    add_route(fixture);
    assert_int_equal(unlink(fixture->socket), 0);
    int client = speaking_client(fixture->port);
    expect_end(client);
    fd_close(client);
}

/* A client that comes while the app is starting waits for it. */
static void late_app_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct gateway_options options = by_port;
    options.connect_ms = PATIENCE_S * 1000;
    start(fixture, &options);
    add_route(fixture);
    fd_close(fixture->app);
    assert_int_equal(unlink(fixture->socket), 0);
    int client = speaking_client(fixture->port);
    while (gateway_count(fixture->gateway).accepted < 1)
        continue;
    assert_int_equal(unix_listen(fixture->socket, 0700, &fixture->app, &err), 0);
    int app = app_accept_hello(fixture);
    char text[5] = {0};
    write_all(client, "ping", 4);
    read_exactly(app, text, 4);
    fd_close(client);
    fd_close(app);
}

/* The folder is the app's to write: a link, or something that is no socket, leads nowhere. */
static void swapped_socket_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start(fixture, &by_port);
    add_route(fixture);
    char other[128];
    (void)snprintf(other, sizeof(other), "%s/other.sock", fixture->folder);
    int victim = -1;
    assert_int_equal(unix_listen(other, 0700, &victim, &err), 0);
    assert_int_equal(unlink(fixture->socket), 0);
    assert_int_equal(symlink(other, fixture->socket), 0);
    int client = speaking_client(fixture->port);
    expect_end(client);
    fd_close(client);
    struct pollfd waiting = {.fd = victim, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 0), 0);
    fd_close(victim);
    assert_int_equal(unlink(fixture->socket), 0);
    assert_int_equal(file_write_atomic(fixture->socket, slice_str("x"), 0600, &err), 0);
    client = speaking_client(fixture->port);
    expect_end(client);
    fd_close(client);
}

static void foreign_socket_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start(fixture, &by_port);
    struct gateway_route route = route_of(fixture);
    route.uid = getuid() + 1;
    assert_int_equal(gateway_add(fixture->gateway, &route, &err), 0);
    int client = speaking_client(fixture->port);
    expect_end(client);
    fd_close(client);
}

/* Like by_port, for all by name. */
static struct gateway_options by_name_options(const struct fixture *fixture)
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

static void add_named(struct fixture *fixture, const char *id, const char *account,
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

static void start_shared(struct fixture *fixture)
{
    const struct gateway_options options = by_name_options(fixture);
    start(fixture, &options);
    add_named(fixture, "app-a", "uid:1", NAME);
}

static void by_name_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start_shared(fixture);
    struct gateway_route route = route_of(fixture);
    route.port = 0;
    uint8_t hello[512];
    size_t len = make_hello(NAME, NULL, hello);
    int client = client_of(fixture->port);
    write_all(client, hello, 20); /* in two reads */
    while (gateway_count(fixture->gateway).accepted < 1)
        continue;
    write_all(client, hello + 20, len - 20);
    int app = app_accept(fixture);
    uint8_t seen[512];
    read_exactly(app, seen, len);
    assert_memory_equal(seen, hello, len);
    fd_close(client);
    fd_close(app);
    const char *const others[] = {"app-b.example.com", "app-a.example.com.evil"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        len = make_hello(others[i], NULL, hello);
        client = client_of(fixture->port);
        write_all(client, hello, len);
        expect_end(client);
        fd_close(client);
    }
    client = client_of(fixture->port);
    write_all(client, "GET / HTTP/1.1\r\n\r\n", 18);
    expect_end(client);
    fd_close(client);
    route.id = "app-b"; /* the same name a second time */
    assert_int_equal(gateway_add(fixture->gateway, &route, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

/* Who answers a certificate authority's question for a name gets a certificate for it. */
static void acme_test(void **state)
{
    struct fixture *fixture = *state;
    start_shared(fixture);
    int client = client_of(fixture->port);
    say_hello(client, NAME, "acme-tls/1");
    expect_end(client);
    fd_close(client);
    struct pollfd waiting = {.fd = fixture->app, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 0), 0);
    client = client_of(fixture->port);
    say_hello(client, NAME, "h2");
    fd_close(app_accept(fixture));
    fd_close(client);
}

/* Down: what is open is closed, who comes is sent away at once, the name stays taken. */
static void down_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start_shared(fixture);
    int client = client_of(fixture->port);
    say_hello(client, NAME, NULL);
    int app = app_accept(fixture);
    gateway_set_down(fixture->gateway, "app-a", true);
    expect_end(client);
    fd_close(app);
    fd_close(client);
    client = client_of(fixture->port);
    say_hello(client, NAME, NULL);
    expect_end(client);
    fd_close(client);
    struct gateway_route route = route_of(fixture);
    route.port = 0;
    route.id = "app-b";
    assert_int_equal(gateway_add(fixture->gateway, &route, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    gateway_set_down(fixture->gateway, "app-a", false);
    client = client_of(fixture->port);
    say_hello(client, NAME, NULL);
    fd_close(app_accept(fixture));
    fd_close(client);
}

/* A new version has the name from its first moment; where it comes to nothing, the old one has it
 * again. */
static void take_over_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    start_shared(fixture);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/new.sock", fixture->folder);
    struct fixture newer = *fixture;
    assert_int_equal(unix_listen(path, 0700, &newer.app, &err), 0);
    struct gateway_route route = route_of(fixture);
    route.port = 0;
    route.id = "app-b";
    route.socket = "new.sock";
    route.replaces = "app-a";
    assert_int_equal(gateway_add(fixture->gateway, &route, &err), 0);
    int client = client_of(fixture->port);
    say_hello(client, NAME, NULL);
    fd_close(app_accept(&newer));
    fd_close(client);
    gateway_remove(fixture->gateway, "app-b");
    client = client_of(fixture->port);
    say_hello(client, NAME, NULL);
    fd_close(app_accept(fixture));
    fd_close(client);
    fd_close(newer.app);
}

enum { SILENT = 60, HOSTS = 40 };

/* The limit of connections is as many as a stranger holds without a word: whoever speaks is served
 * at once all the same, by name and by port. */
static void silent_test(void **state)
{
    struct fixture *fixture = *state;
    struct gateway_options options = by_name_options(fixture);
    options.addresses = loopback;
    options.address_count = 1;
    options.connections = SILENT;
    start(fixture, &options);
    add_named(fixture, "app-a", "uid:1", NAME);
    struct gateway_route route = route_of(fixture);
    struct err err = ERR_INIT;
    route.id = "app-b";
    route.port = free_port();
    route.host_name = "app-b.example.com";
    assert_int_equal(gateway_add(fixture->gateway, &route, &err), 0);
    const uint16_t ports[] = {fixture->port, route.port};
    int silent[ARRAY_LEN(ports)][SILENT];
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        for (int j = 0; j < SILENT; j++)
            silent[i][j] = client_of(ports[i]);
        int client = speaking_client(ports[i]);
        fd_close(app_accept_hello(fixture));
        fd_close(client);
    }
    assert_in_range(gateway_count(fixture->gateway).waiting, 1, 32);
    close_all(silent[0], SILENT);
    close_all(silent[1], SILENT);
}

/* Silence from many addresses fills the room. Who came before and speaks late is still there: those
 * leave first whose address has many. */
static void silent_crowd_test(void **state)
{
    struct fixture *fixture = *state;
    struct gateway_options options = by_name_options(fixture);
    options.waiting = 64;
    start(fixture, &options);
    add_named(fixture, "app-a", "uid:1", NAME);
    int early = client_of(fixture->port);
    int silent[HOSTS][4];
    for (int i = 0; i < HOSTS; i++) {
        for (int j = 0; j < 4; j++)
            silent[i][j] = client_from((uint8_t)(2 + i), fixture->port);
    }
    int late = speaking_client(fixture->port);
    fd_close(app_accept_hello(fixture));
    say_hello(early, NAME, NULL);
    fd_close(app_accept_hello(fixture));
    struct gateway_counts counts = gateway_count(fixture->gateway);
    assert_int_equal(counts.waiting, 64 - 2); /* both have left it */
    assert_int_equal(counts.crowded_out, HOSTS * 4 - counts.waiting);
    fd_close(late);
    fd_close(early);
    for (int i = 0; i < HOSTS; i++)
        close_all(silent[i], 4);
}

/* An app that never closes its side: the connection ends with its client. */
static void held_by_the_app_test(void **state)
{
    struct fixture *fixture = *state;
    struct gateway_options options = by_port;
    options.half_closed_ms = 1;
    start(fixture, &options);
    add_route(fixture);
    int apps[4];
    for (int i = 0; i < 4; i++) {
        int client = speaking_client(fixture->port);
        apps[i] = app_accept_hello(fixture);
        fd_close(client);
    }
    while (gateway_count(fixture->gateway).open > 0)
        continue;
    close_all(apps, 4);
}

/* At the limit of all, whose account holds most gives; its own other app gets nothing of it. */
static void shares_test(void **state)
{
    struct fixture *fixture = *state;
    struct gateway_options options = by_name_options(fixture);
    options.connections = 4;
    start(fixture, &options);
    add_named(fixture, "app-a", "uid:1", NAME);
    add_named(fixture, "app-b", "uid:2", "app-b.example.com");
    add_named(fixture, "app-c", "uid:1", "app-c.example.com");
    int clients[4];
    int apps[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = speaking_client(fixture->port);
        apps[i] = app_accept_hello(fixture);
    }
    int greedy = client_of(fixture->port);
    say_hello(greedy, "app-c.example.com", NULL);
    expect_end(greedy);
    int other = client_of(fixture->port);
    say_hello(other, "app-b.example.com", NULL);
    int other_app = app_accept(fixture);
    expect_end(clients[0]);
    char text[5] = {0};
    write_all(clients[1], "ping", 4);
    read_exactly(apps[1], text, 4);
    assert_int_equal(gateway_count(fixture->gateway).open, 4);
    fd_close(greedy);
    fd_close(other);
    fd_close(other_app);
    close_all(clients, 4);
    close_all(apps, 4);
}

/* At the limit of one app the longest idle of its own makes room, not one that has just spoken. */
static void idle_makes_room_test(void **state)
{
    struct fixture *fixture = *state;
    struct gateway_options options = by_port;
    options.spare_ms = 0;
    start(fixture, &options);
    add_route(fixture);
    int clients[5];
    int apps[5];
    char text[5] = {0};
    for (int i = 0; i < 4; i++) {
        clients[i] = speaking_client(fixture->port);
        apps[i] = app_accept_hello(fixture);
    }
    (void)usleep(20 * 1000); /* the clock of the list has milliseconds */
    write_all(clients[0], "ping", 4);
    read_exactly(apps[0], text, 4);
    clients[4] = speaking_client(fixture->port);
    apps[4] = app_accept_hello(fixture);
    expect_end(clients[1]);
    write_all(clients[0], "ping", 4);
    read_exactly(apps[0], text, 4);
    close_all(clients, 5);
    close_all(apps, 5);
}

/* What is no TLS reaches no app, on its own port either; nor does a question of an authority. */
static void only_tls_test(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, &by_port);
    add_route(fixture);
    int client = client_of(fixture->port);
    write_all(client, "GET / HTTP/1.1\r\n\r\n", 18);
    expect_end(client);
    fd_close(client);
    client = client_of(fixture->port);
    say_hello(client, NAME, "acme-tls/1");
    expect_end(client);
    fd_close(client);
    struct pollfd waiting = {.fd = fixture->app, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name##_test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(both_ways),
        TEST(slow_reader),
        TEST(limit),
        TEST(total_limit),
        TEST(remove),
        TEST(taken),
        TEST(absent_app),
        TEST(late_app),
        TEST(swapped_socket),
        TEST(foreign_socket),
        TEST(by_name),
        TEST(acme),
        TEST(down),
        TEST(take_over),
        TEST(silent),
        TEST(silent_crowd),
        TEST(held_by_the_app),
        TEST(shares),
        TEST(idle_makes_room),
        TEST(only_tls),
    };
    return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
