// SPDX-License-Identifier: Apache-2.0
/*
 * ID block and ID authentication: the layout of another tool's, and a signature that OpenSSL
 * accepts by the key that is beside it.
 */
#include "known.h"

#include "crypto/x509.h"
#include "measure/id_block.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

/* AMD publication 56860, table 76. */
enum { BLOCK_SIGNATURE = 0x40, ID_KEY = 0x240, KEY_SIGNATURE = 0x680, AUTHOR_KEY = 0x880 };
enum { SCALAR = 72, FIELD = 48, KEY = 0x404 };

/* Little-endian 72 bytes to big-endian 48; the rest must be zero. */
static void flip(const uint8_t *from, uint8_t *to)
{
    for (size_t i = 0; i < FIELD; i++)
        to[i] = from[FIELD - 1 - i];
    for (size_t i = FIELD; i < SCALAR; i++)
        assert_int_equal(from[i], 0);
}

static EVP_PKEY *key_at(const uint8_t *bytes)
{
    uint8_t point[1 + 2 * FIELD] = {0x04};
    char group[] = "P-384";
    assert_int_equal(bytes[0], 2);
    flip(bytes + 4, point + 1);
    flip(bytes + 4 + SCALAR, point + 1 + FIELD);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

static bool verifies(const uint8_t *key_bytes, const uint8_t *signature, struct slice message)
{
    uint8_t r[FIELD];
    uint8_t s[FIELD];
    uint8_t *der = NULL;
    flip(signature, r);
    flip(signature + SCALAR, s);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    ECDSA_SIG_set0(pair, BN_bin2bn(r, FIELD, NULL), BN_bin2bn(s, FIELD, NULL));
    int der_len = i2d_ECDSA_SIG(pair, &der);
    ECDSA_SIG_free(pair);
    AUTO_PKEY EVP_PKEY *key = key_at(key_bytes);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL, key), 1);
    int result = EVP_DigestVerify(context, der, (size_t)der_len, message.data, message.len);
    EVP_MD_CTX_free(context);
    OPENSSL_free(der);
    return result == 1;
}

static struct id_block some_block(void)
{
    uint8_t digest[SNP_DIGEST_SIZE];
    uint8_t fingerprint[SHA256_SIZE];
    for (size_t i = 0; i < sizeof(digest); i++)
        digest[i] = (uint8_t)(i + 1);
    for (size_t i = 0; i < sizeof(fingerprint); i++)
        fingerprint[i] = (uint8_t)(0x80 + i);
    return id_block_of(digest, fingerprint, 0x30000);
}

/* The block of virtee/sev's test. */
static void a_block_as_another_tool_writes_it(void **state)
{
    (void)state;
    struct id_block block = {.policy = 0x30000};
    uint8_t bytes[ID_BLOCK_SIZE];
    char text[2 * ID_BLOCK_SIZE + 1];
    OK(hex_decode("a14d638341e5674628fe1e02fbedebe5e5ab4faf1dd72d8966068e615bb99efd13d214b35c231715"
                  "b38e263dc6059745",
                  "digest", block.digest, sizeof(block.digest), &err));
    id_block_encode(&block, bytes);
    hex_encode(slice_of(bytes, sizeof(bytes)), text);
    assert_string_equal(
        text,
        "a14d638341e5674628fe1e02fbedebe5e5ab4faf1dd72d8966068e615bb99efd13d214b35c231715b38e"
        "263dc60597450000000000000000000000000000000000000000000000000000000000000000010000000000"
        "00000000030000000000");
}

static void the_fingerprint_is_in_both_ids(void **state)
{
    (void)state;
    struct id_block block = some_block();
    uint8_t bytes[ID_BLOCK_SIZE];
    block.guest_svn = 0x01020304;
    id_block_encode(&block, bytes);
    for (size_t i = 0; i < SHA256_SIZE; i++)
        assert_int_equal(bytes[0x30 + i], 0x80 + i);
    assert_memory_equal(bytes + 0x54, "\x04\x03\x02\x01\x00\x00\x03\x00\x00\x00\x00\x00", 12);
}

