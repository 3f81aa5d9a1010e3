// SPDX-License-Identifier: Apache-2.0
/*
 * Who wants all of the gateway: strangers who say nothing, or little at a time, apps that hold what
 * is over or let nobody in, accounts that fill the limit.
 */
#include "gateway_fixture.h"

#include "base/clock.h"

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
    options.waiting = 2 * SILENT;
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
    assert_in_range(gateway_count(fixture->gateway).waiting, 1, SILENT / 2); /* of one address */
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

/* None of an app's connections is idle, and one address has all of them: it gives to another until
 * that one has as many. */
static void greedy_address_test(void **state)
{
    struct fixture *fixture = *state;
    int greedy[4];
    int held[4];
    int clients[3];
    int apps[2];
    start(fixture, &by_port);
    add_route(fixture);
    for (int i = 0; i < 4; i++) {
        greedy[i] = client_from(2, fixture->port);
        say_hello(greedy[i], NAME, NULL);
        held[i] = accept4(fixture->app, NULL, NULL, SOCK_CLOEXEC);
        assert_true(held[i] >= 0);
    }
    for (int i = 0; i < 2; i++) {
        clients[i] = speaking_client(fixture->port);
        apps[i] = app_accept_hello(fixture);
        expect_end(greedy[i]);
    }
    clients[2] = speaking_client(fixture->port);
    expect_end(clients[2]);
    assert_int_equal(gateway_count(fixture->gateway).open, 4);
    close_all(greedy, 4);
    close_all(held, 4);
    close_all(clients, 3);
    close_all(apps, 2);
}

/* A byte at a time, each read again with all before it. */
static void crumbs_test(void **state)
{
    struct fixture *fixture = *state;
    const int on = 1;
    uint8_t hello[512];
    start(fixture, &by_port);
    add_route(fixture);
    int client = client_of(fixture->port);
    assert_int_equal(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    size_t len = make_hello(NAME, NULL, hello);
    for (size_t i = 0; i + 1 < len && gateway_count(fixture->gateway).refused == 0; i++) {
        (void)!send(client, hello + i, 1, MSG_NOSIGNAL);
        clock_sleep_ms(1);
    }
    assert_int_equal(gateway_count(fixture->gateway).refused, 1);
    fd_close(client);
}

/* An app that lets nobody in has many who wait; who comes to another app is served. */
static void full_queue_test(void **state)
{
    struct fixture *fixture = *state;
    struct gateway_options options = by_name_options(fixture);
    options.connections_per_app = 200;
    options.connect_ms = PATIENCE_S * 1000;
    start(fixture, &options);
    add_named(fixture, "app-a", "uid:1", NAME);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/full.sock", fixture->folder);
    struct err err = ERR_INIT;
    int full = -1;
    assert_int_equal(unix_listen(path, 0700, &full, &err), 0);
    assert_int_equal(listen(full, 0), 0); /* one place */
    struct gateway_route route = route_of(fixture);
    route.id = "app-b";
    route.port = 0;
    route.socket = "full.sock";
    route.host_name = "app-b.example.com";
    assert_int_equal(gateway_add(fixture->gateway, &route, &err), 0);
    int waiting[150];
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
        waiting[i] = client_of(fixture->port);
        say_hello(waiting[i], "app-b.example.com", NULL);
    }
    int client = speaking_client(fixture->port);
    fd_close(app_accept_hello(fixture));
    fd_close(client);
    /* those who wait get in, one after another, as soon as the app lets them */
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
        struct pollfd ready = {.fd = full, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, PATIENCE_S * 1000), 1);
        fd_close(accept(full, NULL, NULL));
    }
    close_all(waiting, ARRAY_LEN(waiting));
    fd_close(full);
}

/* Clients that ask for much and read nothing: little is held for each once much is held for all,
 * and none of it is lost. */
static void no_readers_test(void **state)
{
    enum { READERS = 4, SENT = 1 << 22, HELD = 4096 };
    struct fixture *fixture = *state;
    struct gateway_options options = by_port;
    options.held_max = HELD;
    start(fixture, &options);
    add_route(fixture);
    uint8_t *bytes = mem_alloc(SENT, NULL);
    assert_non_null(bytes);
    int clients[READERS];
    int apps[READERS];
    size_t sent[READERS] = {0};
    for (int i = 0; i < READERS; i++) {
        clients[i] = speaking_client(fixture->port);
        apps[i] = app_accept_hello(fixture);
    }
    /* until no app gets rid of anything for a while */
    for (int still = 0; still < 50; still++) {
        for (int i = 0; i < READERS; i++) {
            ssize_t now = send(apps[i], bytes, SENT - sent[i], MSG_DONTWAIT | MSG_NOSIGNAL);
            still = now > 0 ? 0 : still;
            sent[i] += now > 0 ? (size_t)now : 0;
        }
        clock_sleep_ms(1);
    }
    uint64_t held = gateway_count(fixture->gateway).held;
    assert_in_range(held, 1, HELD + 64 * 1024 + READERS * 4096);
    for (int i = 0; i < READERS; i++) {
        fd_close(apps[i]);
        read_exactly(clients[i], bytes, sent[i]);
        expect_end(clients[i]);
    }
    free(bytes);
    assert_int_equal(gateway_count(fixture->gateway).held, 0);
    close_all(clients, READERS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name##_test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(silent),         TEST(silent_crowd), TEST(held_by_the_app),
        TEST(shares),         TEST(crumbs),       TEST(idle_makes_room),
        TEST(greedy_address), TEST(full_queue),   TEST(no_readers),
    };
    return cmocka_run_group_tests_name("gateway_strangers", tests, NULL, NULL);
}
