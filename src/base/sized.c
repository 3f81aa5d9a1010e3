// SPDX-License-Identifier: Apache-2.0
/*
 * Copies between the structs of two versions of one header (libmse's, include/mse). Both sides'
 * sizes are numbers that somebody else wrote down: they are bounded before a byte is read.
 */
#include "base/sized.h"

#include "base/slice.h"

enum { SIZED_MAX = 64 << 10 }; /* no struct of a later version is that long */

/* The caller's size; 0 where it is none that a struct can have. */
static size_t size_of(const void *sized)
{
    size_t size;
    memcpy(&size, sized, sizeof(size));
    bool sound = size >= sizeof(size) && size <= SIZED_MAX && size % _Alignof(size_t) == 0;
    return sound ? size : 0;
}

static int refuse(const void *sized, size_t known, struct err *err)
{
    size_t size;
    memcpy(&size, sized, sizeof(size));
    return FAIL(err, ERR_INVALID, "its size is %zu bytes, expected %zu, or more that are all 0",
                size, known);
}

int sized_take(const void *from, void *to, size_t known, struct err *err)
{
    size_t size = size_of(from);
    if (size == 0)
        return refuse(from, known, err);
    if (size > known && !slice_is_zero(slice_of((const uint8_t *)from + known, size - known)))
        return refuse(from, known, err);
    memcpy(to, from, size < known ? size : known);
    return 0;
}

int sized_give(const void *from, size_t known, void *to, struct err *err)
{
    size_t size = size_of(to);
    if (size == 0)
        return refuse(to, known, err);
    memcpy((uint8_t *)to + sizeof(size), (const uint8_t *)from + sizeof(size),
           (size < known ? size : known) - sizeof(size));
    return 0;
}
