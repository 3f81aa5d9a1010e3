// SPDX-License-Identifier: Apache-2.0
/*
 * mse.toml: both layouts, the words of its errors, and the checks of what it points to.
 */
#include "cli/app_config.h"
#include "cli/secrets_file.h"

#include "model/manifest_sample.h"
#include "testing.h"

#include <unistd.h>

static const char code_layout[] = "name = 'hello'\nresource = 'big'\n"
                                  "expiration_date = 2027-01-31T12:00:00+01:00\n"
                                  "policy = 'policy.toml'\n"
                                  "tests = 'tests'\ntests_cmd = 'pytest -q'\n"
                                  "tests_requirements = ['pytest', 'requests>=2']\n"
                                  "[code]\nlocation = './code'\n"
                                  "python_application = 'pkg.app:create.app'\n"
                                  "healthcheck_endpoint = '/health?full=1'\n"
                                  "docker = 'registry.example:5000/o/mse-flask:2023@sha256:00'\n"
                                  "secrets = '/abs/secrets.json'\n"
                                  "[ssl]\ndomain_name = 'app.example.com'\n"
                                  "certificate = 'cert.pem'\nprivate_key = 'key.pem'\n"
                                  "[server]\nthreads = 4\nbody_bytes = '100M'\nqueue = 9\n"
                                  "header_bytes = 2048\nidle_timeout = '2m'\nwrite_timeout = 7\n"
                                  "http2 = false\n";

static const char cloud_layout[] = "name = 'hello'\n"
                                   "python_application = 'pkg.app:create.app'\n"
                                   "healthcheck_endpoint = '/health?full=1'\n"
                                   "policy = 'policy.toml'\n"
                                   "tests_cmd = 'pytest -q'\n"
                                   "tests_requirements = ['pytest', 'requests>=2']\n"
                                   "[cloud]\ncode = './code'\ntests = 'tests'\n"
                                   "docker = 'registry.example:5000/o/mse-flask:2023@sha256:00'\n"
                                   "hardware = 'big'\n"
                                   "expiration_date = '2027-01-31 11:00:00+00:00'\n"
                                   "secrets = '/abs/secrets.json'\n"
                                   "[cloud.ssl]\ndomain_name = 'app.example.com'\n"
                                   "certificate = 'cert.pem'\nprivate_key = 'key.pem'\n"
                                   "[server]\nthreads = 4\nbody_bytes = '100M'\nqueue = 9\n"
                                   "header_bytes = 2048\nidle_timeout = '2m'\nwrite_timeout = 7\n"
                                   "http2 = false\n";

static void both_layouts_say_the_same(void **state)
{
    static const char *const texts[] = {code_layout, cloud_layout};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO_APP_CONFIG struct app_config config = {0};
        OK(app_config_parse(slice_str(texts[i]), "/p/mse.toml", &config, &err));
        assert_int_equal(config.layout, i);
        assert_string_equal(config.path, "/p/mse.toml");
        assert_string_equal(config.folder, "/p");
        assert_string_equal(config.name, "hello");
        assert_string_equal(config.project, "default");
        assert_string_equal(config.resource, "big");
        assert_true(config.expiration == 1801393200);
        assert_string_equal(config.code, "/p/./code");
        assert_string_equal(config.application, "pkg.app:create.app");
        assert_string_equal(config.module, "pkg.app");
        assert_string_equal(config.variable, "create.app");
        assert_string_equal(config.healthcheck_endpoint, "/health?full=1");
        assert_string_equal(config.docker, "registry.example:5000/o/mse-flask:2023@sha256:00");
        assert_string_equal(config.secrets, "/abs/secrets.json");
        assert_string_equal(config.policy, "/p/policy.toml");
        assert_string_equal(config.tests, "/p/tests");
        assert_string_equal(config.tests_cmd, "pytest -q");
        assert_int_equal(config.tests_requirements.count, 2);
        assert_string_equal(config.tests_requirements.items[1], "requests>=2");
        assert_string_equal(config.ssl_domain_name, "app.example.com");
        assert_string_equal(config.ssl_certificate, "/p/cert.pem");
        assert_string_equal(config.ssl_private_key, "/p/key.pem");
        assert_int_equal(config.server.threads, 4);
        assert_int_equal(config.server.body_bytes, 100 << 20);
        assert_int_equal(config.server.queue, 9);
        assert_int_equal(config.server.header_bytes, 2048);
        assert_int_equal(config.server.idle_timeout_s, 120);
        assert_int_equal(config.server.write_timeout_s, 7);
        assert_false(config.server.http2);
    }
}

