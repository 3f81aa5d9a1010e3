// SPDX-License-Identifier: Apache-2.0
/*
 * The attestation document: comes back as it was; anything else is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/attestation_document.h"

static void comes_back(void **state)
{
    (void)state;
    for (int stapled = 0; stapled < 2; stapled++) {
        struct err err = ERR_INIT;
        AUTO_ATTESTATION_DOCUMENT struct attestation_document document = {
            .tee = "simulation",
            .evidence = BUF_INIT(64),
            .public_key = BUF_INIT(64),
            .manifest = str_copy("{\"a\":\"\\u0001\"}", &err),
            .collateral = stapled ? str_copy("{}", &err) : NULL,
        };
        AUTO_ATTESTATION_DOCUMENT struct attestation_document again = {0};
        AUTO_BUF struct buf text = BUF_INIT(4096);
        assert_int_equal(buf_bytes(&document.evidence, slice_of("\0\1\2", 3), &err), 0);
        assert_int_equal(buf_bytes(&document.public_key, slice_str("key"), &err), 0);
        assert_int_equal(attestation_document_encode(&document, &text, &err), 0);
        assert_int_equal(attestation_document_decode(buf_slice(&text), &again, &err), 0);
        assert_true(slice_equal(buf_slice(&again.evidence), buf_slice(&document.evidence)));
        assert_true(slice_equal(buf_slice(&again.public_key), buf_slice(&document.public_key)));
        assert_string_equal(again.manifest, document.manifest);
        assert_true((again.collateral != NULL) == (stapled == 1));
    }
}

static void says_its_storage(void **state)
{
    (void)state;
    for (int then = 0; then < 2; then++) {
        struct err err = ERR_INIT;
        AUTO_ATTESTATION_DOCUMENT struct attestation_document document = {
            .tee = "simulation",
            .evidence = BUF_INIT(64),
            .public_key = BUF_INIT(64),
            .manifest = str_copy("{}", &err),
            .has_storage = true,
            .storage = {.now = {.opening = 7, .head = {1}},
                        .asked = 5,
                        .has_then = then == 1,
                        .then = {(uint8_t)(3 * then)}},
        };
        AUTO_ATTESTATION_DOCUMENT struct attestation_document again = {0};
        AUTO_BUF struct buf text = BUF_INIT(4096);
        assert_int_equal(attestation_document_encode(&document, &text, &err), 0);
        assert_int_equal(attestation_document_decode(buf_slice(&text), &again, &err), 0);
        assert_true(again.has_storage);
        assert_int_equal(again.storage.now.opening, 7);
        assert_int_equal(again.storage.asked, 5);
        assert_int_equal(again.storage.has_then, then);
        assert_memory_equal(again.storage.now.head, document.storage.now.head, STORAGE_HEAD_SIZE);
        assert_memory_equal(again.storage.then, document.storage.then, STORAGE_HEAD_SIZE);
    }
}

#define DOCUMENT(format, more)                                                                     \
    "{\"format\":" format                                                                          \
    ",\"tee\":\"sgx\",\"evidence\":\"\",\"public_key\":\"\",\"manifest\":\"\"" more "}"
#define HEAD "\"0101010101010101010101010101010101010101010101010101010101010101\""

static void which_format_says_what(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {DOCUMENT("1", ""), 0},
        {DOCUMENT("1", ",\"storage\":null"), -1},
        {DOCUMENT("2", ""), -1},
        {DOCUMENT("2", ",\"storage\":null"), 0},
        {DOCUMENT("2", ",\"storage\":{\"opening\":1,\"head\":" HEAD ",\"asked\":0}"), -1},
        {DOCUMENT("2", ",\"storage\":{\"opening\":1,\"head\":" HEAD ",\"asked\":0,\"then\":null}"),
         0},
        {DOCUMENT("2", ",\"storage\":{\"opening\":0,\"head\":" HEAD ",\"asked\":0,\"then\":null}"),
         -1},
        {DOCUMENT("2", ",\"storage\":{\"opening\":1,\"head\":" HEAD
                       ",\"asked\":0,\"then\":null,\"more\":1}"),
         -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        AUTO_ATTESTATION_DOCUMENT struct attestation_document document = {0};
        if (attestation_document_decode(slice_str(cases[i].text), &document, &err) !=
            cases[i].status)
            fail_msg("case %zu: %s", i, err.message);
    }
}

static void refuses_other_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err_kind kind;
    } cases[] = {
        {"", ERR_INVALID},
        {"<html>", ERR_INVALID},
        {"{\"format\":3}", ERR_UNSUPPORTED},
        {"{\"format\":1,\"tee\":\"sgx\"}", ERR_INVALID},
        {"{\"format\":1,\"tee\":\"sgx\",\"evidence\":\"A\",\"public_key\":\"\",\"manifest\":\"\"}",
         ERR_INVALID},
        {"{\"format\":1,\"tee\":\"a-name-that-is-too-long\",\"evidence\":\"\",\"public_key\":\"\","
         "\"manifest\":\"\"}",
         ERR_TOO_LARGE},
        {"{\"format\":1,\"format\":1}", ERR_INVALID},
        {"{\"format\":1,\"more\":1}", ERR_INVALID},
        {"{\"format\":1,\"storage\":null}", ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        AUTO_ATTESTATION_DOCUMENT struct attestation_document document = {0};
        assert_int_equal(attestation_document_decode(slice_str(cases[i].text), &document, &err),
                         -1);
        if (err.kind != cases[i].kind)
            fail_msg("case %zu: %s: %s", i, err_kind_name(err.kind), err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(says_its_storage),
        cmocka_unit_test(which_format_says_what),
        cmocka_unit_test(refuses_other_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
