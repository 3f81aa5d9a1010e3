// SPDX-License-Identifier: Apache-2.0
/*
 * Hashes, keys and streams against published vectors and plain libsodium.
 */
#include "crypto/crypto.h"

#include "testing.h"
#include "base/text.h"

#include <sodium.h>

/* What is written with a chosen header is what libsodium reads with that header. */
static void test_stream_is_libsodiums(void **state)
{
    uint8_t key[STREAM_KEY_SIZE] = {1, 2, 3};
    uint8_t header[STREAM_HEADER_SIZE] = {4, 5, 6};
    uint8_t cipher[5 + STREAM_OVERHEAD];
    AUTO_STREAM struct stream *stream = NULL;
    OK(stream_encrypt_new(key, header, &stream, &err));
    OK(stream_encrypt(stream, slice_str("hello"), slice_str("ad"), true, cipher, &err));
    crypto_secretstream_xchacha20poly1305_state plain;
    uint8_t text[5];
    uint8_t tag = 0;
    assert_int_equal(crypto_secretstream_xchacha20poly1305_init_pull(&plain, header, key), 0);
    assert_int_equal(crypto_secretstream_xchacha20poly1305_pull(&plain, text, NULL, &tag, cipher,
                                                                sizeof(cipher),
                                                                (const uint8_t *)"ad", 2),
                     0);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(tag, crypto_secretstream_xchacha20poly1305_TAG_FINAL);
}

static int setup(void **state)
{
    return crypto_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_is_libsodiums),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
