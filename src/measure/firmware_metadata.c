// SPDX-License-Identifier: Apache-2.0
/*
 * The two lists of memory in a firmware file, one for SEV, one for TDX: a head (signature, length,
 * version, count) and that many sections. Both are checked for what makes a measurement ambiguous:
 * sections that overlap, that lie on the firmware, that are no whole pages, that nobody knows.
 */
#include "measure/firmware.h"

#include "base/mem.h"
#include "base/reader.h"

#include <inttypes.h>

enum { SIGNATURE_SIZE = 4, HEAD_SIZE = 16, METADATA_VERSION = 1 };

struct list {
    const char *what;
    const char *missing;
    char signature[SIGNATURE_SIZE + 1];
    uint32_t section_size;
};

static const struct list sev_list = {"firmware: SEV metadata",
                                     "firmware: no SEV metadata: it cannot start an SEV-SNP guest",
                                     "ASEV", 12};
static const struct list tdx_list = {
    "firmware: TDX metadata", "firmware: no TDX metadata: it cannot start a TDX guest", "TDVF", 32};

/* Leaves *in before the first section. */
static int read_head(const struct list *list, struct reader *in, size_t *ret_count, struct err *err)
{
    struct slice signature;
    uint32_t length;
    uint32_t version;
    uint32_t count;
    if (reader_slice(in, "signature", SIGNATURE_SIZE, &signature, err) < 0 ||
        reader_u32le(in, "length", &length, err) < 0 ||
        reader_u32le(in, "version", &version, err) < 0 ||
        reader_u32le(in, "count", &count, err) < 0)
        return -1;
    if (!slice_is_str(signature, list->signature))
        return FAIL(err, ERR_INVALID, "%s: does not begin with '%s'", list->what, list->signature);
    if (version != METADATA_VERSION)
        return FAIL(err, ERR_UNSUPPORTED, "%s: version %u, known is %d", list->what, version,
                    METADATA_VERSION);
    if (count == 0 || count > FIRMWARE_SECTIONS_MAX)
        return FAIL(err, ERR_INVALID, "%s: %u sections, expected 1 to %d", list->what, count,
                    FIRMWARE_SECTIONS_MAX);
    if (length != HEAD_SIZE + count * list->section_size)
        return FAIL(err, ERR_INVALID, "%s: length %u, expected %u for %u sections", list->what,
                    length, HEAD_SIZE + count * list->section_size, count);
    *ret_count = count;
    return 0;
}

static int open_list(const struct list *list, const struct firmware *firmware, uint32_t offset,
                     struct reader *ret, struct err *err)
{
    if (offset == 0)
        return FAIL(err, ERR_UNSUPPORTED, "%s", list->missing);
    *ret = reader_of(firmware->bytes, list->what);
    return reader_skip(ret, "offset", firmware->bytes.len - offset, err);
}

struct range {
    uint64_t gpa;
    uint64_t size;
};

static bool overlap(struct range a, struct range b)
{
    return a.gpa < b.gpa + b.size && b.gpa < a.gpa + a.size;
}

static int check_range(const char *what, struct range range, uint64_t end, struct err *err)
{
    if (range.size == 0 || range.gpa % GUEST_PAGE_SIZE != 0 || range.size % GUEST_PAGE_SIZE != 0)
        return FAIL(err, ERR_INVALID,
                    "%s: a section of %#" PRIx64 " bytes at %#" PRIx64 ", expected whole pages",
                    what, range.size, range.gpa);
    if (range.gpa > end || range.size > end - range.gpa)
        return FAIL(err, ERR_INVALID, "%s: the section at %#" PRIx64 " ends beyond %#" PRIx64, what,
                    range.gpa, end);
    return 0;
}

static int fail_overlap(const char *what, struct range a, struct range b, struct err *err)
{
    return FAIL(err, ERR_INVALID, "%s: the sections at %#" PRIx64 " and %#" PRIx64 " overlap", what,
                a.gpa, b.gpa);
}

/* Kinds, and whether one is a single page that may be there once. */
static const struct {
    enum sev_section_kind kind;
    bool single;
} sev_kinds[] = {
    {SEV_SECTION_MEMORY, false},  {SEV_SECTION_SECRETS, true},       {SEV_SECTION_CPUID, true},
    {SEV_SECTION_SVSM_CAA, true}, {SEV_SECTION_KERNEL_HASHES, true},
};

static struct range sev_range(const struct sev_section *section)
{
    return (struct range){section->gpa, section->size};
}

