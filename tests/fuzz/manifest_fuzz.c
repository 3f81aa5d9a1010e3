// SPDX-License-Identifier: Apache-2.0
/*
 * Manifests of strangers: whatever is accepted must encode to the very bytes that were read.
 */
#include "model/manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest manifest;
    struct err err = ERR_INIT;
    if (manifest_decode(slice_of(data, size), &manifest, &err) < 0) {
        if (err.message[0] == '\0')
            abort();
        return 0;
    }
    AUTO_BUF struct buf again = BUF_INIT(MANIFEST_MAX);
    if (manifest_encode(&manifest, &again, &err) < 0 ||
        !slice_equal(buf_slice(&again), slice_of(data, size)))
        abort();
    return 0;
}
