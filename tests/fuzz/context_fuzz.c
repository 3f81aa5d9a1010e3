// SPDX-License-Identifier: Apache-2.0
/*
 * An exported context that somebody sent.
 */
#include "model/context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    AUTO_CONTEXT struct context context = {0};
    (void)!context_decode(slice_of(data, size), "context", &context, &err);
    return 0;
}
