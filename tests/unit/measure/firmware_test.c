// SPDX-License-Identifier: Apache-2.0
/*
 * Firmware tables: what two real builds say, and every way to forge or cut them, refused by name.
 */
#include "known.h"

#include "measure/firmware.h"

/* Where things stand in the AmdSev page: the table of GUIDs grows downwards from 0xfe0. */
enum {
    PAGE = GUEST_PAGE_SIZE,
    FOOTER = PAGE - 50,
    RESET_ENTRY = FOOTER - 22,
    SECRET_ENTRY = RESET_ENTRY - 26,
    HASHES_ENTRY = SECRET_ENTRY - 26,
    SEV_ENTRY = HASHES_ENTRY - 22,
    TDX_ENTRY = SEV_ENTRY - 22,
    SEV_METADATA = PAGE - 0x554,
    TDX_METADATA = PAGE - 0x9d0,
};

static void the_tables_of_amdsev(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(PAGE);
    struct firmware firmware;
    struct sev_metadata sev;
    known_read(AMDSEV, &file);
    OK(firmware_parse(buf_slice(&file), &firmware, &err));
    assert_true(firmware.has_ap_reset);
    assert_int_equal(firmware.ap_reset_eip, 0x80b004);
    assert_int_equal(firmware.hashes_base, 0x810c00);
    assert_int_equal(firmware.hashes_size, 0x400);
    assert_true(firmware_base(&firmware) == UINT64_C(0xfffff000));
    OK(firmware_sev_metadata(&firmware, &sev, &err));
    static const struct sev_section expected[] = {
        {0x800000, 0x9000, SEV_SECTION_MEMORY},   {0x80a000, 0x3000, SEV_SECTION_MEMORY},
        {0x80d000, 0x1000, SEV_SECTION_SECRETS},  {0x80e000, 0x1000, SEV_SECTION_CPUID},
        {0x80f000, 0x1000, SEV_SECTION_SVSM_CAA}, {0x810000, 0x1000, SEV_SECTION_KERNEL_HASHES},
        {0x811000, 0xf000, SEV_SECTION_MEMORY},
    };
    assert_int_equal(sev.count, ARRAY_LEN(expected));
    for (size_t i = 0; i < sev.count; i++) {
        assert_int_equal(sev.sections[i].gpa, expected[i].gpa);
        assert_int_equal(sev.sections[i].size, expected[i].size);
        assert_int_equal(sev.sections[i].kind, expected[i].kind);
    }
}

static void the_tables_of_ovmfx64(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(PAGE);
    struct firmware firmware;
    struct sev_metadata sev;
    known_read(OVMFX64, &file);
    OK(firmware_parse(buf_slice(&file), &firmware, &err));
    assert_int_equal(firmware.hashes_size, 0);
    OK(firmware_sev_metadata(&firmware, &sev, &err));
    assert_int_equal(sev.count, 6);
    assert_int_equal(sev.sections[5].size, 0x10000);
}

struct forged {
    const char *what;
    uint32_t at;
    uint32_t size; /* 2 or 4 bytes, little-endian */
    uint32_t value;
    enum err_kind kind;
    const char *part; /* of the message */
};

/* Over the table of GUIDs. */
static const struct forged forged_tables[] = {
    {"footer's GUID", FOOTER + 2, 4, 0, ERR_INVALID, "no table of GUIDs"},
    {"table of no length", FOOTER, 2, 17, ERR_INVALID, "an entry of 17 bytes"},
    {"table longer than the file", FOOTER, 2, 0xffff, ERR_INVALID, "an entry of 65535 bytes"},
    {"table that cuts an entry", FOOTER, 2, 0x88 + 3, ERR_INVALID, "before its first entry"},
    {"entry of no length", RESET_ENTRY + 4, 2, 0, ERR_INVALID, "an entry of 0 bytes"},
    {"entry longer than the table", RESET_ENTRY + 4, 2, 0x77, ERR_INVALID, "an entry of 119 bytes"},
    {"short reset block", RESET_ENTRY + 4, 2, 21, ERR_INVALID, "reset block is truncated"},
    {"SEV metadata at 0", SEV_ENTRY, 4, 0, ERR_INVALID, "SEV metadata at 0 bytes"},
    {"SEV metadata before the file", SEV_ENTRY, 4, PAGE + 1, ERR_INVALID, "at 4097 bytes"},
    {"TDX metadata before the file", TDX_ENTRY, 4, UINT32_MAX, ERR_INVALID,
     "TDX metadata at 42949"},
};

