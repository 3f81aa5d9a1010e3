// SPDX-License-Identifier: Apache-2.0
/*
 * The secrets file: one JSON object, and nothing of it in an error.
 */
#include "testing.h"

#include "base/file.h"
#include "base/text.h"
#include "cli/secrets_file.h"

static void one_object_and_never_shown(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"[\"hunter2\"]", "s: expected a JSON object, found another JSON value"},
        {"\"hunter2\"", "s: expected a JSON object, found another JSON value"},
        {"", "s: line 1, column 1: not JSON: a value expected"},
        {"{\"a\": hunter2}", "s: line 1, column 7: not JSON: a value expected"},
        {"{\"a\": 1}\nhunter2", "s: line 2, column 1: not JSON: the end expected"},
        {"{\"hunter2\": 1,\n \"hunter2\": 2}",
         "s: line 2, column 11: a name stands twice in one object"},
        {"{\"hunter2\": 1,\n \"hunter\\u0032\": 2}",
         "s: line 2, column 16: a name stands twice in one object"},
        {"{\"a\": \"hunter2\xff\"}", "s is not UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        FAILS(ERR_INVALID, "s", secrets_check(slice_str(cases[i].json), "s", &err));
        assert_string_equal(err.message, cases[i].message);
    }
    OK(secrets_check(slice_str("{\"a\": [1, null, {\"b\": \"\\u00e9\"}]}"), "s", &err));
}

/* More names and levels than a document of ours has: they are the app's. */
static void large_ones_are_read(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(APP_SECRETS_MAX);
    OK(buf_printf(&text, &err, "{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]"));
    for (int i = 0; i < 1000; i++)
        OK(buf_printf(&text, &err, ",\"name%d\":%d", i, i));
    OK(buf_printf(&text, &err, "}"));
    OK(secrets_check(buf_slice(&text), "s", &err));
}

static void what_is_read_is_what_was_checked(void **state)
{
    (void)state;
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    AUTO_FREE char *path = path_join(folder.path, "secrets.json", &err);
    AUTO_SECRET struct secret secret = SECRET_INIT;
    struct app_config config = {0};
    OK(secrets_file_read(&config, &secret, &err));
    assert_null(secret.data);
    config.secrets = path;
    static const char text[] = "{\"token\":\"x\"}\n";
    OK(file_write_atomic(path, slice_str(text), 0600, &err));
    OK(secrets_file_read(&config, &secret, &err));
    assert_int_equal(secret.len, strlen(text));
    assert_memory_equal(secret.data, text, secret.len);
}

static void a_file_that_is_too_large_is_refused(void **state)
{
    (void)state;
    static const char toml[] = "name = 'a'\n[code]\nlocation = 'code'\n"
                               "python_application = 'app:app'\nsecrets = 'secrets.json'\n";
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    AUTO_FREE char *path = path_join(folder.path, "secrets.json", &err);
    AUTO_FREE char *file = path_join(folder.path, "mse.toml", &err);
    AUTO_SECRET struct secret secret = SECRET_INIT;
    AUTO_APP_CONFIG struct app_config config = {0};
    AUTO_BUF struct buf text = BUF_INIT(APP_SECRETS_MAX + 1);
    uint8_t *to = buf_reserve(&text, APP_SECRETS_MAX + 1, &err);
    assert_non_null(to);
    memset(to, ' ', APP_SECRETS_MAX + 1);
    to[0] = '{';
    to[1] = '}';
    text.len = APP_SECRETS_MAX;
    OK(file_write_atomic(file, slice_str(toml), 0600, &err));
    OK(app_config_read(file, &config, &err));
    OK(file_write_atomic(path, buf_slice(&text), 0600, &err));
    OK(secrets_file_read(&config, &secret, &err));
    secret_done(&secret);
    text.len = APP_SECRETS_MAX + 1;
    OK(file_write_atomic(path, buf_slice(&text), 0600, &err));
    FAILS(ERR_INVALID, "mse.toml:5: code.secrets: '", secrets_file_read(&config, &secret, &err));
    assert_non_null(strstr(err.message, "more than 1048576 bytes"));
    assert_null(secret.data);
}

static int group_setup(void **state)
{
    (void)state;
    return crypto_init(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_object_and_never_shown),
        cmocka_unit_test(large_ones_are_read),
        cmocka_unit_test(what_is_read_is_what_was_checked),
        cmocka_unit_test(a_file_that_is_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
