// SPDX-License-Identifier: Apache-2.0
/*
 * Ed25519 against RFC 8032 section 7.1, identifiers, comparison.
 */
#include "base/text.h"
#include "crypto/crypto.h"
#include "testing.h"

static void test_rfc8032(void **state)
{
    static const struct {
        const char *seed, *public_key, *message, *signature;
    } vectors[] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
         "c"
         "f9b46bd25bf5f0595bbe24655141438e7a100b"},
        {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
         "8"
         "4dc6594a7c15e9716ed28dc027beceea1ec40a"},
    };
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        uint8_t seed[ED25519_SEED_SIZE];
        uint8_t expected[ED25519_SIGNATURE_SIZE];
        uint8_t public_key[ED25519_PUBLIC_SIZE];
        uint8_t signature[ED25519_SIGNATURE_SIZE];
        AUTO_SECRET struct secret secret = SECRET_INIT;
        AUTO_BUF struct buf message = BUF_INIT(100);
        OK(hex_decode_append(&message, slice_str(vectors[i].message), "message", &err));
        OK(hex_decode(vectors[i].seed, "seed", seed, sizeof(seed), &err));
        OK(ed25519_keypair_from_seed(seed, public_key, &secret, &err));
        OK(hex_decode(vectors[i].public_key, "key", expected, sizeof(public_key), &err));
        assert_memory_equal(public_key, expected, sizeof(public_key));
        OK(ed25519_sign(&secret, buf_slice(&message), signature, &err));
        OK(hex_decode(vectors[i].signature, "signature", expected, sizeof(signature), &err));
        assert_memory_equal(signature, expected, sizeof(signature));
        assert_true(ed25519_verify(public_key, buf_slice(&message), signature));
    }
}

static void test_verify_refuses(void **state)
{
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    AUTO_SECRET struct secret secret = SECRET_INIT;
    OK(ed25519_keypair(public_key, &secret, &err));
    OK(ed25519_sign(&secret, slice_str("message"), signature, &err));
    assert_true(ed25519_verify(public_key, slice_str("message"), signature));
    assert_false(ed25519_verify(public_key, slice_str("messagf"), signature));
    assert_false(ed25519_verify(public_key, slice_str(""), signature));
    for (size_t i = 0; i < sizeof(signature); i++) {
        signature[i] ^= 1;
        assert_false(ed25519_verify(public_key, slice_str("message"), signature));
        signature[i] ^= 1;
    }
    static const uint8_t zero_key[ED25519_PUBLIC_SIZE];
    static const uint8_t zero_signature[ED25519_SIGNATURE_SIZE];
    assert_false(ed25519_verify(zero_key, slice_str("message"), zero_signature));
    AUTO_SECRET struct secret other = SECRET_INIT;
    OK(ed25519_keypair(public_key, &other, &err));
    assert_false(ed25519_verify(public_key, slice_str("message"), signature));
}

static void test_keys(void **state)
{
    uint8_t one[ED25519_PUBLIC_SIZE];
    uint8_t two[ED25519_PUBLIC_SIZE];
    AUTO_SECRET struct secret secret_one = SECRET_INIT;
    AUTO_SECRET struct secret secret_two = SECRET_INIT;
    OK(ed25519_keypair(one, &secret_one, &err));
    OK(ed25519_keypair(two, &secret_two, &err));
    assert_memory_not_equal(one, two, sizeof(one));
    assert_int_equal(secret_one.len, ED25519_SECRET_SIZE);
    assert_memory_equal(secret_one.data + ED25519_SEED_SIZE, one, sizeof(one));
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    struct secret half = {.data = secret_one.data, .len = 32};
    FAILS(ERR_INTERNAL, "32 bytes", ed25519_sign(&half, slice_str("x"), signature, &err));
}

static void test_uuid(void **state)
{
    char one[UUID_SIZE];
    char two[UUID_SIZE];
    OK(uuid_new(one, &err));
    OK(uuid_new(two, &err));
    assert_true(uuid_valid(one));
    assert_string_not_equal(one, two);
    assert_true(uuid_valid("919108f7-52d1-4320-9bac-f847db4148a8"));
    static const char *const bad[] = {
        "",
        "919108f7-52d1-4320-9bac-f847db4148a",
        "919108f7-52d1-4320-9bac-f847db4148a8 ",
        "919108F7-52d1-4320-9bac-f847db4148a8", /* upper case */
        "919108f7-52d1-1320-9bac-f847db4148a8", /* version */
        "919108f7-52d1-4320-cbac-f847db4148a8", /* variant */
        "919108f7052d1-4320-9bac-f847db4148a8",
        "919108f7-52d1-4320-9bac-f847db4148g8",
        "../../../../etc/passwd/xxxxxxxxxxxxx",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(uuid_valid(bad[i]));
}

static void test_random_and_equal(void **state)
{
    uint8_t one[32] = {0};
    uint8_t two[32] = {0};
    OK(random_bytes(one, sizeof(one), &err));
    OK(random_bytes(two, sizeof(two), &err));
    OK(random_bytes(NULL, 0, &err));
    assert_false(crypto_equal(one, two, sizeof(one)));
    assert_true(crypto_equal(one, one, sizeof(one)));
    assert_true(crypto_equal(NULL, NULL, 0));
    memcpy(two, one, sizeof(two));
    two[31] ^= 0x80;
    assert_false(crypto_equal(one, two, sizeof(one)));
    assert_true(crypto_equal(one, two, 31));
}

static int setup(void **state)
{
    return crypto_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc8032),
        cmocka_unit_test(test_verify_refuses),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_random_and_equal),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