static int check_sev_kind(const struct sev_metadata *before, const struct sev_section *section,
                          struct err *err)
{
    size_t i = 0;
    while (i < ARRAY_LEN(sev_kinds) && sev_kinds[i].kind != section->kind)
        i++;
    if (i == ARRAY_LEN(sev_kinds))
        return FAIL(err, ERR_UNSUPPORTED, "%s: a section of unknown kind %#x at %#x", sev_list.what,
                    (unsigned)section->kind, section->gpa);
    if (!sev_kinds[i].single)
        return 0;
    if (section->size != GUEST_PAGE_SIZE)
        return FAIL(err, ERR_INVALID, "%s: the section of kind %#x has %u bytes, expected %d",
                    sev_list.what, (unsigned)section->kind, section->size, GUEST_PAGE_SIZE);
    for (size_t k = 0; k < before->count; k++) {
        if (before->sections[k].kind == section->kind)
            return FAIL(err, ERR_INVALID, "%s: two sections of kind %#x", sev_list.what,
                        (unsigned)section->kind);
    }
    return 0;
}

static int check_sev_section(const struct firmware *firmware, const struct sev_metadata *before,
                             const struct sev_section *section, struct err *err)
{
    struct range range = sev_range(section);
    if (check_range(sev_list.what, range, firmware_base(firmware), err) < 0 ||
        check_sev_kind(before, section, err) < 0)
        return -1;
    for (size_t i = 0; i < before->count; i++) {
        if (overlap(range, sev_range(&before->sections[i])))
            return fail_overlap(sev_list.what, sev_range(&before->sections[i]), range, err);
    }
    return 0;
}

int firmware_sev_metadata(const struct firmware *firmware, struct sev_metadata *ret,
                          struct err *err)
{
    struct reader in;
    size_t count;
    struct sev_metadata metadata = {.count = 0};
    if (open_list(&sev_list, firmware, firmware->sev_metadata, &in, err) < 0 ||
        read_head(&sev_list, &in, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct sev_section *section = &metadata.sections[i];
        uint32_t kind;
        if (reader_u32le(&in, "address", &section->gpa, err) < 0 ||
            reader_u32le(&in, "size", &section->size, err) < 0 ||
            reader_u32le(&in, "kind", &kind, err) < 0)
            return -1;
        section->kind = (enum sev_section_kind)kind;
        if (check_sev_section(firmware, &metadata, section, err) < 0)
            return -1;
        metadata.count++;
    }
    *ret = metadata;
    return 0;
}

static int read_tdx_section(const struct firmware *firmware, struct reader *in,
                            struct tdx_section *ret, struct err *err)
{
    uint32_t offset;
    uint32_t raw_size;
    uint32_t kind;
    if (reader_u32le(in, "offset in the file", &offset, err) < 0 ||
        reader_u32le(in, "size in the file", &raw_size, err) < 0 ||
        reader_u64le(in, "address", &ret->gpa, err) < 0 ||
        reader_u64le(in, "size", &ret->size, err) < 0 || reader_u32le(in, "kind", &kind, err) < 0 ||
        reader_u32le(in, "attributes", &ret->attributes, err) < 0)
        return -1;
    if (kind > TDX_SECTION_PERM_MEMORY)
        return FAIL(err, ERR_UNSUPPORTED, "%s: a section of unknown kind %u at %#" PRIx64, in->what,
                    kind, ret->gpa);
    if ((ret->attributes & ~(uint32_t)(TDX_SECTION_EXTEND | TDX_SECTION_PAGE_AUG)) != 0)
        return FAIL(err, ERR_UNSUPPORTED, "%s: unknown attributes %#x of the section at %#" PRIx64,
                    in->what, ret->attributes, ret->gpa);
    if (raw_size > ret->size)
        return FAIL(err, ERR_INVALID, "%s: %u bytes of the file for a section of %#" PRIx64,
                    in->what, raw_size, ret->size);
    struct reader file = reader_of(firmware->bytes, in->what);
    ret->kind = (enum tdx_section_kind)kind;
    return raw_size > 0 && reader_skip(&file, "the file before a section", offset, err) < 0
               ? -1
               : reader_slice(&file, "a section", raw_size, &ret->data, err);
}

static struct range tdx_range(const struct tdx_section *section)
{
    return (struct range){section->gpa, section->size};
}

int firmware_tdx_metadata(const struct firmware *firmware, struct tdx_metadata *ret,
                          struct err *err)
{
    struct reader in;
    size_t count;
    struct tdx_metadata metadata = {.count = 0};
    if (open_list(&tdx_list, firmware, firmware->tdx_metadata, &in, err) < 0 ||
        read_head(&tdx_list, &in, &count, err) < 0)
        return -1;
    for (; metadata.count < count; metadata.count++) {
        struct tdx_section *section = &metadata.sections[metadata.count];
        if (read_tdx_section(firmware, &in, section, err) < 0 ||
            check_range(tdx_list.what, tdx_range(section), FIRMWARE_END, err) < 0)
            return -1;
        for (size_t i = 0; i < metadata.count; i++) {
            if (overlap(tdx_range(section), tdx_range(&metadata.sections[i])))
                return fail_overlap(tdx_list.what, tdx_range(&metadata.sections[i]),
                                    tdx_range(section), err);
        }
    }
    *ret = metadata;
    return 0;
}
