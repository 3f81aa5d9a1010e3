// SPDX-License-Identifier: Apache-2.0
/*
 * RECORD of a wheel, and each of its paths as the name of a file that a wheel brings.
 */
#include "package/record.h"
#include "package/wheel.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_RECORD struct record record = {0};
    if (record_parse(slice_of(data, size), &record, NULL) < 0)
        return 0;
    for (size_t i = 0; i < record.count; i++) {
        char place[WHEEL_PATH_MAX];
        if (record_find(&record, record.rows[i].path) != &record.rows[i])
            abort();
        if (wheel_place(record.rows[i].path, place, NULL) == 0 &&
            (place[0] == '/' || strstr(place, "..//") != NULL || strcmp(place, "..") == 0 ||
             strncmp(place, "../", 3) == 0 || strstr(place, "/../") != NULL))
            abort();
    }
    return 0;
}
