// SPDX-License-Identifier: Apache-2.0
/*
 * The manifest has one byte string per meaning, and everything in it is checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "manifest_sample.h"

#include <stdio.h>

static void encode(const struct manifest *manifest, struct buf *out)
{
    struct err err = ERR_INIT;
    if (manifest_encode(manifest, out, &err) < 0)
        fail_msg("%s", err.message);
}

#define HEX32(pair)                                                                                \
    pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair \
        pair pair pair pair pair pair pair pair pair pair pair pair pair

static const char golden[] =
    "{\"code_commitment\":\"" HEX32("11") "\",\"environment\":{\"digest\":\"" HEX32("44") //
    "\",\"name\":\"mse-flask\"},\"format\":1,\"healthcheck_endpoint\":\"/whoami\","
    "\"id\":\"0b1f8a7e-93c4-4d0e-8f21-5a6b7c8d9e0f\",\"name\":\"helloworld\",\"owner_key\":\"" //
    HEX32("55") "\",\"python_application\":\"app:app\",\"requirements_digest\":\"" HEX32("22") //
    "\",\"resources\":{\"cpu_millis\":1000,\"memory_bytes\":536870912},\"runtime_digest\":\""  //
    HEX32("33") "\",\"storage\":{\"key_epoch\":1,\"quota_bytes\":10737418240},"
                "\"tls\":{\"host_name\":\"localhost\",\"mode\":\"ra-tls\","
                "\"not_after\":1800000000}}";

static void test_golden(void **state)
{
    (void)state;
    struct manifest manifest = manifest_sample();
    AUTO_BUF struct buf out = BUF_INIT(MANIFEST_MAX);
    encode(&manifest, &out);
    assert_string_equal(buf_text(&out), golden);
    struct manifest again;
    struct err err = ERR_INIT;
    assert_int_equal(manifest_decode(buf_slice(&out), &again, &err), 0);
    assert_memory_equal(&again, &manifest, sizeof(manifest));
}

static void test_owner_mode_and_server(void **state)
{
    (void)state;
    struct manifest manifest = manifest_sample();
    manifest.tls_mode = MANIFEST_TLS_OWNER;
    manifest.tls_not_after = 0;
    memset(manifest.tls_certificate_digest, 0x66, MANIFEST_DIGEST_SIZE);
    manifest.server.http_version = 1;
    manifest.server.threads = 4;
    memset(manifest.healthcheck_endpoint, 0, sizeof(manifest.healthcheck_endpoint));
    AUTO_BUF struct buf out = BUF_INIT(MANIFEST_MAX);
    encode(&manifest, &out);
    assert_non_null(strstr(buf_text(&out), "\"server\":{\"http_version\":1,\"threads\":4}"));
    assert_non_null(strstr(buf_text(&out), "\"certificate_digest\":\"6666"));
    assert_null(strstr(buf_text(&out), "not_after"));
    assert_null(strstr(buf_text(&out), "healthcheck"));
    struct manifest again;
    struct err err = ERR_INIT;
    assert_int_equal(manifest_decode(buf_slice(&out), &again, &err), 0);
    assert_memory_equal(&again, &manifest, sizeof(manifest));
}

/* Replaces the first `from` in the golden text and expects an error that contains `part`. */
static void expect_refused(const char *from, const char *to, const char *part)
{
    char text[4096];
    const char *place = strstr(golden, from);
    assert_non_null(place);
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(place - golden), golden, to,
                   place + strlen(from));
    struct manifest manifest;
    struct err err = ERR_INIT;
    if (manifest_decode(slice_str(text), &manifest, &err) == 0)
        fail_msg("accepted: %s", text);
    if (strstr(err.message, part) == NULL)
        fail_msg("'%s' -> '%s' gives '%s', expected '%s' in it", from, to, err.message, part);
}

