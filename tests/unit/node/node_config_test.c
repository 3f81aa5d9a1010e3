// SPDX-License-Identifier: Apache-2.0
/*
 * msed.toml: defaults, every kind of value, and the words of its errors.
 */
#include "node/node_config.h"

#include "testing.h"

static void an_empty_file_is_a_working_node(void **state)
{
    AUTO_NODE_CONFIG struct node_config config = {0};
    OK(node_config_parse(slice_str(""), "/etc/mse/msed.toml", &config, &err));
    assert_string_equal(config.path, "/etc/mse/msed.toml");
    assert_string_equal(config.state, "/var/lib/mse");
    assert_string_equal(config.socket, "/var/lib/mse/msed.sock");
    assert_string_equal(config.listen, "127.0.0.1:7780");
    assert_string_equal(config.domain, "localhost");
    assert_string_equal(config.app_address, "127.0.0.1");
    assert_int_equal(config.ports.first, 20000);
    assert_int_equal(config.ports.last, 29999);
    assert_string_equal(config.default_environment, "mse-flask");
    assert_null(config.enclave);
    assert_int_equal(config.quota, NODE_QUOTA_LOOP);
    assert_string_equal(node_launchers[config.hardware[0].launcher], "process");
    assert_string_equal(node_tees[config.hardware[0].tee], "simulation");
    assert_int_equal(config.log_level, LOG_INFO);
    assert_int_equal(config.limits.apps, 64);
    assert_true(config.limits.package_bytes == INT64_C(8) << 30);
    assert_int_equal(config.limits.upload_bytes_per_s, 0);
    assert_int_equal(config.limits.provision_timeout_s, 900);
    assert_int_equal(config.hardware_count, 2);
    assert_true(node_config_hardware(&config, "4g-eu-001")->memory_bytes == INT64_C(4) << 30);
    const struct node_hardware *free_profile = node_config_hardware(&config, "free");
    assert_non_null(free_profile);
    assert_int_equal(free_profile->memory_bytes, 512 << 20);
    assert_int_equal(free_profile->cpu_millis, 1000);
    assert_true(free_profile->storage_bytes == INT64_C(10) << 30);
    assert_non_null(node_config_environment(&config, "mse-flask"));
    assert_null(node_config_environment(&config, "other"));
}

static void every_kind_of_value_is_read(void **state)
{
    static const char toml[] =
        "state = 'state'\nsocket = '/run/s'\nlisten = ''\ncertificate = 'c'\nprivate_key = 'k'\n"
        "domain = 'apps.example'\nports = '5-9'\ngateway = '[::]:443'\n"
        "default_environment = 'ml'\nquota = 'none'\nlog_level = 'error'\nenclave = 'e'\n"
        "[hardware.free]\nmemory = '1G'\ncpu = 0.25\n[hardware.large]\ncpu = 8\nstorage = '1G'\n"
        "[environments.ml]\nrequirements = ['numpy', 'flask']\n"
        "[limits]\nupload_rate = '50M'\nstart_timeout = 5\n";
    AUTO_NODE_CONFIG struct node_config config = {0};
    OK(node_config_parse(slice_str(toml), "/etc/msed.toml", &config, &err));
    assert_string_equal(config.state, "/etc/state");
    assert_string_equal(config.socket, "/run/s");
    assert_string_equal(config.listen, "");
    assert_string_equal(config.api_certificate, "/etc/c");
    assert_string_equal(config.enclave, "/etc/e");
    assert_string_equal(config.gateway, "[::]:443");
    assert_int_equal(config.ports.last, 9);
    assert_int_equal(config.quota, NODE_QUOTA_NONE);
    assert_int_equal(config.log_level, LOG_ERROR);
    assert_int_equal(config.hardware_count, 2);
    assert_true(node_config_hardware(&config, "free")->memory_bytes == 1 << 30);
    assert_int_equal(node_config_hardware(&config, "free")->cpu_millis, 250);
    assert_int_equal(node_config_hardware(&config, "large")->cpu_millis, 8000);
    assert_null(node_config_hardware(&config, "4g-eu-001")); /* the operator's own list counts */
    assert_int_equal(config.environment_count, 2);
    assert_int_equal(node_config_environment(&config, "ml")->requirements.count, 2);
    assert_int_equal(config.limits.upload_bytes_per_s, 50 << 20);
    assert_int_equal(config.limits.start_timeout_s, 5);
}