static void defaults_hold(void **state)
{
    AUTO_APP_CONFIG struct app_config config = {0};
    OK(app_config_parse(
        slice_str("name = 'a'\n[code]\nlocation = 'c'\npython_application = 'app:app'\n"),
        "mse.toml", &config, &err));
    assert_string_equal(config.folder, ".");
    assert_string_equal(config.code, "./c");
    assert_string_equal(config.project, "default");
    assert_string_equal(config.resource, "free");
    assert_true(config.expiration == 0);
    assert_null(config.healthcheck_endpoint);
    assert_null(config.docker);
    assert_null(config.secrets);
    assert_null(config.ssl_domain_name);
    assert_int_equal(config.tests_requirements.count, 0);
    assert_int_equal(config.server.threads, 8);
    assert_int_equal(config.server.connections, 16384);
    assert_int_equal(config.server.header_bytes, 32 << 10);
    assert_true(config.server.body_bytes == INT64_C(2) << 30);
    assert_int_equal(config.server.header_timeout_s, 10);
    assert_int_equal(config.server.body_timeout_s, 30);
    assert_int_equal(config.server.idle_timeout_s, 75);
    assert_int_equal(config.server.write_timeout_s, 30);
    assert_int_equal(config.server.header_count, 100);
    assert_int_equal(config.server.target_bytes, 8 << 10);
    assert_true(config.server.http2);
    assert_int_equal(config.server.queue, 0); /* depends on what the app speaks */
}

static void parse_server(const char *lines, struct manifest_server *ret)
{
    AUTO_APP_CONFIG struct app_config config = {0};
    AUTO_FREE char *text = str_printf(&err,
                                      "name = 'a'\n[code]\nlocation = 'c'\n"
                                      "python_application = 'app:app'\n[server]\n%s",
                                      lines);
    OK(app_config_parse(slice_str(text), "m.toml", &config, &err));
    app_config_server_settings(&config.server, ret);
}

static void an_access_log_says_where_it_goes(void **state)
{
    struct manifest_server server;
    parse_server("", &server);
    assert_string_equal(server.access_log, "");
    assert_string_equal(server.access_log_to, "");
    assert_int_equal(server.server_timing, 0);
    parse_server("access_log = 'off'\naccess_log_to = 'log'\n", &server);
    assert_string_equal(server.access_log_to, ""); /* nothing goes anywhere */
    assert_string_equal(server.new_processes, "refuse");
    parse_server("new_processes = 'end'\n", &server);
    assert_string_equal(server.new_processes, "end");
    parse_server("access_log = 'json'\nserver_timing = true\n", &server);
    assert_string_equal(server.access_log, "json");
    assert_string_equal(server.access_log_to, "sealed");
    assert_int_equal(server.server_timing, 1);
    assert_int_equal(server.require_pq, 0);
    assert_int_equal(server.watchdog_ms, 60000);
    assert_int_equal(server.request_timeout_ms, 0);
    parse_server("watchdog = 0\nrequest_timeout = '2m'\n", &server);
    assert_int_equal(server.watchdog_ms, 0);
    assert_int_equal(server.request_timeout_ms, 120000);
    parse_server("require_pq = true\n", &server);
    assert_int_equal(server.require_pq, 1);
    parse_server("access_log = 'combined'\naccess_log_to = 'log'\n", &server);
    assert_string_equal(server.access_log, "combined");
    assert_string_equal(server.access_log_to, "log");
}

