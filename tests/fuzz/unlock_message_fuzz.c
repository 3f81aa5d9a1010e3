// SPDX-License-Identifier: Apache-2.0
/*
 * What arrives at a locked enclave in its owner's name.
 */
#include "model/unlock_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct unlock_message message;
    AUTO_BUF struct buf again = BUF_INIT(UNLOCK_MESSAGE_SIZE);
    if (unlock_message_decode(slice_of(data, size), &message, &err) < 0)
        return 0;
    /* One byte string for one meaning. */
    if (unlock_message_encode(&message, &again, &err) < 0 ||
        !slice_equal(buf_slice(&again), message.owner.signed_bytes))
        __builtin_trap();
    return 0;
}
