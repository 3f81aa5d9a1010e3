// SPDX-License-Identifier: Apache-2.0
/*
 * The RA-TLS extension: our own, others' layouts, and every change of a byte.
 */
#include "testing.h"

#include "format/cbor.h"
#include "model/ratls.h"

#define RAW(text) slice_of(text, sizeof(text) - 1)

static uint8_t spki_hash[32];
static uint8_t fingerprint[32];

static int set_up(void **state)
{
    (void)state;
    memset(spki_hash, 0x11, sizeof(spki_hash));
    memset(fingerprint, 0x22, sizeof(fingerprint));
    return 0;
}

static void sample(struct buf *out)
{
    AUTO_BUF struct buf claims = BUF_INIT(RATLS_CLAIMS_MAX);
    OK(ratls_claims_encode(spki_hash, fingerprint, &claims, &err));
    OK(ratls_extension_encode(RATLS_SIMULATION, slice_str("evidence"), buf_slice(&claims), out,
                              &err));
}

static void test_layout(void **state)
{
    (void)state;
    AUTO_BUF struct buf out = BUF_INIT(RATLS_EXTENSION_MAX);
    sample(&out);
    /* tag 0x6d736501, [ h'evidence', h'{"pubkey-hash": h'[1, h'11..']', "mse-fingerprint": ...' ]
     */
    static const char head[] =
        "\xda\x6d\x73\x65\x01\x82\x48"
        "evidence\x58\x65\xa2\x6bpubkey-hash\x58\x24\x82\x01\x58\x20\x11\x11";
    assert_int_equal(out.len, 5 + 1 + 9 + 2 + 101);
    assert_memory_equal(out.data, head, sizeof(head) - 1);
    struct ratls_extension extension;
    OK(ratls_extension_decode(buf_slice(&out), &extension, &err));
    assert_int_equal(extension.format, RATLS_SIMULATION);
    assert_true(slice_is_str(extension.evidence, "evidence"));
    assert_int_equal(extension.claims_bytes.len, 101);
    assert_int_equal(extension.claims.hash, RATLS_SHA256);
    assert_int_equal(extension.claims.public_key_hash_len, 32);
    assert_memory_equal(extension.claims.public_key_hash, spki_hash, 32);
    assert_true(extension.claims.has_fingerprint);
    assert_memory_equal(extension.claims.fingerprint, fingerprint, 32);
    assert_int_equal(extension.claims.nonce.len, 0);
}

/* As Gramine writes it: Intel's tag, the required claim only. */
static void test_others(void **state)
{
    (void)state;
    AUTO_BUF struct buf claims = BUF_INIT(RATLS_CLAIMS_MAX);
    AUTO_BUF struct buf out = BUF_INIT(RATLS_EXTENSION_MAX);
    OK(ratls_claims_encode(spki_hash, NULL, &claims, &err));
    OK(ratls_extension_encode(RATLS_INTEL_QUOTE, slice_str("quote"), buf_slice(&claims), &out,
                              &err));
    assert_memory_equal(out.data, "\xd9\xea\x60\x82\x45quote", 10);
    struct ratls_extension extension;
    OK(ratls_extension_decode(buf_slice(&out), &extension, &err));
    assert_int_equal(extension.format, RATLS_INTEL_QUOTE);
    assert_false(extension.claims.has_fingerprint);
}

/* An extension around claims that are given as raw bytes. */
static int decode_claims(struct slice claims, struct ratls_extension *ret)
{
    static uint8_t bytes[8192]; /* what is decoded points into it */
    AUTO_BUF struct buf out = BUF_INIT(RATLS_EXTENSION_MAX);
    OK(ratls_extension_encode(RATLS_SNP_REPORT, slice_str("report"), claims, &out, &err));
    memcpy(bytes, out.data, out.len);
    return ratls_extension_decode(slice_of(bytes, out.len), ret, &err);
}

#define HASH32                                                                                     \
    "\x58\x24\x82\x01\x58\x20"                                                                     \
    "0123456789abcdef0123456789abcdef"

static void test_foreign_claims(void **state)
{
    (void)state;
    struct ratls_extension extension;
    OK(decode_claims(RAW("\xa3\x65nonce\x43xyz\x61q\x82\x01\xf6\x6bpubkey-hash" HASH32),
                     &extension));
    assert_true(slice_is_str(extension.claims.nonce, "xyz"));
    assert_int_equal(extension.claims.public_key_hash_len, 32);
}

