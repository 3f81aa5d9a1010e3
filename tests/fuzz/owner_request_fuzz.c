// SPDX-License-Identifier: Apache-2.0
/*
 * What arrives at an enclave in its owner's name.
 */
#include "model/owner_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct owner_request request;
    AUTO_BUF struct buf again = BUF_INIT(OWNER_REQUEST_SIZE);
    if (owner_request_decode(slice_of(data, size), &request, &err) < 0)
        return 0;
    /* One byte string for one meaning. */
    if (owner_request_encode(&request, &again, &err) < 0 ||
        !slice_equal(buf_slice(&again), request.owner.signed_bytes))
        __builtin_trap();
    return 0;
}