/* Where key and signature stand, and what the digest of a key is, by a file that is not ours. */
static void the_layout_of_another_tools_authentication(void **state)
{
    (void)state;
    AUTO_BUF struct buf auth = BUF_INIT(ID_AUTH_SIZE);
    uint8_t digest[SHA384_SIZE];
    known_read("id-auth.bin", &auth);
    assert_int_equal(auth.len, ID_AUTH_SIZE);
    OK(sha384(slice_of(auth.data + ID_KEY, KEY), digest, &err));
    assert_digest(digest, sizeof(digest),
                  "59fb2c686dfa4fef49f38339aa775c90051c28d57383ddc3baf3b5eb4b1496df3b0dbbdcbae5fe27"
                  "677a644820773fe2");
    OK(sha384(slice_of(auth.data + AUTHOR_KEY, KEY), digest, &err));
    assert_digest(digest, sizeof(digest),
                  "eed81169fb0cb5e0ec34794f128fd4e0c4a46f67c65a1adfa81fcb24bcc088c272369b7ffc3eb2b6"
                  "af6a4284a1b36c5f");
    assert_true(verifies(auth.data + AUTHOR_KEY, auth.data + KEY_SIGNATURE,
                         slice_of(auth.data + ID_KEY, KEY)));
}

static void our_authentication_verifies(void **state)
{
    (void)state;
    struct id_block block = some_block();
    uint8_t bytes[ID_BLOCK_SIZE];
    uint8_t auth[ID_AUTH_SIZE];
    uint8_t again[ID_AUTH_SIZE];
    uint8_t digest[SHA384_SIZE];
    uint8_t expected[SHA384_SIZE];
    id_block_encode(&block, bytes);
    OK(id_auth_make(bytes, auth, &err));
    assert_true(verifies(auth + ID_KEY, auth + BLOCK_SIGNATURE, slice_of(bytes, sizeof(bytes))));
    OK(id_auth_make(bytes, again, &err));
    assert_memory_equal(auth, again, sizeof(auth));
    /* algorithms: the ID key's, and no author's; nothing else is set */
    assert_memory_equal(auth, "\x01\0\0\0\0\0\0\0", 8);
    assert_true(slice_is_zero(slice_of(auth + 8, BLOCK_SIGNATURE - 8)));
    assert_true(slice_is_zero(slice_of(auth + ID_KEY + KEY, sizeof(auth) - ID_KEY - KEY)));
    OK(sha384(slice_of(auth + ID_KEY, KEY), digest, &err));
    OK(id_key_digest(expected, &err));
    assert_memory_equal(digest, expected, sizeof(digest));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] ^= 0x10;
        assert_false(
            verifies(auth + ID_KEY, auth + BLOCK_SIGNATURE, slice_of(bytes, sizeof(bytes))));
        bytes[i] ^= 0x10;
    }
    bytes[0] ^= 1;
    OK(id_auth_make(bytes, again, &err));
    assert_memory_not_equal(auth + BLOCK_SIGNATURE, again + BLOCK_SIGNATURE, SCALAR);
    assert_memory_equal(auth + ID_KEY, again + ID_KEY, KEY);
}

/* Policies out there name it: it may never change. */
static void the_published_key_stays_the_same(void **state)
{
    (void)state;
    uint8_t digest[SHA384_SIZE];
    OK(id_key_digest(digest, &err));
    assert_digest(digest, sizeof(digest),
                  "5b1aa9ccfe2c85ff693600f5c8cc0a5d762cbfe23bda2be79534ce23bd894f4c0a483c4f388ff8e0"
                  "aa2e1abfcfc81154");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_as_another_tool_writes_it),
        cmocka_unit_test(the_fingerprint_is_in_both_ids),
        cmocka_unit_test(the_layout_of_another_tools_authentication),
        cmocka_unit_test(our_authentication_verifies),
        cmocka_unit_test(the_published_key_stays_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
