// SPDX-License-Identifier: Apache-2.0
/*
 * The API over its sockets, as a client meets it: the routes, who may use them, packages, logs and
 * the form of every error. The enclaves only pretend.
 */
#include "api_fixture.h"

static void expect_error(struct api_fixture *fixture, const char *method, const char *target,
                         int status, const char *kind)
{
    AUTO_ANSWER struct answer answer = {0};
    get(fixture, method, target, &answer);
    assert_int_equal(answer.status, status);
    const json_t *error = json_object_get(answer.json, "error");
    assert_string_equal(json_string_value(json_object_get(error, "kind")), kind);
    assert_true(json_string_length(json_object_get(error, "message")) > 0);
    assert_true(json_is_string(json_object_get(error, "hint")));
}

/* Every member that docs/openapi.json requires of the schema is in the answer. */
static void expect_schema(const json_t *value, const char *schema)
{
    struct err err = ERR_INIT;
    AUTO_JSON json_t *document = NULL;
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    const char *root = getenv("MSE_SOURCE_ROOT");
    AUTO_FREE char *path = path_join(root != NULL ? root : ".", "docs/openapi.json", &err);
    assert_non_null(path);
    assert_int_equal(file_read(path, &text, &err), 0);
    assert_int_equal(json_parse(buf_slice(&text), "openapi", text.len, &document, &err), 0);
    const json_t *description = json_object_get(
        json_object_get(json_object_get(document, "components"), "schemas"), schema);
    const json_t *required = json_object_get(description, "required");
    assert_true(json_array_size(required) > 0);
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (json_object_get(value, name) == NULL)
            fail_msg("%s: '%s' is missing", schema, name);
    }
    assert_int_equal(json_object_size(value), json_array_size(required));
}

static const json_t *first_of(const struct answer *answer, const char *key)
{
    return json_array_get(json_object_get(answer->json, key), 0);
}

static void about_test(void **state)
{
    struct api_fixture *fixture = *state;
    AUTO_ANSWER struct answer node = {0};
    get(fixture, "GET", "/v1/node", &node);
    assert_int_equal(node.status, 200);
    expect_schema(node.json, "Node");
    AUTO_ANSWER struct answer environments = {0};
    get(fixture, "GET", "/v1/environments", &environments);
    expect_schema(first_of(&environments, "environments"), "Environment");
    AUTO_ANSWER struct answer hardware = {0};
    get(fixture, "GET", "/v1/hardware", &hardware);
    expect_schema(first_of(&hardware, "hardware"), "HardwareProfile");
    AUTO_ANSWER struct answer apps = {0};
    get(fixture, "GET", "/v1/apps", &apps);
    assert_int_equal(json_array_size(json_object_get(apps.json, "apps")), 0);
}

static void errors_test(void **state)
{
    struct api_fixture *fixture = *state;
    expect_error(fixture, "GET", "/v1/nothing", 404, "not_found");
    expect_error(fixture, "GET", "/", 404, "not_found");
    expect_error(fixture, "DELETE", "/v1/node", 501, "unsupported");
    expect_error(fixture, "GET", "/v1/apps?nmae=x", 400, "invalid");
    expect_error(fixture, "GET", "/v1/apps/../node", 404, "not_found");
    expect_error(fixture, "GET", "/v1/apps/%2e%2e", 400, "invalid");
    expect_error(fixture, "GET", "/v1/apps/11111111-1111-4111-8111-111111111111", 404, "not_found");
    expect_error(fixture, "POST", "/v1/apps", 400, "invalid");
    expect_error(fixture, "POST", "/v1/node/shutdown?apps=maybe", 400, "invalid");
}

static void expect_kind(const struct answer *answer, int status, const char *kind)
{
    const json_t *error = json_object_get(answer->json, "error");
    assert_int_equal(answer->status, status);
    assert_string_equal(json_string_value(json_object_get(error, "kind")), kind);
}

