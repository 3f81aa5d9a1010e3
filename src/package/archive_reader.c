// SPDX-License-Identifier: Apache-2.0
/*
 * Reads a plain archive as it is decrypted. Runs in the enclave, where the bytes are already known
 * to come from whoever holds the code key; it still trusts none of them. Memory: one record and one
 * name for each open folder.
 */
#include "package/archive.h"

#include "base/reader.h"

#include <stdlib.h>

enum state { STATE_HEADER, STATE_RECORD, STATE_CONTENT, STATE_PADDING };

enum { ITEM_COST = 4096 };

struct archive_reader {
    const struct archive_handler *handler;
    void *context;
    struct archive_limits limits;
    enum state state;
    uint64_t offset;       /* bytes taken */
    uint64_t ended_at;     /* offset behind the end mark */
    uint64_t content_left; /* of the current file */
    uint64_t content_total;
    uint64_t items;
    size_t depth;
    size_t record_len;
    uint8_t record[ARCHIVE_RECORD_MAX];
    char last_name[ARCHIVE_DEPTH_MAX + 1][ARCHIVE_NAME_MAX + 1]; /* per open folder */
};

int archive_reader_new(const struct archive_handler *handler, void *context,
                       const struct archive_limits *limits, struct archive_reader **ret,
                       struct err *err)
{
    struct archive_reader *reader = mem_alloc(sizeof(*reader), err);
    if (reader == NULL)
        return -1;
    reader->handler = handler;
    reader->context = context;
    reader->limits = *limits;
    *ret = reader;
    return 0;
}

void archive_reader_free(struct archive_reader *reader)
{
    if (reader != NULL)
        mem_wipe(reader, sizeof(*reader));
    free(reader);
}

#define FAIL_AT(reader, err, kind, ...)                                                            \
    (err_set((err), (kind), 0, __VA_ARGS__),                                                       \
     err_context((err), "code archive: offset %llu", (unsigned long long)(reader)->offset), -1)

/* How long the record is, as far as its first bytes tell: never less than one byte more. */
static size_t record_need(const struct archive_reader *reader)
{
    if (reader->state == STATE_HEADER)
        return ARCHIVE_HEADER_SIZE;
    if (reader->record_len < 1)
        return 1;
    enum archive_record type = (enum archive_record)reader->record[0];
    if (type < ARCHIVE_FOLDER || type > ARCHIVE_LINK)
        return 1;
    if (reader->record_len < 2)
        return 2;
    size_t named = 2 + (size_t)reader->record[1];
    if (type == ARCHIVE_FOLDER)
        return named;
    if (type != ARCHIVE_LINK)
        return named + 8;
    if (reader->record_len < named + 2)
        return named + 2;
    return named + 2 + ((size_t)reader->record[named] << 8 | reader->record[named + 1]);
}

static int check_header(struct archive_reader *reader, struct err *err)
{
    AUTO_BUF struct buf expected = BUF_INIT(ARCHIVE_HEADER_SIZE);
    if (archive_header_append(&expected, err) < 0)
        return -1;
    const uint8_t *found = reader->record;
    if (memcmp(found, expected.data, 8) != 0)
        return FAIL(err, ERR_INVALID, "code archive: it begins with other bytes");
    if (memcmp(found + 8, expected.data + 8, 4) != 0)
        return FAIL(err, ERR_UNSUPPORTED, "code archive: version %u, this program knows version %d",
                    (unsigned)found[8] << 8 | found[9], ARCHIVE_VERSION);
    reader->state = STATE_RECORD;
    return 0;
}