static void test_second_readings(void **state)
{
    (void)state;
    expect_refused("{\"code", "{ \"code", "not canonical");
    expect_refused("1800000000}}", "1800000000}}\n", "not canonical");
    expect_refused("app:app", "\\u0061pp:app", "not canonical");
    expect_refused("/whoami", "\\/whoami", "not canonical");
    expect_refused("\"format\":1,", "\"format\":1,\"format\":1,", "twice");
    expect_refused("\"name\":\"helloworld\",", "", "'name' is missing");
    expect_refused("\"cpu_millis\":1000", "\"cpu_millis\":1000.0", "whole number");
    expect_refused("\"cpu_millis\":1000", "\"cpu_millis\":1e3", "whole number");
    expect_refused("\"healthcheck_endpoint\":\"/whoami\",", "\"healthcheck_endpoint\":\"\",",
                   "healthcheck_endpoint");
    expect_refused("\"healthcheck_endpoint\":\"/whoami\",", "\"healthcheck_endpoint\":null,",
                   "healthcheck_endpoint");
    expect_refused("\"tls\":{", "\"server\":{},\"tls\":{", "not canonical");
    expect_refused("\"tls\":{", "\"server\":{\"threads\":0},\"tls\":{", "server.threads");
    expect_refused("\"host_name\":\"localhost\"",
                   "\"certificate_digest\":\"" HEX32("66") "\",\"host_name\":\"localhost\"",
                   "not canonical");
}

static void test_access_log(void **state)
{
    struct manifest manifest = manifest_sample();
    struct manifest again;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(MANIFEST_MAX);
    (void)snprintf(manifest.server.access_log, sizeof(manifest.server.access_log), "json");
    (void)snprintf(manifest.server.access_log_to, sizeof(manifest.server.access_log_to), "sealed");
    manifest.server.server_timing = 1;
    encode(&manifest, &out);
    assert_non_null(strstr(buf_text(&out), "\"server\":{\"access_log\":\"json\","
                                           "\"access_log_to\":\"sealed\",\"server_timing\":1}"));
    assert_int_equal(manifest_decode(buf_slice(&out), &again, &err), 0);
    assert_memory_equal(&again, &manifest, sizeof(manifest));
    expect_refused("\"tls\":{", "\"server\":{\"access_log\":\"\"},\"tls\":{", "server.access_log");
    expect_refused("\"tls\":{", "\"server\":{\"access_log\":\"%h %s\"},\"tls\":{",
                   "\"common\", \"combined\" or \"json\"");
    expect_refused("\"tls\":{", "\"server\":{\"access_log_to\":\"disk\"},\"tls\":{",
                   "\"sealed\" or \"log\"");
    expect_refused("\"tls\":{", "\"server\":{\"server_timing\":2},\"tls\":{",
                   "server.server_timing");
}

static void test_new_processes(void **state)
{
    struct manifest manifest = manifest_sample();
    struct manifest again;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(MANIFEST_MAX);
    assert_false(manifest_ends_at_new_process(&manifest));
    (void)snprintf(manifest.server.new_processes, sizeof(manifest.server.new_processes), "end");
    encode(&manifest, &out);
    assert_non_null(strstr(buf_text(&out), "\"server\":{\"new_processes\":\"end\"}"));
    assert_int_equal(manifest_decode(buf_slice(&out), &again, &err), 0);
    assert_true(manifest_ends_at_new_process(&again));
    expect_refused("\"tls\":{", "\"server\":{\"new_processes\":\"allow\"},\"tls\":{",
                   "\"refuse\" or \"end\"");
}

