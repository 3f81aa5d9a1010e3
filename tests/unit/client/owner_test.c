// SPDX-License-Identifier: Apache-2.0
/*
 * The owner's key: made once, for nobody else's eyes, and never quoted.
 */
#include "client/owner.h"

#include "testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void enter(struct temp_folder *folder, char path[static 128])
{
    *folder = temp_folder_new();
    assert_int_equal(setenv("MSE_CONFIG_HOME", folder->path, 1), 0);
    (void)snprintf(path, 128, "%s/owner.key", folder->path);
}

static void test_made_once(void **state)
{
    AUTO_TEMP struct temp_folder folder;
    AUTO_OWNER_KEY struct owner_key first = {0};
    AUTO_OWNER_KEY struct owner_key second = {0};
    char path[128];
    struct stat info;
    (void)state;
    enter(&folder, path);
    mode_t mask = umask(0);
    OK(owner_key_load(&first, &err));
    (void)umask(mask);
    OK(owner_key_load(&second, &err));
    assert_memory_equal(first.public_key, second.public_key, ED25519_PUBLIC_SIZE);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
}

static void test_what_others_can_read(void **state)
{
    static const mode_t modes[] = {0604, 0640, 0620, 0610, 0601};
    AUTO_TEMP struct temp_folder folder;
    AUTO_OWNER_KEY struct owner_key key = {0};
    char path[128];
    (void)state;
    enter(&folder, path);
    OK(owner_key_load(&key, &err));
    owner_key_done(&key);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        FAILS(ERR_FORBIDDEN, "can be read by others", owner_key_load(&key, &err));
    }
}

static void test_a_link_is_not_followed(void **state)
{
    AUTO_TEMP struct temp_folder folder;
    AUTO_OWNER_KEY struct owner_key key = {0};
    char path[128];
    char other[140];
    (void)state;
    enter(&folder, path);
    OK(owner_key_load(&key, &err));
    owner_key_done(&key);
    (void)snprintf(other, sizeof(other), "%s.old", path);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    FAILS(ERR_IO, path, owner_key_load(&key, &err));
}

static void test_a_damaged_key_is_not_quoted(void **state)
{
    static const char *const texts[] = {"", "deadbeef\n", "secretsecretsecretsecretsecretsecret"};
    AUTO_TEMP struct temp_folder folder;
    AUTO_OWNER_KEY struct owner_key key = {0};
    char path[128];
    (void)state;
    enter(&folder, path);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        OK(file_write_atomic(path, slice_str(texts[i]), 0600, &err));
        FAILS(ERR_INVALID, path, owner_key_load(&key, &err));
        assert_null(strstr(err.message, "deadbeef"));
        assert_null(strstr(err.message, "secret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_once),
        cmocka_unit_test(test_what_others_can_read),
        cmocka_unit_test(test_a_link_is_not_followed),
        cmocka_unit_test(test_a_damaged_key_is_not_quoted),
    };
    OK(crypto_init(&err));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
