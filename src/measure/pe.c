// SPDX-License-Identifier: Apache-2.0
/*
 * Reads as much of a PE file as its Authenticode digest needs: the headers without checksum and
 * without the entry of the certificate table, then the sections by their place in the file, then
 * what follows them up to the certificates. Sections that overlap would be hashed twice and bytes
 * between them not at all: both are refused, and with them every second reading of a file.
 */
#include "measure/pe.h"

#include "base/mem.h"
#include "base/reader.h"

#include <stdlib.h>

enum {
    DOS_LFANEW = 0x3c,
    COFF_SIZE = 20,
    MAGIC_PE32 = 0x10b,
    MAGIC_PE32_PLUS = 0x20b,
    OPTIONAL_SIZE_OF_HEADERS = 60,
    OPTIONAL_CHECKSUM = 64,
    CHECKSUM_SIZE = 4,
    DIRECTORY_SIZE = 8,
    DIRECTORY_CERTIFICATES = 4,
    SECTION_SIZE = 40,
    SECTION_RAW = 16, /* SizeOfRawData, then PointerToRawData */
};

struct extent {
    uint32_t start;
    uint32_t size;
};

struct pe {
    size_t optional; /* where the optional header begins */
    uint32_t optional_size;
    bool plus;
    uint32_t headers_size;
    size_t certificates_entry; /* 0: the header ends before it */
    struct extent certificates;
    struct extent sections[PE_SECTIONS_MAX];
    size_t section_count;
};

static struct reader at(struct slice file, const char *what)
{
    return reader_of(file, what);
}

static int read_start(struct slice file, struct pe *pe, uint16_t *ret_sections, struct err *err)
{
    struct reader in = at(file, "PE file");
    struct slice signature;
    uint32_t offset;
    uint16_t optional_size;
    if (reader_slice(&in, "DOS signature", 2, &signature, err) < 0)
        return -1;
    if (!slice_is_str(signature, "MZ"))
        return FAIL(err, ERR_INVALID, "PE file: does not begin with 'MZ'");
    if (reader_skip(&in, "DOS header", DOS_LFANEW - 2, err) < 0 ||
        reader_u32le(&in, "offset of the PE header", &offset, err) < 0)
        return -1;
    in.pos = 0;
    if (reader_skip(&in, "what is before the PE header", offset, err) < 0 ||
        reader_slice(&in, "PE signature", 4, &signature, err) < 0)
        return -1;
    if (!slice_equal(signature, slice_of("PE\0", 4)))
        return FAIL(err, ERR_INVALID, "PE file: no 'PE' signature at %#x", offset);
    if (reader_skip(&in, "machine", 2, err) < 0 ||
        reader_u16le(&in, "number of sections", ret_sections, err) < 0 ||
        reader_skip(&in, "times and symbols", 12, err) < 0 ||
        reader_u16le(&in, "size of the optional header", &optional_size, err) < 0 ||
        reader_skip(&in, "characteristics", 2, err) < 0)
        return -1;
    pe->optional = in.pos;
    pe->optional_size = optional_size;
    return 0;
}

static int read_directories(struct slice optional, struct pe *pe, struct err *err)
{
    struct reader in = at(optional, "PE optional header");
    uint32_t count;
    if (reader_skip(&in, "what is before the directories", pe->plus ? 108 : 92, err) < 0 ||
        reader_u32le(&in, "number of directories", &count, err) < 0)
        return -1;
    if (count <= DIRECTORY_CERTIFICATES)
        return 0;
    if (reader_skip(&in, "directories", DIRECTORY_CERTIFICATES * DIRECTORY_SIZE, err) < 0)
        return -1;
    pe->certificates_entry = pe->optional + in.pos;
    if (reader_u32le(&in, "offset of the certificates", &pe->certificates.start, err) < 0 ||
        reader_u32le(&in, "size of the certificates", &pe->certificates.size, err) < 0)
        return -1;
    return 0;
}

static int read_optional(struct slice file, struct pe *pe, struct err *err)
{
    struct reader in = at(file, "PE file");
    struct slice optional;
    uint16_t magic;
    if (reader_skip(&in, "what is before the optional header", pe->optional, err) < 0 ||
        reader_slice(&in, "optional header", pe->optional_size, &optional, err) < 0)
        return -1;
    struct reader fields = at(optional, "PE optional header");
    if (reader_u16le(&fields, "magic", &magic, err) < 0)
        return -1;
    if (magic != MAGIC_PE32 && magic != MAGIC_PE32_PLUS)
        return FAIL(err, ERR_INVALID, "PE file: magic %#x, expected 0x10b or 0x20b", magic);
    pe->plus = magic == MAGIC_PE32_PLUS;
    if (reader_skip(&fields, "what is before the headers' size", OPTIONAL_SIZE_OF_HEADERS - 2,
                    err) < 0 ||
        reader_u32le(&fields, "size of the headers", &pe->headers_size, err) < 0)
        return -1;
    return read_directories(optional, pe, err);
}

