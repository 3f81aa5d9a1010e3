// SPDX-License-Identifier: Apache-2.0
/*
 * The layout of simulation evidence: golden offsets, round trip, and for each byte of a good one
 * what a change of it leads to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/evidence.h"

static struct evidence sample(void)
{
    struct evidence evidence = {.flags = EVIDENCE_FLAG_DEBUG};
    memset(evidence.fingerprint, 0x11, sizeof(evidence.fingerprint));
    memset(evidence.report_data, 0x22, sizeof(evidence.report_data));
    memset(evidence.root_public_key, 0x33, sizeof(evidence.root_public_key));
    memset(evidence.signature, 0x44, sizeof(evidence.signature));
    return evidence;
}

static void test_layout(void **state)
{
    struct err err = ERR_INIT;
    struct evidence evidence = sample();
    AUTO_BUF struct buf out = BUF_INIT(1024);
    assert_int_equal(evidence_encode(&evidence, &out, &err), 0);
    assert_int_equal(out.len, EVIDENCE_SIZE);
    assert_memory_equal(out.data, "MSESIMEV\0\0\0\1\0\0\0\1", 16);
    assert_int_equal(out.data[16], 0x11);
    assert_int_equal(out.data[47], 0x11);
    assert_int_equal(out.data[48], 0x22);
    assert_int_equal(out.data[111], 0x22);
    assert_int_equal(out.data[112], 0x33);
    assert_int_equal(out.data[143], 0x33);
    assert_int_equal(out.data[144], 0x44);
    assert_int_equal(out.data[207], 0x44);
    assert_true(evidence_recognise(buf_slice(&out)));
    assert_false(evidence_recognise(slice_of(out.data, 7)));
}

static void test_round_trip(void **state)
{
    struct err err = ERR_INIT;
    struct evidence evidence = sample();
    struct evidence back = {0};
    AUTO_BUF struct buf out = BUF_INIT(EVIDENCE_SIZE);
    assert_int_equal(evidence_encode(&evidence, &out, &err), 0);
    assert_int_equal(evidence_decode(buf_slice(&out), &back, &err), 0);
    assert_memory_equal(&back, &evidence, sizeof(back));
}

static void test_signed_message(void **state)
{
    struct err err = ERR_INIT;
    struct evidence evidence = sample();
    AUTO_BUF struct buf whole = BUF_INIT(EVIDENCE_SIZE);
    AUTO_BUF struct buf tbs = BUF_INIT(1024);
    size_t prefix = strlen(EVIDENCE_SIGNING_PREFIX);
    assert_int_equal(evidence_encode(&evidence, &whole, &err), 0);
    assert_int_equal(evidence_encode_tbs(&evidence, &tbs, &err), 0);
    assert_int_equal(tbs.len, prefix + EVIDENCE_TBS_SIZE);
    assert_memory_equal(tbs.data, EVIDENCE_SIGNING_PREFIX, prefix);
    assert_memory_equal(tbs.data + prefix, whole.data, EVIDENCE_TBS_SIZE);
}

static void test_wrong_length(void **state)
{
    struct evidence evidence = sample();
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(1024);
    assert_int_equal(evidence_encode(&evidence, &out, &err), 0);
    for (size_t len = 0; len < EVIDENCE_SIZE; len++) {
        err_clear(&err);
        assert_int_equal(evidence_decode(slice_of(out.data, len), &evidence, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
    assert_int_equal(buf_u8(&out, 0, &err), 0);
    assert_int_equal(evidence_decode(buf_slice(&out), &evidence, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
}

/* The head (magic, version, flags) is refused when changed; the rest decodes to other values. */
static void test_every_byte(void **state)
{
    struct evidence evidence = sample();
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(EVIDENCE_SIZE);
    assert_int_equal(evidence_encode(&evidence, &out, &err), 0);
    for (size_t i = 0; i < EVIDENCE_SIZE; i++) {
        struct evidence back = {0};
        out.data[i] ^= 0x80;
        int result = evidence_decode(buf_slice(&out), &back, &err);
        assert_int_equal(result, i < 16 ? -1 : 0);
        if (i < 16)
            assert_int_equal(err.kind, ERR_INVALID);
        else
            assert_memory_not_equal(&back, &evidence, sizeof(back));
        out.data[i] ^= 0x80;
    }
}

static void test_unknown_flag_is_not_encoded(void **state)
{
    struct evidence evidence = sample();
    struct err err = ERR_INIT;
    evidence.flags = 1u << 5;
    AUTO_BUF struct buf out = BUF_INIT(1024);
    assert_int_equal(evidence_encode(&evidence, &out, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),         cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_signed_message), cmocka_unit_test(test_wrong_length),
        cmocka_unit_test(test_every_byte),     cmocka_unit_test(test_unknown_flag_is_not_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