static void deploy_test(void **state)
{
    struct api_fixture *fixture = *state;
    AUTO_BUF struct buf package = BUF_INIT(1 << 20);
    make_package(fixture, id_a, "hello", &package);
    AUTO_ANSWER struct answer made = {0};
    upload(fixture, "/v1/apps?project=shop&expires=2100-01-01T00%3A00%3A00Z", &package, &made);
    assert_int_equal(made.status, 201);
    expect_schema(made.json, "App");
    assert_string_equal(json_string_value(json_object_get(made.json, "project")), "shop");
    assert_string_equal(json_string_value(json_object_get(made.json, "expires")),
                        "2100-01-01T00:00:00Z");
    AUTO_ANSWER struct answer twice = {0};
    upload(fixture, "/v1/apps?project=other", &package, &twice);
    expect_kind(&twice, 409, "exists");
    AUTO_BUF struct buf second = BUF_INIT(1 << 20);
    make_package(fixture, id_b, "hello", &second);
    AUTO_ANSWER struct answer same_name = {0};
    upload(fixture, "/v1/apps?project=shop", &second, &same_name);
    expect_kind(&same_name, 409, "conflict");
    AUTO_ANSWER struct answer listed = {0};
    get(fixture, "GET", "/v1/apps?name=hello&project=shop", &listed);
    assert_int_equal(json_array_size(json_object_get(listed.json, "apps")), 1);
    AUTO_ANSWER struct answer replaced = {0};
    char target[160];
    (void)snprintf(target, sizeof(target), "/v1/apps?project=shop&replace=%s", id_a);
    upload(fixture, target, &second, &replaced);
    assert_int_equal(replaced.status, 201);
    (void)snprintf(target, sizeof(target), "/v1/apps/%s?stopped=1", id_b);
    expect_error(fixture, "DELETE", target, 409, "conflict"); /* it runs */
    (void)snprintf(target, sizeof(target), "/v1/apps/%s/stop", id_b);
    AUTO_ANSWER struct answer stopped = {0};
    get(fixture, "POST", target, &stopped);
    assert_int_equal(stopped.status, 200);
    assert_string_equal(json_string_value(json_object_get(stopped.json, "state")), "stopped");
    (void)snprintf(target, sizeof(target), "/v1/apps/%s/restart", id_b);
    expect_error(fixture, "POST", target, 409, "conflict");
    (void)snprintf(target, sizeof(target), "/v1/apps/%s?stopped=1", id_b);
    AUTO_ANSWER struct answer gone = {0};
    get(fixture, "DELETE", target, &gone);
    assert_int_equal(gone.status, 204);
    expect_error(fixture, "GET", target, 404, "not_found");
}

/* Cut, or with a byte behind its end: refused, and nothing of it stays. */
static void bad_package_test(void **state)
{
    struct api_fixture *fixture = *state;
    AUTO_BUF struct buf package = BUF_INIT(1 << 20);
    make_package(fixture, id_a, "hello", &package);
    struct buf cut = package;
    cut.len -= 1;
    AUTO_ANSWER struct answer truncated = {0};
    upload(fixture, "/v1/apps", &cut, &truncated);
    expect_kind(&truncated, 400, "invalid");
    AUTO_ANSWER struct answer unknown = {0};
    upload(fixture, "/v1/apps?resource=huge", &package, &unknown);
    expect_kind(&unknown, 404, "not_found");
    assert_int_equal(rmdir(fixture->node.folders.uploads), 0); /* it is empty */
    assert_int_equal(mkdir(fixture->node.folders.uploads, 0700), 0);
    assert_false(has_folder(fixture->below, id_a));
}

static void log_test(void **state)
{
    struct api_fixture *fixture = *state;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf package = BUF_INIT(1 << 20);
    make_package(fixture, id_a, "hello", &package);
    AUTO_ANSWER struct answer made = {0};
    upload(fixture, "/v1/apps", &package, &made);
    assert_int_equal(made.status, 201);
    char target[160];
    (void)snprintf(target, sizeof(target), "/v1/apps/%s/logs?tail=2", id_a);
    AUTO_ANSWER struct answer none = {0};
    get(fixture, "GET", target, &none);
    assert_int_equal(none.status, 200);
    assert_int_equal(none.text.len, 0);
    AUTO_FREE char *path = keeper_log_path(fixture->node.keeper, id_a, 0, &err);
    assert_int_equal(file_write_atomic(path, slice_str("one\ntwo\nthree\n"), 0600, &err), 0);
    AUTO_ANSWER struct answer last = {0};
    get(fixture, "GET", target, &last);
    assert_string_equal(buf_text(&last.text), "two\nthree\n");
    (void)snprintf(target, sizeof(target), "/v1/apps/%s/logs", id_a);
    AUTO_ANSWER struct answer all = {0};
    get(fixture, "GET", target, &all);
    assert_string_equal(buf_text(&all.text), "one\ntwo\nthree\n");
    AUTO_FREE char *older = str_printf(&err, "%s.1", path);
    assert_int_equal(file_write_atomic(older, slice_str("minus\nzero\n"), 0600, &err), 0);
    AUTO_ANSWER struct answer both = {0};
    get(fixture, "GET", target, &both);
    assert_string_equal(buf_text(&both.text), "minus\nzero\none\ntwo\nthree\n");
    for (int lines = 0; lines <= 6; lines++) { /* the end of both, of any length */
        static const char *const ends[] = {"", "three\n", "two\nthree\n", "one\ntwo\nthree\n"};
        AUTO_ANSWER struct answer end = {0};
        (void)snprintf(target, sizeof(target), "/v1/apps/%s/logs?tail=%d", id_a, lines);
        get(fixture, "GET", target, &end);
        const char *expected = lines < 4    ? ends[lines]
                               : lines == 4 ? "zero\none\ntwo\nthree\n"
                                            : "minus\nzero\none\ntwo\nthree\n";
        assert_string_equal(buf_text(&end.text), expected);
    }
    (void)snprintf(target, sizeof(target), "/v1/apps/%s/logs?release=2", id_a);
    expect_error(fixture, "GET", target, 404, "not_found");
    (void)snprintf(target, sizeof(target), "/v1/apps/%s/logs?release=0", id_a);
    expect_error(fixture, "GET", target, 400, "invalid");
    OK(keeper_stop(fixture->node.keeper, id_a, &failure));
    (void)snprintf(target, sizeof(target), "/v1/apps/%s/logs?tail=1&release=1", id_a);
    AUTO_ANSWER struct answer stopped = {0};
    get(fixture, "GET", target, &stopped);
    assert_string_equal(buf_text(&stopped.text), "three\n");
    assert_int_equal(folder_remove_tree(fixture->node.folders.logs, &err), 0);
    expect_error(fixture, "GET", target, 404, "not_found");
    assert_int_equal(folder_create(fixture->node.folders.logs, 0700, &err), 0);
}

