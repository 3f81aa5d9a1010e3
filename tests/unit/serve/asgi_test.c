// SPDX-License-Identifier: Apache-2.0
/*
 * An ASGI app called through the handler, without sockets; the apps are in apps/asgi_cases.py.
 * One interpreter and one event loop serve all tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "app_under_test.h"

static int start(void **state)
{
    return app_start("asgi_cases:application", (struct serve_config){0});
}

/* Asks until the app's KEPT is as expected: what it waits for happens on another thread. */
static void expect_kept(const char *expected)
{
    char last[1024];
    do {
        struct http_exchange fake;
        get(&fake, "/kept");
        (void)snprintf(last, sizeof(last), "%s", buf_text(&fake.out));
        fake_done(&fake);
    } while (strcmp(last, "[]") == 0);
    assert_string_equal(last, expected);
}

static void test_hello_goes_out_in_one_piece(void **state)
{
    expect_hello();
}

static void test_scope(void **state)
{
    struct http_exchange fake;
    begin(&fake, "PATCH",
          "/scope/a%2Fb%C3%A9%zz%ff?type&asgi&http_version&method&scheme&path&raw_path&query_"
          "string&root_path&headers&client&server");
    fake.request.tls = true;
    fake_header(&fake, "Host", "app.example:8443");
    fake_header(&fake, "X-Two", "one");
    fake_header(&fake, "x-two", "\xe9");
    finish(&fake);
    assert_string_equal(
        buf_text(&fake.out),
        "'http'\n{'version': '3.0', 'spec_version': '2.4'}\n'1.1'\n'PATCH'\n'https'\n"
        "'/scope/a/b\xc3\xa9%zz\xef\xbf\xbd'\nb'/scope/a%2Fb%C3%A9%zz%ff'\n"
        "b'type&asgi&http_version&method&scheme&path&raw_path&query_string&root_path&headers&client"
        "&server'\n''\n[(b'host', b'app.example:8443'), (b'x-two', b'one'), (b'x-two', "
        "b'\\xe9')]\n('192.0.2.7', 4711)\n('app.example', 8443)");
    fake_done(&fake);
}

static void test_body_that_is_there(void **state)
{
    struct http_exchange fake;
    begin(&fake, "POST", "/echo");
    fake_body(&fake, slice_str("a body in pieces"), false);
    fake.body_step = 3;
    finish(&fake);
    assert_string_equal(buf_text(&fake.out), "a body in pieces");
    fake_done(&fake);
    expect_body("/echo", "");
}

static void test_body_that_comes_later(void **state)
{
    struct http_exchange fake;
    begin(&fake, "POST", "/echo");
    fake_body(&fake, slice_str("later"), true);
    fake_hold_body(&fake, true);
    submit(&fake);
    expect_body("/hello", "Hello");
    fake_hold_body(&fake, false);
    handler()->body(serve_handler_context(app.serve), &fake);
    fake_wait(&fake);
    assert_string_equal(buf_text(&fake.out), "later");
    fake_done(&fake);
}

struct response_case {
    const char *method;
    const char *target;
    int status;
    const char *body;
    int64_t content_length;
    bool at_once;
};

