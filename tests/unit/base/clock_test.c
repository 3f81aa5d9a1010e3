// SPDX-License-Identifier: Apache-2.0
/*
 * Clocks run forward; dates are compared with values of date(1) and RFC 3339's own examples.
 */
#include "base/clock.h"

#include "base/mem.h"
#include "testing.h"

static void test_clocks(void **state)
{
    assert_true(clock_unix() > 1700000000);
    int64_t before = clock_monotonic_us();
    clock_sleep_ms(0);
    clock_sleep_ms(-5);
    clock_sleep_ms(2);
    assert_true(clock_monotonic_us() - before >= 2000);
    assert_true(clock_monotonic_ms() >= before / 1000);
}

static const struct {
    const char *text;
    int64_t unix_time;
} dates[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1969-12-31T23:59:59Z", -1},
    {"2000-02-29T12:00:00Z", 951825600},
    {"2026-11-22T10:00:00Z", 1795341600},
    {"2038-01-19T03:14:08Z", 2147483648},
    {"1900-03-01T00:00:00Z", -2203891200},
    {"0000-01-01T00:00:00Z", -62167219200},
    {"9999-12-31T23:59:59Z", 253402300799},
};

static void test_format(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        char text[RFC3339_SIZE];
        rfc3339_format(dates[i].unix_time, text);
        assert_string_equal(text, dates[i].text);
    }
    char longest[RFC3339_SIZE];
    rfc3339_format(INT64_MIN, longest);
    assert_string_equal(longest, "-292277022657-01-27T08:29:52Z");
}

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_time;
    } others[] = {
        {"2026-11-22 10:00:00Z", 1795341600},      {"2026-11-22t10:00:00z", 1795341600},
        {"2026-11-22T10:00:00.999Z", 1795341600},  {"2026-11-22T11:30:00+01:30", 1795341600},
        {"2026-11-22T02:00:00-08:00", 1795341600}, {"1990-12-31T23:59:60Z", 662688000},
    };
    int64_t value = 0;
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        OK(rfc3339_parse(dates[i].text, &value, &err));
        assert_int_equal(value, dates[i].unix_time);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        OK(rfc3339_parse(others[i].text, &value, &err));
        assert_int_equal(value, others[i].unix_time);
    }
}

static void test_parse_refuses(void **state)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-22",
        "2026-11-22T10:00:00",
        "2026-11-22T10:00Z",
        "2026-11-22T10:00:00.Z",
        "2026-11-22T10:00:00Z ",
        " 2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00+0100",
        "2026-11-22T10:00:00+24:00",
        "2026-11-22T10:00:00+01:60",
        "2026-11-22X10:00:00Z",
        "+026-11-22T10:00:00Z",
        "2026-00-22T10:00:00Z",
        "2026-13-22T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "1900-02-29T10:00:00Z",
        "2026-11-31T10:00:00Z",
        "2026-11-00T10:00:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T10:60:00Z",
        "2026-11-22T10:00:61Z",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t value = 7;
        FAILS(ERR_INVALID, "", rfc3339_parse(bad[i], &value, &err));
        assert_int_equal(value, 7);
    }
}

static void test_round_trip(void **state)
{
    for (int64_t day = -800000; day < 800000; day += 997) {
        int64_t unix_time = day * 86400 + 12345;
        char text[RFC3339_SIZE];
        rfc3339_format(unix_time, text);
        int64_t value = 0;
        if (text[0] == '-')
            continue;
        OK(rfc3339_parse(text, &value, &err));
        assert_int_equal(value, unix_time);
    }
}

static void test_civil_refuses(void **state)
{
    int64_t value = 7;
    FAILS(ERR_INVALID, "year 10000", civil_to_unix(10000, 1, 1, 0, 0, 0, &value, &err));
    FAILS(ERR_INVALID, "year -1", civil_to_unix(-1, 1, 1, 0, 0, 0, &value, &err));
    FAILS(ERR_INVALID, "no time of day", civil_to_unix(2000, 1, 1, -1, 0, 0, &value, &err));
    FAILS(ERR_INVALID, "second -1", civil_to_unix(2000, 1, 1, 0, 0, -1, &value, &err));
    assert_int_equal(value, 7);
}

static void test_duration(void **state)
{
    int64_t seconds = 0;
    OK(duration_parse("90s", "wait", &seconds, &err));
    assert_int_equal(seconds, 90);
    OK(duration_parse("15m", "wait", &seconds, &err));
    assert_int_equal(seconds, 900);
    OK(duration_parse("2h", "wait", &seconds, &err));
    assert_int_equal(seconds, 7200);
    OK(duration_parse("30d", "wait", &seconds, &err));
    assert_int_equal(seconds, 30 * 86400);
    static const char *const bad[] = {
        "", "5", "s", "-5s", "5 s", "5w", "5ss", "1.5h", "9999999999s", "99999999999999999999999d"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        FAILS(ERR_INVALID, "wait: ", duration_parse(bad[i], "wait", &seconds, &err));
    assert_int_equal(seconds, 30 * 86400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks),     cmocka_unit_test(test_format),
        cmocka_unit_test(test_parse),      cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_civil_refuses),
        cmocka_unit_test(test_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
