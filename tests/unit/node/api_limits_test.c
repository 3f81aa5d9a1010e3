// SPDX-License-Identifier: Apache-2.0
/*
 * One account that takes what it can get of the API: the operator and other accounts notice
 * nothing.
 */
#include "api_fixture.h"

/* One client in a thread. */
struct attacker {
    struct api_fixture *fixture;
    const char *token;
    char target[160];
    pthread_t thread;
    atomic_uint *accepted; /* bytes of a log came */
    atomic_uint *refused;
    const atomic_bool *go;     /* of an upload: until then it sends nothing */
    const struct buf *package; /* that it uploads; NULL: it reads */
    size_t sent;
    bool started;
    atomic_int status; /* at the end */
};

enum { FOLLOWERS = 130, UPLOADS = 8 };

struct crowd {
    atomic_uint accepted;
    atomic_uint refused;
    atomic_bool go;
    struct attacker attackers[FOLLOWERS];
    size_t count;
};

static int see_bytes(void *context, struct slice bytes, struct err *err)
{
    struct attacker *attacker = context;
    (void)bytes;
    (void)err;
    if (!attacker->started)
        (void)atomic_fetch_add(attacker->accepted, 1);
    attacker->started = true;
    return 0;
}

/* A byte of a good package now and then, but never the last. */
static int trickle(void *context, void *to, size_t size, size_t *ret_len, struct err *err)
{
    struct attacker *attacker = context;
    (void)size;
    do {
        clock_sleep_ms(5);
        if (atomic_load(attacker->go))
            return FAIL(err, ERR_INTERRUPTED, "enough");
    } while (attacker->sent + 1 >= attacker->package->len);
    *(uint8_t *)to = attacker->package->data[attacker->sent++];
    *ret_len = 1;
    return 0;
}

static void *attack(void *argument)
{
    struct attacker *attacker = argument;
    struct err err = ERR_INIT;
    AUTO_HTTP_CLIENT struct http_client *client = NULL;
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    const struct http_client_config config = over_tcp(attacker->fixture);
    const struct http_header headers[] = {
        {slice_str("Authorization"), slice_str(attacker->token)},
        {slice_str("Content-Type"), slice_str("application/vnd.mse.package")}};
    const bool upload = attacker->package != NULL;
    struct http_client_request request = {.method = upload ? "POST" : "GET",
                                          .target = attacker->target,
                                          .headers = headers,
                                          .header_count = upload ? 2 : 1,
                                          .context = attacker};
    if (upload) {
        request.body_read = trickle;
        request.body_length = (int64_t)attacker->package->len;
    } else {
        request.body_write = see_bytes;
    }
    if (http_client_connect(&config, &client, &err) == 0 &&
        http_client_request(client, &request, &response, &err) == 0)
        attacker->status = response.status;
    if (attacker->status == 503)
        (void)atomic_fetch_add(attacker->refused, 1);
    return NULL;
}

static void start_crowd(struct crowd *crowd, struct api_fixture *fixture, const char *token,
                        const char *target, const struct buf *package)
{
    for (size_t i = 0; i < crowd->count; i++) {
        struct attacker *attacker = &crowd->attackers[i];
        attacker->fixture = fixture;
        attacker->token = token;
        attacker->package = package;
        attacker->accepted = &crowd->accepted;
        attacker->refused = &crowd->refused;
        attacker->go = &crowd->go;
        (void)snprintf(attacker->target, sizeof(attacker->target), "%s", target);
        assert_int_equal(pthread_create(&attacker->thread, NULL, attack, attacker), 0);
    }
}

static void join_crowd(struct crowd *crowd)
{
    atomic_store(&crowd->go, true);
    for (size_t i = 0; i < crowd->count; i++)
        assert_int_equal(pthread_join(crowd->attackers[i].thread, NULL), 0);
}

static void wait_for(const atomic_uint *number, unsigned least)
{
    for (int i = 0; i < 60000 && atomic_load(number) < least; i++)
        clock_sleep_ms(1);
    assert_true(atomic_load(number) >= least);
}

static void deploy(struct api_fixture *fixture, const char *id, const char *token,
                   struct answer *ret)
{
    AUTO_BUF struct buf package = BUF_INIT(1 << 20);
    make_package(fixture, id, "hello", &package);
    const struct http_header headers[] = {
        {slice_str("Authorization"), slice_str(token)},
        {slice_str("Content-Type"), slice_str("application/vnd.mse.package")}};
    const struct http_client_config config = over_tcp(fixture);
    const struct http_client_request request = {.method = "POST",
                                                .target = "/v1/apps",
                                                .headers = headers,
                                                .header_count = 2,
                                                .body = buf_slice(&package)};
    ask_over(&config, &request, ret);
}

