// SPDX-License-Identifier: Apache-2.0
/*
 * Counters there and back, what is refused of them, quantiles, and the text for Prometheus.
 */
#include "model/app_stats.h"
#include "testing.h"

static bool is_near(double a, double b)
{
    return a - b < 1e-6 && b - a < 1e-6;
}

static struct app_stats sample(void)
{
    struct app_stats stats;
    uint64_t *numbers = (uint64_t *)&stats;
    for (size_t i = 0; i < sizeof(stats) / sizeof(uint64_t); i++)
        numbers[i] = 1000 + i;
    return stats;
}

static int encode(const struct app_stats *stats, struct buf *out)
{
    AUTO_JSON json_t *object = NULL;
    OK(app_stats_to_json(stats, &object, &err));
    return json_canonical(object, out, &err);
}

static int decode(struct slice text, struct app_stats *ret)
{
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    if (json_parse(text, "stats", APP_STATS_MAX, &root, &err) < 0 ||
        json_top(root, "stats", &top, &err) < 0)
        return -1;
    return app_stats_from_json(&top, ret, &err);
}

static void they_come_back_as_they_were(void **state)
{
    struct app_stats stats = sample();
    struct app_stats back;
    AUTO_BUF struct buf text = BUF_INIT(APP_STATS_MAX);
    OK(encode(&stats, &text));
    OK(decode(buf_slice(&text), &back));
    assert_memory_equal(&back, &stats, sizeof(stats));
}

static void the_largest_fit_into_a_line(void **state)
{
    struct app_stats stats;
    struct app_stats back;
    AUTO_BUF struct buf text = BUF_INIT(APP_STATS_MAX - 16);
    memset(&stats, 0xff, sizeof(stats));
    OK(encode(&stats, &text));
    OK(decode(buf_slice(&text), &back));
    assert_true(back.requests == (UINT64_C(1) << 53) - 1);
}

/* Replaces the first `from` in a good text. */
static void expect_refused(const char *from, const char *to, const char *part)
{
    struct app_stats stats = sample();
    struct app_stats back;
    AUTO_BUF struct buf text = BUF_INIT(APP_STATS_MAX);
    AUTO_BUF struct buf changed = BUF_INIT(2 * APP_STATS_MAX);
    OK(encode(&stats, &text));
    const char *place = strstr(buf_text(&text), from);
    assert_non_null(place);
    OK(buf_bytes(&changed, slice_of(text.data, (size_t)(place - buf_text(&text))), &err));
    OK(buf_str(&changed, to, &err));
    OK(buf_str(&changed, place + strlen(from), &err));
    FAILS(ERR_INVALID, part, decode(buf_slice(&changed), &back));
}

static void anything_else_is_refused(void **state)
{
    expect_refused("\"open\":", "\"oben\":", "unknown key 'oben'");
    expect_refused("\"open\":1001", "\"open\":-1", "'open' is -1");
    expect_refused("\"open\":1001", "\"open\":1001.0", "whole number");
    expect_refused("\"open\":1001", "\"open\":\"1001\"", "'open'");
    expect_refused("\"open\":1001", "\"open\":9007199254740992", "'open' is 9007199254740992");
    expect_refused("\"queue\":[", "\"queue\":[7,", "has 29 numbers, expected 28");
    expect_refused("\"queue\":[1060,", "\"queue\":[", "has 27 numbers, expected 28");
    expect_refused("\"queue\":[1060,", "\"queue\":[-1,", "'queue[0]' is no whole number");
    expect_refused("\"queue\":[1060,", "\"queue\":[null,", "'queue[0]' is no whole number");
    expect_refused("\"queue\":[1060,", "\"queue\":[9007199254740992,", "'queue[0]'");
    expect_refused("\"latency\":[", "\"latency\":{},\"x\":[", "unknown key 'x'");
}

/* An enclave that was started by an earlier version, under a node of today. */
static void what_is_not_counted_yet_is_none(void **state)
{
    struct app_stats stats = sample();
    struct app_stats back;
    AUTO_BUF struct buf text = BUF_INIT(APP_STATS_MAX);
    OK(encode(&stats, &text));
    char *place = strstr((char *)text.data, "\"open\":1001,");
    assert_non_null(place);
    memset(place, ' ', strlen("\"open\":1001,"));
    OK(decode(buf_slice(&text), &back));
    assert_int_equal(back.open, 0);
    assert_int_equal(back.queued, stats.queued);
}

static void quantiles_lie_in_their_bucket(void **state)
{
    uint64_t buckets[APP_STATS_BUCKETS] = {0};
    assert_true(app_stats_quantile(buckets, 0.5) == 0);
    buckets[10] = 99; /* 512 to 1024 us */
    buckets[20] = 1;
    assert_true(is_near(app_stats_quantile(buckets, 0.5), (512 + 512 * 50.0 / 99)));
    assert_true(is_near(app_stats_quantile(buckets, 0.99), 1024));
    assert_true(is_near(app_stats_quantile(buckets, 1), 1048576));
    memset(buckets, 0, sizeof(buckets));
    buckets[0] = 4;
    assert_true(is_near(app_stats_quantile(buckets, 0.5), 0.5));
}

static size_t occurrences(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        count++;
    return count;
}

static void prometheus_gets_families(void **state)
{
    struct app_stats_row rows[] = {{"id=\"a\"", sample()}, {"id=\"b\"", {0}}};
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    memset(rows[0].stats.latency, 0, sizeof(rows[0].stats.latency));
    rows[0].stats.latency[0] = 2;
    rows[0].stats.latency[10] = 3;
    rows[0].stats.latency[27] = 4;
    rows[0].stats.latency_us = 1500000;
    OK(app_stats_prometheus(rows, ARRAY_LEN(rows), &text, &err));
    const char *all = buf_text(&text);
    assert_non_null(strstr(all, "# TYPE mse_app_connections_open gauge\n"
                                "mse_app_connections_open{id=\"a\"} 1001\n"
                                "mse_app_connections_open{id=\"b\"} 0\n"));
    assert_int_equal(occurrences(all, "# TYPE mse_app_responses_total counter\n"), 1);
    assert_non_null(strstr(all, "mse_app_responses_total{id=\"a\",class=\"2xx\"} 1010\n"));
    assert_non_null(strstr(all, "mse_app_request_seconds_bucket{id=\"a\",le=\"0.000001\"} 2\n"));
    assert_non_null(strstr(all, "mse_app_request_seconds_bucket{id=\"a\",le=\"0.000512\"} 2\n"));
    assert_non_null(strstr(all, "mse_app_request_seconds_bucket{id=\"a\",le=\"0.001024\"} 5\n"));
    assert_non_null(strstr(all, "mse_app_request_seconds_bucket{id=\"a\",le=\"+Inf\"} 9\n"
                                "mse_app_request_seconds_sum{id=\"a\"} 1.500000\n"
                                "mse_app_request_seconds_count{id=\"a\"} 9\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_come_back_as_they_were),
        cmocka_unit_test(the_largest_fit_into_a_line),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(what_is_not_counted_yet_is_none),
        cmocka_unit_test(quantiles_lie_in_their_bucket),
        cmocka_unit_test(prometheus_gets_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
