// SPDX-License-Identifier: Apache-2.0
/*
 * The access log: its formats, what a client cannot do to a line, the writer and what it drops.
 */
#include "server_fixture.h"

#include "base/text.h"
#include "http/access_format.h"
#include "model/manifest.h"

#include <ctype.h>
#include <signal.h>
#include <sys/stat.h>

static struct http_header headers[] = {
    {{(const uint8_t *)"User-Agent", 10}, {(const uint8_t *)"curl \"7\"", 8}},
    {{(const uint8_t *)"X-Id", 4}, {(const uint8_t *)"42", 2}},
};

static struct http_request request_of(const char *method, const char *path, const char *query)
{
    return (struct http_request){.method = slice_str(method),
                                 .target = slice_str(path),
                                 .path = slice_str(path),
                                 .query = slice_str(query),
                                 .version_major = 1,
                                 .version_minor = 1,
                                 .headers = headers,
                                 .header_count = ARRAY_LEN(headers)};
}

static struct access_record record_of(const struct http_request *request)
{
    return (struct access_record){.request = request,
                                  .client = "192.0.2.7",
                                  .status = 200,
                                  .body_bytes = 12,
                                  .duration_us = 2345678,
                                  .queue_us = 99};
}

static const char *line_of(const char *format, const struct access_record *record)
{
    static char line[ACCESS_LINE_MAX + 1];
    const struct access_format *found;
    err = ERR_INIT;
    if (access_format_by_name(format, &found, &err) < 0)
        fail_msg("%s: %s", format, err.message);
    size_t len = access_format_line(found, record, line);
    assert_int_equal(line[len - 1], '\n');
    line[len - 1] = '\0';
    assert_null(strchr(line, '\n'));
    return line;
}

static bool has_shape(const char *text, const char *shape)
{
    for (; *shape != '\0'; shape++, text++) {
        bool fits = *shape == '9'   ? isdigit((unsigned char)*text) != 0
                    : *shape == 'a' ? isalpha((unsigned char)*text) != 0
                                    : *text == *shape;
        if (!fits)
            return false;
    }
    return *text == '\0';
}

#define TIME "[99/aaa/9999:99:99:99 +9999]"

static void expect_shape(const char *format, const struct access_record *record, const char *shape)
{
    if (!has_shape(line_of(format, record), shape))
        fail_msg("%s: '%s' is not of the form '%s'", format, line_of(format, record), shape);
}

static void common_and_combined_are_apaches(void **state)
{
    (void)state;
    struct http_request request = request_of("GET", "/x", "");
    struct access_record record = record_of(&request);
    request.target = slice_str("/x?b=c");
    record.client = "::";
    expect_shape("common", &record, ":: - - " TIME " \"GET /x?b=c HTTP/9.9\" 999 99");
    expect_shape("combined", &record,
                 ":: - - " TIME " \"GET /x?b=c HTTP/9.9\" 999 99 \"-\" \"curl \\\"9\\\"\"");
    headers[1] = (struct http_header){slice_str("referer"), slice_str("https://a")};
    record.body_bytes = 0;
    request.version_major = 2;
    expect_shape("combined", &record,
                 ":: - - " TIME " \"GET /x?b=c HTTP/9\" 999 - \"https://a\" \"curl \\\"9\\\"\"");
    headers[1] = (struct http_header){slice_str("X-Id"), slice_str("42")};
}

static void json_tells_all(void **state)
{
    (void)state;
    struct http_request request = request_of("GET", "/a", "b=c");
    struct access_record record = record_of(&request);
    static const char start[] = "{\"time\":\"9999-99-99T99:99:99.999Z\"";
    static char json[ACCESS_LINE_MAX];
    (void)snprintf(json, sizeof(json), "%s", line_of("json", &record));
    assert_string_equal(json + sizeof(start) - 1,
                        ",\"client\":\"192.0.2.7\",\"method\":\"GET\",\"path\":\"/a\","
                        "\"query\":\"b=c\",\"protocol\":\"HTTP/1.1\",\"status\":200,"
                        "\"bytes\":12,\"duration_us\":2345678,\"queue_us\":99,"
                        "\"aborted\":false,\"referer\":\"\","
                        "\"user_agent\":\"curl \\\"7\\\"\"}");
    json[sizeof(start) - 1] = '\0';
    assert_true(has_shape(json, start));
    record.queue_us = -1;
    record.aborted = true;
    assert_non_null(strstr(line_of("json", &record), ",\"queue_us\":null,\"aborted\":true,"));
}

