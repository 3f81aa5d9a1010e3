// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.1 on the wire: what a client sends, byte for byte, and what must come back, each with the
 * section of RFC 9112 (or RFC 9110 where it says so) that decides it.
 */
#include "http1_cases.h"

/* Says what is wrong with what came back, if anything is. */
static bool check(const struct wire *wire, int fd)
{
    AUTO_BUF struct buf answer = BUF_INIT(4 * 1024 * 1024);
    (void)shutdown(fd, SHUT_WR);
    receive_all(fd, &answer);
    /* A 100 is no response of its own here. */
    const char *found = statuses(&answer);
    if (strncmp(found, "100 ", 4) == 0)
        found += 4;
    if (strcmp(found, wire->statuses) != 0)
        print_error("%s: expected %s, found %s\n%s\n", wire->clause, wire->statuses, found,
                    buf_text(&answer));
    else if (wire->has != NULL && strstr(buf_text(&answer), wire->has) == NULL)
        print_error("%s: no '%s' in\n%s\n", wire->clause, wire->has, buf_text(&answer));
    else if (wire->has_not != NULL && strstr(buf_text(&answer), wire->has_not) != NULL)
        print_error("%s: '%s' in\n%s\n", wire->clause, wire->has_not, buf_text(&answer));
    else
        return true;
    return false;
}

/* One connection for each case; `step`: bytes in a segment, nothing may depend on where the pieces
 * end. Behind what must be refused comes a request that must not be taken for one. */
static void run_cases(const struct wire *wires, size_t count, bool refused, size_t step)
{
    int wrong = 0;
    start_server(NULL);
    for (size_t i = 0; i < count; i++) {
        AUTO_BUF struct buf bytes = BUF_INIT(65536);
        assert_int_equal(buf_bytes(&bytes, slice_of(wires[i].input, wires[i].len), &err), 0);
        if (refused)
            assert_int_equal(buf_str(&bytes, SMUGGLED, &err), 0);
        int fd = connect_client();
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
        atomic_store(&smuggled_seen, 0);
        for (size_t at = 0; at < bytes.len; at += step)
            send_bytes(fd, bytes.data + at, bytes.len - at < step ? bytes.len - at : step);
        bool good_answer = check(&wires[i], fd);
        bool smuggled = atomic_load(&smuggled_seen) > 0;
        if (smuggled)
            print_error("%s: the app saw what is no request\n", wires[i].clause);
        wrong += !good_answer || smuggled;
        fd_close(fd);
    }
    assert_int_equal(wrong, 0);
}

static void good_requests_are_answered(void **state)
{
    (void)state;
    run_cases(good, ARRAY_LEN(good), false, SIZE_MAX / 2);
}

static void good_requests_are_answered_byte_by_byte(void **state)
{
    (void)state;
    run_cases(good, ARRAY_LEN(good), false, 1);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    run_cases(bad, ARRAY_LEN(bad), true, SIZE_MAX / 2);
}

static void bad_requests_are_refused_byte_by_byte(void **state)
{
    (void)state;
    run_cases(bad, ARRAY_LEN(bad), true, 1);
}

static void a_zero_byte_is_refused_anywhere_in_a_head(void **state)
{
    (void)state;
    static const char head[] = "GET /p HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n";
    start_server(NULL);
    for (size_t i = 0; i < sizeof(head) - 1; i++) {
        char bytes[sizeof(head)];
        memcpy(bytes, head, sizeof(head));
        bytes[i] = '\0';
        int fd = connect_client();
        send_bytes(fd, bytes, sizeof(head) - 1);
        (void)shutdown(fd, SHUT_WR);
        AUTO_BUF struct buf answer = BUF_INIT(65536);
        receive_all(fd, &answer);
        /* Without its last LF the head never ends: closed without a word. */
        bool refused = strncmp(buf_text(&answer), "HTTP/1.1 400", 12) == 0 ||
                       strncmp(buf_text(&answer), "HTTP/1.1 505", 12) == 0 || answer.len == 0;
        if (!refused)
            fail_msg("a zero byte at %zu: %s", i, buf_text(&answer));
        fd_close(fd);
    }
}