static void errors_name_file_line_and_key(void **state)
{
    static const struct {
        const char *toml, *message, *hint;
    } cases[] = {
        {"lisen = 'x'", "n:1: lisen: unknown key", "did you mean 'listen'?"},
        {"listen = 'x'", "n:1: listen: expected ADDRESS:PORT such as \"127.0.0.1:8443\", found 'x'",
         ""},
        {"quota = 'lop'", "n:1: quota: expected one of \"loop\", \"none\", found \"lop\"", ""},
        {"quota = true", "n:1: quota: expected a string, found a boolean", ""},
        {"ports = 20000", "n:1: ports: expected a string such as \"20000-29999\", found an integer",
         ""},
        {"ports = '20000'", "n:1: ports: expected a range such as \"20000-29999\", found '20000'",
         ""},
        {"ports = '9-5'", NULL, ""},
        {"certificate = 'x'", "n:1: 'certificate' and 'private_key' are given together or not", ""},
        {"hardware = 1", "n:1: hardware: expected a table, found an integer", ""},
        {"[hardware]\nfree = 1", "n:2: hardware.free: expected a table, found an integer", ""},
        {"launcher = 'vm'", "n:1: launcher: unknown key", ""},
        {"[hardware.x]\nlauncher = 'gramine'",
         "n:2: hardware.x.launcher: expected one of \"process\", \"vm\", found \"gramine\"", ""},
        {"[hardware.x]\ntee = 'snp'", "n:1: hardware.x: tee \"snp\" needs launcher = \"vm\"", ""},
        {"[environments.x]\nimage = '/i'\nrequirements = ['flask']",
         "n:1: environments.x: 'image' and 'requirements' are not given together", ""},
        {"[hardware.free]\nmemroy = 1", "n:2: hardware.free.memroy: unknown key",
         "did you mean 'memory'?"},
        {"[hardware.free]\nmemory = '1K'",
         "n:2: hardware.free.memory: expected a value between 67108864 and 17592186044416, found "
         "1024",
         ""},
        {"[hardware.free]\ncpu = nan",
         "n:2: hardware.free.cpu: expected a number of processors between 0.01 and 4096, found "
         "nan",
         ""},
        {"[hardware.'../x']", NULL, ""},
        {"[environments.a]\nrequirements = [1]",
         "n:2: environments.a.requirements[0]: expected a string, found an integer", ""},
        {"default_environment = 'b'",
         "n:1: default_environment: there is no section [environments.b]", ""},
        {"[limits]\napps = 0", "n:2: limits.apps: expected a value between 1 and 100000, found 0",
         ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_NODE_CONFIG struct node_config config = {0};
        err = ERR_INIT;
        if (node_config_parse(slice_str(cases[i].toml), "n", &config, &err) == 0)
            fail_msg("accepted: %s", cases[i].toml);
        assert_int_equal(err.kind, ERR_INVALID);
        if (cases[i].message != NULL)
            assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.hint, cases[i].hint);
    }
}

static void a_file_is_read_and_defaults_need_none(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *path = path_join(temp.path, "msed.toml", &err);
    AUTO_NODE_CONFIG struct node_config config = {0};
    FAILS(ERR_NOT_FOUND, "msed.toml", node_config_read(path, &config, &err));
    OK(file_write_atomic(path, slice_str("state = 's'\n"), 0600, &err));
    OK(node_config_read(path, &config, &err));
    AUTO_FREE char *state_folder = path_join(temp.path, "s", &err);
    assert_string_equal(config.state, state_folder);
    AUTO_NODE_CONFIG struct node_config defaults = {0};
    OK(node_config_defaults("/home/me", &defaults, &err));
    assert_null(defaults.path);
    assert_string_equal(defaults.folder, "/home/me");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_is_a_working_node),
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(errors_name_file_line_and_key),
        cmocka_unit_test(a_file_is_read_and_defaults_need_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
