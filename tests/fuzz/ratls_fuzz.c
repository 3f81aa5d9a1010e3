// SPDX-License-Identifier: Apache-2.0
/*
 * The RA-TLS extension of a certificate from a stranger: what is accepted points inside the input
 * and encodes to the same bytes.
 */
#include "model/ratls.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ratls_extension extension;
    struct err err = ERR_INIT;
    if (ratls_extension_decode(slice_of(data, size), &extension, &err) < 0) {
        if (err.message[0] == '\0')
            abort();
        return 0;
    }
    AUTO_BUF struct buf again = BUF_INIT(RATLS_EXTENSION_MAX);
    if (ratls_extension_encode(extension.format, extension.evidence, extension.claims_bytes, &again,
                               &err) < 0 ||
        !slice_equal(buf_slice(&again), slice_of(data, size)))
        abort();
    return 0;
}
