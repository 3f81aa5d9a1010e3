// SPDX-License-Identifier: Apache-2.0
/*
 * The gateway on loopback: bytes both ways behind a PROXY header, half-closed connections, a slow
 * reader, limits, routing by server name, and sockets that an app swapped for something else.
 */
#include "gateway_fixture.h"

#include <sys/wait.h>

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
        TEST(both_ways),      TEST(slow_reader),    TEST(limit),      TEST(total_limit),
        TEST(remove),         TEST(taken),          TEST(absent_app), TEST(late_app),
        TEST(swapped_socket), TEST(foreign_socket), TEST(by_name),    TEST(acme),
        TEST(down),           TEST(take_over),      TEST(only_tls),
    };
    return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
