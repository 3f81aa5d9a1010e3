// SPDX-License-Identifier: Apache-2.0
/*
 * PE files: a digest or a refusal, and the same again.
 */
#include "measure/pe.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t first[SHA384_SIZE];
    uint8_t second[SHA384_SIZE];
    if (pe_authenticode_sha384(slice_of(data, size), first, NULL) < 0)
        return 0;
    if (pe_authenticode_sha384(slice_of(data, size), second, NULL) < 0 ||
        memcmp(first, second, sizeof(first)) != 0)
        abort();
    return 0;
}