/* 130 followers of one token: it gets its share, and the operator's list and stop are answered. */
static void followers_test(void **state)
{
    struct api_fixture *fixture = *state;
    struct err err = ERR_INIT;
    AUTO_FREE char *token = new_token(fixture, "greedy");
    AUTO_ANSWER struct answer made = {0};
    deploy(fixture, id_a, token, &made);
    assert_int_equal(made.status, 201);
    AUTO_FREE char *path = keeper_log_path(fixture->node.keeper, id_a, 0, &err);
    assert_int_equal(file_write_atomic(path, slice_str("one\n"), 0600, &err), 0);
    AUTO_FREE struct crowd *crowd = mem_alloc(sizeof(*crowd), &err);
    char target[160];
    (void)snprintf(target, sizeof(target), "/v1/apps/%s/logs?follow=1", id_a);
    crowd->count = FOLLOWERS;
    start_crowd(crowd, fixture, token, target, NULL);
    wait_for(&crowd->refused, FOLLOWERS - 32);
    wait_for(&crowd->accepted, 32);
    assert_int_equal(atomic_load(&crowd->refused), FOLLOWERS - 32);
    for (int i = 0; i < 60000 && atomic_load(&fixture->node.api->threads) > 0; i++)
        clock_sleep_ms(1);
    assert_int_equal(atomic_load(&fixture->node.api->threads), 0); /* none for a follower */
    AUTO_ANSWER struct answer listed = {0};
    get(fixture, "GET", "/v1/apps", &listed);
    assert_int_equal(listed.status, 200);
    AUTO_ANSWER struct answer stopped = {0};
    (void)snprintf(target, sizeof(target), "/v1/apps/%s/stop", id_a);
    get(fixture, "POST", target, &stopped);
    assert_int_equal(stopped.status, 200);
    join_crowd(crowd); /* all end with the app */
    unsigned good = 0;
    for (size_t i = 0; i < crowd->count; i++)
        good += crowd->attackers[i].status == 200;
    assert_int_equal(good, 32);
    AUTO_ANSWER struct answer again = {0}; /* the slots are back */
    (void)snprintf(target, sizeof(target), "/v1/apps/%s", id_a);
    get(fixture, "GET", target, &again);
    assert_int_equal(again.status, 200);
}

/* Eight uploads that send a byte and no more: another account's goes through. */
static void uploads_test(void **state)
{
    struct api_fixture *fixture = *state;
    struct err err = ERR_INIT;
    assert_int_equal(fixture->node.config.limits.uploads, UPLOADS);
    AUTO_FREE char *token = new_token(fixture, "greedy");
    AUTO_FREE char *other = new_token(fixture, "other");
    AUTO_FREE struct crowd *crowd = mem_alloc(sizeof(*crowd), &err);
    AUTO_BUF struct buf package = BUF_INIT(1 << 20);
    make_package(fixture, id_a, "hello", &package);
    crowd->count = UPLOADS;
    start_crowd(crowd, fixture, token, "/v1/apps", &package);
    wait_for(&crowd->refused, UPLOADS / 2);
    AUTO_ANSWER struct answer made = {0};
    deploy(fixture, id_b, other, &made);
    assert_int_equal(made.status, 201);
    join_crowd(crowd);
}

/* One that stays below the least rate is given up, although a byte comes now and then. */
static void slow_upload_test(void **state)
{
    struct api_fixture *fixture = *state;
    struct err err = ERR_INIT;
    AUTO_FREE char *token = new_token(fixture, "slow");
    AUTO_FREE struct crowd *crowd = mem_alloc(sizeof(*crowd), &err);
    AUTO_BUF struct buf package = BUF_INIT(1 << 20);
    make_package(fixture, id_a, "hello", &package);
    fixture->node.upload_grace_ms = 0;
    fixture->node.config.limits.upload_least_bytes_per_s = INT64_C(1) << 40;
    crowd->count = 1;
    start_crowd(crowd, fixture, token, "/v1/apps", &package);
    for (int i = 0; i < 60000 && crowd->attackers[0].status == 0; i++)
        clock_sleep_ms(1);
    join_crowd(crowd);
    assert_int_equal(crowd->attackers[0].status, 504);
}

/* Who has no token is told so, as often as they like, and nobody else is kept waiting. */
static void strangers_test(void **state)
{
    struct api_fixture *fixture = *state;
    const struct http_client_config config = over_tcp(fixture);
    for (int i = 0; i < 50; i++) {
        AUTO_ANSWER struct answer answer = {0};
        const struct http_client_request request = {.method = "GET", .target = "/v1/apps"};
        ask_over(&config, &request, &answer);
        assert_int_equal(answer.status, 401);
    }
}

/* Whoever reaches the address can ask for nonsense as fast as the node answers; its log is the
 * node's disk. */
static void flood_of_refusals_test(void **state)
{
    struct api_fixture *fixture = *state;
    struct err err = ERR_INIT;
    char path[128];
    char target[1000] = "/";
    const struct http_client_config config = over_tcp(fixture);
    const struct http_client_request request = {.method = "GET", .target = target};
    memset(target + 1, 'x', sizeof(target) - 2);
    (void)snprintf(path, sizeof(path), "%s/log", fixture->below->state);
    AUTO_CLOSE int log = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    AUTO_CLOSE int before = dup(STDERR_FILENO);
    AUTO_HTTP_CLIENT struct http_client *client = NULL;
    OK(http_client_connect(&config, &client, &failure));
    log_init("test", LOG_INFO);
    (void)dup2(log, STDERR_FILENO);
    int status = 0;
    for (int i = 0; i < 300; i++) {
        AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
        if (http_client_request(client, &request, &response, &err) == 0)
            status = response.status;
    }
    (void)dup2(before, STDERR_FILENO);
    log_init("test", LOG_ERROR);
    struct stat info;
    assert_int_equal(fstat(log, &info), 0);
    assert_int_equal(status, 404);
    assert_in_range(info.st_size, 100, 2 * LOG_SPARE_LINES * 300);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name##_test, api_set_up, api_tear_down)
    const struct CMUnitTest tests[] = {TEST(followers), TEST(uploads), TEST(slow_upload),
                                       TEST(strangers), TEST(flood_of_refusals)};
    struct err err = ERR_INIT;
    if (crypto_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests_name("api_limits", tests, NULL, NULL);
}
