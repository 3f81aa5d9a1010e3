// SPDX-License-Identifier: Apache-2.0
/*
 * What pid 1 of a VM reads as words: its command line, and the control port's lines, which must say
 * the same whole and byte by byte.
 */
#include "base/mem.h"
#include "guest/control.h"
#include "guest/options.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct guest_options options;
    AUTO_FREE char *text = mem_copy(data, size, &err);
    if (text == NULL)
        return 0;
    if (guest_options_parse(text, &options, &err) == 0 &&
        (options.memory_bytes == 0 || options.root.data_blocks == 0))
        abort();
    struct control whole = {0};
    struct control pieces = {0};
    bool stop = false;
    for (size_t i = 0; i < size; i++)
        stop = control_feed(&pieces, slice_of(data + i, 1)) || stop;
    if (control_feed(&whole, slice_of(data, size)) != stop || whole.len != pieces.len)
        abort();
    return 0;
}
