// SPDX-License-Identifier: Apache-2.0
/*
 * What an owner's secret says of an app: the same every time, known answers, and nothing of it is
 * another's.
 */
#include "client/app_keys.h"

#include "base/text.h"
#include "model/manifest.h"
#include "testing.h"

#include <string.h>

static const char id[] = "00010203-0405-8607-8809-0a0b0c0d0e0f";

static void make_owner(struct owner_key *ret, uint8_t first)
{
    uint8_t seed[ED25519_SEED_SIZE];
    for (size_t i = 0; i < sizeof(seed); i++)
        seed[i] = (uint8_t)(first + i);
    OK(ed25519_keypair_from_seed(seed, ret->public_key, &ret->secret, &err));
}

static void assert_hex(const struct secret *secret, const char *expected)
{
    char text[65];
    assert_int_equal(secret->len, 32);
    hex_encode(secret_slice(secret), text);
    assert_string_equal(text, expected);
}

/* Computed with Python's hmac by RFC 5869 from the seed 00 01 ... 1f; these formats may not change:
 * with them the keys of stored data and every fingerprint would. */
static void test_known_answers(void **state)
{
    AUTO_OWNER_KEY struct owner_key owner = {0};
    AUTO_SECRET struct secret key = SECRET_INIT;
    AUTO_SECRET struct secret salt = SECRET_INIT;
    AUTO_SECRET struct secret volume = SECRET_INIT;
    AUTO_SECRET struct secret digest_key = SECRET_INIT;
    uint8_t digest[SHA256_SIZE];
    char derived[UUID_SIZE];
    (void)state;
    memset(digest, 0xab, sizeof(digest));
    make_owner(&owner, 0);
    OK(app_id_derive(&owner, "default", "shop", derived, &err));
    assert_string_equal(derived, "290a0dd9-6f64-8546-adb6-0768b617e218");
    OK(app_digest_key(&owner, id, &digest_key, &err));
    assert_hex(&digest_key, "e0df02c0dc254bdb7c66e80773a66b52bf31523f1dad8dc421734bd02cd8a513");
    OK(app_code_keys(&owner, id, digest, &key, &salt, &err));
    assert_hex(&key, "4ade2815e4e20648b0a1d9e016796be2fa6a952aef423ad6360d114a02121cef");
    assert_hex(&salt, "e4bcbbde7a250cb38d80970e37f12433299c51fcb82913a384e23f552ca5d939");
    OK(app_volume_key(&owner, id, 1, &volume, &err));
    assert_hex(&volume, "1547a51a3b9978fecbde2ce8cfbcd1dc1be9c9264d08a0305c3b3f69efe636ed");
}

static void test_another_owner_or_name(void **state)
{
    AUTO_OWNER_KEY struct owner_key one = {0};
    AUTO_OWNER_KEY struct owner_key two = {0};
    char ids[4][UUID_SIZE];
    (void)state;
    make_owner(&one, 0);
    make_owner(&two, 1);
    OK(app_id_derive(&one, "default", "shop", ids[0], &err));
    OK(app_id_derive(&two, "default", "shop", ids[1], &err));
    OK(app_id_derive(&one, "defaults", "hop", ids[2], &err)); /* the same letters */
    OK(app_id_derive(&one, "default", "shop2", ids[3], &err));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_true(manifest_id_valid(ids[i]));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
}

static void test_another_archive_or_epoch(void **state)
{
    AUTO_OWNER_KEY struct owner_key owner = {0};
    struct secret secrets[6] = {0};
    uint8_t digest[SHA256_SIZE] = {0};
    (void)state;
    make_owner(&owner, 0);
    OK(app_code_keys(&owner, id, digest, &secrets[0], &secrets[1], &err));
    digest[31] = 1;
    OK(app_code_keys(&owner, id, digest, &secrets[2], &secrets[3], &err));
    OK(app_volume_key(&owner, id, 1, &secrets[4], &err));
    OK(app_volume_key(&owner, id, 2, &secrets[5], &err));
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(secrets[i].data, secrets[j].data, 32);
    }
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        secret_done(&secrets[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_another_owner_or_name),
        cmocka_unit_test(test_another_archive_or_epoch),
    };
    return crypto_init(&err) < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
