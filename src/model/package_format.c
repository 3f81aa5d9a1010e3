// SPDX-License-Identifier: Apache-2.0
/*
 * The upload container. The reader runs in the node on bytes of strangers: it collects only headers
 * (12 bytes) and hands everything else on as it comes.
 */
#include "model/package_format.h"

#include "base/reader.h"
#include "model/manifest.h"

static const char magic[8] = {'m', 's', 'e', '-', 'p', 'k', 'g', '\n'};

static const struct section_rule {
    const char *name;
    uint64_t max; /* 0: the reader's max_archive */
    bool required;
} rules[] = {
    [PACKAGE_MANIFEST] = {"manifest", MANIFEST_MAX, true},
    [PACKAGE_REQUIREMENTS] = {"requirements", PACKAGE_REQUIREMENTS_MAX, false},
    [PACKAGE_CERTIFICATE] = {"certificate", PACKAGE_CERTIFICATE_MAX, false},
    [PACKAGE_ARCHIVE] = {"archive", 0, true},
};

const char *package_section_name(enum package_section section)
{
    size_t index = (size_t)section;
    return index < ARRAY_LEN(rules) && rules[index].name != NULL ? rules[index].name : "unknown";
}

void package_reader_init(struct package_reader *reader, const struct package_handler *handler,
                         void *context, uint64_t max_archive)
{
    *reader =
        (struct package_reader){.handler = handler, .context = context, .max_archive = max_archive};
}

static int read_file_header(struct slice header, struct err *err)
{
    struct reader in = reader_of(header, "package header");
    struct slice found;
    uint16_t version;
    uint16_t zero;
    if (reader_slice(&in, "magic", sizeof(magic), &found, err) < 0 ||
        reader_u16be(&in, "version", &version, err) < 0 ||
        reader_u16be(&in, "reserved", &zero, err) < 0)
        return -1;
    if (!slice_equal(found, slice_of(magic, sizeof(magic))))
        return FAIL(err, ERR_INVALID, "package: not an mse package: it begins with other bytes");
    if (version != PACKAGE_VERSION)
        return FAIL(err, ERR_UNSUPPORTED, "package: version %u, this program knows version %d",
                    version, PACKAGE_VERSION);
    if (zero != 0)
        return FAIL(err, ERR_INVALID, "package: reserved bytes of the header are not zero");
    return 0;
}

static int check_section(const struct package_reader *reader, uint8_t type, uint64_t length,
                         struct err *err)
{
    if (type == 0 || type >= ARRAY_LEN(rules))
        return FAIL(err, ERR_INVALID, "package: offset %llu: unknown section type %u",
                    (unsigned long long)reader->offset, type);
    const char *name = rules[type].name;
    if (type == (uint8_t)reader->section)
        return FAIL(err, ERR_INVALID, "package: section '%s' appears twice", name);
    if (type < (uint8_t)reader->section)
        return FAIL(err, ERR_INVALID, "package: section '%s' stands behind section '%s'", name,
                    package_section_name(reader->section));
    if (length == 0)
        return FAIL(err, ERR_INVALID, "package: section '%s' is empty", name);
    uint64_t max = rules[type].max == 0 ? reader->max_archive : rules[type].max;
    if (length > max)
        return FAIL(err, ERR_TOO_LARGE, "package: section '%s' has %llu bytes, the limit is %llu",
                    name, (unsigned long long)length, (unsigned long long)max);
    return 0;
}

static int begin_section(struct package_reader *reader, struct err *err)
{
    struct reader in = reader_of(slice_of(reader->header, reader->header_len), "section header");
    uint8_t type;
    uint32_t zero;
    uint64_t length;
    if (reader_u8(&in, "type", &type, err) < 0 || reader_u24be(&in, "reserved", &zero, err) < 0 ||
        reader_u64be(&in, "length", &length, err) < 0)
        return -1;
    if (zero != 0)
        return FAIL(err, ERR_INVALID, "package: offset %llu: reserved bytes are not zero",
                    (unsigned long long)reader->offset);
    if (check_section(reader, type, length, err) < 0)
        return -1;
    reader->section = (enum package_section)type;
    reader->seen |= 1u << type;
    reader->section_left = length;
    reader->in_section = true;
    return reader->handler->begin(reader->context, reader->section, length, err);
}

