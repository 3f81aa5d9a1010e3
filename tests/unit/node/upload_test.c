// SPDX-License-Identifier: Apache-2.0
/*
 * Packages on their way in: stored whole, cut anywhere, and refused by name where a part does not
 * fit the manifest or the manifest does not fit the node. Nothing stays behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "crypto/x509.h"
#include "node/layers.h"
#include "node/upload.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static char folder[64];
static struct node_config config;
static struct environments environments;
static struct err ignored;
#define OK(call) assert_int_equal((call), 0)

static int set_up(void **state)
{
    struct err err = ERR_INIT;
    (void)snprintf(folder, sizeof(folder), "/tmp/mse-upload-XXXXXX");
    assert_non_null(mkdtemp(folder));
    OK(node_config_defaults(folder, &config, &err));
    OK(environments_fill(&config, "3.11", true, &environments, &err));
    return 0;
}

static void expect_empty_folder(void)
{
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list))
        assert_int_equal(entry->d_name[0], '.');
    (void)closedir(list);
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    expect_empty_folder();
    environments_done(&environments);
    node_config_done(&config);
    return folder_remove_tree(folder, &err);
}

static const char runtime_hex[] =
    "2222222222222222222222222222222222222222222222222222222222222222";

struct parts {
    struct manifest manifest;
    const char *requirements; /* NULL: no such section */
    const char *certificate;
};

static struct parts good_parts(void)
{
    struct parts parts = {.requirements = "flask==2.2.2 # web\n"};
    struct manifest *manifest = &parts.manifest;
    (void)snprintf(manifest->id, sizeof(manifest->id), "11111111-1111-4111-8111-111111111111");
    (void)snprintf(manifest->name, sizeof(manifest->name), "hello");
    (void)snprintf(manifest->python_application, sizeof(manifest->python_application), "app:app");
    memset(manifest->code_commitment, 0x11, SHA256_SIZE);
    memset(manifest->runtime_digest, 0x22, SHA256_SIZE);
    OK(sha256(slice_str(parts.requirements), manifest->requirements_digest, &ignored));
    (void)snprintf(manifest->environment_name, sizeof(manifest->environment_name), "mse-flask");
    const struct environment_offer *offer = NULL;
    OK(environments_find(&environments, "", &offer, &ignored));
    OK(hex_decode(offer->digest, "digest", manifest->environment_digest, SHA256_SIZE, &ignored));
    manifest->tls_mode = MANIFEST_TLS_RA;
    (void)snprintf(manifest->tls_host_name, sizeof(manifest->tls_host_name), "localhost");
    manifest->tls_not_after = 2000000000;
    memset(manifest->owner_key, 0x33, SHA256_SIZE);
    const struct node_hardware *profile = node_config_hardware(&config, "free");
    manifest->memory_bytes = (uint64_t)profile->memory_bytes;
    manifest->cpu_millis = (uint64_t)profile->cpu_millis;
    manifest->quota_bytes = (uint64_t)profile->storage_bytes;
    manifest->key_epoch = 1;
    return parts;
}

static void add_section(struct buf *out, enum package_section section, struct slice bytes)
{
    OK(package_section_append(out, section, bytes.len, &ignored));
    OK(buf_bytes(out, bytes, &ignored));
}

static void build(const struct parts *parts, struct buf *out)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf manifest = BUF_INIT(MANIFEST_MAX);
    if (manifest_encode(&parts->manifest, &manifest, &err) < 0)
        fail_msg("%s", err.message);
    OK(package_header_append(out, &ignored));
    add_section(out, PACKAGE_MANIFEST, buf_slice(&manifest));
    if (parts->requirements != NULL)
        add_section(out, PACKAGE_REQUIREMENTS, slice_str(parts->requirements));
    if (parts->certificate != NULL)
        add_section(out, PACKAGE_CERTIFICATE, slice_str(parts->certificate));
    add_section(out, PACKAGE_ARCHIVE, slice_str("encrypted bytes"));
}

/* Feeds in pieces of `piece` bytes. */
static int receive(struct upload *upload, const struct buf *bytes, size_t piece, struct err *err)
{
    OK(upload_start(upload, &config, node_config_hardware(&config, "free"), folder, err));
    for (size_t at = 0; at < bytes->len; at += piece) {
        size_t len = bytes->len - at < piece ? bytes->len - at : piece;
        if (upload_feed(upload, slice_of(bytes->data + at, len), err) < 0)
            return -1;
    }
    return upload_finish(upload, err);
}

static int check(const struct upload *upload, struct err *err)
{
    const struct environment_offer *environment = NULL;
    const struct upload_terms terms = {.environments = &environments,
                                       .runtime_digest = runtime_hex,
                                       .config = &config,
                                       .account = "token:alice",
                                       .now = 1000000000};
    return upload_check(upload, &terms, &environment, err);
}

static void good_test(void **state)
{
    const size_t pieces[] = {1, 7, 4096};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct err err = ERR_INIT;
        AUTO_BUF struct buf bytes = BUF_INIT(1 << 20);
        AUTO_UPLOAD struct upload upload = {.fd = -1};
        const struct parts parts = good_parts();
        build(&parts, &bytes);
        if (receive(&upload, &bytes, pieces[i], &err) < 0 || check(&upload, &err) < 0)
            fail_msg("%s", err.message);
        assert_string_equal(buf_text(&upload.requirements), "flask==2.2.2\n");
        AUTO_FREE char *path = path_join(upload.folder, UPLOAD_ARCHIVE, &err);
        AUTO_BUF struct buf archive = BUF_INIT(100);
        OK(file_read(path, &archive, &err));
        assert_string_equal(buf_text(&archive), "encrypted bytes");
    }
}

