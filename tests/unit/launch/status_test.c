// SPDX-License-Identifier: Apache-2.0
/*
 * Status lines to msed, and what is taken from an enclave's own lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "launch/status.h"

static void test_round_trip(void **state)
{
    struct err err = ERR_INIT;
    struct launch_status status = {.state = LAUNCH_FAILED,
                                   .since = 1795341600,
                                   .reason = "the app called \"fork\"",
                                   .call = "fork",
                                   .detail = "a\nb\n",
                                   .limits = "cgroup v2",
                                   .supervisor = 4711};
    struct launch_status back;
    AUTO_BUF struct buf line = BUF_INIT(LAUNCH_LINE_MAX);
    assert_int_equal(status_encode(&status, &line, &err), 0);
    assert_null(memchr(line.data, '\n', line.len - 1));
    assert_int_equal(launch_status_decode(buf_slice(&line), &back, &err), 0);
    assert_int_equal(back.state, status.state);
    assert_int_equal(back.since, status.since);
    assert_string_equal(back.reason, status.reason);
    assert_string_equal(back.call, status.call);
    assert_string_equal(back.detail, status.detail);
    assert_string_equal(back.limits, status.limits);
    assert_int_equal(back.supervisor, status.supervisor);
}

static int decode(const char *line, struct enclave_event *event)
{
    struct err err = ERR_INIT;
    return enclave_event_decode(slice_str(line), event, &err);
}

static void test_events(void **state)
{
    struct enclave_event event;
    assert_int_equal(decode("{\"state\":\"initializing\"}", &event), 0);
    assert_int_equal(event.state, LAUNCH_INITIALIZING);
    assert_int_equal(decode("{\"state\":\"running\"}", &event), 0);
    assert_int_equal(event.state, LAUNCH_RUNNING);
    assert_int_equal(decode("{\"state\":\"failed\",\"reason\":\"a\\u001b[1m\\nb\"}", &event), 0);
    assert_int_equal(event.state, LAUNCH_FAILED);
    assert_string_equal(event.reason, "a?[1m?b");
    assert_int_equal(decode("{\"event\":\"forbidden\",\"call\":\"fork\",\"thread\":7}", &event), 0);
    assert_int_equal(event.state, LAUNCH_SPAWNING);
    assert_string_equal(event.call, "fork");
}

/* What is wrong in an enclave's own words, however long and in whatever script: the error, the line
 * to the supervisor and the supervisor's to the node are each read strictly. */
static void test_a_long_reason_arrives(void **state)
{
    struct err problem = ERR_INIT;
    struct err err = ERR_INIT;
    for (size_t before = 0; before < 4; before++) {
        AUTO_BUF struct buf text = BUF_INIT(4096);
        AUTO_BUF struct buf line = BUF_INIT(LAUNCH_LINE_MAX);
        struct enclave_event event;
        struct launch_line back;
        assert_int_equal(buf_printf(&text, &err, "%.*s", (int)before, "abc"), 0);
        for (int i = 0; i < 500; i++)
            assert_int_equal(buf_str(&text, "\xe2\x82\xac", &err), 0);
        (void)FAIL(&problem, ERR_APP, "%s", buf_text(&text));
        assert_int_equal(
            buf_printf(&line, &err, "{\"state\":\"failed\",\"reason\":\"%s\"}", problem.message),
            0);
        assert_int_equal(decode(buf_text(&line), &event), 0);
        assert_true(strlen(event.reason) > LAUNCH_REASON_SIZE - 4);
        struct launch_status status = {.state = LAUNCH_FAILED};
        memcpy(status.reason, event.reason, sizeof(status.reason));
        buf_clear(&line);
        assert_int_equal(status_encode(&status, &line, &err), 0);
        assert_int_equal(launch_line_decode(buf_slice(&line), &back, &err), 0);
        assert_string_equal(back.status.reason, event.reason);
    }
}

static void test_stats(void **state)
{
    struct err err = ERR_INIT;
    struct enclave_event event;
    struct launch_line back;
    struct app_stats stats = {.requests = 7, .latency = {1, 2, 3}, .latency_us = 9};
    AUTO_BUF struct buf line = BUF_INIT(LAUNCH_LINE_MAX);
    assert_int_equal(app_stats_line(&stats, &line, &err), 0);
    assert_int_equal(line.data[line.len - 1], '\n');
    assert_int_equal(decode(buf_text(&line), &event), 0);
    assert_true(event.has_stats);
    assert_int_equal(event.state, LAUNCH_SPAWNING);
    assert_memory_equal(&event.stats, &stats, sizeof(stats));
    assert_int_equal(launch_line_decode(buf_slice(&line), &back, &err), 0);
    assert_true(back.is_stats);
    assert_memory_equal(&back.stats, &stats, sizeof(stats));
    buf_clear(&line);
    const struct launch_status status = {.state = LAUNCH_RUNNING, .since = 1};
    assert_int_equal(status_encode(&status, &line, &err), 0);
    assert_int_equal(launch_line_decode(buf_slice(&line), &back, &err), 0);
    assert_false(back.is_stats);
    assert_int_equal(back.status.state, LAUNCH_RUNNING);
}

static void test_bad_events(void **state)
{
    struct enclave_event event;
    assert_int_equal(decode("", &event), -1);
    assert_int_equal(decode("running", &event), -1);
    assert_int_equal(decode("{\"state\":\"stopped\"}", &event), -1);
    assert_int_equal(decode("{\"state\":\"spawning\"}", &event), -1);
    assert_int_equal(decode("{\"state\":1}", &event), -1);
    assert_int_equal(decode("{\"event\":\"party\"}", &event), -1);
    assert_int_equal(decode("{\"stats\":{}}", &event), -1);
    assert_int_equal(decode("{\"stats\":7}", &event), -1);
    assert_int_equal(decode("{\"stats\":{\"requests\":1},\"state\":\"failed\"}", &event), -1);
    assert_int_equal(
        decode("{\"event\":\"forbidden\",\"call\":\"01234567890123456789012345678901\"}", &event),
        -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_a_long_reason_arrives),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_bad_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
