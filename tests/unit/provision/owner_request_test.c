// SPDX-License-Identifier: Apache-2.0
/*
 * What an owner asks of its enclave: taken from the owner alone, for this session, this enclave and
 * this action.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/provision_message.h"
#include "provision/provision.h"

#include <stdlib.h>

enum { LAST = 65536 };

static struct err err;
static uint8_t owner_public[ED25519_PUBLIC_SIZE];
static struct secret owner_secret;
static struct provision_target target;
static struct buf message;

static int setup(void **state)
{
    (void)state;
    err = ERR_INIT;
    message = BUF_INIT(1024);
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(ed25519_keypair(owner_public, &owner_secret, &err), 0);
    memset(target.fingerprint, 0x11, sizeof(target.fingerprint));
    memset(target.channel_binding, 0x22, sizeof(target.channel_binding));
    assert_int_equal(owner_ask(OWNER_READ_ACCESS_LOG, LAST, &target, &owner_secret, &message, &err),
                     0);
    assert_int_equal(message.len, OWNER_REQUEST_SIZE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    secret_done(&owner_secret);
    buf_done(&message);
    return 0;
}

/* What the enclave makes of it. */
static enum err_kind asks(struct slice bytes, uint64_t *ret_argument)
{
    struct err failure = ERR_INIT;
    int status =
        owner_asks(bytes, OWNER_READ_ACCESS_LOG, owner_public, &target, ret_argument, &failure);
    assert_int_equal(status == 0, failure.kind == ERR_NONE);
    return failure.kind;
}

static void the_owner_is_heard(void **state)
{
    (void)state;
    uint64_t argument = 0;
    assert_int_equal(asks(buf_slice(&message), &argument), ERR_NONE);
    assert_int_equal(argument, LAST);
}

static void nobody_else_is(void **state)
{
    (void)state;
    uint64_t argument = 4711;
    AUTO_SECRET struct secret other = SECRET_INIT;
    uint8_t other_public[ED25519_PUBLIC_SIZE];
    assert_int_equal(ed25519_keypair(other_public, &other, &err), 0);
    AUTO_BUF struct buf theirs = BUF_INIT(1024);
    assert_int_equal(owner_ask(OWNER_READ_ACCESS_LOG, 0, &target, &other, &theirs, &err), 0);
    assert_int_equal(asks(buf_slice(&theirs), &argument), ERR_UNAUTHORIZED);
    target.channel_binding[31] ^= 1;
    assert_int_equal(asks(buf_slice(&message), &argument), ERR_FORBIDDEN);
    target.channel_binding[31] ^= 1;
    target.fingerprint[0] ^= 1;
    assert_int_equal(asks(buf_slice(&message), &argument), ERR_FORBIDDEN);
    assert_int_equal(argument, 4711);
}

static void another_action_is_not_this_one(void **state)
{
    (void)state;
    uint64_t argument;
    AUTO_BUF struct buf other = BUF_INIT(1024);
    assert_int_equal(owner_ask((enum owner_action)2, 0, &target, &owner_secret, &other, &err), 0);
    assert_int_equal(asks(buf_slice(&other), &argument), ERR_INVALID);
}

/* The owner signs two kinds of messages: neither stands for the other. */
static void a_signature_counts_for_its_kind_alone(void **state)
{
    (void)state;
    uint64_t argument;
    AUTO_BUF struct buf text = BUF_INIT(1024);
    size_t body = message.len - ED25519_SIGNATURE_SIZE;
    assert_int_equal(buf_str(&text, PROVISION_SIGNATURE_DOMAIN, &err), 0);
    assert_int_equal(buf_bytes(&text, slice_of(message.data, body), &err), 0);
    assert_int_equal(ed25519_sign(&owner_secret, buf_slice(&text), message.data + body, &err), 0);
    assert_int_equal(asks(buf_slice(&message), &argument), ERR_UNAUTHORIZED);
}

static void every_changed_byte_is_refused(void **state)
{
    (void)state;
    uint64_t argument;
    for (size_t i = 0; i < message.len; i++) {
        message.data[i] ^= 0x40;
        enum err_kind kind = asks(buf_slice(&message), &argument);
        if (kind != ERR_UNAUTHORIZED && kind != ERR_INVALID && kind != ERR_UNSUPPORTED)
            fail_msg("byte %zu: %s", i, err_kind_name(kind));
        message.data[i] ^= 0x40;
    }
    for (size_t len = 0; len < message.len; len++)
        assert_int_equal(asks(slice_of(message.data, len), &argument), ERR_INVALID);
    assert_int_equal(buf_u8(&message, 0, &err), 0);
    assert_int_equal(asks(buf_slice(&message), &argument), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_owner_is_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_else_is, setup, teardown),
        cmocka_unit_test_setup_teardown(another_action_is_not_this_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_signature_counts_for_its_kind_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(every_changed_byte_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
