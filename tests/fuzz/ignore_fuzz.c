// SPDX-License-Identifier: Apache-2.0
/*
 * .mseignore: the rules of a file, then a zero byte, then a path to match.
 */
#include "package/ignore.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = memchr(data, '\0', size);
    size_t rules = zero == NULL ? size : (size_t)(zero - data);
    size_t rest = zero == NULL ? 0 : size - rules - 1;
    AUTO_IGNORE struct ignore *ignore = NULL;
    if (ignore_new(slice_of(data, rules), NULL, "", &ignore, NULL) < 0)
        return 0;
    AUTO_FREE char *path = mem_copy(zero == NULL ? data : zero + 1, rest, NULL);
    if (path == NULL)
        abort();
    bool as_file = ignore_match(ignore, path, false);
    if (as_file != ignore_match(ignore, path, false))
        abort();
    (void)ignore_match(ignore, path, true);
    return 0;
}
