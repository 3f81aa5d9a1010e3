// SPDX-License-Identifier: Apache-2.0
/*
 * The history of a storage: comes back as it was, other bytes are refused by name; what a verifier
 * that remembers makes of each answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/storage_history.h"

#include <string.h>

static struct err err;

/* The head of opening n is all n, in bytes of this line of history. */
static void fill(struct storage_history *history, uint8_t line, unsigned openings)
{
    *history = (struct storage_history){0};
    for (unsigned i = 1; i <= openings; i++) {
        uint8_t head[STORAGE_HEAD_SIZE] = {line, (uint8_t)(i >> 8), (uint8_t)i};
        storage_history_add(history, head);
    }
}

static void comes_back(void **state)
{
    (void)state;
    static struct storage_history history;
    static struct storage_history again;
    static const unsigned counts[] = {1, 2, STORAGE_HEADS_MAX, STORAGE_HEADS_MAX + 9};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        AUTO_BUF struct buf bytes = BUF_INIT(STORAGE_HISTORY_MAX);
        fill(&history, 1, counts[i]);
        assert_int_equal(storage_history_encode(&history, &bytes, &err), 0);
        assert_int_equal(storage_history_decode(buf_slice(&bytes), &again, &err), 0);
        assert_int_equal(again.openings, counts[i]);
        assert_int_equal(again.count, history.count);
        assert_memory_equal(again.heads, history.heads, history.count * STORAGE_HEAD_SIZE);
    }
}

static void refuses_other_bytes(void **state)
{
    (void)state;
    static struct storage_history history;
    AUTO_BUF struct buf good = BUF_INIT(STORAGE_HISTORY_MAX + 1);
    fill(&history, 1, 3);
    assert_int_equal(storage_history_encode(&history, &good, &err), 0);
    for (size_t len = 0; len < good.len; len++)
        assert_int_equal(storage_history_decode(slice_of(good.data, len), &history, &err), -1);
    for (size_t i = 0; i < 10; i++) { /* magic and version */
        good.data[i] ^= 1;
        err_clear(&err);
        assert_int_equal(storage_history_decode(buf_slice(&good), &history, &err), -1);
        assert_int_equal(err.kind, i < 8 ? ERR_INVALID : ERR_UNSUPPORTED);
        good.data[i] ^= 1;
    }
    good.data[19] = 4; /* more heads than openings */
    assert_int_equal(storage_history_decode(buf_slice(&good), &history, &err), -1);
    assert_non_null(strstr(err.message, "4 heads of 3 openings"));
    good.data[19] = 3;
    assert_int_equal(buf_u8(&good, 0, &err), 0);
    assert_int_equal(storage_history_decode(buf_slice(&good), &history, &err), -1);
}

/* What who saw opening `seen` of line 1 makes of opening `now` of a line that is line 1 until
 * `common`. */
static enum storage_verdict judge(unsigned seen, unsigned now, unsigned common)
{
    static struct storage_history history;
    struct storage_mark mark = {.opening = seen, .head = {1, (uint8_t)(seen >> 8), (uint8_t)seen}};
    struct storage_word word;
    fill(&history, 1, common);
    for (unsigned i = common + 1; i <= now; i++) {
        uint8_t head[STORAGE_HEAD_SIZE] = {2, (uint8_t)(i >> 8), (uint8_t)i};
        storage_history_add(&history, head);
    }
    storage_history_say(&history, seen, &word);
    return storage_judge(&mark, &word);
}

static void what_goes_on_and_what_does_not(void **state)
{
    (void)state;
    const struct storage_mark none = {0};
    const struct storage_mark some = {.opening = 1};
    static const unsigned max = STORAGE_HEADS_MAX;
    assert_int_equal(storage_judge(&none, NULL), STORAGE_GOES_ON);
    assert_int_equal(storage_judge(&some, NULL), STORAGE_ROLLED_BACK);
    assert_int_equal(judge(5, 5, 5), STORAGE_GOES_ON);
    assert_int_equal(judge(5, 9, 9), STORAGE_GOES_ON);
    assert_int_equal(judge(5, 9, 5), STORAGE_GOES_ON);
    assert_int_equal(judge(5, 4, 4), STORAGE_ROLLED_BACK);
    assert_int_equal(judge(5, 4, 2), STORAGE_ROLLED_BACK);
    assert_int_equal(judge(5, 5, 4), STORAGE_FORKED);
    assert_int_equal(judge(5, 9, 4), STORAGE_FORKED);
    assert_int_equal(judge(5, 4 + max, 4), STORAGE_FORKED);
    assert_int_equal(judge(5, 4 + max, 5), STORAGE_GOES_ON);
    assert_int_equal(judge(5, 5 + max, 5), STORAGE_TOO_LONG_AGO);
}

/* An answer to another question than the one that was asked proves nothing. */
static void another_question(void **state)
{
    (void)state;
    static struct storage_history history;
    struct storage_word word;
    const struct storage_mark seen = {.opening = 3, .head = {1, 0, 3}};
    fill(&history, 1, 6);
    storage_history_say(&history, 4, &word);
    assert_int_equal(storage_judge(&seen, &word), STORAGE_FORKED);
    storage_history_say(&history, 0, &word);
    assert_int_equal(storage_judge(&seen, &word), STORAGE_FORKED);
    storage_history_say(&history, 7, &word);
    assert_false(word.has_then);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(refuses_other_bytes),
        cmocka_unit_test(what_goes_on_and_what_does_not),
        cmocka_unit_test(another_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
