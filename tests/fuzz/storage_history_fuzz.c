// SPDX-License-Identifier: Apache-2.0
/*
 * The history of a storage, as it lies in its box.
 */
#include "model/storage_history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    static struct storage_history history;
    struct storage_word word;
    AUTO_BUF struct buf again = BUF_INIT(STORAGE_HISTORY_MAX);
    if (storage_history_decode(slice_of(data, size), &history, &err) < 0)
        return 0;
    /* One byte string for one meaning. */
    if (storage_history_encode(&history, &again, &err) < 0 ||
        !slice_equal(buf_slice(&again), slice_of(data, size)))
        __builtin_trap();
    storage_history_say(&history, history.openings, &word);
    storage_history_add(&history, word.then);
    return 0;
}
