// SPDX-License-Identifier: Apache-2.0
/*
 * Streams are read and written by plain libsodium on the other side; every changed byte, order and
 * end of a stream or box is refused.
 */
#include "crypto/crypto.h"
#include "testing.h"

#include <sodium.h>

enum { TEXT_LEN = 5, CIPHER_LEN = TEXT_LEN + STREAM_OVERHEAD };

static const uint8_t key[STREAM_KEY_SIZE] = {1, 2, 3};
static const uint8_t header[STREAM_HEADER_SIZE] = {4, 5, 6};

/* "hello", then "world" as the final message. */
static void encrypt_two(uint8_t first[static CIPHER_LEN], uint8_t second[static CIPHER_LEN])
{
    AUTO_STREAM struct stream *stream = NULL;
    OK(stream_encrypt_new(key, header, &stream, &err));
    OK(stream_encrypt(stream, slice_str("hello"), slice_str("ad"), false, first, &err));
    OK(stream_encrypt(stream, slice_str("world"), slice_of(NULL, 0), true, second, &err));
    FAILS(ERR_INTERNAL, "after the final",
          stream_encrypt(stream, slice_str("again"), slice_of(NULL, 0), true, second, &err));
}

static void test_written_for_libsodium(void **state)
{
    uint8_t first[CIPHER_LEN];
    uint8_t second[CIPHER_LEN];
    encrypt_two(first, second);
    crypto_secretstream_xchacha20poly1305_state plain;
    uint8_t text[TEXT_LEN];
    uint8_t tag = 77;
    assert_int_equal(crypto_secretstream_xchacha20poly1305_init_pull(&plain, header, key), 0);
    assert_int_equal(crypto_secretstream_xchacha20poly1305_pull(
                         &plain, text, NULL, &tag, first, CIPHER_LEN, (const uint8_t *)"ad", 2),
                     0);
    assert_memory_equal(text, "hello", TEXT_LEN);
    assert_int_equal(tag, crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
    assert_int_equal(crypto_secretstream_xchacha20poly1305_pull(&plain, text, NULL, &tag, second,
                                                                CIPHER_LEN, NULL, 0),
                     0);
    assert_memory_equal(text, "world", TEXT_LEN);
    assert_int_equal(tag, crypto_secretstream_xchacha20poly1305_TAG_FINAL);
}

/* What init_push would have done with the header it drew is what we do with that header. */
static void test_same_bytes_as_init_push(void **state)
{
    crypto_secretstream_xchacha20poly1305_state plain;
    uint8_t drawn[STREAM_HEADER_SIZE];
    uint8_t theirs[CIPHER_LEN];
    uint8_t ours[CIPHER_LEN];
    assert_int_equal(crypto_secretstream_xchacha20poly1305_init_push(&plain, drawn, key), 0);
    assert_int_equal(crypto_secretstream_xchacha20poly1305_push(
                         &plain, theirs, NULL, (const uint8_t *)"hello", TEXT_LEN, NULL, 0, 0),
                     0);
    AUTO_STREAM struct stream *stream = NULL;
    OK(stream_encrypt_new(key, drawn, &stream, &err));
    OK(stream_encrypt(stream, slice_str("hello"), slice_of(NULL, 0), false, ours, &err));
    assert_memory_equal(ours, theirs, CIPHER_LEN);
}

static void test_round_trip(void **state)
{
    uint8_t first[CIPHER_LEN];
    uint8_t second[CIPHER_LEN];
    uint8_t again[CIPHER_LEN];
    encrypt_two(first, second);
    encrypt_two(again, second);
    assert_memory_equal(first, again, CIPHER_LEN); /* the same inputs, the same bytes */
    AUTO_STREAM struct stream *stream = NULL;
    uint8_t text[TEXT_LEN];
    bool final = true;
    OK(stream_decrypt_new(key, header, &stream, &err));
    OK(stream_decrypt(stream, slice_of(first, CIPHER_LEN), slice_str("ad"), text, &final, &err));
    assert_memory_equal(text, "hello", TEXT_LEN);
    assert_false(final);
    OK(stream_decrypt(stream, slice_of(second, CIPHER_LEN), slice_of(NULL, 0), text, &final, &err));
    assert_memory_equal(text, "world", TEXT_LEN);
    assert_true(final);
    FAILS(ERR_CRYPTO, "goes on after",
          stream_decrypt(stream, slice_of(second, CIPHER_LEN), slice_of(NULL, 0), text, &final,
                         &err));
}

static void test_empty_message(void **state)
{
    uint8_t cipher[STREAM_OVERHEAD];
    uint8_t nothing[1];
    bool final = false;
    AUTO_STREAM struct stream *writer = NULL;
    AUTO_STREAM struct stream *reader = NULL;
    OK(stream_encrypt_new(key, header, &writer, &err));
    OK(stream_decrypt_new(key, header, &reader, &err));
    OK(stream_encrypt(writer, slice_of(NULL, 0), slice_of(NULL, 0), true, cipher, &err));
    OK(stream_decrypt(reader, slice_of(cipher, sizeof(cipher)), slice_of(NULL, 0), nothing, &final,
                      &err));
    assert_true(final);
}

static void refuse(const uint8_t *with_key, const uint8_t *with_header, struct slice cipher,
                   const char *additional)
{
    AUTO_STREAM struct stream *stream = NULL;
    uint8_t text[TEXT_LEN];
    bool final = true;
    OK(stream_decrypt_new(with_key, with_header, &stream, &err));
    FAILS(ERR_CRYPTO, "crypt",
          stream_decrypt(stream, cipher, slice_str(additional), text, &final, &err));
    assert_true(final);
}

static void test_stream_refuses(void **state)
{
    uint8_t first[CIPHER_LEN];
    uint8_t second[CIPHER_LEN];
    encrypt_two(first, second);
    for (size_t i = 0; i < CIPHER_LEN; i++) {
        first[i] ^= 1;
        refuse(key, header, slice_of(first, CIPHER_LEN), "ad");
        first[i] ^= 1;
        refuse(key, header, slice_of(first, i), "ad");
    }
    refuse(key, header, slice_of(first, CIPHER_LEN), "ae");
    refuse(key, header, slice_of(second, CIPHER_LEN), ""); /* not its turn */
    static const uint8_t other[STREAM_KEY_SIZE] = {9};
    refuse(other, header, slice_of(first, CIPHER_LEN), "ad");
    refuse(key, other, slice_of(first, CIPHER_LEN), "ad");
}

/* libsodium's other tags mean something to libsodium; a stream of ours has none. */
static void test_other_tags(void **state)
{
    crypto_secretstream_xchacha20poly1305_state plain;
    uint8_t drawn[STREAM_HEADER_SIZE];
    uint8_t cipher[CIPHER_LEN];
    static const uint8_t tags[] = {crypto_secretstream_xchacha20poly1305_TAG_PUSH,
                                   crypto_secretstream_xchacha20poly1305_TAG_REKEY, 4};
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        assert_int_equal(crypto_secretstream_xchacha20poly1305_init_push(&plain, drawn, key), 0);
        assert_int_equal(crypto_secretstream_xchacha20poly1305_push(&plain, cipher, NULL,
                                                                    (const uint8_t *)"hello",
                                                                    TEXT_LEN, NULL, 0, tags[i]),
                         0);
        refuse(key, drawn, slice_of(cipher, CIPHER_LEN), "");
    }
}

