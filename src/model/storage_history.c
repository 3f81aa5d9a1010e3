// SPDX-License-Identifier: Apache-2.0
/*
 * The openings of a storage: layout, and the judgement of whoever verifies. Runs in the enclave and
 * on the verifier's machine; decodes what the host may have put in the storage's place.
 */
#include "model/storage_history.h"

#include "base/reader.h"

#include <string.h>

static const char magic[8] = {'m', 's', 'e', '-', 'h', 'i', 's', 't'};
static const char label[] = "mse storage opening 1"; /* with its zero byte */

int storage_history_encode(const struct storage_history *history, struct buf *out, struct err *err)
{
    if (buf_bytes(out, slice_of(magic, sizeof(magic)), err) < 0 ||
        buf_u16be(out, STORAGE_HISTORY_VERSION, err) < 0 ||
        buf_u64be(out, history->openings, err) < 0 ||
        buf_u16be(out, (uint16_t)history->count, err) < 0)
        return -1;
    return buf_bytes(out, slice_of(history->heads, history->count * STORAGE_HEAD_SIZE), err);
}

static int read_top(struct reader *in, struct storage_history *ret, struct err *err)
{
    struct slice found;
    uint16_t version;
    uint16_t count;
    if (reader_slice(in, "magic", sizeof(magic), &found, err) < 0)
        return -1;
    if (!slice_equal(found, slice_of(magic, sizeof(magic))))
        return FAIL(err, ERR_INVALID, "this is not the history of a storage");
    if (reader_u16be(in, "version", &version, err) < 0)
        return -1;
    if (version != STORAGE_HISTORY_VERSION)
        return FAIL(err, ERR_UNSUPPORTED, "history of the storage: version %u, expected %d",
                    version, STORAGE_HISTORY_VERSION);
    if (reader_u64be(in, "openings", &ret->openings, err) < 0 ||
        reader_u16be(in, "count", &count, err) < 0)
        return -1;
    if (count == 0 || count > STORAGE_HEADS_MAX || count > ret->openings ||
        ret->openings >= STORAGE_OPENINGS_MAX)
        return FAIL(err, ERR_INVALID, "history of the storage: %u heads of %llu openings", count,
                    (unsigned long long)ret->openings);
    ret->count = count;
    return 0;
}

int storage_history_decode(struct slice bytes, struct storage_history *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "history of the storage");
    struct storage_history history = {0};
    if (read_top(&in, &history, err) < 0 ||
        reader_copy(&in, "heads", history.heads, history.count * STORAGE_HEAD_SIZE, err) < 0 ||
        reader_end(&in, err) < 0)
        return -1;
    *ret = history;
    return 0;
}

int storage_history_next(const struct storage_history *history, const uint8_t random[static 32],
                         struct buf *out, struct err *err)
{
    static const uint8_t none[STORAGE_HEAD_SIZE] = {0};
    const uint8_t *last = history->count == 0 ? none : history->heads[history->count - 1];
    if (buf_bytes(out, slice_of(label, sizeof(label)), err) < 0 ||
        buf_bytes(out, slice_of(last, STORAGE_HEAD_SIZE), err) < 0 ||
        buf_u64be(out, history->openings + 1, err) < 0)
        return -1;
    return buf_bytes(out, slice_of(random, 32), err);
}

void storage_history_add(struct storage_history *history,
                         const uint8_t head[static STORAGE_HEAD_SIZE])
{
    if (history->count == STORAGE_HEADS_MAX) {
        memmove(history->heads[0], history->heads[1],
                (size_t)(STORAGE_HEADS_MAX - 1) * STORAGE_HEAD_SIZE);
        history->count--;
    }
    memcpy(history->heads[history->count++], head, STORAGE_HEAD_SIZE);
    history->openings++;
}

void storage_history_say(const struct storage_history *history, uint64_t asked,
                         struct storage_word *ret)
{
    uint64_t newest = history->openings;
    *ret = (struct storage_word){.now.opening = newest, .asked = asked};
    memcpy(ret->now.head, history->heads[history->count - 1], STORAGE_HEAD_SIZE);
    if (asked == 0 || asked > newest || newest - asked >= history->count)
        return;
    ret->has_then = true;
    memcpy(ret->then, history->heads[history->count - 1 - (size_t)(newest - asked)],
           STORAGE_HEAD_SIZE);
}

int storage_word_message(const struct storage_word *word, struct buf *out, struct err *err)
{
    static const uint8_t none[STORAGE_HEAD_SIZE] = {0};
    if (buf_u64be(out, word->now.opening, err) < 0 ||
        buf_bytes(out, slice_of(word->now.head, STORAGE_HEAD_SIZE), err) < 0 ||
        buf_u64be(out, word->asked, err) < 0)
        return -1;
    return buf_bytes(out, slice_of(word->has_then ? word->then : none, STORAGE_HEAD_SIZE), err);
}

enum storage_verdict storage_judge(const struct storage_mark *seen, const struct storage_word *said)
{
    if (seen->opening == 0)
        return STORAGE_GOES_ON;
    if (said == NULL || said->now.opening < seen->opening)
        return STORAGE_ROLLED_BACK;
    if (said->now.opening == seen->opening)
        return memcmp(said->now.head, seen->head, STORAGE_HEAD_SIZE) == 0 ? STORAGE_GOES_ON
                                                                          : STORAGE_FORKED;
    if (said->asked == seen->opening && said->has_then)
        return memcmp(said->then, seen->head, STORAGE_HEAD_SIZE) == 0 ? STORAGE_GOES_ON
                                                                      : STORAGE_FORKED;
    return said->now.opening - seen->opening >= STORAGE_HEADS_MAX ? STORAGE_TOO_LONG_AGO
                                                                  : STORAGE_FORKED;
}