/* Whatever a client sends: one line, its quotation marks escaped, nothing beyond ASCII. */
static void nothing_breaks_out_of_its_place(void **state)
{
    (void)state;
    static const char evil[] = "/\r\n200 OK\t\x01\x7f\x80\xc3\xa9\"\\ 'x'";
    struct http_request request = request_of("GET", "/", "");
    request.path = request.target = slice_of(evil, sizeof(evil) - 1);
    struct access_record record = record_of(&request);
    assert_non_null(strstr(line_of("common", &record),
                           " \"GET /\\x0d\\x0a200 OK\\x09\\x01\\x7f\\x80\\xc3\\xa9\\\"\\\\ 'x' "
                           "HTTP/1.1\" 200 12"));
    const char *json = line_of("json", &record);
    assert_non_null(strstr(json, "\"path\":\"/\\u000d\\u000a200 OK\\u0009\\u0001\\u007f\\u0080"
                                 "\\u00c3\\u00a9\\\"\\\\ 'x'\""));
    for (int c = 0; c < 256; c++) {
        uint8_t bytes[2000];
        memset(bytes, c, sizeof(bytes));
        request.path = request.target = request.query = request.method =
            slice_of(bytes, sizeof(bytes));
        headers[0].value = request.path;
        for (const char *at = line_of("json", &record); *at != '\0'; at++)
            assert_true(*at >= 0x20 && *at < 0x7f);
        assert_non_null(
            strstr(line_of("json", &record), "...\"}")); /* cut, and whole all the same */
    }
    headers[0].value = slice_str("curl \"7\"");
}

/* The longest of each form is whole. */
static void a_line_is_bounded(void **state)
{
    (void)state;
    static const char *const formats[] = {"common", "combined", "json"};
    uint8_t bytes[2000];
    memset(bytes, 'x', sizeof(bytes));
    struct http_request request = request_of("GET", "/", "");
    request.method = request.path = request.target = request.query = slice_of(bytes, sizeof(bytes));
    headers[0].value = request.path;
    headers[1] = (struct http_header){slice_str("Referer"), request.path};
    struct access_record record = record_of(&request);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        const char *line = line_of(formats[i], &record);
        assert_true(strlen(line) < 6 * (ACCESS_VALUE_MAX + 3));
        assert_true(strlen(line) < ACCESS_LINE_MAX - 1);
        assert_true(i == 0 ? str_ends_with(line, "200 12")
                           : line[strlen(line) - 1] == "\"}"[i - 1]);
    }
    headers[0].value = slice_str("curl \"7\"");
    headers[1] = (struct http_header){slice_str("X-Id"), slice_str("42")};
}

/* A request that could not be read: no method, no target, no address. */
static void nothing_is_needed(void **state)
{
    (void)state;
    struct http_request request = {0};
    struct access_record record = {
        .request = &request, .client = "", .status = 400, .queue_us = -1};
    assert_non_null(strstr(line_of("common", &record), "] \"-\" 400 -"));
    assert_non_null(strstr(line_of("json", &record), "\"method\":\"\",\"path\":\"\",\"query\":\"\","
                                                     "\"protocol\":\"\",\"status\":400"));
}

