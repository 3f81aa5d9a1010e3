// SPDX-License-Identifier: Apache-2.0
/*
 * What arrives at an enclave that waits for its secrets.
 */
#include "model/provision_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct provision_message message;
    struct provision_payload payload;
    if (provision_message_decode(slice_of(data, size), &message, &err) == 0)
        (void)!provision_payload_decode(message.payload, &payload, &err);
    (void)!provision_payload_decode(slice_of(data, size), &payload, &err);
    return 0;
}