/* Takes the name: valid, and behind the one before it in this folder. */
static int take_name(struct archive_reader *reader, struct reader *in, struct err *err)
{
    uint8_t len;
    struct slice name;
    if (reader_u8(in, "name length", &len, err) < 0 ||
        reader_slice(in, "name", len, &name, err) < 0)
        return -1;
    if (!archive_name_valid(name))
        return FAIL_AT(reader, err, ERR_INVALID, "a name that is not allowed");
    char *last = reader->last_name[reader->depth];
    char text[ARCHIVE_NAME_MAX + 1];
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    int order = strcmp(text, last);
    if (order == 0)
        return FAIL_AT(reader, err, ERR_INVALID, "'%s' appears twice", text);
    if (order < 0)
        return FAIL_AT(reader, err, ERR_INVALID, "'%s' stands behind '%s'", text, last);
    memcpy(last, text, name.len + 1);
    return 0;
}

static int count_item(struct archive_reader *reader, uint64_t size, struct err *err)
{
    const struct archive_limits *limits = &reader->limits;
    reader->items++;
    if (reader->items > limits->items || reader->items > ARCHIVE_ITEMS_MAX)
        return FAIL_AT(reader, err, ERR_TOO_LARGE, "more than %llu files and folders",
                       (unsigned long long)(limits->items < ARCHIVE_ITEMS_MAX ? limits->items
                                                                              : ARCHIVE_ITEMS_MAX));
    if (size > ARCHIVE_CONTENT_MAX || reader->content_total > ARCHIVE_CONTENT_MAX)
        return FAIL_AT(reader, err, ERR_TOO_LARGE, "more than %llu bytes of files",
                       (unsigned long long)ARCHIVE_CONTENT_MAX);
    reader->content_total += size + ITEM_COST;
    if (reader->content_total > limits->content_bytes)
        return FAIL_AT(reader, err, ERR_TOO_LARGE, "the files need more than %llu bytes",
                       (unsigned long long)limits->content_bytes);
    return 0;
}

static int take_folder(struct archive_reader *reader, struct reader *in, struct err *err)
{
    if (take_name(reader, in, err) < 0 || count_item(reader, 0, err) < 0)
        return -1;
    if (reader->depth == ARCHIVE_DEPTH_MAX)
        return FAIL_AT(reader, err, ERR_INVALID, "more than %d folders inside one another",
                       ARCHIVE_DEPTH_MAX);
    const char *name = reader->last_name[reader->depth];
    reader->depth++;
    reader->last_name[reader->depth][0] = '\0';
    return reader->handler->folder_begin(reader->context, name, err);
}

static int take_folder_end(struct archive_reader *reader, struct err *err)
{
    if (reader->depth == 0)
        return FAIL_AT(reader, err, ERR_INVALID, "the end of a folder that never began");
    reader->depth--;
    return reader->handler->folder_end(reader->context, err);
}

static int take_file(struct archive_reader *reader, struct reader *in, bool program,
                     struct err *err)
{
    uint64_t size;
    if (take_name(reader, in, err) < 0 || reader_u64be(in, "size", &size, err) < 0 ||
        count_item(reader, size, err) < 0)
        return -1;
    const struct archive_handler *handler = reader->handler;
    const char *name = reader->last_name[reader->depth];
    if (handler->file_begin(reader->context, name, program, size, err) < 0)
        return -1;
    if (size == 0)
        return handler->file_end(reader->context, err);
    reader->content_left = size;
    reader->state = STATE_CONTENT;
    return 0;
}

static int take_link(struct archive_reader *reader, struct reader *in, struct err *err)
{
    uint16_t len;
    struct slice target;
    if (take_name(reader, in, err) < 0 || count_item(reader, 0, err) < 0 ||
        reader_u16be(in, "target length", &len, err) < 0 ||
        reader_slice(in, "target", len, &target, err) < 0)
        return -1;
    const char *name = reader->last_name[reader->depth];
    if (!archive_target_valid(target, reader->depth))
        return FAIL_AT(reader, err, ERR_INVALID, "the link '%s' leaves the folder", name);
    char text[ARCHIVE_TARGET_MAX + 1];
    memcpy(text, target.data, target.len);
    text[target.len] = '\0';
    return reader->handler->link(reader->context, name, text, err);
}

