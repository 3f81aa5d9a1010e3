// SPDX-License-Identifier: Apache-2.0
/*
 * The query string of a request to the node's API.
 */
#include "node/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const known[] = {"follow", "lines", "project", NULL};
    struct err err = ERR_INIT;
    struct query query;
    if (query_parse(slice_of(data, size), known, &query, &err) == 0 &&
        strlen(query_value(&query, "project")) > size)
        __builtin_trap(); /* decoding makes nothing longer */
    return 0;
}
