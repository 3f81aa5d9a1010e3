// SPDX-License-Identifier: Apache-2.0
/*
 * requirements.lock, and its bytes as the name of a wheel. What is taken has one spelling.
 */
#include "cli/lock_file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_LOCK struct requirements_lock lock = {.count = 0};
    AUTO_FREE char *text = mem_copy(data, size, NULL);
    struct lock_wheel wheel;
    if (text == NULL)
        abort();
    if (lock_wheel_name(text, &wheel, NULL) == 0 && strchr(wheel.name, '/') != NULL)
        abort();
    if (lock_decode(slice_of(data, size), &lock, NULL) < 0)
        return 0;
    for (size_t i = 0; i < lock.count; i++) {
        if (strchr(lock.wheels[i].name, '/') != NULL || strchr(lock.wheels[i].version, '/') != NULL)
            abort();
    }
    return 0;
}