static void test_bounds(void **state)
{
    (void)state;
    expect_refused("\"format\":1", "\"format\":2", "format 2");
    expect_refused("\"format\":1,", "\"extra\":1,\"format\":1,", "unknown key 'extra'");
    expect_refused("\"host_name\"", "\"hots_name\"", "unknown key 'tls.hots_name'");
    expect_refused("0b1f8a7e", "0B1f8a7e", "'id' is");
    expect_refused("0b1f8a7e-", "0b1f8a7e0", "UUID");
    expect_refused("helloworld", "../hello", "'name' is");
    expect_refused("helloworld", "", "'name' is");
    expect_refused("app:app", "app", "module:variable");
    expect_refused("app:app", "app:app;x", "module:variable");
    expect_refused("app:app", "app:app()()", "module:variable");
    expect_refused("app:app", "app:()", "module:variable");
    expect_refused("app:app", "app:app(1)", "module:variable");
    assert_true(manifest_application_valid("shop.web:make.create_app()"));
    expect_refused("app:app", "..:app", "module:variable");
    static const char *const no_function[] = {"",         "app",       "app:f()",
                                              "app:f(1)", "/bin/sh:x", "a:b:c"};
    for (size_t i = 0; i < ARRAY_LEN(no_function); i++) {
        char with[128];
        (void)snprintf(with, sizeof(with), "\"release_command\":\"%s\",\"requirements_digest\"",
                       no_function[i]);
        expect_refused("\"requirements_digest\"", with, "release_command");
    }
    assert_true(manifest_function_valid("shop.release:main.migrate"));
    expect_refused("/whoami", "whoami", "healthcheck_endpoint");
    expect_refused("/whoami", "/who\\nami", "healthcheck_endpoint");
    static const char *const no_data[] = {"",   "/etc", "a/",  "a//b", "../a",   "a/..", "./a",
                                          "a:", ":a",   "a:a", "b:a",  "a\\\\b", "a\\n"};
    for (size_t i = 0; i < ARRAY_LEN(no_data); i++) {
        char with[128];
        (void)snprintf(with, sizeof(with), "\"code_data\":\"%s\",\"environment\"", no_data[i]);
        expect_refused("\"environment\"", with, "code_data");
    }
    expect_refused("localhost", "LOCALHOST", "tls.host_name");
    expect_refused("localhost", "-a.example", "tls.host_name");
    expect_refused("localhost", "a..example", "tls.host_name");
    expect_refused("ra-tls", "none", "tls.mode");
    expect_refused("1800000000", "0", "tls.not_after");
    expect_refused("1800000000", "-1", "tls.not_after");
    expect_refused("536870912", "1024", "resources.memory_bytes");
    expect_refused("536870912", "\"512M\"", "resources.memory_bytes");
    expect_refused("10737418240", "10737418240,\"tmp_bytes\":1024", "storage.tmp_bytes");
    expect_refused("\"key_epoch\":1", "\"key_epoch\":0", "storage.key_epoch");
    expect_refused("\"key_epoch\":1", "\"key_epoch\":4294967296", "storage.key_epoch");
    expect_refused(HEX32("11"), HEX32("00"), "'code_commitment' is all zeros");
    expect_refused(HEX32("55"), HEX32("00"), "'owner_key' is all zeros");
    expect_refused(HEX32("11"), HEX32("AA"), "lower-case");
    expect_refused(HEX32("11"), "11", "64 lower-case");
    expect_refused("{\"digest", "[\"digest", "line 1");
}

static void test_every_byte(void **state)
{
    (void)state;
    struct manifest original;
    struct err err = ERR_INIT;
    assert_int_equal(manifest_decode(slice_str(golden), &original, &err), 0);
    char text[sizeof(golden)];
    memcpy(text, golden, sizeof(golden));
    for (size_t i = 0; i + 1 < sizeof(golden); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            text[i] = (char)(golden[i] ^ (1 << bit));
            struct manifest changed;
            memset(&changed, 0, sizeof(changed));
            err_clear(&err);
            if (manifest_decode(slice_of(text, sizeof(golden) - 1), &changed, &err) == 0)
                assert_memory_not_equal(&changed, &original, sizeof(changed));
            else
                assert_true(err.kind == ERR_INVALID || err.kind == ERR_UNSUPPORTED ||
                            err.kind == ERR_TOO_LARGE);
        }
        text[i] = golden[i];
    }
    for (size_t i = 0; i + 1 < sizeof(golden); i++)
        assert_int_equal(manifest_decode(slice_of(golden, i), &original, &err), -1);
}

static void test_encode_checks(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(MANIFEST_MAX);
    struct manifest manifest = manifest_sample();
    memset(manifest.runtime_digest, 0, MANIFEST_DIGEST_SIZE);
    assert_int_equal(manifest_encode(&manifest, &out, &err), -1);
    assert_non_null(strstr(err.message, "runtime_digest"));
    manifest = manifest_sample();
    memset(manifest.name, 'a', sizeof(manifest.name)); /* no zero byte */
    assert_int_equal(manifest_encode(&manifest, &out, &err), -1);
    assert_non_null(strstr(err.message, "'name'"));
}

static void set_env(struct manifest *manifest, const char *env, const char *secrets)
{
    (void)snprintf(manifest->env, sizeof(manifest->env), "%s", env);
    (void)snprintf(manifest->secrets_env, sizeof(manifest->secrets_env), "%s", secrets);
}

