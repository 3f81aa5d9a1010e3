// SPDX-License-Identifier: Apache-2.0
/*
 * Error values: texts, context, what may go in and the table of kinds.
 */
#include "base/err.h"

#include "base/mem.h"
#include "base/text.h"
#include "testing.h"

#include <errno.h>

static int fails(void)
{
    return FAIL(&err, ERR_NOT_FOUND, "no '%s'", "x");
}

static int fails_with_errno(void)
{
    errno = ENOENT;
    return FAIL_ERRNO(&err, ERR_IO, "cannot open '%s'", "x");
}

static void test_set(void **state)
{
    assert_int_equal(fails(), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(err.errnum, 0);
    assert_string_equal(err.message, "no 'x'");
    assert_int_equal(fails_with_errno(), -1);
    assert_int_equal(err.errnum, ENOENT);
    assert_string_equal(err.message, "cannot open 'x': No such file or directory");
}

static void test_context_and_hint(void **state)
{
    (void)fails_with_errno();
    err_hint(&err, "make %s", "one");
    assert_int_equal(FAIL_CONTEXT(&err, "part %d", 1), -1);
    assert_string_equal(err.message, "part 1: cannot open 'x': No such file or directory");
    assert_string_equal(err.hint, "make one");
    assert_int_equal(err.kind, ERR_IO);
    assert_int_equal(err.errnum, ENOENT);
    (void)fails(); /* a new error forgets the old hint */
    assert_string_equal(err.hint, "");
    err_clear(&err);
    assert_int_equal(err.kind, ERR_NONE);
    assert_string_equal(err.message, "");
}

static void test_message_may_quote_itself(void **state)
{
    (void)fails();
    (void)FAIL(&err, ERR_INVALID, "again: %s", err.message);
    assert_string_equal(err.message, "again: no 'x'");
}

static void test_without_error(void **state)
{
    errno = ENOENT;
    assert_int_equal(FAIL(NULL, ERR_IO, "x"), -1);
    assert_int_equal(FAIL_ERRNO(NULL, ERR_IO, "x"), -1);
    assert_int_equal(FAIL_CONTEXT(NULL, "x"), -1);
    err_hint(NULL, "x");
    err_clear(NULL);
}

static void test_long_texts_are_cut(void **state)
{
    char text[2000];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)FAIL(&err, ERR_IO, "%s", text);
    assert_int_equal(strlen(err.message), ERR_MESSAGE_SIZE - 1);
    err_context(&err, "%s", text);
    assert_int_equal(strlen(err.message), ERR_MESSAGE_SIZE - 1);
    err_context(&err, "front");
    assert_int_equal(strncmp(err.message, "front: aaa", 10), 0);
    assert_int_equal(strlen(err.message), ERR_MESSAGE_SIZE - 1);
    err_hint(&err, "%s", text);
    assert_int_equal(strlen(err.hint), ERR_HINT_SIZE - 1);
}

static void test_control_characters(void **state)
{
    (void)FAIL(&err, ERR_IO, "a\nb\x1b[0mc\x7f");
    assert_string_equal(err.message, "a?b?[0mc?");
    err_context(&err, "d\re");
    assert_string_equal(err.message, "d?e: a?b?[0mc?");
    err_hint(&err, "f\tg\xc2\x9b");
    assert_string_equal(err.hint, "f?g?");
}

/* Whatever the length in front, what is left is whole characters. */
static void test_texts_end_at_a_whole_character(void **state)
{
    char text[2000];
    for (size_t before = 0; before < 4; before++) {
        memset(text, 'a', before);
        for (size_t at = before; at + 4 < sizeof(text); at += 4)
            memcpy(text + at, "\xf0\x9f\x92\xa9", 5);
        (void)FAIL(&err, ERR_IO, "%s", text);
        assert_true(utf8_valid(slice_str(err.message)));
        assert_true(strlen(err.message) > ERR_MESSAGE_SIZE - 5);
        assert_null(strchr(err.message, '?'));
        err_context(&err, "%.*s", (int)before, "xyz");
        assert_true(utf8_valid(slice_str(err.message)));
        assert_null(strchr(err.message, '?'));
        err_hint(&err, "%s", text);
        assert_true(utf8_valid(slice_str(err.hint)));
        assert_null(strchr(err.hint, '?'));
    }
}

static void test_kinds(void **state)
{
    static const char *const names[] = {
#define X(kind, text, exit_status, http_status) #kind,
        ERR_KINDS(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *name = err_kind_name((enum err_kind)i);
        assert_non_null(name);
        assert_int_equal(strcasecmp(name, names[i] + strlen("ERR_")), 0);
        assert_true(strlen(err_kind_text((enum err_kind)i)) > 0);
    }
    assert_int_equal(err_exit_status(ERR_NONE), 0);
    assert_int_equal(err_exit_status(ERR_USAGE), 2);
    assert_int_equal(err_exit_status(ERR_REJECTED), 3);
    assert_int_equal(err_exit_status(ERR_UNREACHABLE), 4);
    assert_int_equal(err_exit_status(ERR_APP), 5);
    assert_int_equal(err_http_status(ERR_NOT_FOUND), 404);
    assert_int_equal(err_http_status((enum err_kind)999), 500);
    assert_string_equal(err_kind_name((enum err_kind)999), "internal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_context_and_hint),
        cmocka_unit_test(test_message_may_quote_itself),
        cmocka_unit_test(test_without_error),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_texts_end_at_a_whole_character),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