static int encode_with(const struct app_config_server *server)
{
    struct manifest manifest = manifest_sample();
    AUTO_BUF struct buf out = BUF_INIT(MANIFEST_MAX);
    app_config_server_settings(server, &manifest.server);
    err = ERR_INIT;
    return manifest_encode(&manifest, &out, &err);
}

/* Whatever mse.toml takes, the manifest takes, and their upper ends are the same. */
static void limits_of_the_server_are_the_manifests(void **state)
{
    int checked = 0;
    for (size_t i = 0; i < app_config_schema.count; i++) {
        const struct config_key *key = &app_config_schema.keys[i];
        if (strncmp(key->names[0], "server.", 7) != 0 || key->max == 0)
            continue;
        struct app_config config = {0};
        int64_t *value = (int64_t *)((char *)&config + key->offset);
        *value = key->min;
        if (encode_with(&config.server) < 0)
            fail_msg("%s at its least: %s", key->names[0], err.message);
        *value = key->max;
        if (encode_with(&config.server) < 0)
            fail_msg("%s at its most: %s", key->names[0], err.message);
        *value = key->max + 1;
        if (encode_with(&config.server) == 0)
            fail_msg("%s: the manifest takes more than mse.toml", key->names[0]);
        checked++;
    }
    assert_int_equal(checked, 14);
}

#define GOOD_CODE "[code]\nlocation = 'c'\npython_application = 'app:app'\n"