/* Over the lists that the table leads to. */
static const struct forged forged_sev[] = {
    {"signature", SEV_METADATA, 4, 0x46564454, ERR_INVALID, "does not begin with 'ASEV'"},
    {"length", SEV_METADATA + 4, 4, 99, ERR_INVALID, "length 99, expected 100"},
    {"version 0", SEV_METADATA + 8, 4, 0, ERR_UNSUPPORTED, "version 0"},
    {"version 2", SEV_METADATA + 8, 4, 2, ERR_UNSUPPORTED, "version 2"},
    {"no section", SEV_METADATA + 12, 4, 0, ERR_INVALID, "0 sections"},
    {"too many", SEV_METADATA + 12, 4, 33, ERR_INVALID, "33 sections"},
    {"one less than the length says", SEV_METADATA + 12, 4, 6, ERR_INVALID, "length 100"},
    {"not at a page", SEV_METADATA + 16, 4, 0x800001, ERR_INVALID, "expected whole pages"},
    {"no size", SEV_METADATA + 20, 4, 0, ERR_INVALID, "expected whole pages"},
    {"no whole pages", SEV_METADATA + 20, 4, 0x8fff, ERR_INVALID, "expected whole pages"},
    {"over the next", SEV_METADATA + 20, 4, 0xb000, ERR_INVALID, "overlap"},
    {"into the firmware", SEV_METADATA + 20, 4, 0xff800000, ERR_INVALID, "ends beyond 0xfffff000"},
    {"unknown kind", SEV_METADATA + 24, 4, 5, ERR_UNSUPPORTED, "unknown kind 0x5"},
    {"two pages of secrets", SEV_METADATA + 24, 4, 2, ERR_INVALID, "kind 0x2 has 36864 bytes"},
    {"secrets twice", SEV_METADATA + 16 + 3 * 12 + 8, 4, 2, ERR_INVALID,
     "two sections of kind 0x2"},
};

static const struct forged forged_tdx[] = {
    {"signature", TDX_METADATA, 4, 0, ERR_INVALID, "does not begin with 'TDVF'"},
    {"length", TDX_METADATA + 4, 4, 209, ERR_INVALID, "length 209, expected 208"},
    {"version", TDX_METADATA + 8, 4, 2, ERR_UNSUPPORTED, "version 2"},
    {"data behind the file", TDX_METADATA + 16, 4, 0xfff, ERR_INVALID, "truncated: a section"},
    {"more data than memory", TDX_METADATA + 20, 4, 0x2000, ERR_INVALID, "8192 bytes of the file"},
    {"not at a page", TDX_METADATA + 24, 4, 1, ERR_INVALID, "expected whole pages"},
    {"beyond 4 GiB", TDX_METADATA + 28, 4, 1, ERR_INVALID, "ends beyond 0x100000000"},
    {"unknown kind", TDX_METADATA + 40, 4, 5, ERR_UNSUPPORTED, "unknown kind 5"},
    {"unknown attribute", TDX_METADATA + 44, 4, 4, ERR_UNSUPPORTED, "unknown attributes 0x4"},
    {"over another", TDX_METADATA + 24, 4, 0x812000, ERR_INVALID, "overlap"},
};

typedef int read_function(const struct firmware *firmware, struct err *err);

static int read_table(const struct firmware *firmware, struct err *error)
{
    (void)firmware;
    return FAIL(error, ERR_INTERNAL, "the table was read");
}

static int read_sev(const struct firmware *firmware, struct err *error)
{
    struct sev_metadata metadata;
    return firmware_sev_metadata(firmware, &metadata, error);
}

static int read_tdx(const struct firmware *firmware, struct err *error)
{
    struct tdx_metadata metadata;
    return firmware_tdx_metadata(firmware, &metadata, error);
}

