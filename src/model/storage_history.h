// SPDX-License-Identifier: Apache-2.0
/*
 * How often an app's storage was opened, so that an older copy of it is noticed (docs/storage.md).
 * Each opening has a number, one more than the last, and a head, which only that opening has:
 *
 *     head(n) = SHA-256("mse storage opening 1" || zero || head(n - 1) || n (u64be) || 32 random
 *               bytes)                                                     head(0): zeros
 *
 * The enclave keeps the last heads in the storage, in a box (enclave/history.c), and says the
 * newest, and an earlier one that it is asked for, in its attestation document. Who verifies
 * remembers the newest that they saw, and asks for that one the next time.
 *
 *     "mse-hist" | version (u16be, 1) | number of the newest (u64be) | count (u16be) | heads,
 *                                                                                  oldest first
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

enum {
    STORAGE_HEAD_SIZE = 32,
    STORAGE_HEADS_MAX = 512, /* that are kept */
    STORAGE_HISTORY_VERSION = 1,
    STORAGE_HISTORY_MAX = 8 + 2 + 8 + 2 + STORAGE_HEADS_MAX * STORAGE_HEAD_SIZE,
    STORAGE_WORD_SIZE = 8 + STORAGE_HEAD_SIZE + 8 + STORAGE_HEAD_SIZE,
};

/* Of a number in JSON (RFC 8785). */
#define STORAGE_OPENINGS_MAX ((UINT64_C(1) << 53) - 1)

/* One opening. */
struct storage_mark {
    uint64_t opening; /* from 1; 0: none */
    uint8_t head[STORAGE_HEAD_SIZE];
};

struct storage_history {
    uint64_t openings;
    size_t count; /* of heads; 0 only where there was no opening yet */
    uint8_t heads[STORAGE_HEADS_MAX][STORAGE_HEAD_SIZE]; /* the last is the newest's */
};

/* What an enclave says of its storage. */
struct storage_word {
    struct storage_mark now;
    uint64_t asked; /* for which it was asked; 0: for none */
    bool has_then;  /* it knows the head of that one */
    uint8_t then[STORAGE_HEAD_SIZE];
};

int storage_history_encode(const struct storage_history *history, struct buf *out,
                           struct err *err) MUST_USE;
int storage_history_decode(struct slice bytes, struct storage_history *ret,
                           struct err *err) MUST_USE;
/* What the head of the next opening is the digest of. */
int storage_history_next(const struct storage_history *history, const uint8_t random[static 32],
                         struct buf *out, struct err *err) MUST_USE;
/* The next opening, whose head is this; of the oldest only the number stays. */
void storage_history_add(struct storage_history *history,
                         const uint8_t head[static STORAGE_HEAD_SIZE]);
/* `asked` 0: for none. There has been an opening. */
void storage_history_say(const struct storage_history *history, uint64_t asked,
                         struct storage_word *ret);

/* The word's bytes in the report data of a document; appended. */
int storage_word_message(const struct storage_word *word, struct buf *out,
                         struct err *err) MUST_USE;

enum storage_verdict {
    STORAGE_GOES_ON,
    STORAGE_TOO_LONG_AGO, /* more openings than heads are kept: it is newer, more is not known */
    STORAGE_ROLLED_BACK,
    STORAGE_FORKED,
};

/* Is what an enclave says (NULL: nothing) a continuation of what was seen before? It must have been
 * asked for that. */
enum storage_verdict storage_judge(const struct storage_mark *seen,
                                   const struct storage_word *said);