static void test_responses(void **state)
{
    static const struct response_case cases[] = {
        {"GET", "/stream", 200, "one two three", -1, false},
        {"GET", "/with_length", 200, "12345", 5, true},
        {"HEAD", "/with_length", 200, "", 5, true},
        {"HEAD", "/stream", 200, "", -1, false},
        {"GET", "/not_modified", 304, "", 77, false},
        {"GET", "/timeout", 200, "came", 4, true},
        {"GET", "/current_task", 200, "True True set True True", 23, true},
        {"GET", "/context", 200, "unset", 5, true},
        {"GET", "/state", 200, "['changed', 'made']", 19, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_exchange fake;
        begin(&fake, cases[i].method, cases[i].target);
        finish(&fake);
        assert_int_equal(fake.status, cases[i].status);
        assert_string_equal(buf_text(&fake.out), cases[i].body);
        assert_int_equal(fake.content_length, cases[i].content_length);
        assert_int_equal(fake.at_once, cases[i].at_once);
        assert_true(fake.ended);
        fake_done(&fake);
    }
}

static void test_trailers(void **state)
{
    struct http_exchange fake;
    begin(&fake, "GET", "/trailers?a&b");
    fake_header(&fake, "te", "trailers");
    finish(&fake);
    assert_string_equal(buf_text(&fake.out), "body|a: v|b: v");
    assert_true(fake.ended);
    fake_done(&fake);
    get(&fake, "/trailers?a"); /* to a client that does not take them */
    assert_string_equal(buf_text(&fake.out), "body");
    assert_true(fake.ended);
    fake_done(&fake);
    expect_body("/trailers_out_of_turn",
                "http.response.trailers comes behind the whole body of a response that was started "
                "with trailers=True");
    int saved = mute();
    get(&fake, "/trailers_forgotten");
    unmute(saved);
    assert_true(fake.aborted);
    fake_done(&fake);
}

static void test_receive_can_be_cancelled(void **state)
{
    struct http_exchange fake;
    begin(&fake, "POST", "/timeout");
    fake_body(&fake, slice_str("never"), true);
    fake_hold_body(&fake, true);
    finish(&fake);
    assert_string_equal(buf_text(&fake.out), "timed out");
    fake_done(&fake);
}

static void test_hop_by_hop_fields_are_dropped(void **state)
{
    struct http_exchange fake;
    get(&fake, "/hop_by_hop");
    assert_null(fake_response_header(&fake, "connection"));
    assert_null(fake_response_header(&fake, "transfer-encoding"));
    assert_string_equal(fake_response_header(&fake, "x-stays"), "1");
    fake_done(&fake);
}

static void test_send_waits_for_the_client(void **state)
{
    struct http_exchange fake;
    begin(&fake, "GET", "/fast_stream");
    fake.queued = HTTP_WRITE_HIGH + 1;
    submit(&fake);
    expect_kept("[0]");
    handler()->writable(serve_handler_context(app.serve), &fake);
    expect_kept("[1]");
    handler()->writable(serve_handler_context(app.serve), &fake);
    expect_kept("[2]");
    handler()->writable(serve_handler_context(app.serve), &fake);
    fake_wait(&fake);
    assert_string_equal(buf_text(&fake.out), "xxx");
    fake_done(&fake);
}

static void test_client_that_leaves(void **state)
{
    struct http_exchange fake;
    begin(&fake, "GET", "/disconnect");
    submit(&fake);
    expect_kept("['waiting']");
    handler()->aborted(serve_handler_context(app.serve), &fake);
    fake_wait(&fake);
    expect_kept("['http.disconnect', 'ConnectionResetError']");
    assert_int_equal(fake.status, 0);
    fake_done(&fake);
}

static void test_client_that_leaves_while_send_waits(void **state)
{
    struct http_exchange fake;
    begin(&fake, "GET", "/fast_stream");
    fake.queued = HTTP_WRITE_HIGH + 1;
    submit(&fake);
    expect_kept("[0]");
    handler()->aborted(serve_handler_context(app.serve), &fake);
    fake_wait(&fake);
    assert_false(fake.ended);
    fake_done(&fake);
}

static void test_receive_ends_with_the_response(void **state)
{
    expect_body("/after_response", "answered");
    expect_kept("['http.disconnect', 'http.disconnect', 'http.disconnect']");
    expect_body("/background", "sent before the rest");
    expect_kept("['done']");
}

static void test_failures_are_500(void **state)
{
    static const char *const targets[] = {"/raises",      "/raises_exit", "/returns_early",
                                          "/start_twice", "/too_long",    "/no_such_case"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        expect_500(targets[i]);
    struct http_exchange late;
    begin(&late, "GET", "/raises_late");
    finish_muted(&late);
    assert_true(late.aborted);
    fake_done(&late);
}

static void test_bad_messages_are_refused(void **state)
{
    static const struct {
        const char *which;
        const char *expected;
    } cases[] = {
        {"no-type", "ValueError"},       {"not-dict", "TypeError"},
        {"unknown", "ValueError"},       {"body-first", "RuntimeError"},
        {"no-status", "ValueError"},     {"status-text", "TypeError"},
        {"status-1xx", "ValueError"},    {"headers-text", "TypeError"},
        {"headers-split", "ValueError"}, {"headers-three", "ValueError"},
        {"headers-none", "TypeError"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char target[64];
        (void)snprintf(target, sizeof(target), "/bad?%s", cases[i].which);
        expect_body(target, cases[i].expected);
    }
}

static void test_file_is_sent_by_a_thread(void **state)
{
    static const char *const whole = "\"\"\"An ASGI app for asgi_test.c";
    struct http_exchange fake;
    get(&fake, "/file");
    assert_int_equal(fake.status, 200);
    assert_int_equal(fake.parts, -1);
    assert_true(fake.ended);
    assert_int_equal(fake.content_length, fake.out.len);
    assert_memory_equal(fake.out.data, whole, strlen(whole));
    fake_done(&fake);
    expect_kept("['the response was complete already']");
    get(&fake, "/file?9");
    assert_string_equal(buf_text(&fake.out), "\"\"\"An ASG");
    assert_int_equal(fake.content_length, 9);
    fake_done(&fake);
    begin(&fake, "HEAD", "/file");
    finish(&fake);
    assert_true(fake.ended && fake.content_length > 1000);
    assert_int_equal(fake.out.len, 0);
    fake_done(&fake);
    get(&fake, "/file?0");
    assert_true(fake.ended);
    assert_int_equal(fake.content_length, 0);
    fake_done(&fake);
    expect_500("/file?99999999");
    expect_body("/bad_file?/nowhere", "FileNotFoundError");
    expect_body("/bad_file?/dev/null", "ValueError");
    expect_body("/bad_file?relative", "ValueError");
    expect_body("/bad_file", "ValueError");
    get(&fake, "/kept");
    fake_done(&fake);
}

/* Over HTTP/1.1 without TLS: send() does not wait for the client. */
static void test_file_is_sent_by_the_server(void **state)
{
    struct http_exchange fake;
    begin(&fake, "GET", "/file?9");
    fake.sends_files = true;
    finish(&fake);
    assert_string_equal(buf_text(&fake.out), "\"\"\"An ASG");
    assert_int_equal(fake.content_length, 9);
    assert_int_equal(fake.parts, -2);
    assert_true(fake.ended);
    fake_done(&fake);
    expect_kept("['the response was complete already']");
    begin(&fake, "GET", "/file?9");
    fake.sends_files = true;
    fake.write_error = ERR_INTERRUPTED;
    finish(&fake);
    fake_done(&fake);
    begin(&fake, "HEAD", "/file");
    fake.sends_files = true;
    finish(&fake);
    assert_true(fake.ended && fake.content_length > 1000);
    assert_int_equal(fake.out.len, 0);
    fake_done(&fake);
    get(&fake, "/kept");
    fake_done(&fake);
    assert_int_equal(files_open, 0);
}

static void test_waiting_app_does_not_hold_up_others(void **state)
{
    struct http_exchange waiting;
    begin(&waiting, "GET", "/wait_for_event");
    submit(&waiting);
    expect_body("/hello", "Hello");
    expect_body("/set_event", "set");
    fake_wait(&waiting);
    assert_string_equal(buf_text(&waiting.out), "released");
    fake_done(&waiting);
}

static void leak_round(void)
{
    static const char *const targets[] = {
        "/hello",
        "/echo",
        "/stream",
        "/not_modified",
        "/raises",
        "/raises_late",
        "/returns_early",
        "/too_long",
        "/bad?headers-split",
        "/bad?headers-none",
        "/current_task",
        "/after_response",
        "/kept",
        "/state",
        "/timeout",
        "/file",
        "/bad_file?/nowhere",
    };
    struct http_exchange fake;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        get(&fake, targets[i]);
        fake_done(&fake);
    }
    begin(&fake, "GET", "/disconnect");
    submit(&fake);
    handler()->aborted(serve_handler_context(app.serve), &fake);
    fake_wait(&fake);
    fake_done(&fake);
}

static void test_nothing_leaks(void **state)
{
    expect_no_growth(leak_round);
}

/* Last: ends the app, and looks at what it said. */
static void test_shutdown_runs(void **state)
{
    struct http_exchange waiting;
    struct serve_stats stats;
    do
        serve_stats(app.serve, &stats); /* of the others none is to be counted as cancelled */
    while (stats.running > 0);
    begin(&waiting, "GET", "/wait_for_event");
    submit(&waiting);
    int out[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    int saved = dup(2);
    (void)dup2(out[1], 2);
    (void)close(out[1]);
    struct err err = ERR_INIT;
    int status = serve_drain(app.serve, 1, &err);
    struct http_exchange refused;
    get(&refused, "/hello");
    while (serve_drain(app.serve, 1, NULL) < 0)
        ; /* not before the app has let go of what is on this stack */
    serve_free(app.serve);
    unmute(saved);
    char text[65536] = "";
    size_t len = 0;
    for (ssize_t got = 1; got > 0; len += (size_t)got)
        got = read(out[0], text + len, sizeof(text) - 1 - len);
    (void)close(out[0]);
    assert_int_equal(status, -1);
    assert_int_equal(err.kind, ERR_TIMEOUT);
    assert_non_null(strstr(err.message, "1 request(s) cancelled"));
    fake_wait(&waiting);
    fake_done(&waiting);
    assert_int_equal(refused.status, 503);
    assert_string_equal(fake_response_header(&refused, "retry-after"), "1");
    fake_done(&refused);
    assert_non_null(strstr(text, "shutdown ran"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_goes_out_in_one_piece),
        cmocka_unit_test(test_scope),
        cmocka_unit_test(test_body_that_is_there),
        cmocka_unit_test(test_body_that_comes_later),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_receive_can_be_cancelled),
        cmocka_unit_test(test_hop_by_hop_fields_are_dropped),
        cmocka_unit_test(test_send_waits_for_the_client),
        cmocka_unit_test(test_client_that_leaves),
        cmocka_unit_test(test_client_that_leaves_while_send_waits),
        cmocka_unit_test(test_receive_ends_with_the_response),
        cmocka_unit_test(test_failures_are_500),
        cmocka_unit_test(test_bad_messages_are_refused),
        cmocka_unit_test(test_file_is_sent_by_a_thread),
        cmocka_unit_test(test_file_is_sent_by_the_server),
        cmocka_unit_test(test_waiting_app_does_not_hold_up_others),
        cmocka_unit_test(test_nothing_leaks),
        cmocka_unit_test(test_shutdown_runs),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
