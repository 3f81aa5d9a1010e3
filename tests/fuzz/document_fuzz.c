// SPDX-License-Identifier: Apache-2.0
/*
 * A JSON document: evidence, collateral, policies in clients' hands.
 */
#include "format/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct err err = ERR_INIT;
    const struct doc_node *root;
    if (doc_parse(&arena, slice_of(data, size), "input", &root, &err) == 0)
        (void)doc_get(root, "a");
    arena_done(&arena);
    return 0;
}