/* What the manifest may say is what there is. */
static void no_other_form_is_known(void **state)
{
    (void)state;
    static const char *const names[] = {"common", "combined", "json", "comon", "off",
                                        "",       "%h %r",    "JSON", "json "};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct access_format *found;
        err = ERR_INIT;
        bool known = access_format_by_name(names[i], &found, &err) == 0;
        assert_int_equal(known, i < 3);
        assert_int_equal(known, manifest_log_format_valid(names[i]));
        assert_int_equal(err.kind == ERR_INVALID, !known);
    }
}

/* --- the writer --- */

static char folder[64];
static char path[96];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/mse-access-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/access.log", folder);
    return 0;
}

static int remove_folder(void **state)
{
    http_server_free(server);
    server = NULL;
    return folder_remove_tree(folder, &err);
}

static struct access_log *open_log(const char *format, uint64_t max_bytes)
{
    const struct access_log_config config = {
        .format = format, .path = path, .max_bytes = max_bytes};
    struct access_log *log = NULL;
    if (access_log_new(&config, &log, &err) < 0)
        fail_msg("%s", err.message);
    return log;
}

static void every_line_is_written_or_counted(void **state)
{
    (void)state;
    enum { LINES = 200000 };
    struct http_request request = request_of("GET", "/a/path/of/some/length", "");
    struct access_record record = record_of(&request);
    struct access_log *log = open_log("common", 64 << 20);
    for (int i = 0; i < LINES; i++)
        access_log_append(log, &record);
    uint64_t dropped = access_log_dropped(log);
    access_log_free(log);
    AUTO_BUF struct buf text = BUF_INIT(64 << 20);
    assert_int_equal(file_read(path, &text, &err), 0);
    static const char before[] = "192.0.2.7 - - [";
    static const char after[] = "] \"GET /a/path/of/some/length HTTP/1.1\" 200 12\n";
    size_t len = sizeof(before) - 1 + strlen("22/Nov/2026:20:51:33 +0000") + sizeof(after) - 1;
    assert_int_equal(text.len % len, 0);
    for (size_t i = 0; i < text.len; i += len) {
        assert_memory_equal(text.data + i, before, sizeof(before) - 1);
        assert_memory_equal(text.data + i + len - (sizeof(after) - 1), after, sizeof(after) - 1);
    }
    assert_int_equal(text.len / len + dropped, LINES);
    assert_true(text.len > 0);
}

static void its_files_stay_within_their_bound(void **state)
{
    (void)state;
    enum { BOUND = 1 << 20, LINES = 100000 };
    struct http_request request = request_of("GET", "/a/path/of/some/length", "");
    struct access_record record = record_of(&request);
    struct access_log *log = open_log("common", BOUND);
    for (int i = 0; i < LINES; i++) {
        access_log_append(log, &record);
        if (i % 1000 == 0)
            clock_sleep_ms(1); /* so that much of it is written */
    }
    access_log_free(log);
    struct stat newest;
    struct stat oldest;
    AUTO_FREE char *old = str_printf(&err, "%s.1", path);
    assert_int_equal(stat(path, &newest), 0);
    assert_int_equal(stat(old, &oldest), 0);
    assert_true(newest.st_size + oldest.st_size <= BOUND);
    assert_int_equal(newest.st_mode & 0777, 0600);
}

/* A pipe that nobody reads: the writer is stuck in it, and nobody else. */
static void who_appends_never_waits(void **state)
{
    (void)state;
    enum { LINES = 100000 };
    int ends[2];
    assert_int_equal(fd_pipe(ends, &err), 0);
    const struct access_log_config config = {.format = "common", .fd = ends[1]};
    struct access_log *log = NULL;
    assert_int_equal(access_log_new(&config, &log, &err), 0);
    struct http_request request = request_of("GET", "/a/path/of/some/length", "");
    struct access_record record = record_of(&request);
    for (int i = 0; i < LINES; i++)
        access_log_append(log, &record); /* comes back, or the test never ends */
    assert_true(access_log_dropped(log) > LINES / 2);
    fd_close(ends[0]); /* now the writer fails, and what it had is lost as well */
    access_log_free(log);
    fd_close(ends[1]);
}

/* --- with the server --- */