static void truncated_test(void **state)
{
    AUTO_BUF struct buf bytes = BUF_INIT(1 << 20);
    const struct parts parts = good_parts();
    build(&parts, &bytes);
    for (size_t len = 0; len < bytes.len; len += 41) {
        struct err err = ERR_INIT;
        AUTO_UPLOAD struct upload upload = {.fd = -1};
        struct buf cut = bytes;
        cut.len = len;
        assert_int_equal(receive(&upload, &cut, 64, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

static void refused(const struct parts *parts, enum err_kind kind, const char *words)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf bytes = BUF_INIT(1 << 20);
    AUTO_UPLOAD struct upload upload = {.fd = -1};
    build(parts, &bytes);
    if (receive(&upload, &bytes, 4096, &err) == 0 && check(&upload, &err) == 0)
        fail_msg("accepted, '%s' expected", words);
    if (strstr(err.message, words) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, words);
    assert_int_equal(err.kind, kind);
}

static void wrong_parts_test(void **state)
{
    struct parts parts = good_parts();
    parts.requirements = "flask==2.2.3\n";
    refused(&parts, ERR_INVALID, "requirements_digest");
    parts.requirements = NULL;
    refused(&parts, ERR_INVALID, "requirements_digest");
    parts = good_parts();
    parts.requirements = "-e .\n";
    OK(sha256(slice_str(parts.requirements), parts.manifest.requirements_digest, &ignored));
    refused(&parts, ERR_INVALID, "line 1");
    parts = good_parts();
    parts.certificate = "no certificate";
    refused(&parts, ERR_INVALID, "certificate");
}

static void wrong_terms_test(void **state)
{
    struct parts parts = good_parts();
    (void)snprintf(parts.manifest.environment_name, NAME_SIZE, "mse-django");
    refused(&parts, ERR_NOT_FOUND, "mse-flask");
    parts = good_parts();
    parts.manifest.environment_digest[0] ^= 1;
    refused(&parts, ERR_CONFLICT, "digest");
    parts = good_parts();
    parts.manifest.runtime_digest[31] ^= 1;
    refused(&parts, ERR_CONFLICT, "runtime");
    parts = good_parts();
    parts.manifest.memory_bytes++;
    refused(&parts, ERR_INVALID, "memory_bytes");
    parts = good_parts();
    parts.manifest.quota_bytes++;
    refused(&parts, ERR_INVALID, "quota_bytes");
    parts = good_parts();
    parts.manifest.tls_not_after = 999999999;
    refused(&parts, ERR_INVALID, "not_after");
    parts = good_parts();
    (void)snprintf(parts.manifest.tls_host_name, HOST_NAME_SIZE, "example.com");
    refused(&parts, ERR_INVALID, "host_name");
}

/* What an upload says is to come is allocated on everybody's disk at once, and may take days: no
 * more than an app of this profile could open. */
static void too_large_test(void **state)
{
    const uint64_t memory = (uint64_t)node_config_hardware(&config, "free")->memory_bytes;
    for (uint64_t over = 0; over < 2; over++) {
        struct err err = ERR_INIT;
        AUTO_BUF struct buf manifest = BUF_INIT(MANIFEST_MAX);
        AUTO_BUF struct buf bytes = BUF_INIT(1 << 20);
        AUTO_UPLOAD struct upload upload = {.fd = -1};
        const struct parts parts = good_parts();
        OK(manifest_encode(&parts.manifest, &manifest, &ignored));
        OK(package_header_append(&bytes, &ignored));
        add_section(&bytes, PACKAGE_MANIFEST, buf_slice(&manifest));
        add_section(&bytes, PACKAGE_REQUIREMENTS, slice_str(parts.requirements));
        OK(package_section_append(&bytes, PACKAGE_ARCHIVE, memory / 2 + over, &ignored));
        OK(upload_start(&upload, &config, node_config_hardware(&config, "free"), folder, &err));
        AUTO_FREE char *path = path_join(upload.folder, UPLOAD_ARCHIVE, &err);
        assert_int_equal(upload_feed(&upload, buf_slice(&bytes), &err), over == 0 ? 0 : -1);
        assert_int_equal(file_exists(path), over == 0);
        assert_int_equal(err.kind, over == 0 ? ERR_NONE : ERR_TOO_LARGE);
    }
}

/* One key a content: order, environment and text matter, what is equal is found again. */
static void layer_key_test(void **state)
{
    const struct environment_offer *offer = NULL;
    OK(environments_find(&environments, "", &offer, &ignored));
    char one[LAYER_KEY_SIZE];
    char two[LAYER_KEY_SIZE];
    bool needed = true;
    OK(layer_key(offer, slice_of(NULL, 0), one, &needed, &ignored));
    assert_false(needed);
    assert_string_equal(one, "");
    OK(layer_key(offer, slice_str("flask\nnumpy\n"), one, &needed, &ignored));
    assert_true(needed);
    OK(layer_key(offer, slice_str("flask\nnumpy\n"), two, &needed, &ignored));
    assert_string_equal(one, two);
    OK(layer_key(offer, slice_str("numpy\nflask\n"), two, &needed, &ignored));
    assert_string_not_equal(one, two);
}

static void no_flask_test(void **state)
{
    struct err err = ERR_INIT;
    struct environments without = {0};
    const struct environment_offer *offer = NULL;
    OK(environments_fill(&config, "3.11", false, &without, &err));
    assert_int_equal(environments_find(&without, "mse-flask", &offer, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    environments_done(&without);
}

static int start(void **state)
{
    struct err err = ERR_INIT;
    return crypto_init(&err);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name##_test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(good),      TEST(truncated), TEST(wrong_parts), TEST(wrong_terms),
        TEST(too_large), TEST(layer_key), TEST(no_flask),
    };
    return cmocka_run_group_tests_name("upload", tests, start, NULL);
}