static void sizes_over_a_limit_are_refused(void **state)
{
    (void)state;
    struct http_limits limits = {
        .header_bytes = 600, .target_bytes = 100, .header_count = 5, .body_bytes = 10};
    start_server(&limits);
    char long_target[256];
    (void)snprintf(long_target, sizeof(long_target), "GET /%0150d", 0);
    char long_header[1024];
    (void)snprintf(long_header, sizeof(long_header), "GET / HTTP/1.1\r\nHost: a\r\nX: %0700d", 0);
    const struct wire over[] = {
        {"3 (RFC 9112) target, its line not even ended", long_target, strlen(long_target), "414",
         NULL, NULL},
        {"5.4 (RFC 9110) header", long_header, strlen(long_header), "431", NULL, NULL},
        {"5.4 (RFC 9110) number of headers",
         IN("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\n\r\n"), "431",
         NULL, NULL},
        {"15.5.14 (RFC 9110) announced body",
         IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n"), "413", NULL, NULL},
        {"15.5.14 (RFC 9110) chunked body",
         IN("POST / HTTP/1.1\r\n" HOST
            "Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n"),
         "413", NULL, NULL},
        {"within all of them",
         IN("POST / HTTP/1.1\r\n" HOST "A: 1\r\nB: 1\r\nContent-Length: 10\r\n\r\n0123456789"),
         "200", "body=0123456789", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(over); i++) {
        int fd = connect_client();
        send_text(fd, over[i].input);
        assert_true(check(&over[i], fd));
        fd_close(fd);
    }
}

static void endless_chunk_extensions_and_trailers_are_cut_off(void **state)
{
    (void)state;
    static const char *const starts[] = {
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5;a=",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    };
    start_server(NULL);
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        int fd = connect_client();
        send_text(fd, starts[i]);
        char piece[8192];
        memset(piece, 'x', sizeof(piece));
        for (int pieces = 0; pieces < 16; pieces++)
            send_bytes(fd, piece, sizeof(piece));
        AUTO_BUF struct buf answer = BUF_INIT(65536);
        receive_until(fd, &answer, "\r\n\r\n");
        assert_string_equal(statuses(&answer), "400");
        fd_close(fd);
    }
}

static void a_body_is_not_asked_for_before_the_app_wants_it(void **state)
{
    (void)state;
    start_server(NULL);
    int fd = connect_client();
    send_text(fd, "POST /p HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    receive_until(fd, &answer, "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(fd, "abc");
    receive_until(fd, &answer, "body=abc");
    fd_close(fd);
    /* An app that does not want it: the answer at once, and the end of the connection. */
    fd = connect_client();
    send_text(fd, "POST /ignore-body HTTP/1.1\r\n" HOST
                  "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    AUTO_BUF struct buf second = BUF_INIT(65536);
    receive_all(fd, &second);
    assert_string_equal(statuses(&second), "200");
    assert_non_null(strstr(buf_text(&second), "Connection: close\r\n"));
    fd_close(fd);
}

/* Each case as "good|bad TAB clause TAB statuses TAB bytes in hexadecimal". */
static void print_cases(const char *name, const struct wire *wires, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)printf("%s\t%s\t%s\t", name, wires[i].clause, wires[i].statuses);
        for (size_t at = 0; at < wires[i].len; at++)
            (void)printf("%02x", (unsigned char)wires[i].input[at]);
        (void)putchar('\n');
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--cases") == 0) {
        print_cases("good", good, ARRAY_LEN(good));
        print_cases("bad", bad, ARRAY_LEN(bad));
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(good_requests_are_answered, stop_server),
        cmocka_unit_test_teardown(good_requests_are_answered_byte_by_byte, stop_server),
        cmocka_unit_test_teardown(bad_requests_are_refused, stop_server),
        cmocka_unit_test_teardown(bad_requests_are_refused_byte_by_byte, stop_server),
        cmocka_unit_test_teardown(a_zero_byte_is_refused_anywhere_in_a_head, stop_server),
        cmocka_unit_test_teardown(sizes_over_a_limit_are_refused, stop_server),
        cmocka_unit_test_teardown(endless_chunk_extensions_and_trailers_are_cut_off, stop_server),
        cmocka_unit_test_teardown(a_body_is_not_asked_for_before_the_app_wants_it, stop_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
