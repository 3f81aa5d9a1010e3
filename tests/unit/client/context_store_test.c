// SPDX-License-Identifier: Apache-2.0
/*
 * Contexts on disk: made, replaced, found by each of their names, removed; a damaged file costs
 * nobody the others; no name leaves the folder.
 */
#include "client/context_store.h"

#include "model/manifest_sample.h"
#include "testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ID_1 "11111111-1111-4111-8111-111111111111"
#define ID_2 "22222222-2222-4222-8222-222222222222"

static char warning[512];
static int warnings;

static void take_warning(const char *text)
{
    (void)snprintf(warning, sizeof(warning), "%s", text);
    warnings++;
}

static const struct client_hooks hooks = {.warn = take_warning};

static void save(const char *id, const char *name, int64_t created)
{
    struct manifest manifest = manifest_sample();
    AUTO_BUF struct buf bytes = BUF_INIT(MANIFEST_MAX);
    (void)snprintf(manifest.id, sizeof(manifest.id), "%s", id);
    (void)snprintf(manifest.name, sizeof(manifest.name), "%s", name);
    OK(manifest_encode(&manifest, &bytes, &err));
    AUTO_CONTEXT struct context context = {
        .project = "default",
        .node = str_copy("/run/mse/msed.sock", &err),
        .url = str_copy("https://localhost:4711", &err),
        .tee = "simulation",
        .has_simulation_root = true,
        .created = created,
        .manifest = buf_steal_text(&bytes, &err),
    };
    memcpy(context.id, manifest.id, sizeof(context.id));
    memcpy(context.name, manifest.name, sizeof(context.name));
    OK(context_store_save(&context, &err));
}

static void enter(struct temp_folder *folder)
{
    *folder = temp_folder_new();
    assert_int_equal(setenv("MSE_CONFIG_HOME", folder->path, 1), 0);
    warnings = 0;
}

static int count_one(void *data, const struct context *context, struct err *e)
{
    (void)context;
    (void)e;
    ++*(int *)data;
    return 0;
}

static int count(void)
{
    int found = 0;
    OK(context_store_each(&hooks, count_one, &found, &err));
    return found;
}

static void expect(const char *name, const char *id, int64_t created)
{
    AUTO_CONTEXT struct context found = {0};
    OK(context_store_find(&hooks, name, &found, &err));
    assert_string_equal(found.id, id);
    assert_int_equal(found.created, created);
}

static void test_names(void **state)
{
    AUTO_TEMP struct temp_folder folder;
    AUTO_CONTEXT struct context none = {0};
    (void)state;
    enter(&folder);
    save(ID_1, "app", 100);
    save(ID_2, "app", 200);
    assert_int_equal(count(), 2);
    expect("app", ID_2, 200); /* the newest of the name */
    expect("1111", ID_1, 100);
    expect(ID_1, ID_1, 100);
    FAILS(ERR_NOT_FOUND, "'111'", context_store_find(&hooks, "111", &none, &err));
    FAILS(ERR_NOT_FOUND, "'other'", context_store_find(&hooks, "other", &none, &err));
    save(ID_1, "app", 300); /* replaced, not added */
    assert_int_equal(count(), 2);
    expect("app", ID_1, 300);
}

static void test_nobody_else_reads_them(void **state)
{
    AUTO_TEMP struct temp_folder folder;
    char path[160];
    struct stat info;
    (void)state;
    enter(&folder);
    mode_t mask = umask(0);
    save(ID_1, "app", 100);
    (void)umask(mask);
    (void)snprintf(path, sizeof(path), "%s/contexts/" ID_1 ".json", folder.path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    (void)snprintf(path, sizeof(path), "%s/contexts", folder.path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
}

static void test_damaged_files_are_passed_over(void **state)
{
    static const char *const texts[] = {"", "{", "{\"format\":1}", "null"};
    AUTO_TEMP struct temp_folder folder;
    char path[160];
    (void)state;
    enter(&folder);
    save(ID_1, "app", 100);
    (void)snprintf(path, sizeof(path), "%s/contexts/" ID_2 ".json", folder.path);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        OK(file_write_atomic(path, slice_str(texts[i]), 0600, &err));
        warnings = 0;
        expect("app", ID_1, 100);
        assert_int_equal(warnings, 1);
        assert_non_null(strstr(warning, ID_2));
        assert_non_null(strstr(warning, "(passed over)"));
    }
    /* Nobody has to listen. */
    AUTO_CONTEXT struct context found = {0};
    OK(context_store_find(NULL, "app", &found, &err));
}

static void test_removal(void **state)
{
    AUTO_TEMP struct temp_folder folder;
    AUTO_FREE char *certificate = NULL;
    (void)state;
    enter(&folder);
    save(ID_1, "app", 100);
    save(ID_2, "app", 200);
    OK(context_store_certificate_path(ID_1, &certificate, &err));
    OK(file_write_atomic(certificate, slice_str("pem"), 0600, &err));
    OK(context_store_remove(ID_1, &err));
    assert_false(file_exists(certificate));
    assert_int_equal(count(), 1);
    expect("app", ID_2, 200);
    FAILS(ERR_NOT_FOUND, ID_1, context_store_remove(ID_1, &err));
}

static void test_no_name_leaves_the_folder(void **state)
{
    static const char *const names[] = {
        "", "../owner", "..", "/etc/passwd", ID_1 "/x", "11111111-1111-4111-8111-11111111111"};
    AUTO_TEMP struct temp_folder folder;
    AUTO_CONTEXT struct context none = {0};
    char path[160];
    (void)state;
    enter(&folder);
    (void)snprintf(path, sizeof(path), "%s/owner.json", folder.path);
    OK(file_write_atomic(path, slice_str("{}"), 0600, &err));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_FREE char *ignored = NULL;
        FAILS(ERR_INVALID, "is not a UUID", context_store_remove(names[i], &err));
        FAILS(ERR_INVALID, "is not a UUID",
              context_store_certificate_path(names[i], &ignored, &err));
        FAILS(ERR_NOT_FOUND, "", context_store_find(&hooks, names[i], &none, &err));
    }
    assert_true(file_exists(path));
    assert_int_equal(warnings, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_nobody_else_reads_them),
        cmocka_unit_test(test_damaged_files_are_passed_over),
        cmocka_unit_test(test_removal),
        cmocka_unit_test(test_no_name_leaves_the_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
