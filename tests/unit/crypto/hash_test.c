// SPDX-License-Identifier: Apache-2.0
/*
 * Hashes against FIPS 180-4's examples, HMAC against RFC 4231, HKDF against RFC 5869.
 */
#include "base/text.h"
#include "crypto/crypto.h"
#include "testing.h"

static void assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
    AUTO_FREE char *text = hex_encode_new(slice_of(bytes, len), &err);
    assert_string_equal(text, expected);
}

static const char abc_256[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char abc_512[] = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                              "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

static void test_sha2(void **state)
{
    uint8_t hash[SHA512_SIZE];
    OK(sha256(slice_str("abc"), hash, &err));
    assert_hex(hash, SHA256_SIZE, abc_256);
    OK(sha256(slice_of(NULL, 0), hash, &err));
    assert_hex(hash, SHA256_SIZE,
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    OK(sha384(slice_str("abc"), hash, &err));
    assert_hex(hash, SHA384_SIZE,
               "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
               "8086072ba1e7cc2358baeca134c825a7");
    OK(sha512(slice_str("abc"), hash, &err));
    assert_hex(hash, SHA512_SIZE, abc_512);
}

static void test_parts(void **state)
{
    const struct slice parts[] = {slice_str("a"), slice_of(NULL, 0), slice_str("bc")};
    uint8_t hash[SHA512_SIZE];
    OK(sha512_parts(parts, 3, hash, &err));
    assert_hex(hash, SHA512_SIZE, abc_512);
}

static void test_incremental(void **state)
{
    uint8_t hash[SHA256_SIZE];
    AUTO_DIGEST struct digest *digest = NULL;
    OK(digest_new_sha256(&digest, &err));
    OK(digest_update(digest, slice_str("ab"), &err));
    OK(digest_update(digest, slice_of(NULL, 0), &err));
    OK(digest_update(digest, slice_str("c"), &err));
    OK(digest_final(digest, hash, &err));
    assert_hex(hash, SHA256_SIZE, abc_256);
    digest_free(NULL);
}

static void test_incremental_sha384(void **state)
{
    uint8_t hash[SHA384_SIZE];
    AUTO_DIGEST struct digest *digest = NULL;
    OK(digest_new_sha384(&digest, &err));
    OK(digest_update(digest, slice_str("a"), &err));
    OK(digest_update(digest, slice_str("bc"), &err));
    FAILS(ERR_INTERNAL, "a hash of 48 bytes is finished as one of 32",
          digest_final(digest, hash, &err));
    OK(digest_final_sha384(digest, hash, &err));
    assert_hex(hash, SHA384_SIZE,
               "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
               "8086072ba1e7cc2358baeca134c825a7");
    AUTO_DIGEST struct digest *short_one = NULL;
    OK(digest_new_sha256(&short_one, &err));
    FAILS(ERR_INTERNAL, "32 bytes", digest_final_sha384(short_one, hash, &err));
    AUTO_DIGEST struct digest *hmac = NULL;
    OK(digest_new_hmac_sha256(slice_str("key"), &hmac, &err));
    FAILS(ERR_INTERNAL, "HMAC", digest_final_sha384(hmac, hash, &err));
}

static void test_hmac(void **state)
{
    uint8_t long_key[131];
    memset(long_key, 0xaa, sizeof(long_key));
    const struct {
        struct slice key;
        const char *text, *expected;
    } cases[] = {
        {slice_str("Jefe"), "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {slice_of(long_key, sizeof(long_key)),
         "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {slice_of(NULL, 0), "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t mac[HMAC_SIZE];
        AUTO_DIGEST struct digest *digest = NULL;
        OK(digest_new_hmac_sha256(cases[i].key, &digest, &err));
        OK(digest_update(digest, slice_str(cases[i].text), &err));
        OK(digest_final(digest, mac, &err));
        assert_hex(mac, HMAC_SIZE, cases[i].expected);
    }
}

static void test_file(void **state)
{
    AUTO_TEMP struct temp_folder temp = temp_folder_new();
    AUTO_FREE char *path = path_join(temp.path, "file", &err);
    enum { SIZE = 200000 }; /* several pieces and a part of one */
    AUTO_FREE uint8_t *contents = mem_alloc(SIZE, &err);
    for (size_t i = 0; i < SIZE; i++)
        contents[i] = (uint8_t)(i * 31);
    uint8_t expected[SHA256_SIZE];
    uint8_t hash[SHA256_SIZE];
    static const size_t sizes[] = {0, 1, 65536, 131072, SIZE};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        OK(file_write_atomic(path, slice_of(contents, sizes[i]), 0600, &err));
        OK(sha256(slice_of(contents, sizes[i]), expected, &err));
        OK(sha256_file(path, hash, &err));
        assert_memory_equal(hash, expected, SHA256_SIZE);
    }
    OK(file_remove(path, &err));
    FAILS(ERR_NOT_FOUND, path, sha256_file(path, hash, &err));
    FAILS(ERR_IO, temp.path, sha256_file(temp.path, hash, &err));
}

static void test_hkdf(void **state)
{
    uint8_t key[22];
    uint8_t salt[13];
    uint8_t info[10];
    uint8_t derived[255 * 32 + 1];
    memset(key, 0x0b, sizeof(key));
    for (size_t i = 0; i < sizeof(salt); i++)
        salt[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(info); i++)
        info[i] = (uint8_t)(0xf0 + i);
    struct slice from = slice_of(key, sizeof(key));
    struct slice none = slice_of(NULL, 0);
    OK(hkdf_sha256(from, slice_of(salt, 13), slice_of(info, 10), derived, 42, &err));
    assert_hex(
        derived, 42, /* RFC 5869 A.1 */
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    OK(hkdf_sha256(from, none, none, derived, 42, &err));
    assert_hex(
        derived, 42, /* RFC 5869 A.3 */
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    OK(hkdf_sha256(from, none, none, derived, sizeof(derived) - 1, &err));
    FAILS(ERR_INTERNAL, "HKDF", hkdf_sha256(from, none, none, derived, sizeof(derived), &err));
    FAILS(ERR_INTERNAL, "HKDF", hkdf_sha256(from, none, none, derived, 0, &err));
    FAILS(ERR_INTERNAL, "HKDF", hkdf_sha256(none, none, none, derived, 32, &err));
}

static int setup(void **state)
{
    return crypto_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha2),        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_incremental), cmocka_unit_test(test_incremental_sha384),
        cmocka_unit_test(test_hmac),        cmocka_unit_test(test_file),
        cmocka_unit_test(test_hkdf),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
