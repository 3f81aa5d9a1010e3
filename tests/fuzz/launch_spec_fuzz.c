// SPDX-License-Identifier: Apache-2.0
/*
 * launch.json: any bytes decode or fail; what decodes encodes and decodes again.
 */
#include "model/launch_spec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    AUTO_LAUNCH_SPEC struct launch_spec spec = {0};
    AUTO_LAUNCH_SPEC struct launch_spec again = {0};
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_SPEC_MAX);
    if (launch_spec_decode(slice_of(data, size), &spec, &err) < 0)
        return 0;
    if (launch_spec_encode(&spec, &text, &err) < 0 ||
        launch_spec_decode(buf_slice(&text), &again, &err) < 0)
        abort();
    return 0;
}
