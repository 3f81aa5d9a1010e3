// SPDX-License-Identifier: Apache-2.0
/*
 * What a supervisor tells msed: a status or counters, on a line or in status.json.
 */
#include "launch/launcher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct launch_line line;
    struct launch_status status;
    (void)!launch_line_decode(slice_of(data, size), &line, &err);
    err_clear(&err);
    (void)!launch_status_decode(slice_of(data, size), &status, &err);
    return 0;
}
