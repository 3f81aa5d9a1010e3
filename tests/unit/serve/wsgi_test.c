// SPDX-License-Identifier: Apache-2.0
/*
 * A WSGI app called through the handler, without sockets: PEP 3333 clause by clause. The apps are
 * in apps/wsgi_cases.py, one function for each case. One interpreter serves all tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "app_under_test.h"

static int start(void **state)
{
    app.queued = HTTP_WRITE_HIGH + 1;
    return app_start("wsgi_cases:application", (struct serve_config){.threads = 3, .queue = 4});
}

static int stop(void **state)
{
    if (app.serve == NULL)
        return -1;
    int status = serve_drain(app.serve, INT32_MAX, NULL);
    serve_free(app.serve);
    return status;
}

/* --- environ --- */

static void test_hello_goes_out_in_one_piece(void **state)
{
    expect_hello();
}

static void test_request_that_nobody_waits_for_is_not_begun(void **state)
{
    struct http_exchange fake;
    begin(&fake, "GET", "/hello");
    fake.gone = true;
    finish(&fake);
    assert_int_equal(fake.begun, 0);
    assert_int_equal(fake.status, 0);
    fake_done(&fake);
}

static void test_environ(void **state)
{
    struct http_exchange fake;
    begin(&fake, "PATCH",
          "/environ/a%2Fb%C3%A9%zz?REQUEST_METHOD&SCRIPT_NAME&PATH_INFO&SERVER_NAME&SERVER_PORT"
          "&SERVER_PROTOCOL&REMOTE_ADDR&REMOTE_PORT&HTTP_HOST&HTTP_X_TWO&HTTP_COOKIE"
          "&CONTENT_TYPE&CONTENT_LENGTH&HTTP_CONTENT_TYPE&HTTP_X_HIDDEN&wsgi.url_scheme"
          "&wsgi.version&wsgi.multithread&wsgi.multiprocess&wsgi.run_once"
          "&wsgi.input_terminated&HTTP_X_LATIN");
    fake.request.tls = true;
    fake_header(&fake, "Host", "app.example:8443");
    fake_header(&fake, "x-two", "one");
    fake_header(&fake, "X-Two", "two");
    fake_header(&fake, "Cookie", "a=1");
    fake_header(&fake, "cookie", "b=2");
    fake_header(&fake, "Content-Type", "text/x");
    fake_header(&fake, "Content-Length", "0");
    fake_header(&fake, "X_Hidden", "no");
    fake_header(&fake, "X-Latin", "\xe9");
    finish(&fake);
    assert_string_equal(buf_text(&fake.out),
                        "'PATCH'\n''\n'/environ/a/b\xc3\xa9%zz'\n'app.example'\n'8443'\n"
                        "'HTTP/1.1'\n'192.0.2.7'\n'4711'\n'app.example:8443'\n'one,two'\n"
                        "'a=1; b=2'\n'text/x'\n'0'\nNone\nNone\n'https'\n(1, 0)\nTrue\nFalse\n"
                        "False\nTrue\n'\xe9'");
    fake_done(&fake);
}