/* Collects a header; returns how many bytes it took. */
static size_t collect(struct package_reader *reader, struct slice bytes)
{
    size_t need = sizeof(reader->header) - reader->header_len;
    size_t take = bytes.len < need ? bytes.len : need;
    memcpy(reader->header + reader->header_len, bytes.data, take);
    reader->header_len += take;
    return take;
}

static int header_complete(struct package_reader *reader, struct err *err)
{
    bool first = reader->offset == PACKAGE_HEADER_SIZE;
    int result = first ? read_file_header(slice_of(reader->header, reader->header_len), err)
                       : begin_section(reader, err);
    reader->header_len = 0;
    return result;
}

static int feed_section(struct package_reader *reader, struct slice bytes, struct err *err)
{
    const struct package_handler *handler = reader->handler;
    if (handler->data(reader->context, reader->section, bytes, err) < 0)
        return -1;
    reader->section_left -= bytes.len;
    if (reader->section_left > 0)
        return 0;
    reader->in_section = false;
    return handler->end(reader->context, reader->section, err);
}

/* Takes a part of bytes; *ret_taken says how much. */
static int step(struct package_reader *reader, struct slice bytes, size_t *ret_taken,
                struct err *err)
{
    _Static_assert(PACKAGE_HEADER_SIZE == PACKAGE_SECTION_HEADER_SIZE, "one place for both");
    if (reader->in_section) {
        size_t take = bytes.len < reader->section_left ? bytes.len : (size_t)reader->section_left;
        *ret_taken = take;
        reader->offset += take;
        return feed_section(reader, slice_of(bytes.data, take), err);
    }
    if (reader->section == PACKAGE_ARCHIVE)
        return FAIL(err, ERR_INVALID, "package: bytes behind the archive");
    *ret_taken = collect(reader, bytes);
    reader->offset += *ret_taken;
    return reader->header_len == sizeof(reader->header) ? header_complete(reader, err) : 0;
}

int package_reader_feed(struct package_reader *reader, struct slice bytes, struct err *err)
{
    if (reader->failed)
        return FAIL(err, ERR_INVALID, "package: reading has failed before");
    while (bytes.len > 0) {
        size_t taken = 0;
        if (step(reader, bytes, &taken, err) < 0) {
            reader->failed = true;
            return -1;
        }
        bytes = slice_of(bytes.data + taken, bytes.len - taken);
    }
    return 0;
}

int package_reader_end(struct package_reader *reader, struct err *err)
{
    if (reader->failed)
        return FAIL(err, ERR_INVALID, "package: reading has failed before");
    if (reader->in_section)
        return FAIL(err, ERR_INVALID, "package: truncated: section '%s' lacks %llu bytes",
                    package_section_name(reader->section),
                    (unsigned long long)reader->section_left);
    if (reader->header_len > 0 || reader->offset < PACKAGE_HEADER_SIZE)
        return FAIL(err, ERR_INVALID, "package: truncated inside a header at byte %llu",
                    (unsigned long long)reader->offset);
    for (size_t i = 1; i < ARRAY_LEN(rules); i++) {
        if (rules[i].required && (reader->seen & 1u << i) == 0)
            return FAIL(err, ERR_INVALID, "package: section '%s' is missing", rules[i].name);
    }
    return 0;
}

int package_header_append(struct buf *out, struct err *err)
{
    if (buf_bytes(out, slice_of(magic, sizeof(magic)), err) < 0 ||
        buf_u16be(out, PACKAGE_VERSION, err) < 0)
        return -1;
    return buf_u16be(out, 0, err);
}

int package_section_append(struct buf *out, enum package_section section, uint64_t length,
                           struct err *err)
{
    if (buf_u32be(out, (uint32_t)section << 24, err) < 0)
        return -1;
    return buf_u64be(out, length, err);
}
