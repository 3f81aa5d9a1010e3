// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: https:// addresses. What is taken for one holds no character that a terminal or a
 * shell would take for more, and reads the same once it is written out again.
 */
#include "base/endpoint.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct endpoint first;
    struct endpoint second;
    const char *rest = NULL;
    AUTO_FREE char *url = mem_copy(data, size, NULL);
    if (url == NULL || endpoint_parse_url(url, &first, &rest, NULL) < 0)
        return 0;
    AUTO_FREE char *again = str_printf(NULL, "https://%s:%d", first.host, first.port);
    if (again == NULL)
        return 0;
    if (endpoint_parse_url(again, &second, NULL, NULL) < 0 ||
        strcmp(first.host, second.host) != 0 || first.port != second.port)
        abort();
    bool alone = endpoint_parse_url(url, &second, NULL, NULL) == 0;
    if (alone != (rest[0] == '\0') || strpbrk(again, " \t\n\"'\\$`;&|<>(){}[]*?!#~@%") != NULL)
        abort();
    return 0;
}
