// SPDX-License-Identifier: Apache-2.0
/*
 * A line on the supervisor's control socket.
 */
#include "launch/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct control_request request;
    (void)!control_request_decode(slice_of(data, size), &request, &err);
    return 0;
}
