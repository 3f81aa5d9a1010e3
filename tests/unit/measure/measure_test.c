// SPDX-License-Identifier: Apache-2.0
/*
 * include/mse/measure.h as a program outside uses it: known answers through it, and errors as text.
 */
#include "known.h"

#include "crypto/crypto.h"

#include "mse/mse.h"

#include <stddef.h>

static struct mse_bytes bytes_of(const struct buf *buf)
{
    return (struct mse_bytes){.data = buf->data, .size = buf->len};
}

static void an_snp_guest(void **state)
{
    (void)state;
    AUTO_BUF struct buf firmware = BUF_INIT(GUEST_FILE_MAX);
    AUTO_BUF struct buf kernel = BUF_INIT(GUEST_FILE_MAX);
    uint8_t digest[MSE_SHA384_SIZE];
    uint8_t other[MSE_SHA384_SIZE];
    char error[MSE_ERROR_SIZE] = "";
    known_read(AMDSEV, &firmware);
    known_read("tiny.efi", &kernel);
    struct mse_guest guest = {.size = sizeof(guest),
                              .firmware = bytes_of(&firmware),
                              .cpu = "EPYC-v4",
                              .vcpus = 1,
                              .sev_features = 1};
    assert_int_equal(mse_measure_snp(&guest, digest, error), 0);
    assert_digest(digest, sizeof(digest),
                  "19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ecabe033c48dd6f6db"
                  "5d6d76e7c5df632d");
    guest.kernel = bytes_of(&kernel);
    assert_int_equal(mse_measure_snp(&guest, digest, error), 0);
    guest.cmdline = ""; /* the same as none */
    assert_int_equal(mse_measure_snp(&guest, other, error), 0);
    assert_memory_equal(digest, other, sizeof(digest));
    guest.cmdline = "quiet";
    assert_int_equal(mse_measure_snp(&guest, other, error), 0);
    assert_memory_not_equal(digest, other, sizeof(digest));
    assert_string_equal(error, "");

    guest.cpu = "EPYC-v9";
    assert_int_equal(mse_measure_snp(&guest, other, error), -1);
    assert_non_null(strstr(error, "'EPYC-v9' is not known; QEMU's names"));
    guest.cpu = NULL;
    assert_int_equal(mse_measure_snp(&guest, other, error), -1);
    assert_string_equal(error, "no processor model");
    assert_int_equal(mse_measure_snp(&guest, other, NULL), -1);
}

static void a_tdx_guest(void **state)
{
    (void)state;
    AUTO_BUF struct buf firmware = BUF_INIT(GUEST_FILE_MAX);
    AUTO_BUF struct buf kernel = BUF_INIT(GUEST_FILE_MAX);
    struct mse_tdx_measurement measured = MSE_TDX_MEASUREMENT_INIT;
    struct mse_tdx_measurement other = MSE_TDX_MEASUREMENT_INIT;
    char error[MSE_ERROR_SIZE] = "";
    known_read(AMDSEV, &firmware);
    known_read("tiny.efi", &kernel);
    struct mse_guest guest = {
        .size = sizeof(guest), .firmware = bytes_of(&firmware), .kernel = bytes_of(&kernel)};
    assert_int_equal(mse_measure_tdx(&guest, &measured, error), -1); /* one page of a firmware */
    assert_non_null(strstr(error, "TDX metadata"));
    put_u32(firmware.data + 4096 - 0x9d0 + 20, 0);
    put_u32(firmware.data + 4096 - 0x9d0 + 52, 0);
    assert_int_equal(mse_measure_tdx(&guest, &measured, error), 0);
    guest.mrtd_add_first = true;
    assert_int_equal(mse_measure_tdx(&guest, &other, error), 0);
    assert_memory_not_equal(measured.mrtd, other.mrtd, MSE_SHA384_SIZE);
    assert_memory_equal(measured.rtmr1, other.rtmr1, MSE_SHA384_SIZE);
    guest.kernel.size = 0;
    assert_int_equal(mse_measure_tdx(&guest, &other, error), -1);
    assert_non_null(strstr(error, "kernel: PE file is truncated"));
}

