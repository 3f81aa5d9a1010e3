// SPDX-License-Identifier: Apache-2.0
/*
 * A JSON text made a tree of values, written in all styles, read again: what was read stays the
 * same, and the canonical spelling is the same of each. Without canonical form are fractions and
 * large numbers alone.
 */
#include "format/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 64 << 20 }; /* an indented text is longer than what was read */

/* The tree written in this style and read again, in its compact spelling. */
static void read_again(const json_t *root, enum json_style style, struct buf *ret)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
    AUTO_JSON json_t *again = NULL;
    if (json_write(root, style, &text, &err) < 0 ||
        json_parse(buf_slice(&text), "what was written", TEXT_MAX, &again, &err) < 0 ||
        json_write(again, JSON_COMPACT, ret, &err) < 0)
        abort();
}

static void check_canonical(const json_t *root)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf once = BUF_INIT(TEXT_MAX);
    AUTO_BUF struct buf twice = BUF_INIT(TEXT_MAX);
    AUTO_JSON json_t *again = NULL;
    if (json_canonical(root, &once, &err) < 0)
        return;
    if (json_parse(buf_slice(&once), "canonical", TEXT_MAX, &again, &err) < 0 ||
        json_canonical(again, &twice, &err) < 0 ||
        !slice_equal(buf_slice(&once), buf_slice(&twice)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf compact = BUF_INIT(TEXT_MAX);
    AUTO_BUF struct buf indented = BUF_INIT(TEXT_MAX);
    AUTO_JSON json_t *root = NULL;
    if (json_parse(slice_of(data, size), "input", 1 << 20, &root, &err) < 0)
        return 0;
    read_again(root, JSON_COMPACT, &compact);
    read_again(root, JSON_FOR_PEOPLE, &indented);
    if (!slice_equal(buf_slice(&compact), buf_slice(&indented)))
        abort();
    check_canonical(root);
    return 0;
}
