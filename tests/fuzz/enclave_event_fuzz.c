// SPDX-License-Identifier: Apache-2.0
/*
 * A line that an enclave, or the app in it, writes to its supervisor.
 */
#include "launch/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct enclave_event event;
    (void)!enclave_event_decode(slice_of(data, size), &event, &err);
    return 0;
}
