// SPDX-License-Identifier: Apache-2.0
/*
 * What mse.toml says the server's limits are where the file says nothing is what the server does.
 */
#include "cli/app_config.h"
#include "http/server.h"
#include "serve/serve.h"

#include "testing.h"

static void defaults_of_the_file_are_those_of_the_server(void **state)
{
    struct http_limits limits = {0};
    AUTO_APP_CONFIG struct app_config config = {0};
    http_limits_complete(&limits);
    OK(app_config_parse(slice_str("name = 'a'\n[code]\nlocation = 'c'\n"
                                  "python_application = 'app:app'\n"),
                        "mse.toml", &config, &err));
    const struct app_config_server *server = &config.server;
    assert_int_equal(server->threads, SERVE_DEFAULT_THREADS);
    assert_int_equal(server->queue, 0); /* the server's own, which depends on the app */
    assert_int_equal(server->connections, limits.connections);
    assert_int_equal(server->header_bytes, limits.header_bytes);
    assert_int_equal(server->header_count, limits.header_count);
    assert_int_equal(server->target_bytes, limits.target_bytes);
    assert_true(server->body_bytes == limits.body_bytes);
    assert_int_equal(server->header_timeout_s * 1000, limits.header_timeout_ms);
    assert_int_equal(server->body_timeout_s * 1000, limits.body_timeout_ms);
    assert_int_equal(server->idle_timeout_s * 1000, limits.idle_timeout_ms);
    assert_int_equal(server->write_timeout_s * 1000, limits.write_timeout_ms);
}

/* No size that the file allows is cut down in silence. */
static void the_largest_sizes_of_the_file_are_taken_as_they_are(void **state)
{
    struct http_limits limits = {.header_bytes = 32768, .target_bytes = 32768};
    http_limits_complete(&limits);
    assert_int_equal(limits.header_bytes, 32768);
    assert_int_equal(limits.target_bytes, 32768);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_of_the_file_are_those_of_the_server),
        cmocka_unit_test(the_largest_sizes_of_the_file_are_taken_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
