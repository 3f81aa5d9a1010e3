// SPDX-License-Identifier: Apache-2.0
/*
 * launch.json: round trip, and that each member is needed, checked and the only one of its name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "format/json.h"
#include "model/launch_spec.h"

static struct launch_spec sample(void)
{
    static char package[] = "/state/apps/x/package";
    static char enclave[] = "/usr/bin/mse-enclave";
    static char environment[] = "/state/layers/y";
    static char storage[] = "/state/apps/x/storage";
    static char simulation_root[] = "/state/simulation";
    struct launch_spec spec = {
        .id = "0f8fad5b-d9cb-469f-a165-70867728950e",
        .launcher = "process",
        .tee = "simulation",
        .package = package,
        .enclave = enclave,
        .environment = environment,
        .storage = storage,
        .simulation_root = simulation_root,
        .quota_bytes = UINT64_C(10) << 30,
        .memory_bytes = 512 << 20,
        .tmp_bytes = 64 << 20,
        .log_bytes = 10 << 20,
        .io_bytes = 123456789012,
        .cpu_millis = 500,
        .pids_max = 256,
        .key_epoch = 1,
        .uid = 1000001,
        .gid = 1000001,
    };
    memset(spec.fingerprint, 0xab, sizeof(spec.fingerprint));
    return spec;
}

static void test_round_trip(void **state)
{
    struct err err = ERR_INIT;
    const struct launch_spec spec = sample();
    AUTO_LAUNCH_SPEC struct launch_spec back = {0};
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_SPEC_MAX);
    if (launch_spec_encode(&spec, &text, &err) < 0)
        fail_msg("%s", err.message);
    if (launch_spec_decode(buf_slice(&text), &back, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(back.id, spec.id);
    assert_string_equal(back.launcher, spec.launcher);
    assert_string_equal(back.package, spec.package);
    assert_string_equal(back.environment, spec.environment);
    assert_string_equal(back.simulation_root, spec.simulation_root);
    assert_memory_equal(back.fingerprint, spec.fingerprint, sizeof(spec.fingerprint));
    assert_int_equal(back.quota_bytes, spec.quota_bytes);
    assert_int_equal(back.io_bytes, spec.io_bytes);
    assert_int_equal(back.cpu_millis, spec.cpu_millis);
    assert_int_equal(back.key_epoch, spec.key_epoch);
    assert_int_equal(back.uid, spec.uid);
}

static void test_environment_is_optional(void **state)
{
    struct err err = ERR_INIT;
    struct launch_spec spec = sample();
    AUTO_LAUNCH_SPEC struct launch_spec back = {0};
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_SPEC_MAX);
    spec.environment = NULL;
    assert_int_equal(launch_spec_encode(&spec, &text, &err), 0);
    assert_int_equal(launch_spec_decode(buf_slice(&text), &back, &err), 0);
    assert_null(back.environment);
}

static void assert_refused(json_t *root)
{
    struct err err = ERR_INIT;
    struct launch_spec back = {0};
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_SPEC_MAX);
    assert_int_equal(json_canonical(root, &text, &err), 0);
    assert_int_equal(launch_spec_decode(buf_slice(&text), &back, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
}

static void test_every_member(void **state)
{
    struct err err = ERR_INIT;
    const struct launch_spec spec = sample();
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_SPEC_MAX);
    AUTO_JSON json_t *root = NULL;
    const char *key;
    json_t *value;
    assert_int_equal(launch_spec_encode(&spec, &text, &err), 0);
    assert_int_equal(json_parse(buf_slice(&text), "test", LAUNCH_SPEC_MAX, &root, &err), 0);
    json_object_foreach(root, key, value)
    {
        AUTO_JSON json_t *missing = json_deep_copy(root);
        AUTO_JSON json_t *wrong = json_deep_copy(root);
        (void)json_object_del(missing, key);
        (void)json_object_set_new(wrong, key, json_boolean(true));
        if (strcmp(key, "environment") != 0)
            assert_refused(missing);
        assert_refused(wrong);
    }
    AUTO_JSON json_t *unknown = json_deep_copy(root);
    (void)json_object_set_new(unknown, "enclaves", json_boolean(true));
    assert_refused(unknown);
    AUTO_JSON json_t *relative = json_deep_copy(root);
    (void)json_object_set_new(relative, "package", json_string("../package"));
    assert_refused(relative);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_environment_is_optional),
        cmocka_unit_test(test_every_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