static void counters_test(void **state)
{
    struct api_fixture *fixture = *state;
    AUTO_BUF struct buf package = BUF_INIT(1 << 20);
    make_package(fixture, id_a, "hello", &package);
    AUTO_ANSWER struct answer made = {0};
    upload(fixture, "/v1/apps?project=shop", &package, &made);
    char target[160];
    (void)snprintf(target, sizeof(target), "/v1/apps/%s/stats", id_a);
    AUTO_ANSWER struct answer none = {0};
    get(fixture, "GET", target, &none);
    assert_int_equal(none.status, 200);
    expect_schema(none.json, "Stats");
    assert_true(json_is_null(json_object_get(none.json, "counters")));
    AUTO_ANSWER struct answer empty = {0};
    get(fixture, "GET", "/metrics", &empty);
    assert_int_equal(empty.status, 200);
    assert_null(strstr(buf_text(&empty.text), "{"));
    struct store_app app = {0};
    for (int i = 0; i < 20000 && app.state != STORE_RUNNING; i++) {
        OK(keeper_get(fixture->node.keeper, id_a, &app, &failure));
        clock_sleep_ms(1);
    }
    say(&fixture->below->runner, "s");
    (void)wait_stats(fixture->node.keeper, id_a, true);
    AUTO_ANSWER struct answer some = {0};
    get(fixture, "GET", target, &some);
    expect_schema(some.json, "Stats");
    const json_t *counters = json_object_get(some.json, "counters");
    expect_schema(counters, "Counters");
    assert_int_equal(json_integer_value(json_object_get(counters, "requests")), 7);
    assert_int_equal(json_integer_value(json_object_get(counters, "latency_p50_us")), 768);
    AUTO_ANSWER struct answer metrics = {0};
    get(fixture, "GET", "/metrics", &metrics);
    char line[160];
    (void)snprintf(line, sizeof(line),
                   "mse_app_requests_total{id=\"%s\",name=\"hello\",project=\"shop\"} 7\n", id_a);
    assert_non_null(strstr(buf_text(&metrics.text), line));
    expect_error(fixture, "GET", "/v1/apps/22222222-2222-4222-8222-222222222222/stats", 404,
                 "not_found");
}

static void *stop_app(void *argument)
{
    struct api_fixture *fixture = argument;
    struct err err = ERR_INIT;
    if (keeper_stop(fixture->node.keeper, id_a, &err) < 0)
        print_error("%s\n", err.message);
    return NULL;
}

/* A log that is followed ends with its app. */
static void follow_test(void **state)
{
    struct api_fixture *fixture = *state;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf package = BUF_INIT(1 << 20);
    make_package(fixture, id_a, "hello", &package);
    AUTO_ANSWER struct answer made = {0};
    upload(fixture, "/v1/apps", &package, &made);
    AUTO_FREE char *path = keeper_log_path(fixture->node.keeper, id_a, 0, &err);
    assert_int_equal(file_write_atomic(path, slice_str("one\n"), 0600, &err), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_app, fixture), 0);
    char target[160];
    (void)snprintf(target, sizeof(target), "/v1/apps/%s/logs?follow=1", id_a);
    AUTO_ANSWER struct answer followed = {0};
    get(fixture, "GET", target, &followed); /* returns */
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(followed.status, 200);
}

/* A socket that somebody listens on stays theirs. */
static void socket_in_use_test(void **state)
{
    struct api_fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct api *second = NULL;
    struct node other = fixture->node;
    assert_int_equal(api_start(&other, &second, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    AUTO_ANSWER struct answer answer = {0};
    get(fixture, "GET", "/v1/node", &answer);
    assert_int_equal(answer.status, 200);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name##_test, api_set_up, api_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(about), TEST(errors),   TEST(deploy), TEST(bad_package),
        TEST(log),   TEST(counters), TEST(follow), TEST(socket_in_use),
    };
    struct err err = ERR_INIT;
    if (crypto_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests_name("api_server", tests, NULL, NULL);
}
