// SPDX-License-Identifier: Apache-2.0
/*
 * The table of GUIDs at the end of a firmware file. It is read from its end: 32 bytes of reset
 * vector, then the footer (length of the whole table, GUID), then entries that each end with their
 * length and GUID. An entry that is known may stand there once.
 */
#include "measure/firmware.h"

#include "base/mem.h"
#include "base/reader.h"

enum {
    RESET_VECTOR_SIZE = 32,
    GUID_SIZE = 16,
    ENTRY_END_SIZE = 2 + GUID_SIZE, /* u16 length, GUID */
};

/* GUIDs as they stand in the file: the first three numbers little-endian. */
/* 96b582de-1fb2-45f7-baea-a366c55a082d */
static const uint8_t footer_guid[GUID_SIZE] = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                               0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};

static int read_offset(struct reader *in, struct firmware *firmware, uint32_t *ret, struct err *err)
{
    uint32_t offset;
    if (reader_u32le(in, "offset from the end", &offset, err) < 0)
        return -1;
    if (offset == 0 || offset > firmware->bytes.len)
        return FAIL(err, ERR_INVALID, "%s at %u bytes before the end, the file has %zu", in->what,
                    offset, firmware->bytes.len);
    *ret = offset;
    return 0;
}

static int read_sev_metadata(struct reader *in, struct firmware *firmware, struct err *err)
{
    return read_offset(in, firmware, &firmware->sev_metadata, err);
}

static int read_tdx_metadata(struct reader *in, struct firmware *firmware, struct err *err)
{
    return read_offset(in, firmware, &firmware->tdx_metadata, err);
}

static int read_ap_reset(struct reader *in, struct firmware *firmware, struct err *err)
{
    firmware->has_ap_reset = true;
    return reader_u32le(in, "address", &firmware->ap_reset_eip, err);
}

static int read_hashes_area(struct reader *in, struct firmware *firmware, struct err *err)
{
    if (reader_u32le(in, "base", &firmware->hashes_base, err) < 0)
        return -1;
    return reader_u32le(in, "size", &firmware->hashes_size, err);
}

static const struct entry {
    uint8_t guid[GUID_SIZE];
    const char *what;
    int (*read)(struct reader *in, struct firmware *firmware, struct err *err);
} entries[] = {
    /* dc886566-984a-4798-a75e-5585a7bf67cc */
    {{0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67,
      0xcc},
     "firmware: SEV metadata",
     read_sev_metadata},
    /* e47a6535-984a-4798-865e-4685a7bf8ec2 */
    {{0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47, 0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e,
      0xc2},
     "firmware: TDX metadata",
     read_tdx_metadata},
    /* 00f771de-1a7e-4fcb-890e-68c77e2fb44e */
    {{0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4,
      0x4e},
     "firmware: SEV-ES reset block",
     read_ap_reset},
    /* 7255371f-3a3b-4b04-927b-1da6efa8d454 */
    {{0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b, 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4,
      0x54},
     "firmware: SEV kernel hashes area",
     read_hashes_area},
};

/* Length and GUID at the end of what is left of the table. */
static int read_entry_end(struct slice table, size_t *ret_size, struct slice *ret_guid,
                          struct err *err)
{
    struct reader in = reader_of(table, "firmware: table of GUIDs");
    uint16_t size;
    if (table.len < ENTRY_END_SIZE)
        return FAIL(err, ERR_INVALID, "%s: %zu bytes before its first entry, expected none",
                    in.what, table.len);
    if (reader_skip(&in, "entries", table.len - ENTRY_END_SIZE, err) < 0 ||
        reader_u16le(&in, "length of an entry", &size, err) < 0 ||
        reader_slice(&in, "GUID", GUID_SIZE, ret_guid, err) < 0)
        return -1;
    if (size < ENTRY_END_SIZE || size > table.len)
        return FAIL(err, ERR_INVALID, "%s: an entry of %u bytes where %zu are left", in.what, size,
                    table.len);
    *ret_size = size;
    return 0;
}

static int read_entry(struct slice guid, struct slice data, unsigned *seen,
                      struct firmware *firmware, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        if (!slice_equal(guid, slice_of(entries[i].guid, GUID_SIZE)))
            continue;
        if ((*seen & 1u << i) != 0)
            return FAIL(err, ERR_INVALID, "%s: twice in the table of GUIDs", entries[i].what);
        *seen |= 1u << i;
        struct reader in = reader_of(data, entries[i].what);
        return entries[i].read(&in, firmware, err) < 0 ? -1 : reader_end(&in, err);
    }
    return 0; /* others' entries say nothing about what is measured */
}

static int read_entries(struct slice table, struct firmware *firmware, struct err *err)
{
    unsigned seen = 0;
    while (table.len > 0) {
        size_t size;
        struct slice guid;
        if (read_entry_end(table, &size, &guid, err) < 0)
            return -1;
        struct slice data = slice_of(table.data + table.len - size, size - ENTRY_END_SIZE);
        if (read_entry(guid, data, &seen, firmware, err) < 0)
            return -1;
        table.len -= size;
    }
    return 0;
}

static int check_size(struct slice bytes, struct err *err)
{
    if (bytes.len > FIRMWARE_MAX)
        return FAIL(err, ERR_TOO_LARGE, "firmware: %zu bytes, at most %d", bytes.len, FIRMWARE_MAX);
    if (bytes.len == 0 || bytes.len % GUEST_PAGE_SIZE != 0)
        return FAIL(err, ERR_INVALID, "firmware: %zu bytes, expected whole pages of %d", bytes.len,
                    GUEST_PAGE_SIZE);
    return 0;
}

int firmware_parse(struct slice bytes, struct firmware *ret, struct err *err)
{
    if (check_size(bytes, err) < 0)
        return -1;
    struct slice table = slice_of(bytes.data, bytes.len - RESET_VECTOR_SIZE);
    struct slice guid;
    size_t size;
    struct firmware firmware = {.bytes = bytes};
    if (!slice_equal(slice_of(table.data + table.len - GUID_SIZE, GUID_SIZE),
                     slice_of(footer_guid, GUID_SIZE)))
        return FAIL(err, ERR_INVALID,
                    "firmware: no table of GUIDs at its end; expected an OVMF file");
    if (read_entry_end(table, &size, &guid, err) < 0)
        return -1;
    table = slice_of(table.data + table.len - size, size - ENTRY_END_SIZE);
    if (read_entries(table, &firmware, err) < 0)
        return -1;
    *ret = firmware;
    return 0;
}