static void test_claim_errors(void **state)
{
    (void)state;
    struct ratls_extension extension;
    FAILS(ERR_INVALID, "'pubkey-hash' is missing", decode_claims(RAW("\xa0"), &extension));
    FAILS(ERR_INVALID, "'pubkey-hash' appears twice",
          decode_claims(RAW("\xa2\x6bpubkey-hash" HASH32 "\x6bpubkey-hash" HASH32), &extension));
    FAILS(ERR_INVALID, "more than expected",
          decode_claims(RAW("\xa1\x6bpubkey-hash" HASH32 "\x00"), &extension));
    FAILS(ERR_INVALID, "truncated", decode_claims(RAW("\xa2\x6bpubkey-hash" HASH32), &extension));
    FAILS(ERR_TOO_LARGE, "claims is 17", decode_claims(RAW("\xb1"), &extension));
    FAILS(ERR_INVALID, "must be a text", decode_claims(RAW("\xa1\x01\x02"), &extension));
    FAILS(ERR_UNSUPPORTED, "hash algorithm 2",
          decode_claims(RAW("\xa1\x6bpubkey-hash\x44\x82\x02\x41x"), &extension));
    FAILS(ERR_INVALID, "1 bytes, expected 48",
          decode_claims(RAW("\xa1\x6bpubkey-hash\x44\x82\x07\x41x"), &extension));
    FAILS(ERR_INVALID, "3 bytes, expected 32",
          decode_claims(RAW("\xa1\x6fmse-fingerprint\x43xyz"), &extension));
    FAILS(ERR_INVALID, "nested deeper",
          decode_claims(RAW("\xa1\x61q\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x00"),
                        &extension));
}

static void test_extension_errors(void **state)
{
    (void)state;
    struct ratls_extension extension;
    FAILS(ERR_UNSUPPORTED, "CBOR tag 60001",
          ratls_extension_decode(RAW("\xd9\xea\x61\x82\x41x\x41y"), &extension, &err));
    FAILS(ERR_INVALID, "claims are missing",
          ratls_extension_decode(RAW("\xd9\xea\x60\x81\x41x"), &extension, &err));
    FAILS(ERR_INVALID, "evidence is empty",
          ratls_extension_decode(RAW("\xd9\xea\x60\x82\x40\x41y"), &extension, &err));
    FAILS(ERR_INVALID, "must be a tag",
          ratls_extension_decode(RAW("\x82\x41x\x41y"), &extension, &err));
    FAILS(ERR_TOO_LARGE, "evidence is 4294967295",
          ratls_extension_decode(RAW("\xd9\xea\x60\x82\x5a\xff\xff\xff\xff"), &extension, &err));
}

/* Whatever still decodes after a change differs in something that is compared later: the format,
 * the evidence, or the claims, whose hash the evidence signs. */
static void test_every_byte(void **state)
{
    (void)state;
    AUTO_BUF struct buf out = BUF_INIT(RATLS_EXTENSION_MAX);
    sample(&out);
    struct ratls_extension good;
    AUTO_FREE uint8_t *copy = mem_copy(out.data, out.len, &err);
    OK(ratls_extension_decode(slice_of(copy, out.len), &good, &err));
    for (size_t i = 0; i < out.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct ratls_extension changed;
            out.data[i] ^= (uint8_t)(1u << bit);
            if (ratls_extension_decode(buf_slice(&out), &changed, &err) == 0)
                assert_false(changed.format == good.format &&
                             slice_equal(changed.evidence, good.evidence) &&
                             slice_equal(changed.claims_bytes, good.claims_bytes));
            else
                assert_true(err.message[0] != '\0');
            out.data[i] ^= (uint8_t)(1u << bit);
        }
        struct ratls_extension cut;
        assert_int_equal(ratls_extension_decode(slice_of(out.data, i), &cut, &err), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),           cmocka_unit_test(test_others),
        cmocka_unit_test(test_foreign_claims),   cmocka_unit_test(test_claim_errors),
        cmocka_unit_test(test_extension_errors), cmocka_unit_test(test_every_byte),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