static void start_logged(struct access_log *log, const struct http_limits *limits, bool timing)
{
    struct http_listener listener = {.host = "127.0.0.1"};
    struct http_server_config config = {.listeners = &listener,
                                        .listener_count = 1,
                                        .limits = *limits,
                                        .handler = &telling_handler,
                                        .access_log = log,
                                        .server_timing = timing};
    atomic_store(&requests_seen, 0);
    if (http_server_start(&config, &server, &err) < 0)
        fail_msg("%s", err.message);
}

static void every_request_leaves_a_line(void **state)
{
    (void)state;
    struct http_limits limits = {.header_timeout_ms = 30, .half_closed_ms = 30};
    struct access_log *log = open_log("common", 1 << 20);
    start_logged(log, &limits, false);
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    int fd = connect_client();
    send_text(fd, "GET /204?a=b HTTP/1.1\r\n" HOST "\r\nGET /eight HTTP/1.1\r\n" HOST "\r\n"
                  "HEAD /eight HTTP/1.1\r\n" HOST "\r\nBAD\r\n\r\n");
    receive_all(fd, &answer);
    fd_close(fd);
    fd = connect_client();
    send_text(fd, "GET /slow HTTP/1.1\r\nHos");
    receive_all(fd, &answer);
    fd_close(fd);
    fd = connect_client();
    send_text(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&requests_seen, 4);
    fd_close(fd);
    wait_for(&aborts_seen, 1);
    http_server_free(server);
    server = NULL;
    access_log_free(log);
    AUTO_BUF struct buf text = BUF_INIT(65536);
    assert_int_equal(file_read(path, &text, &err), 0);
    static const char *const expected[] = {
        "\"GET /204?a=b HTTP/1.1\" 204 -",
        "\"GET /eight HTTP/1.1\" 200 8",
        "\"HEAD /eight HTTP/1.1\" 200 -",
        "\"-\" 400 23",
        "\"-\" 408 28",
        "\"GET /hold HTTP/1.1\" 0 -",
    };
    (void)buf_text(&text); /* ends in a zero byte */
    char *rest = (char *)text.data;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        const char *line = strsep(&rest, "\n");
        assert_non_null(line);
        assert_true(str_starts_with(line, "127.0.0.1 - - ["));
        assert_string_equal(strchr(line, '"'), expected[i]);
    }
    assert_string_equal(rest, "");
}

static void server_timing_where_it_is_wanted(void **state)
{
    (void)state;
    for (int wanted = 0; wanted < 2; wanted++) {
        const struct http_limits limits = {0};
        start_logged(NULL, &limits, wanted != 0);
        AUTO_BUF struct buf answer = BUF_INIT(65536);
        int fd = connect_client();
        send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\nGET /204 HTTP/1.1\r\n" HOST
                      "Connection: close\r\n\r\n");
        receive_all(fd, &answer);
        fd_close(fd);
        const char *timing = strstr(buf_text(&answer), "\r\nServer-Timing: queue;dur=");
        assert_int_equal(timing != NULL, wanted);
        if (timing != NULL) {
            assert_non_null(strstr(timing, ", app;dur="));
            assert_non_null(strstr(timing, ", total;dur="));
            /* the handler of the second did not say when it began */
            assert_non_null(strstr(timing + 1, "\r\nServer-Timing: total;dur="));
        }
        http_server_free(server);
        server = NULL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_and_combined_are_apaches),
        cmocka_unit_test(json_tells_all),
        cmocka_unit_test(nothing_breaks_out_of_its_place),
        cmocka_unit_test(a_line_is_bounded),
        cmocka_unit_test(nothing_is_needed),
        cmocka_unit_test(no_other_form_is_known),
        cmocka_unit_test_setup_teardown(every_line_is_written_or_counted, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(its_files_stay_within_their_bound, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(who_appends_never_waits, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(every_request_leaves_a_line, make_folder, remove_folder),
        cmocka_unit_test(server_timing_where_it_is_wanted),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