static int read_sections(struct slice file, uint16_t count, struct pe *pe, struct err *err)
{
    struct reader in = at(file, "PE file");
    if (count > PE_SECTIONS_MAX)
        return FAIL(err, ERR_INVALID, "PE file: %u sections, at most %d", count, PE_SECTIONS_MAX);
    if (reader_skip(&in, "headers", pe->optional + pe->optional_size, err) < 0)
        return -1;
    for (uint16_t i = 0; i < count; i++) {
        struct extent section;
        if (reader_skip(&in, "a section's name and address", SECTION_RAW, err) < 0 ||
            reader_u32le(&in, "a section's size", &section.size, err) < 0 ||
            reader_u32le(&in, "a section's offset", &section.start, err) < 0 ||
            reader_skip(&in, "the rest of a section", SECTION_SIZE - SECTION_RAW - 8, err) < 0)
            return -1;
        if (section.size > 0)
            pe->sections[pe->section_count++] = section;
    }
    if (pe->headers_size < in.pos)
        return FAIL(err, ERR_INVALID, "PE file: headers of %u bytes end before their %zu",
                    pe->headers_size, in.pos);
    return 0;
}

static int by_start(const void *a, const void *b)
{
    uint32_t first = ((const struct extent *)a)->start;
    uint32_t second = ((const struct extent *)b)->start;
    return first < second ? -1 : first > second;
}

static int update(struct digest *digest, struct reader *in, const char *field, size_t until,
                  struct err *err)
{
    struct slice bytes;
    if (until < in->pos)
        return FAIL(err, ERR_INVALID, "PE file: %s begins at %zu, where %zu was read already",
                    field, until, in->pos);
    if (reader_slice(in, field, until - in->pos, &bytes, err) < 0)
        return -1;
    return digest_update(digest, bytes, err);
}

static int hash_headers(struct digest *digest, const struct pe *pe, struct reader *in,
                        struct err *err)
{
    if (update(digest, in, "checksum", pe->optional + OPTIONAL_CHECKSUM, err) < 0 ||
        reader_skip(in, "checksum", CHECKSUM_SIZE, err) < 0)
        return -1;
    if (pe->certificates_entry != 0 &&
        (update(digest, in, "certificates' entry", pe->certificates_entry, err) < 0 ||
         reader_skip(in, "certificates' entry", DIRECTORY_SIZE, err) < 0))
        return -1;
    return update(digest, in, "the headers' end", pe->headers_size, err);
}

static int hash_sections(struct digest *digest, struct pe *pe, struct reader *in, struct err *err)
{
    qsort(pe->sections, pe->section_count, sizeof(pe->sections[0]), by_start);
    for (size_t i = 0; i < pe->section_count; i++) {
        const struct extent *section = &pe->sections[i];
        if (section->start != in->pos)
            return FAIL(err, ERR_INVALID, "PE file: a section at %#x, expected at %#zx",
                        section->start, in->pos);
        if (update(digest, in, "a section", (size_t)section->start + section->size, err) < 0)
            return -1;
    }
    return 0;
}

/* What follows the sections; the certificates, where there are some, are the last thing. */
static int hash_rest(struct digest *digest, const struct pe *pe, struct reader *in, struct err *err)
{
    size_t end = in->bytes.len;
    if (pe->certificates.size > 0) {
        if ((size_t)pe->certificates.start + pe->certificates.size != end)
            return FAIL(err, ERR_INVALID, "PE file: certificates do not end where the file does");
        end = pe->certificates.start;
    }
    return update(digest, in, "certificates", end, err);
}

int pe_authenticode_sha384(struct slice file, uint8_t ret[static SHA384_SIZE], struct err *err)
{
    struct pe pe = {0};
    uint16_t sections;
    AUTO_DIGEST struct digest *digest = NULL;
    if (read_start(file, &pe, &sections, err) < 0 || read_optional(file, &pe, err) < 0 ||
        read_sections(file, sections, &pe, err) < 0 || digest_new_sha384(&digest, err) < 0)
        return -1;
    struct reader in = at(file, "PE file");
    if (hash_headers(digest, &pe, &in, err) < 0 || hash_sections(digest, &pe, &in, err) < 0 ||
        hash_rest(digest, &pe, &in, err) < 0)
        return -1;
    return digest_final_sha384(digest, ret, err);
}
