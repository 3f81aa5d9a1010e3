// SPDX-License-Identifier: Apache-2.0
/*
 * Collateral bundles of strangers: whatever can be read can be read again the same.
 */
#include "attest/collateral.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct collateral first;
    struct collateral second;
    struct err err = ERR_INIT;
    if (collateral_parse(&arena, slice_of(data, size), &first, &err) < 0) {
        if (err.message[0] == '\0')
            abort();
    } else if (collateral_parse(&arena, slice_of(data, size), &second, &err) < 0 ||
               !slice_equal(first.tcb_info, second.tcb_info)) {
        abort();
    }
    arena_done(&arena);
    return 0;
}