/* A message or hint that is NULL may be anything. */
static const struct {
    const char *toml, *message, *hint;
} refused[] = {
    {GOOD_CODE, "m.toml: 'name' is missing",
     "The name of the app, unique in its project. Deploying again under the same name replaces "
     "the running app."},
    {"name = 'a'\n", "m.toml: 'code.location' is missing", NULL},
    {"name = 'a'\npython_application = 'a:b'\n", "m.toml: 'cloud.code' is missing", NULL},
    {"name = 7\n" GOOD_CODE, "m.toml:1: name: expected a string, found an integer", ""},
    {"name = ''\n" GOOD_CODE, NULL, NULL},
    {"name = '../x'\n" GOOD_CODE,
     "m.toml:1: name: expected 1 to 64 of A-Z a-z 0-9 . _ - that begin with a letter or digit, "
     "found '../x'",
     ""},
    {"name = 'a'\n[code]\nlocation = 3\n",
     "m.toml:3: code.location: expected a string (a path), found an integer", ""},
    {"name = 'a'\n[code]\nlocation = ''\n",
     "m.toml:3: code.location: a path has between 1 and 4095 bytes", ""},
    {"name = 'a'\nresorce = 'free'\n" GOOD_CODE, "m.toml:2: resorce: unknown key",
     "did you mean 'resource'?"},
    {"name = 'a'\nlocation = './c'\n", "m.toml:2: location: unknown key",
     "did you mean 'code.location'?"},
    {"name = 'a'\n[code]\nlocatoin = './c'\n", "m.toml:3: code.locatoin: unknown key",
     "did you mean 'code.location'?"},
    {"name = 'a'\n[cloud]\ncode = 'c'\ntest = './c'\n", "m.toml:4: cloud.test: unknown key",
     "did you mean 'cloud.tests'?"},
    {"name = 'a'\n[sll]\n", "m.toml:2: sll: unknown section", NULL},
    {"name = 'a'\nzzzzzzzz = 1\n", "m.toml:2: zzzzzzzz: unknown key", ""},
    {"name = 'a'\n'code.location' = 'c'\n", "m.toml:2: \"code.location\": unknown key",
     "did you mean 'code.location'?"},
    {"name = 'a'\ncode = './c'\n", "m.toml:2: code: expected a table, found a string", ""},
    {"name = 'a'\n[[code]]\n", "m.toml:2: code: expected a table, found an array", ""},
    {"name = 'a'\nresource = 'x'\nhardware = 'x'\n" GOOD_CODE,
     "m.toml:3: hardware: is another name of 'resource', which is given in line 2", ""},
    {"name = 'a'\npython_application = 'a:b'\n" GOOD_CODE,
     "m.toml:2: python_application: belongs to another layout than section [code] in line 3", NULL},
    {"name = 'a'\n" GOOD_CODE "[cloud]\n",
     "m.toml:5: cloud: belongs to another layout than section [code] in line 2", NULL},
    {"name = 'a'\n[code]\nlocation = 'c'\npython_application = 'app'\n",
     "m.toml:4: code.python_application: expected \"module:variable\" such as \"app:app\", "
     "or a factory such as \"shop:create_app()\", "
     "found 'app'",
     ""},
    {"name = 'a'\n" GOOD_CODE "healthcheck_endpoint = 'health'\n",
     "m.toml:5: code.healthcheck_endpoint: expected a path that begins with \"/\" such as "
     "\"/health\", found 'health'",
     ""},
    {"name = 'a'\n" GOOD_CODE "docker = 'a b'\n",
     "m.toml:5: code.docker: expected the name of an environment such as \"mse-flask\", found "
     "'a b'",
     ""},
    {"name = 'a'\n" GOOD_CODE "image = 'sha256:00'\n",
     "m.toml:5: code.image: expected \"sha256:\" and 64 hexadecimal digits, as 'mse image show' "
     "prints them, or the folder of an image, found 'sha256:00'",
     ""},
    {"name = 'a'\n" GOOD_CODE "image = ''\n",
     "m.toml:5: code.image: expected \"sha256:\" and 64 hexadecimal digits, as 'mse image show' "
     "prints them, or the folder of an image, found ''",
     ""},
    {"name = 'a'\nexpiration_date = 2027-01-31T12:00:00\n" GOOD_CODE,
     "m.toml:2: expiration_date: expected a date and time, found a date and time without "
     "offset",
     "write the offset too: 2027-01-31T12:00:00Z, or +02:00 instead of Z"},
    {"name = 'a'\nexpiration_date = 'soon'\n" GOOD_CODE,
     "m.toml:2: expiration_date: 'soon' is no date and time like 2026-11-22T10:00:00Z", ""},
    {"name = 'a'\n" GOOD_CODE "[ssl]\ndomain_name = 'a.example'\n",
     "m.toml: 'ssl.certificate' is missing", NULL},
    {"name = 'a'\n" GOOD_CODE "[ssl]\ndomain_name = 'A b'\n",
     "m.toml:6: ssl.domain_name: expected a host name in lower case such as "
     "\"app.example.com\", found 'A b'",
     ""},
    {"name = 'a'\n" GOOD_CODE "[server]\nthreads = 0\n",
     "m.toml:6: server.threads: expected a value between 1 and 256, found 0", ""},
    {"name = 'a'\n" GOOD_CODE "[server]\nthreads = '4'\n",
     "m.toml:6: server.threads: expected an integer, found a string", ""},
    {"name = 'a'\n" GOOD_CODE "[server]\naccess_log = ''\n", NULL, NULL},
    {"name = 'a'\n" GOOD_CODE "[server]\naccess_log = '%h %r'\n",
     "m.toml:6: server.access_log: expected one of \"off\", \"common\", \"combined\", "
     "\"json\", found \"%h %r\"",
     ""},
    {"name = 'a'\n" GOOD_CODE "[server]\naccess_log_to = 'disk'\n", NULL, NULL},
    {"name = 'a'\n" GOOD_CODE "[server]\nserver_timing = 1\n", NULL, NULL},
    {"name = 'a'\n" GOOD_CODE "[server]\nnew_processes = 'allow'\n", NULL, NULL},
    {"name = 'a'\n" GOOD_CODE "[server]\nbody_bytes = 0\n",
     "m.toml:6: server.body_bytes: expected a value between 1 and 1125899906842624, found 0", ""},
    {"name = 'a'\n" GOOD_CODE "[server]\nhttp2 = 'yes'\n",
     "m.toml:6: server.http2: expected a boolean, found a string", ""},
    {"name = 'a'\n" GOOD_CODE "[server]\nbody_bytes = '3Q'\n",
     "m.toml:6: server.body_bytes: the size: '3Q' is no size like 512M, 10G or 4096", ""},
    {"name = 'a'\n" GOOD_CODE "[server]\nidle_timeout = 1.5\n",
     "m.toml:6: server.idle_timeout: expected a duration such as \"30s\" or an integer "
     "(seconds), found a float",
     ""},
    {"name = 'a'\ntests_requirements = 'pytest'\n" GOOD_CODE,
     "m.toml:2: tests_requirements: expected an array, found a string", ""},
    {"name = 'a'\ntests_requirements = ['pytest', 1]\n" GOOD_CODE,
     "m.toml:2: tests_requirements[1]: expected a string, found an integer", ""},
    {"name = 'a'\n" GOOD_CODE "[env]\nPATH = '/'\n",
     "m.toml:6: env.PATH: an app may not set 'PATH': it is set by mse itself", ""},
    {"name = 'a'\n" GOOD_CODE "[env]\nLD_PRELOAD = 'x'\n",
     "m.toml:6: env.LD_PRELOAD: an app may not set 'LD_PRELOAD': it is read by the linker that "
     "starts the enclave",
     ""},
    {"name = 'a'\n" GOOD_CODE "[env]\nDEBUG = 1\n",
     "m.toml:6: env.DEBUG: expected a string, found an integer", ""},
    {"name = 'a'\n" GOOD_CODE "[env]\n'A=B' = 'x'\n",
     "m.toml:6: env.\"A=B\": the name has a character that no name has", ""},
    {"name = 'a'\n" GOOD_CODE "[env]\nA = \"x\\ny\"\n", NULL, NULL},
    {"name = 'a'\nenv = ['A=1']\n" GOOD_CODE, "m.toml:2: env: expected a table, found an array",
     ""},
    {"name = 'a'\n" GOOD_CODE "secrets_env = 'TOKEN'\n",
     "m.toml:5: code.secrets_env: expected an array, found a string", ""},
    {"name = 'a'\n" GOOD_CODE "secrets_env = ['*']\n", NULL, NULL},
    {"name = 'a'\n" GOOD_CODE "secrets_env = ['HOME']\n",
     "m.toml:5: code.secrets_env[0]: no secret may become the variable 'HOME': it is set by mse "
     "itself",
     ""},
    {"name = 'a'\n" GOOD_CODE "[deploy]\nrelease_command = 'python manage.py migrate'\n",
     "m.toml:6: deploy.release_command: expected \"module:function\" such as "
     "\"shop.release:migrate\", found 'python manage.py migrate'",
     ""},
    {"name = 'a'\n" GOOD_CODE "[storage]\ntmp = '4K'\n",
     "m.toml:6: storage.tmp: expected a value between 1048576 and 1125899906842624, found 4096",
     ""},
    {"name = 'a\n", "m.toml:1:10: the string does not end in its line", ""},
};