static void test_box(void **state)
{
    AUTO_BUF struct buf sealed = BUF_INIT(1000);
    AUTO_BUF struct buf again = BUF_INIT(1000);
    AUTO_BUF struct buf plain = BUF_INIT(1000);
    OK(box_seal(key, slice_str("state"), slice_str("ad"), &sealed, &err));
    OK(box_seal(key, slice_str("state"), slice_str("ad"), &again, &err));
    assert_int_equal(sealed.len, 5 + BOX_OVERHEAD);
    assert_false(slice_equal(buf_slice(&sealed), buf_slice(&again)));
    OK(buf_str(&plain, "the ", &err));
    OK(box_unseal(key, buf_slice(&sealed), slice_str("ad"), &plain, &err));
    assert_string_equal(buf_text(&plain), "the state");
    AUTO_BUF struct buf empty = BUF_INIT(BOX_OVERHEAD);
    OK(box_seal(key, slice_of(NULL, 0), slice_of(NULL, 0), &empty, &err));
    OK(box_unseal(key, buf_slice(&empty), slice_of(NULL, 0), &plain, &err));
    assert_string_equal(buf_text(&plain), "the state");
}

static void test_box_refuses(void **state)
{
    AUTO_BUF struct buf sealed = BUF_INIT(1000);
    AUTO_BUF struct buf plain = BUF_INIT(1000);
    AUTO_BUF struct buf small = BUF_INIT(4);
    OK(box_seal(key, slice_str("state"), slice_str("ad"), &sealed, &err));
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.data[i] ^= 0x40;
        FAILS(ERR_CRYPTO, "cannot unseal",
              box_unseal(key, buf_slice(&sealed), slice_str("ad"), &plain, &err));
        sealed.data[i] ^= 0x40;
        FAILS(ERR_CRYPTO, "",
              box_unseal(key, slice_of(sealed.data, i), slice_str("ad"), &plain, &err));
    }
    static const uint8_t other[BOX_KEY_SIZE] = {9};
    FAILS(ERR_CRYPTO, "cannot unseal",
          box_unseal(other, buf_slice(&sealed), slice_str("ad"), &plain, &err));
    FAILS(ERR_CRYPTO, "cannot unseal",
          box_unseal(key, buf_slice(&sealed), slice_str("a"), &plain, &err));
    FAILS(ERR_TOO_LARGE, "4 bytes",
          box_unseal(key, buf_slice(&sealed), slice_str("ad"), &small, &err));
    FAILS(ERR_TOO_LARGE, "4 bytes", box_seal(key, slice_str(""), slice_str(""), &small, &err));
    assert_int_equal(plain.len, 0);
}

static int setup(void **state)
{
    return crypto_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_for_libsodium),
        cmocka_unit_test(test_same_bytes_as_init_push),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty_message),
        cmocka_unit_test(test_stream_refuses),
        cmocka_unit_test(test_other_tags),
        cmocka_unit_test(test_box),
        cmocka_unit_test(test_box_refuses),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
