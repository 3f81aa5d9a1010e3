// SPDX-License-Identifier: Apache-2.0
/*
 * Simulation evidence: any bytes decode or fail; what decodes encodes back to the same bytes.
 */
#include "model/evidence.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct evidence evidence;
    if (evidence_decode(slice_of(data, size), &evidence, &err) < 0)
        return 0;
    AUTO_BUF struct buf out = BUF_INIT(EVIDENCE_SIZE);
    if (evidence_encode(&evidence, &out, &err) < 0 ||
        !slice_equal(buf_slice(&out), slice_of(data, size)))
        abort();
    return 0;
}
