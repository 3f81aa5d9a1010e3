// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: the check of requirements.txt. What it lets through must pass unchanged a second
 * time, and never holds an option other than --hash.
 */
#include "node/requirements.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf once = BUF_INIT(1 << 20);
    AUTO_BUF struct buf twice = BUF_INIT(1 << 20);
    size_t count = 0;
    size_t again = 0;
    if (requirements_check(slice_of(data, size), &once, &count, &err) < 0)
        return 0;
    if (requirements_check(buf_slice(&once), &twice, &again, &err) < 0)
        abort();
    if (again != count || !slice_equal(buf_slice(&once), buf_slice(&twice)))
        abort();
    if (once.len > 0 && (once.data[0] == '-' || strstr(buf_text(&once), "\n-") != NULL))
        abort();
    return 0;
}
