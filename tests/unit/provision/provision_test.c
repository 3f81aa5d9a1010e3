// SPDX-License-Identifier: Apache-2.0
/*
 * Provisioning: what one end builds the other opens, and nothing else is opened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provision/provision.h"

#include <stdlib.h>

struct fixture {
    uint8_t owner_public[ED25519_PUBLIC_SIZE];
    struct secret owner_secret;
    struct provisioned sent;
    struct provision_target target;
    struct buf message;
};

static int setup(void **state)
{
    struct err err = ERR_INIT;
    struct fixture *f = mem_alloc(sizeof(*f), &err);
    assert_non_null(f);
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(ed25519_keypair(f->owner_public, &f->owner_secret, &err), 0);
    assert_int_equal(secret_random(&f->sent.code_key, 32, &err), 0);
    assert_int_equal(secret_random(&f->sent.salt, 32, &err), 0);
    assert_int_equal(secret_copy(&f->sent.secrets, slice_str("{\"a\": 1}"), &err), 0);
    assert_int_equal(secret_copy(&f->sent.tls_private_key, slice_str("PEM"), &err), 0);
    f->sent.has_secrets = true;
    memset(f->target.fingerprint, 0x11, sizeof(f->target.fingerprint));
    memset(f->target.channel_binding, 0x22, sizeof(f->target.channel_binding));
    f->message = BUF_INIT(1 << 20);
    assert_int_equal(provision_build(&f->sent, &f->target, &f->owner_secret, &f->message, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    secret_done(&f->owner_secret);
    provisioned_done(&f->sent);
    buf_done(&f->message);
    free(f);
    return 0;
}

static enum err_kind open_kind(struct fixture *f, struct slice message)
{
    struct err err = ERR_INIT;
    AUTO_PROVISIONED struct provisioned got = {0};
    int status = provision_open(message, f->owner_public, &f->target, &got, &err);
    assert_int_equal(status == 0, err.kind == ERR_NONE);
    return err.kind;
}

static void opens_what_was_built(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    AUTO_PROVISIONED struct provisioned got = {0};
    assert_int_equal(
        provision_open(buf_slice(&f->message), f->owner_public, &f->target, &got, &err), 0);
    assert_true(slice_equal(secret_slice(&got.code_key), secret_slice(&f->sent.code_key)));
    assert_true(slice_equal(secret_slice(&got.salt), secret_slice(&f->sent.salt)));
    assert_true(got.has_secrets);
    assert_true(slice_is_str(secret_slice(&got.secrets), "{\"a\": 1}"));
    assert_true(slice_is_str(secret_slice(&got.tls_private_key), "PEM"));
}

static void absent_and_empty_secrets_differ(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    for (int has = 0; has < 2; has++) {
        struct provisioned bare = {f->sent.code_key, f->sent.salt, has == 1, SECRET_INIT,
                                   SECRET_INIT};
        AUTO_BUF struct buf bytes = BUF_INIT(4096);
        AUTO_PROVISIONED struct provisioned got = {0};
        assert_int_equal(provision_build(&bare, &f->target, &f->owner_secret, &bytes, &err), 0);
        assert_int_equal(provision_open(buf_slice(&bytes), f->owner_public, &f->target, &got, &err),
                         0);
        assert_int_equal(got.has_secrets, has);
        assert_int_equal(got.secrets.len, 0);
    }
}

static void refuses_another_session(void **state)
{
    struct fixture *f = *state;
    f->target.channel_binding[31] ^= 1;
    assert_int_equal(open_kind(f, buf_slice(&f->message)), ERR_FORBIDDEN);
}

/* What was kept: only the session may be another than now. */
static void reopens_what_was_kept(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    for (size_t i = 0; i < f->message.len; i++) {
        AUTO_PROVISIONED struct provisioned got = {0};
        f->message.data[i] ^= 1;
        assert_int_equal(provision_reopen(buf_slice(&f->message), f->owner_public,
                                          f->target.fingerprint, &got, &err),
                         -1);
        f->message.data[i] ^= 1;
    }
    AUTO_PROVISIONED struct provisioned got = {0};
    assert_int_equal(provision_reopen(buf_slice(&f->message), f->owner_public,
                                      f->target.fingerprint, &got, &err),
                     0);
    assert_true(slice_is_str(secret_slice(&got.secrets), "{\"a\": 1}"));
    f->target.fingerprint[0] ^= 1;
    AUTO_PROVISIONED struct provisioned other = {0};
    assert_int_equal(provision_reopen(buf_slice(&f->message), f->owner_public,
                                      f->target.fingerprint, &other, &err),
                     -1);
    assert_int_equal(err.kind, ERR_FORBIDDEN);
}

static void refuses_another_fingerprint(void **state)
{
    struct fixture *f = *state;
    f->target.fingerprint[0] ^= 1;
    assert_int_equal(open_kind(f, buf_slice(&f->message)), ERR_FORBIDDEN);
}

static void refuses_another_owner(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    AUTO_SECRET struct secret other = SECRET_INIT;
    uint8_t other_public[ED25519_PUBLIC_SIZE];
    assert_int_equal(ed25519_keypair(other_public, &other, &err), 0);
    AUTO_BUF struct buf message = BUF_INIT(1 << 20);
    assert_int_equal(provision_build(&f->sent, &f->target, &other, &message, &err), 0);
    assert_int_equal(open_kind(f, buf_slice(&message)), ERR_UNAUTHORIZED);
}

static void refuses_every_changed_byte(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < f->message.len; i++) {
        f->message.data[i] ^= 0x40;
        enum err_kind kind = open_kind(f, buf_slice(&f->message));
        bool named = kind == ERR_UNAUTHORIZED || kind == ERR_INVALID || kind == ERR_UNSUPPORTED ||
                     kind == ERR_TOO_LARGE;
        if (!named)
            fail_msg("byte %zu: %s", i, err_kind_name(kind));
        f->message.data[i] ^= 0x40;
    }
}

static void refuses_every_truncation_and_a_longer_one(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    for (size_t len = 0; len < f->message.len; len++)
        assert_int_equal(open_kind(f, slice_of(f->message.data, len)), ERR_INVALID);
    assert_int_equal(buf_u8(&f->message, 0, &err), 0);
    assert_int_equal(open_kind(f, buf_slice(&f->message)), ERR_INVALID);
}

static void refuses_secrets_that_are_too_large(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    AUTO_SECRET struct secret large = SECRET_INIT;
    assert_int_equal(secret_init(&large, (1 << 20) + 1, &err), 0);
    struct provisioned sent = {f->sent.code_key, f->sent.salt, true, large, SECRET_INIT};
    AUTO_BUF struct buf message = BUF_INIT(4 << 20);
    assert_int_equal(provision_build(&sent, &f->target, &f->owner_secret, &message, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opens_what_was_built, setup, teardown),
        cmocka_unit_test_setup_teardown(absent_and_empty_secrets_differ, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_another_session, setup, teardown),
        cmocka_unit_test_setup_teardown(reopens_what_was_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_another_fingerprint, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_another_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_every_changed_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_every_truncation_and_a_longer_one, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_secrets_that_are_too_large, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
