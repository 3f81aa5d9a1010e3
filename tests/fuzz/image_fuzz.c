// SPDX-License-Identifier: Apache-2.0
/*
 * image.json from strangers: what decodes encodes to the very same bytes.
 */
#include "measure/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf again = BUF_INIT(IMAGE_MAX);
    struct image image;
    if (image_decode(slice_of(data, size), &image, NULL) < 0)
        return 0;
    if (image_encode(&image, &again, NULL) < 0 ||
        !slice_equal(buf_slice(&again), slice_of(data, size)))
        abort();
    for (size_t i = 0; image_weakness(&image, i) != NULL; i++)
        continue;
    return 0;
}
