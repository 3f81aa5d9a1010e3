// SPDX-License-Identifier: Apache-2.0
/*
 * What of a log is shown: by time, by pattern, without the lines of the start; in any pieces.
 */
#include "testing.h"

#include "cli/log_view.h"

static const char text[] = "2027-01-01T10:00:00.100Z info enclave: code: 0.5 ms\n"
                           "2027-01-01T10:00:00.200Z mse-init: world: 1.5 ms\n"
                           "2027-01-01T10:00:01.000Z one \"quoted\"\n"
                           "\n"
                           "no time here\n"
                           "2027-01-01T11:00:00.000Z error enclave: two\n"
                           "2027-01-01T12:00:00.000Z three";

static char *shown(const struct log_filter *filter, size_t piece)
{
    char *out = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&out, &size);
    assert_non_null(file);
    struct log_view view;
    log_view_init(&view, filter, file);
    for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
        size_t left = sizeof(text) - 1 - at;
        OK(log_view_write(&view, slice_of(text + at, left < piece ? left : piece), &err));
    }
    OK(log_view_finish(&view, &err));
    log_view_done(&view);
    assert_int_equal(fclose(file), 0);
    return out;
}

static void expect(const struct log_filter *filter, const char *expected)
{
    static const size_t pieces[] = {1, 7, 52, sizeof(text)};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        AUTO_FREE char *found = shown(filter, pieces[i]);
        assert_string_equal(found, expected);
    }
}

static const struct log_filter all = {.since = INT64_MIN, .until = INT64_MAX};

static void boot_lines_are_left_out(void **state)
{
    struct log_filter filter = all;
    filter.boot = true;
    AUTO_FREE char *everything = str_printf(NULL, "%s\n", text);
    expect(&filter, everything);
    expect(&all, strstr(everything, "2027-01-01T10:00:01"));
}

static void by_time(void **state)
{
    struct log_filter filter = all;
    OK(log_time_parse("2027-01-01T11:00:00Z", "--since", 0, &filter.since, &err));
    expect(&filter, "2027-01-01T11:00:00.000Z error enclave: two\n"
                    "2027-01-01T12:00:00.000Z three\n");
    OK(log_time_parse("1h", "--until", filter.since + 3600, &filter.until, &err));
    expect(&filter, "2027-01-01T11:00:00.000Z error enclave: two\n");
    int64_t when = 0;
    FAILS(ERR_USAGE, "--since: 'soon'", log_time_parse("soon", "--since", 0, &when, &err));
    FAILS(ERR_USAGE, "--since: '2h'", log_time_parse("2h", "--since", 0, &when, &err));
}

/* In the text of a line, not in its time. */
static void by_pattern(void **state)
{
    regex_t pattern;
    struct log_filter filter = all;
    assert_int_equal(regcomp(&pattern, "^(one|thr)|2027", REG_EXTENDED | REG_NOSUB), 0);
    filter.grep = &pattern;
    expect(&filter, "2027-01-01T10:00:01.000Z one \"quoted\"\n2027-01-01T12:00:00.000Z three\n");
    regfree(&pattern);
    assert_int_equal(regcomp(&pattern, "ms$", REG_EXTENDED | REG_NOSUB), 0);
    expect(&filter, "");
    filter.boot = true;
    AUTO_FREE char *boot =
        str_printf(NULL, "%.*s", (int)(strstr(text, "2027-01-01T10:00:01") - text), text);
    expect(&filter, boot);
    regfree(&pattern);
}

static void as_json(void **state)
{
    struct log_filter filter = all;
    filter.json = true;
    expect(
        &filter,
        "{\"time\":\"2027-01-01T10:00:01.000Z\",\"text\":\"one \\\"quoted\\\"\",\"boot\":false}\n"
        "{\"time\":null,\"text\":\"\",\"boot\":false}\n"
        "{\"time\":null,\"text\":\"no time here\",\"boot\":false}\n"
        "{\"time\":\"2027-01-01T11:00:00.000Z\",\"text\":\"error enclave: two\",\"boot\":false}\n"
        "{\"time\":\"2027-01-01T12:00:00.000Z\",\"text\":\"three\",\"boot\":false}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boot_lines_are_left_out),
        cmocka_unit_test(by_time),
        cmocka_unit_test(by_pattern),
        cmocka_unit_test(as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