static void test_environ_of_odd_hosts(void **state)
{
    static const struct {
        const char *host;
        const char *expected;
    } cases[] = {
        {"[::1]:8000", "'[::1]'\n'8000'"}, {"[::1]", "'[::1]'\n'80'"},   {"name", "'name'\n'80'"},
        {"name:", "'name'\n'80'"},         {":99", "'localhost'\n'99'"}, {"", "'localhost'\n'80'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_exchange fake;
        begin(&fake, "GET", "/environ?SERVER_NAME&SERVER_PORT");
        fake_header(&fake, "Host", cases[i].host);
        finish(&fake);
        assert_string_equal(buf_text(&fake.out), cases[i].expected);
        fake_done(&fake);
    }
}

static void test_invented_header_names(void **state)
{
    for (int round = 0; round < 60; round++) {
        struct http_exchange fake;
        static char names[30][24];
        begin(&fake, "GET", "/whole_environ");
        for (int i = 0; i < 30; i++) {
            (void)snprintf(names[i], sizeof(names[i]), "X-Invented-%d", round * 30 + i);
            fake_header(&fake, names[i], "1");
        }
        finish(&fake);
        char last[32];
        (void)snprintf(last, sizeof(last), "HTTP_X_INVENTED_%d", round * 30 + 29);
        assert_non_null(strstr(buf_text(&fake.out), last));
        fake_done(&fake);
    }
}

static void test_places(void **state)
{
    char expected[2048];
    (void)snprintf(expected, sizeof(expected),
                   "%s\n%s\n['wsgi_cases']\n/usr/bin/python3\n1\n1\nwsgi_cases\nTrue", app.folder,
                   app.folder);
    expect_body("/places", expected);
}

/* --- wsgi.input --- */

static void post(struct http_exchange *fake, const char *target, const char *body, bool with_length)
{
    begin(fake, "POST", target);
    fake_body(fake, slice_str(body), with_length);
}

static void test_input_is_read_in_every_way(void **state)
{
    static const char expected[] = "[b'abc', b'def\\n', b'gh', b'', [b'i\\n'], [b'j\\n', b'k'], "
                                   "b'', b'', b'']";
    for (int with_length = 0; with_length < 2; with_length++) {
        for (size_t step = 0; step < 4; step++) {
            struct http_exchange fake;
            post(&fake, "/read_pieces", "abcdef\nghi\nj\nk", with_length);
            fake.body_step = step;
            fake.body_stalls = step == 3;
            finish(&fake);
            assert_string_equal(buf_text(&fake.out), expected);
            fake_done(&fake);
        }
    }
}

static void test_input_as_raw_file(void **state)
{
    struct http_exchange fake;
    post(&fake, "/readinto", "abcdef\nrest", false);
    fake.body_step = 3;
    finish(&fake);
    assert_string_equal(buf_text(&fake.out), "[b'abcd', b'ef\\n', b'rest']");
    fake_done(&fake);
}

static void test_large_body_comes_back(void **state)
{
    size_t size = 3 * 1024 * 1024 + 17;
    uint8_t *body = mem_alloc(size, NULL);
    assert_non_null(body);
    for (size_t i = 0; i < size; i++)
        body[i] = (uint8_t)(i * 7 + i / 251);
    for (int with_length = 0; with_length < 2; with_length++) {
        struct http_exchange fake;
        begin(&fake, "POST", "/echo");
        fake_body(&fake, slice_of(body, size), with_length);
        fake.body_step = 60000;
        finish(&fake);
        assert_true(slice_equal(buf_slice(&fake.out), slice_of(body, size)));
        fake_done(&fake);
    }
    free(body);
}

static void test_body_errors_become_statuses(void **state)
{
    static const struct {
        enum err_kind kind;
        int status;
    } cases[] = {{ERR_TOO_LARGE, 413}, {ERR_TIMEOUT, 408}, {ERR_INVALID, 400}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_exchange fake;
        post(&fake, "/read_error", "part", false);
        fake.body_error = cases[i].kind;
        finish(&fake);
        assert_int_equal(fake.status, cases[i].status);
        fake_done(&fake);
    }
}

static void test_input_and_start_response_end_with_the_request(void **state)
{
    struct http_exchange fake;
    post(&fake, "/keep_input", "body", true);
    finish(&fake);
    fake_done(&fake);
    expect_body("/use_kept", "ValueError RuntimeError");
}

/* --- responses --- */

struct response_case {
    const char *target;
    int status;
    const char *body;
    int64_t content_length;
    bool at_once;
};

static void test_responses(void **state)
{
    static const struct response_case cases[] = {
        {"/generator", 200, "one two three", -1, false},
        {"/late_start", 201, "late", -1, false},
        {"/with_length", 200, "12345", 5, true},
        {"/too_long", 200, "12345", 5, false},
        {"/many", 200, "abc", 3, true},
        {"/empty", 200, "", 0, true},
        {"/no_content", 204, "", 0, true},
        {"/not_modified", 304, "", 77, false},
        {"/own_reason", 200, "body", 4, false},
        {"/flask_reason", 404, "body", 4, false},
        {"/write", 200, "written twice and returned", -1, false},
        {"/exc_info_replaces", 500, "replaced", 8, false},
        {"/raises_in_close", 200, "fine", -1, false},
        {"/file_in_memory", 200, NULL, -1, false},
        {"/file_gzip", 200, "plain text", -1, false},
        {"/many_headers", 200, "ok", 2, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_exchange fake;
        begin(&fake, "GET", cases[i].target);
        finish_muted(&fake);
        assert_int_equal(fake.status, cases[i].status);
        if (cases[i].body != NULL)
            assert_string_equal(buf_text(&fake.out), cases[i].body);
        assert_int_equal(fake.content_length, cases[i].content_length);
        assert_int_equal(fake.at_once, cases[i].at_once);
        assert_true(fake.ended);
        assert_false(fake.aborted);
        fake_done(&fake);
    }
}

static void test_head_has_no_body(void **state)
{
    static const struct response_case cases[] = {
        {"/hello", 200, "", 5, true},          {"/generator", 200, "", -1, false},
        {"/with_length", 200, "", 5, true},    {"/empty", 200, "", -1, false},
        {"/not_modified", 304, "", 77, false}, {"/file_part", 200, "", 10, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_exchange fake;
        begin(&fake, "HEAD", cases[i].target);
        finish(&fake);
        assert_int_equal(fake.status, cases[i].status);
        assert_string_equal(buf_text(&fake.out), "");
        assert_int_equal(fake.content_length, cases[i].content_length);
        assert_true(fake.ended);
        fake_done(&fake);
    }
}

static void test_failures_are_500(void **state)
{
    static const char *const targets[] = {
        "/raises",       "/raises_exit",        "/twice",        "/never_started", "/returns_text",
        "/returns_none", "/closes_after_error", "/no_such_case",
    };
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        expect_500(targets[i]);
}

static void test_failures_behind_the_head_abort(void **state)
{
    static const char *const targets[] = {"/raises_late", "/exc_info_too_late", "/too_short"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct http_exchange fake;
        begin(&fake, "GET", targets[i]);
        finish_muted(&fake);
        assert_int_equal(fake.status, 200);
        assert_true(fake.aborted);
        assert_false(fake.ended);
        fake_done(&fake);
    }
}

static void test_bad_heads_are_refused_at_once(void **state)
{
    static const struct {
        const char *which;
        const char *expected;
    } cases[] = {
        {"control", "ValueError"},      {"nul", "ValueError"},
        {"name", "ValueError"},         {"empty", "ValueError"},
        {"hop", "ValueError"},          {"hop2", "ValueError"},
        {"length", "ValueError"},       {"negative", "ValueError"},
        {"two-lengths", "ValueError"},  {"bytes", "TypeError"},
        {"unicode", "ValueError"},      {"list", "TypeError"},
        {"three", "TypeError"},         {"tuple", "TypeError"},
        {"status-int", "TypeError"},    {"status-text", "ValueError"},
        {"status-1xx", "ValueError"},   {"status-split", "ValueError"},
        {"status-short", "ValueError"}, {"status-glued", "ValueError"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char target[64];
        (void)snprintf(target, sizeof(target), "/bad_head?%s", cases[i].which);
        expect_body(target, cases[i].expected);
    }
}

static void test_close_is_called_once(void **state)
{
    static const char *const targets[] = {"/generator", "/with_length", "/closes_after_error",
                                          "/raises_in_close", "/too_short"};
    struct http_exchange fake;
    get(&fake, "/closed_count");
    fake_done(&fake);
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        expect_body("/closed_count", i == 0 ? "0" : "1");
        begin(&fake, "GET", targets[i]);
        finish_muted(&fake);
        fake_done(&fake);
    }
    struct http_exchange gone;
    expect_body("/closed_count", "1");
    begin(&gone, "GET", "/generator");
    gone.write_error = ERR_INTERRUPTED;
    finish(&gone);
    fake_done(&gone);
    expect_body("/closed_count", "1");
}

static void test_file_is_sent_from_its_descriptor(void **state)
{
    struct http_exchange fake;
    get(&fake, "/file");
    assert_int_equal(fake.parts, -1);
    assert_int_equal(fake.content_length, fake.out.len);
    assert_memory_equal(fake.out.data, "SGI apps", 8);
    fake_done(&fake);
    expect_body("/file_closed", "True");
    get(&fake, "/file_part");
    assert_string_equal(buf_text(&fake.out), "\"\"\"WSGI ap");
    fake_done(&fake);
}

static void test_validator_agrees(void **state)
{
    struct http_exchange fake;
    post(&fake, "/validated", "body", true);
    fake_header(&fake, "Content-Length", "4");
    fake_header(&fake, "Content-Type", "text/plain");
    finish(&fake);
    assert_int_equal(fake.status, 200);
    assert_string_equal(buf_text(&fake.out), "valid body");
    fake_done(&fake);
}

/* --- threads --- */

static void test_slow_handler_does_not_hold_up_others(void **state)
{
    struct http_exchange slow[2];
    for (int i = 0; i < 2; i++) {
        begin(&slow[i], "GET", "/slow");
        submit(&slow[i]);
    }
    expect_body("/hello", "Hello");
    expect_body("/release_slow", "released");
    for (int i = 0; i < 2; i++) {
        fake_wait(&slow[i]);
        assert_string_equal(buf_text(&slow[i].out), "True");
        fake_done(&slow[i]);
    }
}

static void leak_round(void)
{
    static const char *const targets[] = {
        "/hello",
        "/generator",
        "/with_length",
        "/too_short",
        "/raises",
        "/raises_late",
        "/many",
        "/write",
        "/bad_head?control",
        "/bad_head?unicode",
        "/file",
        "/file_in_memory",
        "/exc_info_replaces",
        "/exc_info_too_late",
        "/twice",
        "/environ?PATH_INFO",
        "/not_modified",
        "/many_headers",
        "/raises_in_close",
        "/never_started",
        "/returns_text",
    };
    struct http_exchange fake;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        begin(&fake, "GET", targets[i]);
        fake_header(&fake, "Host", "example");
        fake_header(&fake, "Accept", "*/*");
        finish(&fake);
        fake_done(&fake);
    }
    post(&fake, "/read_pieces", "abcdef\nghi\nj\nk", true);
    finish(&fake);
    fake_done(&fake);
    post(&fake, "/read_error", "part", false);
    fake.body_error = ERR_TOO_LARGE;
    finish(&fake);
    fake_done(&fake);
}

static void test_nothing_leaks(void **state)
{
    expect_no_growth(leak_round);
}

static void test_statistics(void **state)
{
    struct serve_stats stats;
    serve_stats(app.serve, &stats);
    assert_true(stats.served > 100);
    assert_true(stats.failed > 10);
    assert_int_equal(serve_protocol(app.serve), SERVE_WSGI);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_goes_out_in_one_piece),
        cmocka_unit_test(test_request_that_nobody_waits_for_is_not_begun),
        cmocka_unit_test(test_environ),
        cmocka_unit_test(test_environ_of_odd_hosts),
        cmocka_unit_test(test_invented_header_names),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_input_is_read_in_every_way),
        cmocka_unit_test(test_input_as_raw_file),
        cmocka_unit_test(test_large_body_comes_back),
        cmocka_unit_test(test_body_errors_become_statuses),
        cmocka_unit_test(test_input_and_start_response_end_with_the_request),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_failures_are_500),
        cmocka_unit_test(test_failures_behind_the_head_abort),
        cmocka_unit_test(test_bad_heads_are_refused_at_once),
        cmocka_unit_test(test_close_is_called_once),
        cmocka_unit_test(test_file_is_sent_from_its_descriptor),
        cmocka_unit_test(test_validator_agrees),
        cmocka_unit_test(test_slow_handler_does_not_hold_up_others),
        cmocka_unit_test(test_nothing_leaks),
        cmocka_unit_test(test_statistics),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