/* The fixture has no room for its sections' data: small ones instead, so that TDX can be read. */
static void shrink_tdx(uint8_t *file)
{
    put_u32(file + TDX_METADATA + 16, 0);
    put_u32(file + TDX_METADATA + 20, PAGE);
    put_u32(file + TDX_METADATA + 32, PAGE);
    put_u32(file + TDX_METADATA + 48, 0);
    put_u32(file + TDX_METADATA + 52, 16);
}

static void refuse(const struct forged *rows, size_t count, read_function *read)
{
    for (size_t i = 0; i < count; i++) {
        AUTO_BUF struct buf file = BUF_INIT(PAGE);
        struct firmware firmware;
        known_read(AMDSEV, &file);
        shrink_tdx(file.data);
        OK(firmware_parse(buf_slice(&file), &firmware, &err));
        if (rows[i].size == 2)
            put_u16(file.data + rows[i].at, rows[i].value);
        else
            put_u32(file.data + rows[i].at, rows[i].value);
        err = ERR_INIT;
        int result = firmware_parse(buf_slice(&file), &firmware, &err);
        if (result == 0)
            result = read(&firmware, &err);
        if (result != -1 || err.kind != rows[i].kind || strstr(err.message, rows[i].part) == NULL)
            fail_msg("%s: result %d, '%s'", rows[i].what, result, err.message);
    }
}

static void forged_firmware_is_refused_by_name(void **state)
{
    (void)state;
    refuse(forged_tables, ARRAY_LEN(forged_tables), read_table);
    refuse(forged_sev, ARRAY_LEN(forged_sev), read_sev);
    refuse(forged_tdx, ARRAY_LEN(forged_tdx), read_tdx);
}

static void an_entry_may_stand_there_once(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(PAGE);
    struct firmware firmware;
    known_read(AMDSEV, &file);
    /* the secret block's GUID becomes the hashes area's: two of the same size */
    memcpy(file.data + SECRET_ENTRY + 10, file.data + HASHES_ENTRY + 10, 16);
    FAILS(ERR_INVALID, "kernel hashes area: twice",
          firmware_parse(buf_slice(&file), &firmware, &err));
}

static void truncated_firmware_is_refused(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(2 * PAGE);
    struct firmware firmware;
    uint8_t *whole = buf_reserve(&file, (size_t)2 * PAGE, &err);
    assert_non_null(whole);
    AUTO_BUF struct buf last = BUF_INIT(PAGE);
    known_read(AMDSEV, &last);
    memset(whole, 0, PAGE);
    memcpy(whole + PAGE, last.data, PAGE);
    OK(firmware_parse(slice_of(whole, (size_t)2 * PAGE), &firmware, &err));
    for (size_t len = 0; len < (size_t)2 * PAGE; len += 13)
        FAILS(ERR_INVALID, len == 0 || len % PAGE != 0 ? "expected whole pages" : "no table",
              firmware_parse(slice_of(whole, len), &firmware, &err));
    FAILS(ERR_INVALID, "no table", firmware_parse(slice_of(whole, PAGE), &firmware, &err));
}

static void a_file_without_metadata_is_refused(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(PAGE);
    struct firmware firmware;
    struct sev_metadata sev;
    struct tdx_metadata tdx;
    known_read(AMDSEV, &file);
    file.data[SEV_ENTRY + 6] ^= 1;
    file.data[TDX_ENTRY + 6] ^= 1;
    OK(firmware_parse(buf_slice(&file), &firmware, &err));
    FAILS(ERR_UNSUPPORTED, "no SEV metadata", firmware_sev_metadata(&firmware, &sev, &err));
    FAILS(ERR_UNSUPPORTED, "no TDX metadata", firmware_tdx_metadata(&firmware, &tdx, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_of_amdsev),
        cmocka_unit_test(the_tables_of_ovmfx64),
        cmocka_unit_test(forged_firmware_is_refused_by_name),
        cmocka_unit_test(an_entry_may_stand_there_once),
        cmocka_unit_test(truncated_firmware_is_refused),
        cmocka_unit_test(a_file_without_metadata_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
