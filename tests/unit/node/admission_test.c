// SPDX-License-Identifier: Apache-2.0
/*
 * What is promised to apps against what there is: for all, for one account, for the operator.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/admission.h"

#include <stdio.h>
#include <string.h>

enum { MIB = 1 << 20 };

static struct node_config config;

static struct store_app app_of(const char *id, const char *owner, int64_t memory, int64_t storage)
{
    struct store_app app = {
        .state = STORE_RUNNING, .memory_bytes = memory * MIB, .quota_bytes = storage * MIB};
    (void)snprintf(app.id, sizeof(app.id), "%s", id);
    (void)snprintf(app.owner, sizeof(app.owner), "%s", owner);
    return app;
}

static struct admission begin(const struct store_app *wanted)
{
    config = (struct node_config){.limits = {.apps = 64}, .account = {.apps = 16}};
    return (struct admission){
        .config = &config,
        .wanted = wanted,
        .machine = {.memory_bytes = INT64_C(1000) * MIB, .storage_bytes = INT64_C(10000) * MIB}};
}

static void refused(const struct admission *admission, const char *key, const char *text)
{
    struct err err = ERR_INIT;
    assert_int_equal(admission_check(admission, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_non_null(strstr(err.hint, key));
    assert_non_null(strstr(err.message, text));
}

static void memory_test(void **state)
{
    struct err err = ERR_INIT;
    const struct store_app wanted = app_of("new", "uid:1", 300, 1);
    struct admission admission = begin(&wanted);
    const struct store_app others[] = {app_of("a", "uid:2", 400, 1), app_of("b", "uid:3", 300, 1)};
    admission_add(&admission, &others[0]);
    assert_int_equal(admission_check(&admission, &err), 0);
    admission_add(&admission, &others[1]);
    assert_int_equal(admission_check(&admission, &err), 0); /* to the last byte */
    config.limits.memory_bytes = INT64_C(999) * MIB;
    refused(&admission, "'limits.memory'", "may have 999 MiB of memory; 700 MiB are given away");
}

/* An account cannot take what others need, however much there is. */
static void account_test(void **state)
{
    struct err err = ERR_INIT;
    const struct store_app wanted = app_of("new", "token:x", 200, 4000);
    struct admission admission = begin(&wanted);
    const struct store_app mine = app_of("a", "token:x", 200, 1001);
    assert_int_equal(admission_check(&admission, &err), 0);
    admission_add(&admission, &mine);
    refused(&admission, "'account.storage'", "may have 5000 MiB of storage; 1001 MiB");
    config.account.storage_bytes = INT64_C(9000) * MIB;
    assert_int_equal(admission_check(&admission, &err), 0);
    config.account.memory_bytes = INT64_C(399) * MIB;
    refused(&admission, "'account.memory'", "your account");
    config.account.memory_bytes = 0;
    config.account.apps = 1;
    refused(&admission, "'account.apps'", "may have 1 of apps");
    admission.is_operator = true;
    assert_int_equal(admission_check(&admission, &err), 0);
    config.limits.apps = 1;
    refused(&admission, "'limits.apps'", "the node's apps"); /* the machine's limits hold for all */
}

/* What goes, is gone, or does not run at present. */
static void what_counts_test(void **state)
{
    struct err err = ERR_INIT;
    const struct store_app wanted = app_of("new", "uid:1", 500, 4000);
    struct admission admission = begin(&wanted);
    struct store_app old = app_of("old", "uid:1", 500, 4000);
    admission.replaces = "old";
    admission_add(&admission, &old);
    assert_int_equal(admission_check(&admission, &err), 0);
    admission.replaces = NULL;
    old.state = STORE_STOPPED;
    admission_add(&admission, &old);
    assert_int_equal(admission_check(&admission, &err), 0);
    old.state = STORE_EXPIRED; /* a new expiry brings it back, and its storage is kept */
    admission_add(&admission, &old);
    assert_int_equal(admission.all.memory_bytes, INT64_C(500) << 20);
    refused(&admission, "'account.memory'", "500 MiB are given away");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_test),
        cmocka_unit_test(account_test),
        cmocka_unit_test(what_counts_test),
    };
    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
