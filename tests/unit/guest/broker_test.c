// SPDX-License-Identifier: Apache-2.0
/*
 * What mse-enclave, and so an app in its process, gets of pid 1's broker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest/broker.h"
#include "model/broker_protocol.h"

static int made_of(struct slice report_data, struct buf *out, struct err *err)
{
    return buf_bytes(out, slice_of(report_data.data, 4), err);
}

static int key_of(const uint8_t fingerprint[static SHA256_BYTES], struct buf *out, struct err *err)
{
    return buf_bytes(out, slice_of(fingerprint, SHA256_BYTES), err);
}

static const struct guest_tee tee = {.name = "test", .evidence = made_of, .key = key_of};
static const uint8_t fingerprint[SHA256_BYTES] = {1, 2, 3};
static int opened;

static int open_storage(struct slice key, struct err *err)
{
    opened++;
    return key.data[0] == 9 ? 0 : FAIL(err, ERR_FORBIDDEN, "wrong key");
}

static struct broker new_broker(void)
{
    opened = 0;
    return (struct broker){.tee = &tee, .fingerprint = fingerprint, .open_storage = open_storage};
}

static void ask(struct broker *broker, uint8_t kind, const void *body, size_t len, uint8_t status,
                const char *text)
{
    AUTO_BUF struct buf request = BUF_INIT(256);
    AUTO_BUF struct buf answer = BUF_INIT(BROKER_ANSWER_MAX);
    struct err err = ERR_INIT;
    assert_int_equal(buf_u8(&request, kind, &err), 0);
    assert_int_equal(buf_bytes(&request, slice_of(body, len), &err), 0);
    broker_answer(broker, buf_slice(&request), &answer);
    assert_true(answer.len >= 1);
    assert_int_equal(answer.data[0], status);
    if (text != NULL)
        assert_string_equal(buf_text(&answer) + 1, text);
}

static void test_answers(void **state)
{
    (void)state;
    struct broker broker = new_broker();
    uint8_t data[BROKER_REPORT_DATA_SIZE] = "abcd";
    ask(&broker, BROKER_REQUEST_NAME, NULL, 0, BROKER_STATUS_OK, "test");
    ask(&broker, BROKER_REQUEST_EVIDENCE, data, sizeof(data), BROKER_STATUS_OK, "abcd");
    ask(&broker, BROKER_REQUEST_SEALING_KEY, fingerprint, 32, BROKER_STATUS_OK, NULL);
}

static void test_wrong_requests(void **state)
{
    (void)state;
    struct broker broker = new_broker();
    uint8_t data[BROKER_REPORT_DATA_SIZE + 1] = {0};
    AUTO_BUF struct buf answer = BUF_INIT(BROKER_ANSWER_MAX);
    broker_answer(&broker, slice_of(NULL, 0), &answer);
    assert_int_equal(answer.data[0], BROKER_STATUS_ERROR);
    for (unsigned kind = 0; kind < 256; kind++) {
        if (kind == BROKER_REQUEST_NAME || kind == BROKER_REQUEST_END_OF_KEYS)
            continue;
        ask(&broker, (uint8_t)kind, data, sizeof(data), BROKER_STATUS_ERROR, NULL);
        ask(&broker, (uint8_t)kind, data, 3, BROKER_STATUS_ERROR, NULL);
    }
    ask(&broker, BROKER_REQUEST_NAME, data, 1, BROKER_STATUS_ERROR, NULL);
    ask(&broker, BROKER_REQUEST_SEALING_KEY, data, 32, BROKER_STATUS_ERROR,
        "this guest belongs to another fingerprint");
    assert_int_equal(opened, 0);
}

/* The attack: the app, in mse-enclave's process, asks for the key of its own storage, with which it
 * could leave its data where its next version, or nobody, should read it. */
static void test_no_key_once_the_app_may_run(void **state)
{
    (void)state;
    struct broker broker = new_broker();
    const uint8_t key[BROKER_KEY_SIZE] = {9};
    ask(&broker, BROKER_REQUEST_STORAGE, key, sizeof(key), BROKER_STATUS_OK, "");
    ask(&broker, BROKER_REQUEST_STORAGE, key, sizeof(key), BROKER_STATUS_ERROR,
        "the storage is opened once");
    ask(&broker, BROKER_REQUEST_END_OF_KEYS, NULL, 0, BROKER_STATUS_OK, "");
    ask(&broker, BROKER_REQUEST_SEALING_KEY, fingerprint, 32, BROKER_STATUS_ERROR,
        "no key is given any more");
    assert_int_equal(opened, 1);
    broker = new_broker();
    ask(&broker, BROKER_REQUEST_END_OF_KEYS, NULL, 0, BROKER_STATUS_OK, "");
    ask(&broker, BROKER_REQUEST_STORAGE, key, sizeof(key), BROKER_STATUS_ERROR,
        "the storage is opened once");
    assert_int_equal(opened, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers),
                                       cmocka_unit_test(test_wrong_requests),
                                       cmocka_unit_test(test_no_key_once_the_app_may_run)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
