// SPDX-License-Identifier: Apache-2.0
/*
 * MRTD, RTMR1 and RTMR2: against a program of these few lines that was written apart from
 * src/measure (the MRTD of a small firmware), an event log of a real guest (RTMR1), and that each
 * byte of what goes in counts.
 */
#include "known.h"

#include "measure/event_log.h"
#include "measure/tdx.h"

enum { TDX_METADATA = GUEST_PAGE_SIZE - 0x9d0, SECTION = TDX_METADATA + 16, SECTION_SIZE = 32 };

/* The AmdSev page as a whole firmware: its code is the page, its variables are somewhere else. */
static void small_firmware(struct buf *file)
{
    known_read(AMDSEV, file);
    put_u32(file->data + SECTION, 0);
    put_u32(file->data + SECTION + 4, GUEST_PAGE_SIZE);
    put_u32(file->data + SECTION + 16, 2 * GUEST_PAGE_SIZE); /* a page of zeros behind it */
    put_u32(file->data + SECTION + SECTION_SIZE, 100);
    put_u32(file->data + SECTION + SECTION_SIZE + 4, 16);
    put_u32(file->data + SECTION + SECTION_SIZE + 16, GUEST_PAGE_SIZE);
}

static int mrtd_of(struct buf *file, enum mrtd_order order, uint8_t ret[static TDX_DIGEST_SIZE],
                   struct err *error)
{
    struct firmware firmware;
    if (firmware_parse(buf_slice(file), &firmware, error) < 0)
        return -1;
    return tdx_mrtd(&firmware, order, ret, error);
}

static void mrtd_of_a_small_firmware(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(GUEST_FILE_MAX);
    uint8_t digest[TDX_DIGEST_SIZE];
    small_firmware(&file);
    OK(mrtd_of(&file, MRTD_PAGE_BY_PAGE, digest, &err));
    assert_digest(digest, sizeof(digest),
                  "28c60da83091e959ca0715cde0d7c821f65e883f14a91d0beb30689ef9f1ba1e2a47320fe953ee39"
                  "f76ce9b1ce5c9d7a");
    OK(mrtd_of(&file, MRTD_ADD_THEN_EXTEND, digest, &err));
    assert_digest(digest, sizeof(digest),
                  "435f5cd5578422ad0acfe700065adf43f7ce5b0b7cc4e533b11859b0360c4c9dda2c4a99722a3f37"
                  "8cad4cd9c7a08bdf");
}

/* Of the file, all that a measured section takes; of the metadata, each field. */
static void every_byte_of_the_firmware_counts(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(GUEST_FILE_MAX);
    uint8_t good[TDX_DIGEST_SIZE];
    uint8_t digest[TDX_DIGEST_SIZE];
    small_firmware(&file);
    OK(mrtd_of(&file, MRTD_PAGE_BY_PAGE, good, &err));
    for (size_t i = 0; i < file.len; i += 7) {
        file.data[i] ^= 0x20;
        if (mrtd_of(&file, MRTD_PAGE_BY_PAGE, digest, NULL) == 0)
            assert_memory_not_equal(digest, good, sizeof(good));
        file.data[i] ^= 0x20;
    }
}

static void memory_that_is_added_later_is_not_measured(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(GUEST_FILE_MAX);
    uint8_t digest[TDX_DIGEST_SIZE];
    uint8_t empty[TDX_DIGEST_SIZE];
    small_firmware(&file);
    for (size_t i = 0; i < 6; i++)
        put_u32(file.data + SECTION + i * SECTION_SIZE + 28, TDX_SECTION_PAGE_AUG);
    OK(mrtd_of(&file, MRTD_PAGE_BY_PAGE, digest, &err));
    OK(sha384(slice_of(NULL, 0), empty, &err));
    assert_memory_equal(digest, empty, sizeof(empty));
}

/* The kernel's digest is taken from the log's first event of RTMR1. */
static void rtmr1_of_a_real_guest(void **state)
{
    (void)state;
    AUTO_BUF struct buf bytes = BUF_INIT(GUEST_FILE_MAX);
    uint8_t rtmrs[TDX_RTMR_COUNT][TDX_DIGEST_SIZE];
    uint8_t rtmr1[TDX_DIGEST_SIZE];
    struct event_log log;
    struct event event = {0};
    bool more = true;
    known_read("edk2-boot.ccel", &bytes);
    OK(event_log_replay(buf_slice(&bytes), rtmrs, &err));
    OK(event_log_open(buf_slice(&bytes), &log, &err));
    while (event.rtmr != 1) {
        OK(event_log_next(&log, &event, &more, &err));
        assert_true(more);
    }
    OK(tdx_rtmr1(event.digest.data, rtmr1, &err));
    assert_memory_equal(rtmr1, rtmrs[1], sizeof(rtmr1));
    assert_digest(rtmr1, sizeof(rtmr1),
                  "bdcf4ee0f7fdfe7c73fbb19ded73193aee23a6726b86d3b282ea097cf4c9ed7a0db21b5c1ccd513e"
                  "410d90e310836b26");
}

static void rtmr2_of_command_line_and_initrd(void **state)
{
    (void)state;
    static const char options[] = "a\0=\0b\0 \0i\0n\0i\0t\0r\0d\0=\0i\0n\0i\0t\0r\0d\0\0";
    uint8_t found[TDX_DIGEST_SIZE];
    uint8_t expected[TDX_DIGEST_SIZE] = {0};
    uint8_t digest[TDX_DIGEST_SIZE];
    OK(tdx_rtmr2("a=b", slice_str("an initrd"), found, &err));
    OK(sha384(slice_of(options, sizeof(options)), digest, &err));
    OK(tdx_extend(expected, digest, &err));
    OK(sha384(slice_str("an initrd"), digest, &err));
    OK(tdx_extend(expected, digest, &err));
    assert_memory_equal(found, expected, sizeof(found));
    OK(tdx_rtmr2("a=c", slice_str("an initrd"), found, &err));
    assert_memory_not_equal(found, expected, sizeof(found));
    OK(tdx_rtmr2("a=b", slice_str("an initre"), found, &err));
    assert_memory_not_equal(found, expected, sizeof(found));
    FAILS(ERR_INVALID, "is not ASCII", tdx_rtmr2("a=\xc3\xa9", slice_str(""), found, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mrtd_of_a_small_firmware),
        cmocka_unit_test(every_byte_of_the_firmware_counts),
        cmocka_unit_test(memory_that_is_added_later_is_not_measured),
        cmocka_unit_test(rtmr1_of_a_real_guest),
        cmocka_unit_test(rtmr2_of_command_line_and_initrd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
