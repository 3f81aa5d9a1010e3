// SPDX-License-Identifier: Apache-2.0
/*
 * Heads of stored files. What is taken must come out again the same.
 */
#include "storage/head.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t block[HEAD_BLOCK] = {0};
    uint8_t again[HEAD_BLOCK];
    struct head_tags tags;
    if (size > sizeof(block))
        return 0;
    memcpy(block, data, size); /* short inputs end in zeros, as blocks do */
    if (!head_decode(slice_of(block, sizeof(block)), &tags))
        return 0;
    head_encode(&tags, again);
    if (tags.count > HEAD_TAGS_MAX || memcmp(block, again, sizeof(block)) != 0)
        abort();
    for (size_t i = 0; i < tags.count; i++) {
        if (!head_has(&tags, tags.tags[i]))
            abort();
    }
    return 0;
}
