// SPDX-License-Identifier: Apache-2.0
/*
 * What was seen of storages: one place for all versions of an app whose owner keeps the storage,
 * one for each version otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/storage_memory.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[] = "/tmp/mse-memory-XXXXXX";
static struct err err;

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    return setenv("MSE_CONFIG_HOME", folder, 1);
}

static int tear_down(void **state)
{
    (void)state;
    return folder_remove_tree(folder, &err);
}

static const uint8_t one[SHA256_SIZE] = {1};
static const uint8_t two[SHA256_SIZE] = {2};

static uint64_t seen(const struct manifest *manifest, const uint8_t *fingerprint)
{
    struct storage_mark mark;
    assert_int_equal(storage_memory_get(manifest, fingerprint, &mark, &err), 0);
    assert_int_equal(mark.head[3], mark.opening == 0 ? 0 : 9);
    return mark.opening;
}

static void remember(const struct manifest *manifest, const uint8_t *fingerprint, uint64_t opening)
{
    const struct storage_mark mark = {.opening = opening, .head = {0, 0, 0, 9}};
    assert_int_equal(storage_memory_set(manifest, fingerprint, &mark, &err), 0);
}

static void whose_storage_it_is(void **state)
{
    (void)state;
    struct manifest version = {.id = "an app"};
    struct manifest owner = version;
    struct manifest other;
    (void)snprintf(owner.storage_keeper, sizeof(owner.storage_keeper), "owner");
    remember(&version, one, 4);
    remember(&owner, one, 5);
    assert_int_equal(seen(&version, one), 4);
    assert_int_equal(seen(&version, two), 0);
    assert_int_equal(seen(&owner, two), 5);
    other = owner;
    other.key_epoch++;
    assert_int_equal(seen(&other, one), 0);
    other = owner;
    other.owner_key[0]++;
    assert_int_equal(seen(&other, one), 0);
    other = owner;
    other.id[0] = 'b';
    assert_int_equal(seen(&other, one), 0);
    remember(&owner, two, 2);
    assert_int_equal(seen(&owner, one), 2);
}

static void a_broken_memory_is_no_empty_one(void **state)
{
    (void)state;
    struct manifest manifest = {.id = "broken"};
    struct storage_mark mark;
    char path[128];
    remember(&manifest, two, 4);
    (void)snprintf(path, sizeof(path), "%s/seen/02%030d.json", folder, 0);
    static const char *const texts[] = {"", "{}", "{\"format\":2,\"opening\":1,\"head\":\"\"}",
                                        "{\"format\":1,\"opening\":0,\"head\":\"\"}"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(file_write_atomic(path, slice_str(texts[i]), 0600, &err), 0);
        assert_int_equal(storage_memory_get(&manifest, two, &mark, &err), -1);
        assert_non_null(strstr(err.message, path));
        err_clear(&err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whose_storage_it_is),
        cmocka_unit_test(a_broken_memory_is_no_empty_one),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
