// SPDX-License-Identifier: Apache-2.0
/*
 * The upload container: fed in pieces of different sizes it must say the same, and every section
 * must get exactly the bytes that its header announced.
 */
#include "model/package_format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct count {
    uint64_t left;
    uint64_t total;
    unsigned sections;
};

static int count_begin(void *context, enum package_section section, uint64_t length,
                       struct err *err)
{
    struct count *count = context;
    (void)section;
    (void)err;
    count->left = length;
    return 0;
}

static int count_data(void *context, enum package_section section, struct slice bytes,
                      struct err *err)
{
    struct count *count = context;
    (void)section;
    (void)err;
    if (bytes.len > count->left)
        abort();
    count->left -= bytes.len;
    count->total += bytes.len;
    return 0;
}

static int count_end(void *context, enum package_section section, struct err *err)
{
    struct count *count = context;
    (void)section;
    (void)err;
    if (count->left != 0)
        abort();
    count->sections++;
    return 0;
}

static const struct package_handler handler = {count_begin, count_data, count_end};

static int run(const uint8_t *data, size_t size, size_t piece, struct count *count)
{
    struct err err = ERR_INIT;
    struct package_reader reader;
    package_reader_init(&reader, &handler, count, 1 << 20);
    for (size_t at = 0; at < size; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        if (package_reader_feed(&reader, slice_of(data + at, len), &err) < 0)
            return -1;
    }
    return package_reader_end(&reader, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct count whole = {0};
    struct count pieces = {0};
    if (run(data, size, size == 0 ? 1 : size, &whole) != run(data, size, 5, &pieces))
        abort();
    if (whole.total != pieces.total || whole.sections != pieces.sections)
        abort();
    return 0;
}
