// SPDX-License-Identifier: Apache-2.0
/*
 * The SGX extension of a PCK certificate alone: small inputs reach its depths.
 */
#include "attest/intel_pck.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct intel_pck pck;
    struct err err = ERR_INIT;
    if (intel_pck_parse(slice_of(data, size), &pck, &err) < 0) {
        if (err.message[0] == '\0')
            abort();
        return 0;
    }
    if (pck.fmspc.len != 6 || pck.pce_id.len != 2 || pck.ppid.len != 16 || pck.cpu_svn.len != 16)
        abort();
    return 0;
}
