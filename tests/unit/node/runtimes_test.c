// SPDX-License-Identifier: Apache-2.0
/*
 * Runtimes by digest: taken in once and whole, found by what a manifest names, kept as long as a
 * release needs them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pretended_node.h"

#include "base/text.h"
#include "node/runtimes.h"
#include "node/upload.h"

#include <sys/stat.h>

static void take_in(struct fixture *fixture, const char *text, char ret[static RUNTIME_DIGEST_SIZE])
{
    char program[160];
    (void)snprintf(program, sizeof(program), "%s/program", fixture->folders.uploads);
    OK(file_write_atomic(program, slice_str(text), 0700, &failure));
    OK(runtimes_take_in(fixture->folders.runtimes, program, ret, &failure));
}

static bool is_there(const struct fixture *fixture, const char *digest)
{
    struct err absent = ERR_INIT;
    AUTO_FREE char *path = runtimes_find(fixture->folders.runtimes, digest, &absent);
    return path != NULL;
}

static void taken_in_once_test(void **state)
{
    struct fixture *fixture = *state;
    char first[RUNTIME_DIGEST_SIZE];
    char again[RUNTIME_DIGEST_SIZE];
    struct err err = ERR_INIT;
    struct stat before;
    struct stat after;
    take_in(fixture, "hello", first);
    /* printf hello | sha256sum */
    assert_string_equal(first, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    AUTO_FREE char *path = runtimes_find(fixture->folders.runtimes, first, &err);
    assert_non_null(path);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(before.st_mode & 07777, 0755);
    take_in(fixture, "hello", again);
    assert_string_equal(first, again);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void unknown_test(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    static const char digest[] = "ab00000000000000000000000000000000000000000000000000000000000000";
    assert_null(runtimes_find(fixture->folders.runtimes, digest, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "ab00000000000000"));
    assert_non_null(strstr(err.hint, fixture->folders.runtimes));
}

static void keep(struct fixture *fixture, const char *installed)
{
    const struct runtimes_view view = {&fixture->folders, &fixture->environments, fixture->store};
    OK(runtimes_remove_unused(&view, installed, &failure));
}

static void names_runtime(const struct fixture *fixture, const char *digest)
{
    char path[200];
    AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
    struct manifest manifest;
    (void)snprintf(path, sizeof(path), "%s/%s/package/" UPLOAD_MANIFEST, fixture->folders.apps,
                   id_a);
    OK(file_read(path, &text, &failure));
    OK(manifest_decode(buf_slice(&text), &manifest, &failure));
    OK(hex_decode(digest, "digest", manifest.runtime_digest, SHA256_SIZE, &failure));
    buf_clear(&text);
    OK(manifest_encode(&manifest, &text, &failure));
    OK(file_write_atomic(path, buf_slice(&text), 0644, &failure));
}

static void kept_as_long_as_needed_test(void **state)
{
    struct fixture *fixture = *state;
    char old[RUNTIME_DIGEST_SIZE];
    char older[RUNTIME_DIGEST_SIZE];
    char installed[RUNTIME_DIGEST_SIZE];
    struct store_app app = {0};
    take_in(fixture, "old", old);
    take_in(fixture, "older", older);
    take_in(fixture, "installed", installed);
    OK(create(fixture, id_a, NULL, &app, &failure));
    names_runtime(fixture, old);
    keep(fixture, installed);
    assert_true(is_there(fixture, old));
    assert_false(is_there(fixture, older));
    assert_true(is_there(fixture, installed));
    OK(keeper_stop(fixture->keeper, id_a, &failure));
    keep(fixture, installed);
    assert_false(is_there(fixture, old));
    assert_true(is_there(fixture, installed));
}

/* What a release needs that cannot be read is not known. */
static void unreadable_test(void **state)
{
    struct fixture *fixture = *state;
    const struct runtimes_view view = {&fixture->folders, &fixture->environments, fixture->store};
    struct err err = ERR_INIT;
    char old[RUNTIME_DIGEST_SIZE];
    char path[200];
    struct store_app app = {0};
    take_in(fixture, "old", old);
    OK(create(fixture, id_a, NULL, &app, &failure));
    (void)snprintf(path, sizeof(path), "%s/%s/package/" UPLOAD_MANIFEST, fixture->folders.apps,
                   id_a);
    OK(file_write_atomic(path, slice_str("{}"), 0644, &failure));
    assert_int_equal(runtimes_remove_unused(&view, "installed", &err), -1);
    assert_true(is_there(fixture, old));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(taken_in_once_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kept_as_long_as_needed_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unreadable_test, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
