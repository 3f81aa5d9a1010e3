// SPDX-License-Identifier: Apache-2.0
/*
 * MRTD and the two RTMRs that an image decides. Pure; runs where somebody wants to know what a
 * quote will say.
 */
#include "measure/tdx.h"

#include "base/mem.h"

enum { RECORD_SIZE = 128, RECORD_NAME_SIZE = 16, CHUNK_SIZE = 256, CMDLINE_MAX = 4096 };

/* What the TDX module hashes for a page or a chunk: a name and an address. */
static int record(struct digest *digest, const char *name, uint64_t gpa, struct err *err)
{
    uint8_t bytes[RECORD_SIZE] = {0};
    memcpy(bytes, name, strlen(name));
    for (size_t i = 0; i < sizeof(gpa); i++)
        bytes[RECORD_NAME_SIZE + i] = (uint8_t)(gpa >> 8 * i);
    return digest_update(digest, slice_of(bytes, sizeof(bytes)), err);
}

static int add_page(struct digest *digest, const struct tdx_section *section, uint64_t at,
                    struct err *err)
{
    if ((section->attributes & TDX_SECTION_PAGE_AUG) != 0)
        return 0;
    return record(digest, "MEM.PAGE.ADD", section->gpa + at, err);
}

/* One chunk: the section's bytes, or zeros behind them. */
static int extend_chunk(struct digest *digest, const struct tdx_section *section, uint64_t at,
                        struct err *err)
{
    uint8_t chunk[CHUNK_SIZE] = {0};
    if (at < section->data.len) {
        size_t left = section->data.len - (size_t)at;
        memcpy(chunk, section->data.data + at, left < CHUNK_SIZE ? left : CHUNK_SIZE);
    }
    if (record(digest, "MR.EXTEND", section->gpa + at, err) < 0)
        return -1;
    return digest_update(digest, slice_of(chunk, sizeof(chunk)), err);
}

static int extend_page(struct digest *digest, const struct tdx_section *section, uint64_t at,
                       struct err *err)
{
    if ((section->attributes & TDX_SECTION_EXTEND) == 0)
        return 0;
    for (uint64_t chunk = at; chunk < at + GUEST_PAGE_SIZE; chunk += CHUNK_SIZE) {
        if (extend_chunk(digest, section, chunk, err) < 0)
            return -1;
    }
    return 0;
}

static int measure_section(struct digest *digest, const struct tdx_section *section,
                           enum mrtd_order order, struct err *err)
{
    bool page_by_page = order == MRTD_PAGE_BY_PAGE;
    for (uint64_t at = 0; at < section->size; at += GUEST_PAGE_SIZE) {
        if (add_page(digest, section, at, err) < 0 ||
            (page_by_page && extend_page(digest, section, at, err) < 0))
            return -1;
    }
    for (uint64_t at = 0; !page_by_page && at < section->size; at += GUEST_PAGE_SIZE) {
        if (extend_page(digest, section, at, err) < 0)
            return -1;
    }
    return 0;
}

int tdx_mrtd(const struct firmware *firmware, enum mrtd_order order,
             uint8_t ret[static TDX_DIGEST_SIZE], struct err *err)
{
    AUTO_DIGEST struct digest *digest = NULL;
    struct tdx_metadata metadata;
    if (firmware_tdx_metadata(firmware, &metadata, err) < 0 || digest_new_sha384(&digest, err) < 0)
        return -1;
    for (size_t i = 0; i < metadata.count; i++) {
        if (measure_section(digest, &metadata.sections[i], order, err) < 0)
            return -1;
    }
    return digest_final_sha384(digest, ret, err);
}

int tdx_extend(uint8_t rtmr[static TDX_DIGEST_SIZE], const uint8_t digest[static TDX_DIGEST_SIZE],
               struct err *err)
{
    uint8_t both[2 * TDX_DIGEST_SIZE];
    memcpy(both, rtmr, TDX_DIGEST_SIZE);
    memcpy(both + TDX_DIGEST_SIZE, digest, TDX_DIGEST_SIZE);
    return sha384(slice_of(both, sizeof(both)), rtmr, err);
}

static int extend_by(uint8_t rtmr[static TDX_DIGEST_SIZE], struct slice bytes, struct err *err)
{
    uint8_t digest[TDX_DIGEST_SIZE];
    if (sha384(bytes, digest, err) < 0)
        return -1;
    return tdx_extend(rtmr, digest, err);
}

int tdx_rtmr1(const uint8_t kernel[static TDX_DIGEST_SIZE], uint8_t ret[static TDX_DIGEST_SIZE],
              struct err *err)
{
    /* EV_EFI_ACTION and EV_SEPARATOR, in the order of edk2's event log */
    static const struct slice events[] = {
        {(const uint8_t *)"Calling EFI Application from Boot Option", 40},
        {(const uint8_t *)"\0\0\0\0", 4},
        {(const uint8_t *)"Exit Boot Services Invocation", 29},
        {(const uint8_t *)"Exit Boot Services Returned with Success", 40},
    };
    uint8_t rtmr[TDX_DIGEST_SIZE] = {0};
    if (tdx_extend(rtmr, kernel, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (extend_by(rtmr, events[i], err) < 0)
            return -1;
    }
    memcpy(ret, rtmr, sizeof(rtmr));
    return 0;
}

static int append_utf16(struct buf *out, const char *text, struct err *err)
{
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at > 0x7f)
            return FAIL(err, ERR_INVALID, "command line: byte %#x at %zu is not ASCII",
                        (unsigned char)*at, (size_t)(at - text));
        if (buf_u16le(out, (unsigned char)*at, err) < 0)
            return -1;
    }
    return 0;
}

int tdx_rtmr2(const char *cmdline, struct slice initrd, uint8_t ret[static TDX_DIGEST_SIZE],
              struct err *err)
{
    AUTO_BUF struct buf options = BUF_INIT(2 * CMDLINE_MAX);
    uint8_t rtmr[TDX_DIGEST_SIZE] = {0};
    /* edk2 tells the kernel's stub by this where its initrd is */
    if (append_utf16(&options, cmdline, err) < 0 ||
        append_utf16(&options, " initrd=initrd", err) < 0 || buf_u16le(&options, 0, err) < 0)
        return FAIL_CONTEXT(err, "load options");
    if (extend_by(rtmr, buf_slice(&options), err) < 0 || extend_by(rtmr, initrd, err) < 0)
        return -1;
    memcpy(ret, rtmr, sizeof(rtmr));
    return 0;
}