static int take_end(struct archive_reader *reader, struct err *err)
{
    if (reader->depth > 0)
        return FAIL_AT(reader, err, ERR_INVALID, "the archive ends inside a folder");
    reader->ended_at = reader->offset;
    reader->state = STATE_PADDING;
    return 0;
}

static int take_record(struct archive_reader *reader, struct err *err)
{
    struct reader in = reader_of(slice_of(reader->record, reader->record_len), "code archive");
    uint8_t type;
    if (reader_u8(&in, "type", &type, err) < 0)
        return -1;
    switch ((enum archive_record)type) {
    case ARCHIVE_END:
        return take_end(reader, err);
    case ARCHIVE_FOLDER:
        return take_folder(reader, &in, err);
    case ARCHIVE_FILE:
    case ARCHIVE_PROGRAM:
        return take_file(reader, &in, type == ARCHIVE_PROGRAM, err);
    case ARCHIVE_LINK:
        return take_link(reader, &in, err);
    case ARCHIVE_FOLDER_END:
        return take_folder_end(reader, err);
    }
    return FAIL_AT(reader, err, ERR_INVALID, "unknown type of record %u", type);
}

/* Each of these takes a part of `bytes` and says how much. */

static int feed_record(struct archive_reader *reader, struct slice bytes, size_t *ret_taken,
                       struct err *err)
{
    size_t need = record_need(reader);
    if (need > sizeof(reader->record))
        return FAIL_AT(reader, err, ERR_INVALID, "a link target of more than %d bytes",
                       ARCHIVE_TARGET_MAX);
    size_t missing = need - reader->record_len;
    size_t take = bytes.len < missing ? bytes.len : missing;
    memcpy(reader->record + reader->record_len, bytes.data, take);
    reader->record_len += take;
    reader->offset += take;
    *ret_taken = take;
    if (reader->record_len < record_need(reader))
        return 0;
    int result =
        reader->state == STATE_HEADER ? check_header(reader, err) : take_record(reader, err);
    reader->record_len = 0;
    return result;
}

static int feed_content(struct archive_reader *reader, struct slice bytes, size_t *ret_taken,
                        struct err *err)
{
    size_t take = bytes.len < reader->content_left ? bytes.len : (size_t)reader->content_left;
    *ret_taken = take;
    reader->offset += take;
    reader->content_left -= take;
    if (reader->handler->file_data(reader->context, slice_of(bytes.data, take), err) < 0)
        return -1;
    if (reader->content_left > 0)
        return 0;
    reader->state = STATE_RECORD;
    return reader->handler->file_end(reader->context, err);
}

static int feed_padding(struct archive_reader *reader, struct slice bytes, size_t *ret_taken,
                        struct err *err)
{
    reader->offset += bytes.len;
    *ret_taken = bytes.len;
    if (!slice_is_zero(bytes))
        return FAIL_AT(reader, err, ERR_INVALID, "bytes behind the end that are not zero");
    return 0;
}

int archive_reader_feed(struct archive_reader *reader, struct slice bytes, struct err *err)
{
    while (bytes.len > 0) {
        size_t taken = 0;
        int result;
        if (reader->state == STATE_CONTENT)
            result = feed_content(reader, bytes, &taken, err);
        else if (reader->state == STATE_PADDING)
            result = feed_padding(reader, bytes, &taken, err);
        else
            result = feed_record(reader, bytes, &taken, err);
        if (result < 0)
            return -1;
        bytes = slice_of(bytes.data + taken, bytes.len - taken);
    }
    return 0;
}

int archive_reader_end(struct archive_reader *reader, struct err *err)
{
    if (reader->state != STATE_PADDING)
        return FAIL_AT(reader, err, ERR_INVALID, "truncated");
    uint64_t expected = archive_padded_size(reader->ended_at);
    if (reader->offset != expected)
        return FAIL(err, ERR_INVALID, "code archive: %llu bytes, expected %llu with its padding",
                    (unsigned long long)reader->offset, (unsigned long long)expected);
    return 0;
}
