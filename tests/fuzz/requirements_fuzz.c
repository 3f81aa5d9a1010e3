// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: the check of requirements.txt. What it lets through must pass unchanged a second
 * time, and no word of it, split as pip splits, is an option other than --hash, an address, a path
 * or a variable.
 */
#include "model/requirements.h"

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
    bool word_begins = true;
    for (size_t i = 0; i < once.len; i++) {
        const char *rest = buf_text(&once) + i;
        if (word_begins && rest[0] == '-' && strncmp(rest, "--hash=sha", 10) != 0)
            abort();
        if (strchr("/\\@$#`{}%", rest[0]) != NULL)
            abort();
        word_begins = strchr(" \t\n\"'", rest[0]) != NULL;
    }
    return 0;
}
