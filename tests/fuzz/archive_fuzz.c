// SPDX-License-Identifier: Apache-2.0
/*
 * The plain archive of a code folder: what is accepted must be rebuilt byte for byte from what the
 * reader said, in one piece as well as in many.
 */
#include "package/archive.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_folder(void *context, const char *name, struct err *err)
{
    return archive_folder_append(context, name, err);
}

static int on_folder_end(void *context, struct err *err)
{
    return archive_mark_append(context, ARCHIVE_FOLDER_END, err);
}

static int on_file(void *context, const char *name, bool program, uint64_t size, struct err *err)
{
    return archive_file_append(context, name, program, size, err);
}

static int on_data(void *context, struct slice bytes, struct err *err)
{
    return buf_bytes(context, bytes, err);
}

static int on_file_end(void *context, struct err *err)
{
    (void)context;
    (void)err;
    return 0;
}

static int on_link(void *context, const char *name, const char *target, struct err *err)
{
    return archive_link_append(context, name, target, err);
}

static const struct archive_handler handler = {on_folder, on_folder_end, on_file,
                                               on_data,   on_file_end,   on_link};

static int run(const uint8_t *data, size_t size, size_t piece, struct buf *again)
{
    AUTO_ARCHIVE_READER struct archive_reader *reader = NULL;
    struct archive_limits limits = {1 << 20, 100};
    if (archive_reader_new(&handler, again, &limits, &reader, NULL) < 0 ||
        archive_header_append(again, NULL) < 0)
        abort();
    for (size_t at = 0; at < size; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        if (archive_reader_feed(reader, slice_of(data + at, len), NULL) < 0)
            return -1;
    }
    return archive_reader_end(reader, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf whole = BUF_INIT(4 << 20);
    AUTO_BUF struct buf pieces = BUF_INIT(4 << 20);
    int result = run(data, size, size == 0 ? 1 : size, &whole);
    if (result != run(data, size, 3, &pieces) ||
        !slice_equal(buf_slice(&whole), buf_slice(&pieces)))
        abort();
    if (result == 0 && (whole.len >= size || memcmp(whole.data, data, whole.len) != 0))
        abort();
    return 0;
}