static void test_variables(void **state)
{
    struct manifest manifest = manifest_sample();
    struct manifest again;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(MANIFEST_MAX);
    set_env(&manifest, "A=\\x\"\nAB=\n", "SECRET:TOKEN");
    encode(&manifest, &out);
    assert_non_null(strstr(buf_text(&out), "\"env\":{\"A\":\"\\\\x\\\"\",\"AB\":\"\"},"));
    assert_non_null(strstr(buf_text(&out), "\"secrets_env\":\"SECRET:TOKEN\""));
    assert_int_equal(manifest_decode(buf_slice(&out), &again, &err), 0);
    assert_memory_equal(&again, &manifest, sizeof(manifest));

    static const char *const refused[] = {
        "{}",
        "[]",
        "\"A=1\"",
        "{\"A\":1}",
        "{\"A\":{}}",
        "{\"PATH\":\"\"}",
        "{\"LD_PRELOAD\":\"\"}",
        "{\"A=B\":\"\"}",
        "{\"B\":\"\",\"A\":\"\"}",
        "{\"A\":\"\",\"A\":\"\"}",
        "{\"A\":\"\\n\"}",
        "{\"A\":\"x\\nB=y\"}",
        "{\"\":\"\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        char with[128];
        (void)snprintf(with, sizeof(with), "\"env\":%s,\"environment\"", refused[i]);
        expect_refused("\"environment\"", with, "manifest: ");
    }
    expect_refused("\"storage\"", "\"secrets_env\":\"\",\"storage\"", "secrets_env");
    expect_refused("\"storage\"", "\"secrets_env\":\"PATH\",\"storage\"", "secrets_env");
}

/* The most that fits into the struct fits into the bytes, and the whole is what was meant. */
static void test_all_variables(void **state)
{
    struct manifest manifest = manifest_sample();
    struct manifest again;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(MANIFEST_MAX);
    size_t len = 0;
    for (int i = 0; i < VARIABLES_MAX; i++)
        len += (size_t)snprintf(manifest.env + len, sizeof(manifest.env) - len, "V%02d=%.*s\n", i,
                                i + 1 < VARIABLES_MAX ? 59 : 56,
                                "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""
                                "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"");
    assert_true(len > VARIABLES_SIZE - 8);
    encode(&manifest, &out);
    assert_int_equal(manifest_decode(buf_slice(&out), &again, &err), 0);
    assert_memory_equal(&again, &manifest, sizeof(manifest));
    struct manifest none = manifest_sample();
    struct manifest_difference differences[MANIFEST_DIFFERENCES_MAX];
    assert_int_equal(manifest_diff(&manifest, &none, differences), VARIABLES_MAX);
}

static void test_diff_of_variables(void **state)
{
    struct manifest a = manifest_sample();
    struct manifest b = manifest_sample();
    struct manifest_difference differences[MANIFEST_DIFFERENCES_MAX];
    set_env(&a, "A=1\nC=1\nD=1\n", "");
    set_env(&b, "B=2\nC=1\nD=2\n", "*");
    assert_int_equal(manifest_diff(&a, &b, differences), 4);
    assert_string_equal(differences[0].field, "env.A");
    assert_string_equal(differences[0].a, "1");
    assert_string_equal(differences[0].b, "(absent)");
    assert_string_equal(differences[1].field, "env.B");
    assert_string_equal(differences[1].a, "(absent)");
    assert_string_equal(differences[2].field, "env.D");
    assert_string_equal(differences[2].b, "2");
    assert_string_equal(differences[3].field, "secrets_env");
}

static void test_diff(void **state)
{
    (void)state;
    struct manifest a = manifest_sample();
    struct manifest b = manifest_sample();
    struct manifest_difference differences[MANIFEST_DIFFERENCES_MAX];
    assert_int_equal(manifest_diff(&a, &b, differences), 0);
    b.code_commitment[0] = 0x12;
    b.tls_mode = MANIFEST_TLS_OWNER;
    b.healthcheck_endpoint[0] = '\0';
    assert_int_equal(manifest_diff(&a, &b, differences), 5);
    assert_string_equal(differences[0].field, "healthcheck_endpoint");
    assert_string_equal(differences[0].a, "/whoami");
    assert_string_equal(differences[0].b, "(absent)");
    assert_string_equal(differences[1].field, "code_commitment");
    assert_string_equal(differences[2].field, "tls.mode");
    assert_string_equal(differences[2].b, "owner");
    assert_string_equal(differences[3].field, "tls.not_after");
    assert_string_equal(differences[4].field, "tls.certificate_digest");
    assert_non_null(differences[4].meaning);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_owner_mode_and_server),
        cmocka_unit_test(test_second_readings),
        cmocka_unit_test(test_access_log),
        cmocka_unit_test(test_new_processes),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_encode_checks),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_all_variables),
        cmocka_unit_test(test_diff_of_variables),
        cmocka_unit_test(test_diff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
