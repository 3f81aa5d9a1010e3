// SPDX-License-Identifier: Apache-2.0
/*
 * The plain archive's bytes: writing records, and the rules that both sides hold them to. The
 * reader is in archive_reader.c.
 */
#include "package/archive.h"

#include "base/text.h"

static const char magic[8] = {'m', 's', 'e', '-', 'c', 'o', 'd', 'e'};

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            return true;
    }
    return false;
}

bool archive_name_valid(struct slice name)
{
    if (name.len == 0 || name.len > ARCHIVE_NAME_MAX || slice_is_str(name, ".") ||
        slice_is_str(name, ".."))
        return false;
    return memchr(name.data, '/', name.len) == NULL && !has_control(name) && utf8_valid(name);
}

bool archive_target_valid(struct slice target, size_t depth)
{
    if (target.len == 0 || target.len > ARCHIVE_TARGET_MAX || target.data[0] == '/' ||
        has_control(target) || !utf8_valid(target))
        return false;
    size_t ups = 0;
    bool descended = false;
    for (size_t at = 0; at < target.len;) {
        const uint8_t *slash = memchr(target.data + at, '/', target.len - at);
        size_t end = slash == NULL ? target.len : (size_t)(slash - target.data);
        struct slice part = slice_of(target.data + at, end - at);
        if (slice_is_str(part, "..")) {
            ups++;
            if (descended || ups > depth)
                return false;
        } else if (part.len > 0 && !slice_is_str(part, ".")) {
            descended = true;
        }
        at = end + 1;
    }
    return true;
}

int archive_header_append(struct buf *out, struct err *err)
{
    if (buf_bytes(out, slice_of(magic, sizeof(magic)), err) < 0 ||
        buf_u16be(out, ARCHIVE_VERSION, err) < 0)
        return -1;
    return buf_u16be(out, 0, err);
}

int archive_mark_append(struct buf *out, enum archive_record mark, struct err *err)
{
    return buf_u8(out, (uint8_t)mark, err);
}

static int named_append(struct buf *out, enum archive_record type, const char *name,
                        struct err *err)
{
    if (!archive_name_valid(slice_str(name)))
        return FAIL(err, ERR_INTERNAL, "the name '%s' cannot stand in an archive", name);
    if (buf_u8(out, (uint8_t)type, err) < 0 || buf_u8(out, (uint8_t)strlen(name), err) < 0)
        return -1;
    return buf_str(out, name, err);
}

int archive_folder_append(struct buf *out, const char *name, struct err *err)
{
    return named_append(out, ARCHIVE_FOLDER, name, err);
}

int archive_file_append(struct buf *out, const char *name, bool program, uint64_t size,
                        struct err *err)
{
    if (named_append(out, program ? ARCHIVE_PROGRAM : ARCHIVE_FILE, name, err) < 0)
        return -1;
    return buf_u64be(out, size, err);
}

int archive_link_append(struct buf *out, const char *name, const char *target, struct err *err)
{
    if (named_append(out, ARCHIVE_LINK, name, err) < 0 ||
        buf_u16be(out, (uint16_t)strlen(target), err) < 0)
        return -1;
    return buf_str(out, target, err);
}

uint64_t archive_record_size(enum archive_record type, const char *name, const char *target)
{
    switch (type) {
    case ARCHIVE_END:
    case ARCHIVE_FOLDER_END:
        return 1;
    case ARCHIVE_FOLDER:
        return 2 + strlen(name);
    case ARCHIVE_FILE:
    case ARCHIVE_PROGRAM:
        return 2 + strlen(name) + 8;
    case ARCHIVE_LINK:
        return 2 + strlen(name) + 2 + strlen(target);
    }
    return 0;
}

static unsigned floor_log2(uint64_t value)
{
    return 63u - (unsigned)__builtin_clzll(value);
}

uint64_t archive_padded_size(uint64_t size)
{
    if (size <= ARCHIVE_SIZE_MIN)
        return ARCHIVE_SIZE_MIN;
    unsigned exponent = floor_log2(size);
    unsigned significant = floor_log2(exponent) + 1;
    uint64_t mask = (UINT64_C(1) << (exponent - significant)) - 1;
    return (size + mask) & ~mask;
}