static void errors_name_file_line_and_key(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        AUTO_APP_CONFIG struct app_config config = {0};
        err = ERR_INIT;
        if (app_config_parse(slice_str(refused[i].toml), "m.toml", &config, &err) == 0)
            fail_msg("accepted:\n%s", refused[i].toml);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_null(config.toml);
        if (refused[i].message != NULL)
            assert_string_equal(err.message, refused[i].message);
        if (refused[i].hint != NULL)
            assert_string_equal(err.hint, refused[i].hint);
    }
}

static void a_missing_file_says_what_to_do(void **state)
{
    AUTO_APP_CONFIG struct app_config config = {0};
    FAILS(ERR_NOT_FOUND, "/nonexistent/mse.toml",
          app_config_read("/nonexistent/mse.toml", &config, &err));
    assert_non_null(strstr(err.hint, "mse init"));
}

/* An app in a temporary folder, as the checks want it. */
struct project {
    struct temp_folder temp;
    struct app_config config;
};

static void write_file(const struct project *project, const char *name, const char *text)
{
    AUTO_FREE char *path = path_join(project->temp.path, name, &err);
    OK(file_write_atomic(path, slice_str(text), 0600, &err));
}

static void make_folder(const struct project *project, const char *name)
{
    AUTO_FREE char *path = path_join(project->temp.path, name, &err);
    OK(folder_create_all(path, 0700, &err));
}