static void logs_and_blocks_and_images(void **state)
{
    (void)state;
    AUTO_BUF struct buf log = BUF_INIT(GUEST_FILE_MAX);
    AUTO_BUF struct buf image = BUF_INIT(GUEST_FILE_MAX);
    uint8_t rtmrs[MSE_TDX_RTMRS][MSE_SHA384_SIZE];
    uint8_t digest[MSE_SHA384_SIZE] = {1};
    uint8_t fingerprint[MSE_SHA256_SIZE] = {2};
    uint8_t block[MSE_SNP_ID_BLOCK_SIZE];
    uint8_t auth[MSE_SNP_ID_AUTH_SIZE];
    uint8_t expected[SHA256_SIZE];
    char error[MSE_ERROR_SIZE] = "";
    known_read("edk2-boot.ccel", &log);
    known_read("image.json", &image);
    assert_int_equal(mse_replay_event_log(bytes_of(&log), rtmrs, error), 0);
    assert_int_equal(rtmrs[1][0], 0xbd);
    log.len--;
    assert_int_equal(mse_replay_event_log(bytes_of(&log), rtmrs, error), -1);
    assert_non_null(strstr(error, "event log is truncated"));

    assert_int_equal(mse_snp_id_block(digest, fingerprint, 0x30000, block, auth, error), 0);
    assert_int_equal(block[0], 1);
    assert_int_equal(block[48], 2);
    assert_int_equal(auth[0], 1);
    assert_int_equal(mse_snp_id_key_digest(digest, error), 0);
    assert_int_equal(digest[0], 0x5b);

    assert_int_equal(mse_image_digest(bytes_of(&image), digest, error), 0);
    OK(sha256(buf_slice(&image), expected, &err));
    assert_memory_equal(digest, expected, sizeof(expected));
    image.data[0] = ' ';
    assert_int_equal(mse_image_digest(bytes_of(&image), digest, error), -1);
    assert_non_null(strstr(error, "image"));
    assert_int_equal(mse_verity_root(bytes_of(&image), digest, error), -1);
    assert_non_null(strstr(error, "whole blocks"));
}

/* Programs that were compiled with an older or a later header. */
static void callers_of_other_versions(void **state)
{
    (void)state;
    static const size_t none[] = {0, 7, 12, SIZE_MAX, 1 << 20};
    struct {
        struct mse_guest known;
        uint64_t later;
    } guest = {0};
    struct {
        struct mse_tdx_measurement known;
        uint64_t later;
    } measured = {.later = 7};
    AUTO_BUF struct buf firmware = BUF_INIT(GUEST_FILE_MAX);
    AUTO_BUF struct buf kernel = BUF_INIT(GUEST_FILE_MAX);
    uint8_t digest[MSE_SHA384_SIZE];
    char error[MSE_ERROR_SIZE] = "";
    known_read(AMDSEV, &firmware);
    known_read("tiny.efi", &kernel);
    put_u32(firmware.data + 4096 - 0x9d0 + 20, 0);
    put_u32(firmware.data + 4096 - 0x9d0 + 52, 0);
    guest.known = (struct mse_guest){.size = sizeof(guest),
                                     .firmware = bytes_of(&firmware),
                                     .kernel = bytes_of(&kernel),
                                     .mrtd_add_first = true};
    /* Room for more than this version knows is left as it was; less is not written behind. */
    measured.known.size = sizeof(measured);
    assert_int_equal(mse_measure_tdx(&guest.known, &measured.known, error), 0);
    assert_int_equal(measured.later, 7);
    assert_int_equal(measured.known.size, sizeof(measured));
    struct mse_tdx_measurement shorter = {.size = offsetof(struct mse_tdx_measurement, rtmr2)};
    assert_int_equal(mse_measure_tdx(&guest.known, &shorter, error), 0);
    assert_memory_equal(shorter.rtmr1, measured.known.rtmr1, MSE_SHA384_SIZE);
    assert_true(slice_is_zero(slice_of(shorter.rtmr2, MSE_SHA384_SIZE)));
    /* What lies behind an older caller's struct is not looked at. */
    struct mse_tdx_measurement other = MSE_TDX_MEASUREMENT_INIT;
    guest.known.size = offsetof(struct mse_guest, mrtd_add_first);
    assert_int_equal(mse_measure_tdx(&guest.known, &other, error), 0);
    assert_memory_not_equal(other.mrtd, measured.known.mrtd, MSE_SHA384_SIZE);
    /* What a newer caller asks for is not passed over. */
    guest.known.size = sizeof(guest);
    guest.later = 1;
    assert_int_equal(mse_measure_tdx(&guest.known, &other, error), -1);
    assert_non_null(strstr(error, "guest: its size is"));
    assert_non_null(strstr(error, "MSE_GUEST_INIT"));
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        guest.known.size = none[i];
        assert_int_equal(mse_measure_snp(&guest.known, digest, error), -1);
        guest.known.size = sizeof(guest.known);
        other.size = none[i];
        assert_int_equal(mse_measure_tdx(&guest.known, &other, error), -1);
        assert_non_null(strstr(error, "MSE_TDX_MEASUREMENT_INIT"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_snp_guest),
        cmocka_unit_test(a_tdx_guest),
        cmocka_unit_test(logs_and_blocks_and_images),
        cmocka_unit_test(callers_of_other_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
