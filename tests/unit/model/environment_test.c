// SPDX-License-Identifier: Apache-2.0
/*
 * The canonical description of an environment, byte for byte, and the matching of names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/environment.h"

static void describe_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(ENVIRONMENT_DESCRIPTION_MAX);
    const char *const lines[] = {"flask>=2", "x; python_version < \"3.12\""};
    const struct environment environment = {"mse-web", "3.11", lines, 2};
    assert_int_equal(environment_describe(&environment, &out, &err), 0);
    assert_string_equal(buf_text(&out),
                        "{\"base\":\"host\",\"format\":1,\"name\":\"mse-web\",\"python\":\"3.11\","
                        "\"requirements\":[\"flask>=2\",\"x; python_version < \\\"3.12\\\"\"]}");
}

static void describe_empty_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(ENVIRONMENT_DESCRIPTION_MAX);
    const struct environment environment = {"mse-flask", "3.11", NULL, 0};
    assert_int_equal(environment_describe(&environment, &out, &err), 0);
    assert_string_equal(buf_text(&out), "{\"base\":\"host\",\"format\":1,\"name\":\"mse-flask\","
                                        "\"python\":\"3.11\",\"requirements\":[]}");
}

static void describe_refuses_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(ENVIRONMENT_DESCRIPTION_MAX);
    const char *const lines[] = {"flask\n--index-url=x"};
    const struct environment control = {"mse-web", "3.11", lines, 1};
    assert_int_equal(environment_describe(&control, &out, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    const struct environment nameless = {"", "3.11", NULL, 0};
    assert_int_equal(environment_describe(&nameless, &out, &err), -1);
}

static void matches_test(void **state)
{
    assert_true(environment_matches("mse-flask", "mse-flask"));
    assert_true(environment_matches("mse-flask:20230124", "mse-flask"));
    assert_true(environment_matches("ghcr.example/owner/mse-flask:tag", "mse-flask"));
    assert_true(environment_matches("localhost:5000/mse-flask@sha256:00", "mse-flask"));
    assert_false(environment_matches("mse-flask2", "mse-flask"));
    assert_false(environment_matches("mse-flask/other", "mse-flask"));
    assert_false(environment_matches("mse", "mse-flask"));
    assert_false(environment_matches("", "mse-flask"));
    assert_false(environment_matches("owner/", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describe_test),
        cmocka_unit_test(describe_empty_test),
        cmocka_unit_test(describe_refuses_test),
        cmocka_unit_test(matches_test),
    };
    return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