static void project_open(struct project *project, const char *toml)
{
    project->temp = temp_folder_new();
    project->config = (struct app_config){0};
    make_folder(project, "code/pkg");
    make_folder(project, "tests");
    write_file(project, "code/app.py", "");
    write_file(project, "code/pkg/__init__.py", "");
    write_file(project, "secrets.json", "{\"password\": \"hunter2\"}");
    write_file(project, "key.pem", "");
    write_file(project, "cert.pem", "");
    write_file(project, "mse.toml", toml);
    AUTO_FREE char *path = path_join(project->temp.path, "mse.toml", &err);
    OK(app_config_read(path, &project->config, &err));
}

static void project_close(struct project *project)
{
    app_config_done(&project->config);
    temp_folder_remove(&project->temp);
}

#define AUTO_PROJECT __attribute__((cleanup(project_close)))

enum { NOW = 1800000000 };

static void a_good_project_passes(void **state)
{
    static const char *const applications[] = {"app:app", "pkg:app"};
    for (size_t i = 0; i < ARRAY_LEN(applications); i++) {
        AUTO_FREE char *toml =
            str_printf(&err,
                       "name = 'a'\nexpiration_date = 2027-12-01T00:00:00Z\ntests = 'tests'\n"
                       "[code]\nlocation = 'code'\nsecrets = 'secrets.json'\n"
                       "python_application = '%s'\n[ssl]\ndomain_name = 'a.example'\n"
                       "certificate = 'cert.pem'\nprivate_key = 'key.pem'\n",
                       applications[i]);
        AUTO_PROJECT struct project project;
        project_open(&project, toml);
        OK(app_config_check(&project.config, NOW, &err));
    }
}

#define PROJECT_HEAD "name = 'a'\n[code]\npython_application = 'app:app'\n"

