// SPDX-License-Identifier: Apache-2.0
/*
 * What the command line makes of an enclave's word about its storage, by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/storage_check.h"

#include <string.h>

typedef int (*judgement)(const struct storage_check *check, const struct storage_word *said,
                         struct err *err);

/* The beginning of the error, "" for none, of who saw opening 5 (0: nothing). */
static const char *verdict(judgement judge, uint64_t seen, const struct storage_word *said)
{
    static struct err err;
    const struct storage_check check = {.seen = {.opening = seen, .head = {5}}};
    err = ERR_INIT;
    if (judge(&check, said, &err) == 0)
        return "";
    assert_int_equal(err.kind, ERR_REJECTED);
    assert_true(err.hint[0] != '\0');
    err.message[strcspn(err.message, ":")] = '\0';
    return err.message;
}

static struct storage_word word(uint64_t opening, uint8_t head, uint8_t then)
{
    return (struct storage_word){
        .now = {.opening = opening, .head = {head}}, .asked = 5, .has_then = true, .then = {then}};
}

static void each_fault_has_its_name(void **state)
{
    (void)state;
    const struct storage_word older = word(4, 4, 0);
    const struct storage_word same = word(5, 5, 5);
    const struct storage_word other = word(5, 6, 6);
    const struct storage_word newer = word(7, 7, 5);
    const struct storage_word split = word(7, 7, 6);
    assert_string_equal(verdict(storage_check_judge, 0, NULL), "");
    assert_string_equal(verdict(storage_check_judge, 0, &older), "");
    assert_string_equal(verdict(storage_check_judge, 5, NULL), "storage.unknown");
    assert_string_equal(verdict(storage_check_judge, 5, &older), "storage.rolled-back");
    assert_string_equal(verdict(storage_check_judge, 5, &same), "");
    assert_string_equal(verdict(storage_check_judge, 5, &other), "storage.forked");
    assert_string_equal(verdict(storage_check_judge, 5, &newer), "");
    assert_string_equal(verdict(storage_check_judge, 5, &split), "storage.forked");
}

/* What the node calls an app's first deployment may have an older storage in it. */
static void a_new_storage_is_at_its_first_opening(void **state)
{
    (void)state;
    const struct storage_word first = word(1, 1, 0);
    const struct storage_word older = word(4, 4, 0);
    const struct storage_word split = word(7, 7, 6);
    const struct storage_word newer = word(7, 7, 5);
    assert_string_equal(verdict(storage_check_judge_new, 5, &first), "");
    assert_string_equal(verdict(storage_check_judge_new, 5, &older), "storage.rolled-back");
    assert_string_equal(verdict(storage_check_judge_new, 5, &split), "storage.forked");
    assert_string_equal(verdict(storage_check_judge_new, 5, &newer), "");
    assert_string_equal(verdict(storage_check_judge_new, 5, NULL), "storage.unknown");
    assert_string_equal(verdict(storage_check_judge_new, 0, &newer), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_name),
        cmocka_unit_test(a_new_storage_is_at_its_first_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
