// SPDX-License-Identifier: Apache-2.0
/*
 * The key of a locked enclave's storage: taken from the owner alone, for this session and this
 * enclave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/unlock_message.h"
#include "provision/provision.h"

static struct err err;
static uint8_t owner_public[ED25519_PUBLIC_SIZE];
static struct secret owner_secret;
static struct secret volume_key;
static struct provision_target target;
static struct buf message;

static int setup(void **state)
{
    (void)state;
    err = ERR_INIT;
    message = BUF_INIT(1024);
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(ed25519_keypair(owner_public, &owner_secret, &err), 0);
    assert_int_equal(secret_random(&volume_key, UNLOCK_KEY_SIZE, &err), 0);
    memset(target.fingerprint, 0x11, sizeof(target.fingerprint));
    memset(target.channel_binding, 0x22, sizeof(target.channel_binding));
    assert_int_equal(unlock_build(&volume_key, &target, &owner_secret, &message, &err), 0);
    assert_int_equal(message.len, UNLOCK_MESSAGE_SIZE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    secret_done(&owner_secret);
    secret_done(&volume_key);
    buf_done(&message);
    return 0;
}

/* What the enclave makes of it. */
static enum err_kind opens(struct slice bytes)
{
    struct err failure = ERR_INIT;
    AUTO_SECRET struct secret key = SECRET_INIT;
    int status = unlock_open(bytes, owner_public, &target, &key, &failure);
    assert_int_equal(status == 0, failure.kind == ERR_NONE);
    if (status == 0)
        assert_true(slice_equal(secret_slice(&key), secret_slice(&volume_key)));
    else
        assert_int_equal(key.len, 0);
    return failure.kind;
}

static void the_owner_unlocks(void **state)
{
    (void)state;
    assert_int_equal(opens(buf_slice(&message)), ERR_NONE);
}

static void another_session_does_not(void **state)
{
    (void)state;
    target.channel_binding[0] ^= 1;
    assert_int_equal(opens(buf_slice(&message)), ERR_FORBIDDEN);
    target.channel_binding[0] ^= 1;
    target.fingerprint[31] ^= 1;
    assert_int_equal(opens(buf_slice(&message)), ERR_FORBIDDEN);
}

static void another_key_does_not(void **state)
{
    (void)state;
    owner_public[0] ^= 1;
    assert_int_equal(opens(buf_slice(&message)), ERR_UNAUTHORIZED);
}

static void no_changed_byte_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < message.len; i++) {
        message.data[i] ^= 0x40;
        assert_int_not_equal(opens(buf_slice(&message)), ERR_NONE);
        message.data[i] ^= 0x40;
    }
    for (size_t len = 0; len < message.len; len++)
        assert_int_not_equal(opens(slice_of(message.data, len)), ERR_NONE);
    assert_int_equal(buf_u8(&message, 0, &err), 0);
    assert_int_equal(opens(buf_slice(&message)), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_owner_unlocks, setup, teardown),
        cmocka_unit_test_setup_teardown(another_session_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(another_key_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(no_changed_byte_does, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