static void what_is_not_there_is_named(void **state)
{
    static const struct {
        const char *toml, *part;
    } cases[] = {
        {PROJECT_HEAD "location = 'nowhere'\n", ":4: code.location: there is no folder '"},
        {PROJECT_HEAD "location = 'key.pem'\n", "/key.pem' is not a folder"},
        {"name = 'a'\n[code]\nlocation = 'code'\npython_application = 'web.app:app'\n",
         "code.python_application: the code folder has no module 'web.app': neither '"},
        {PROJECT_HEAD "location = 'code'\nsecrets = 'none.json'\n",
         ":5: code.secrets: there is no file '"},
        {PROJECT_HEAD "location = 'code'\n[ssl]\ndomain_name = 'a.b'\ncertificate = 'none.pem'\n"
                      "private_key = 'key.pem'\n",
         ":7: ssl.certificate: there is no file '"},
        {PROJECT_HEAD "location = 'code'\n[ssl]\ndomain_name = 'a.b'\ncertificate = 'cert.pem'\n"
                      "private_key = 'none.pem'\n",
         ":8: ssl.private_key: "},
        {"tests = 'none'\n" PROJECT_HEAD "location = 'code'\n", ":1: tests: there is no folder '"},
        {"policy = 'none'\n" PROJECT_HEAD "location = 'code'\n", ":1: policy: there is no file '"},
        {"expiration_date = 2026-11-22T10:00:00Z\n" PROJECT_HEAD "location = 'code'\n",
         ":1: expiration_date: 2026-11-22T10:00:00Z is in the past"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_PROJECT struct project project;
        project_open(&project, cases[i].toml);
        FAILS(ERR_INVALID, cases[i].part, app_config_check(&project.config, NOW, &err));
    }
}

static void what_no_secret_is_becomes_no_variable(void **state)
{
    static const struct {
        const char *toml, *part;
    } cases[] = {
        {PROJECT_HEAD "location = 'code'\nsecrets_env = true\n",
         ":5: code.secrets_env: there are no secrets to become variables"},
        {PROJECT_HEAD "location = 'code'\nsecrets = 'secrets.json'\nsecrets_env = ['TOKEN']\n",
         ":6: code.secrets_env: there is no secret 'TOKEN'"},
        {PROJECT_HEAD "location = 'code'\nsecrets = 'secrets.json'\nsecrets_env = ['a', 'a']\n",
         ":6: code.secrets_env: one is there twice"},
        {PROJECT_HEAD "location = 'code'\nsecrets = 'secrets.json'\nsecrets_env = true\n"
                      "[env]\npassword = 'x'\n",
         ":6: code.secrets_env: 'password' is a secret and stands in [env]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_PROJECT struct project project;
        AUTO_SECRET struct secret secret = SECRET_INIT;
        project_open(&project, cases[i].toml);
        OK(app_config_check(&project.config, NOW, &err));
        FAILS(ERR_INVALID, cases[i].part, secrets_file_read(&project.config, &secret, &err));
        assert_null(secret.data);
    }
}

static void variables_are_as_the_manifest_has_them(void **state)
{
    AUTO_PROJECT struct project project;
    char variables[VARIABLES_SIZE];
    char names[VARIABLE_NAMES_SIZE];
    project_open(&project, PROJECT_HEAD "location = 'code'\nsecrets = 'secrets.json'\n"
                                        "secrets_env = true\n"
                                        "[env]\nB = 'two'\nA_ = ''\nA = '1'\nA1 = 'x=y'\n");
    OK(app_config_check(&project.config, NOW, &err));
    OK(app_config_variables(&project.config, variables, &err));
    assert_string_equal(variables, "A=1\nA1=x=y\nA_=\nB=two\n");
    OK(app_config_secrets_env(&project.config, names, &err));
    assert_string_equal(names, "*");
}

static void no_variables_where_none_are_named(void **state)
{
    AUTO_PROJECT struct project project;
    char variables[VARIABLES_SIZE];
    char names[VARIABLE_NAMES_SIZE];
    project_open(&project, PROJECT_HEAD "location = 'code'\nsecrets_env = false\n[env]\n");
    OK(app_config_check(&project.config, NOW, &err));
    OK(app_config_variables(&project.config, variables, &err));
    OK(app_config_secrets_env(&project.config, names, &err));
    assert_string_equal(variables, "");
    assert_string_equal(names, "");
}

static int group_setup(void **state)
{
    (void)state;
    return crypto_init(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_layouts_say_the_same),
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(an_access_log_says_where_it_goes),
        cmocka_unit_test(limits_of_the_server_are_the_manifests),
        cmocka_unit_test(errors_name_file_line_and_key),
        cmocka_unit_test(a_missing_file_says_what_to_do),
        cmocka_unit_test(a_good_project_passes),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(what_no_secret_is_becomes_no_variable),
        cmocka_unit_test(variables_are_as_the_manifest_has_them),
        cmocka_unit_test(no_variables_where_none_are_named),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
