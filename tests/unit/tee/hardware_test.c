// SPDX-License-Identifier: Apache-2.0
/*
 * The drivers of the hardware TEEs with everything but the hardware: files and ioctl are played by
 * this test. It shows that what the hardware says is carried faithfully and that nonsense from it
 * is an error; it cannot show that the hardware speaks so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "tee/platform.h"
#include "tee/tee.h"

#include <errno.h>
#include <linux/sev-guest.h>
#include <sys/ioctl.h>
#include <stdio.h>
#include <stdlib.h>

static char root[] = "/tmp/mse-hardware-XXXXXX";
static struct tee_platform original;
static const uint8_t report_data[64] = {1, 2, 3};
static const uint8_t fingerprint[32] = {4, 5, 6};

/* The played kernel. */
static unsigned generation;
static unsigned strangers; /* writes of somebody else that are still to come */
static const char *provider;
static char written[128];
static size_t written_len;
static uint32_t firmware_status;
static uint32_t report_size;
static uint8_t key_byte;
static uint8_t ids[32]; /* FAMILY_ID and IMAGE_ID of the launch */

static int play_read(const char *path, struct buf *out, struct err *err)
{
    if (str_ends_with(path, "/generation"))
        return buf_printf(out, err, "%u\n", generation);
    if (str_ends_with(path, "/provider"))
        return buf_printf(out, err, "%s\n", provider);
    if (!str_ends_with(path, "/outblob") && !str_ends_with(path, "/quote"))
        return file_read(path, out, err);
    if (strangers > 0) {
        strangers--;
        generation++;
    }
    return buf_printf(out, err, "quote over %zu bytes", written_len);
}

static int play_write(const char *path, struct slice bytes, struct err *err)
{
    assert_true(bytes.len <= sizeof(written));
    memcpy(written, bytes.data, bytes.len);
    written_len = bytes.len;
    generation++;
    return 0;
}

static int play_ioctl(int fd, unsigned long number, void *argument)
{
    struct snp_guest_request_ioctl *call = argument;
    uint8_t *output = (uint8_t *)(uintptr_t)call->resp_data;
    assert_int_equal(call->msg_version, 1);
    memcpy(output, &firmware_status, 4);
    if (number == SNP_GET_REPORT) {
        const struct snp_report_req *input = (const void *)(uintptr_t)call->req_data;
        memcpy(output + 4, &report_size, 4);
        memcpy(output + 0x20 + 0x10, ids, sizeof(ids));
        memcpy(output + 0x20 + 0x50, input->user_data, 64); /* REPORT_DATA */
        return 0;
    }
    if (number == SNP_GET_DERIVED_KEY) {
        const struct snp_derived_key_req *input = (const void *)(uintptr_t)call->req_data;
        /* policy, image id, family id, measurement: what separates apps is the chip's affair */
        assert_int_equal(input->guest_field_select, 0xf);
        memset(output + 0x20, key_byte, 32);
        output[0x20] ^= ids[0]; /* another launch, another key */
        return 0;
    }
    errno = ENOTTY;
    return -1;
}

static void put(const char *path, const char *text)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *full = tee_path(path, &err);
    AUTO_FREE char *folder = path_folder(full, &err);
    assert_int_equal(folder_create_all(folder, 0700, &err), 0);
    assert_int_equal(file_write_atomic(full, slice_str(text), 0600, &err), 0);
}

static void put_folder(const char *path)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *full = tee_path(path, &err);
    assert_int_equal(folder_create_all(full, 0700, &err), 0);
}

static int set_up(void **state)
{
    struct err err = ERR_INIT;
    original = tee_platform;
    (void)memcpy(root + sizeof(root) - 7, "XXXXXX", 6);
    if (mkdtemp(root) == NULL || crypto_init(&err) < 0)
        return -1;
    tee_platform = (struct tee_platform){
        .root = root, .ioctl = play_ioctl, .read = play_read, .write = play_write};
    generation = 0;
    strangers = 0;
    provider = "tdx_guest";
    firmware_status = 0;
    report_size = 1184;
    key_byte = 0x77;
    memcpy(ids, fingerprint, sizeof(ids));
    written_len = 0;
    return 0;
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    tee_platform = original;
    return folder_remove_tree(root, &err);
}

static void assert_detected(const char *name)
{
    struct err err = ERR_INIT;
    const struct tee *tee = NULL;
    assert_int_equal(tee_detect(&tee, &err), 0);
    assert_string_equal(tee->name, name);
    assert_int_equal(tee_by_name(name, &tee, &err), 0);
}

static void test_sgx(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(TEE_EVIDENCE_MAX);
    AUTO_SECRET struct secret key = SECRET_INIT;
    AUTO_SECRET struct secret other = SECRET_INIT;
    put("/dev/attestation/attestation_type", "dcap");
    put("/dev/attestation/keys/_sgx_mrenclave", "0123456789abcdef");
    assert_detected("sgx");
    assert_int_equal(tee_sgx.evidence(report_data, &out, &err), 0);
    assert_string_equal(buf_text(&out), "quote over 64 bytes");
    assert_memory_equal(written, report_data, 64);
    assert_int_equal(tee_sgx.sealing_key(fingerprint, 1, &key, &err), 0);
    assert_int_equal(tee_sgx.sealing_key(fingerprint, 2, &other, &err), 0);
    assert_int_equal(key.len, TEE_SEALING_KEY_SIZE);
    assert_false(slice_equal(secret_slice(&key), secret_slice(&other)));
}

static void test_sgx_refuses(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(TEE_EVIDENCE_MAX);
    AUTO_SECRET struct secret key = SECRET_INIT;
    put("/dev/attestation/attestation_type", "none");
    put("/dev/attestation/keys/_sgx_mrenclave", "short");
    assert_int_equal(tee_sgx.evidence(report_data, &out, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_int_equal(tee_sgx.sealing_key(fingerprint, 1, &key, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
}

static void test_tdx(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(TEE_EVIDENCE_MAX);
    AUTO_SECRET struct secret key = SECRET_INIT;
    put("/dev/tdx_guest", "");
    put_folder("/sys/kernel/config/tsm/report");
    assert_detected("tdx");
    if (tee_tdx.evidence(report_data, &out, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(buf_text(&out), "quote over 64 bytes");
    assert_int_equal(tee_tdx.sealing_key(fingerprint, 1, &key, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_null(key.data);
}

/* Somebody else writes in between: again, but not for ever, and never somebody else's evidence. */
static void test_tsm_is_disturbed(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(TEE_EVIDENCE_MAX);
    put_folder("/sys/kernel/config/tsm/report");
    strangers = 2;
    assert_int_equal(tee_tdx.evidence(report_data, &out, &err), 0);
    assert_string_equal(buf_text(&out), "quote over 64 bytes");
    buf_clear(&out);
    strangers = 1000000;
    assert_int_equal(tee_tdx.evidence(report_data, &out, &err), -1);
    assert_int_equal(err.kind, ERR_TIMEOUT);
    assert_int_equal(out.len, 0);
}

static void test_tsm_of_another_kind(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(TEE_EVIDENCE_MAX);
    put_folder("/sys/kernel/config/tsm/report");
    provider = "arm_cca_guest";
    assert_int_equal(tee_tdx.evidence(report_data, &out, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
}

static void test_snp_by_device(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(TEE_EVIDENCE_MAX);
    put("/dev/sev-guest", "");
    assert_detected("snp");
    if (tee_snp.evidence(report_data, &out, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(out.len, 1184);
    assert_memory_equal(out.data + 0x50, report_data, 64);
    report_size = 100;
    assert_int_equal(tee_snp.evidence(report_data, &out, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    report_size = 100000;
    assert_int_equal(tee_snp.evidence(report_data, &out, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    firmware_status = 0x16;
    assert_int_equal(tee_snp.evidence(report_data, &out, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
}

static void test_snp_by_tsm(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(TEE_EVIDENCE_MAX);
    put("/dev/sev-guest", "");
    put_folder("/sys/kernel/config/tsm/report");
    provider = "sev_guest";
    assert_int_equal(tee_snp.evidence(report_data, &out, &err), 0);
    assert_string_equal(buf_text(&out), "quote over 64 bytes");
}

static void test_snp_sealing_key(void **state)
{
    struct err err = ERR_INIT;
    AUTO_SECRET struct secret key = SECRET_INIT;
    AUTO_SECRET struct secret other = SECRET_INIT;
    AUTO_SECRET struct secret none = SECRET_INIT;
    put("/dev/sev-guest", "");
    assert_int_equal(tee_snp.sealing_key(fingerprint, 1, &key, &err), 0);
    key_byte = 0x78;
    assert_int_equal(tee_snp.sealing_key(fingerprint, 1, &other, &err), 0);
    assert_false(slice_equal(secret_slice(&key), secret_slice(&other)));
    key_byte = 0;
    ids[0] = 0;
    const uint8_t other_app[32] = {0, 5, 6};
    assert_int_equal(tee_snp.sealing_key(other_app, 1, &none, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_non_null(strstr(err.message, "the sealing key is zero"));
}

/* An app that reaches the device asks in the name of another one, or was launched with ids of its
 * owner's choice: no key that the chip gives to others as well. */
static void test_snp_sealing_key_needs_the_ids(void **state)
{
    AUTO_SECRET struct secret key = SECRET_INIT;
    put("/dev/sev-guest", "");
    for (size_t i = 0; i < sizeof(ids); i++) {
        struct err err = ERR_INIT;
        ids[i] ^= 1;
        assert_int_equal(tee_snp.sealing_key(fingerprint, 1, &key, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_non_null(strstr(err.message, "are not the fingerprint"));
        assert_null(key.data);
        ids[i] ^= 1;
    }
    struct err err = ERR_INIT;
    memset(ids, 0, sizeof(ids)); /* a launch without an ID block */
    assert_int_equal(tee_snp.sealing_key(fingerprint, 1, &key, &err), -1);
    report_size = 100;
    assert_int_equal(tee_snp.sealing_key(fingerprint, 1, &key, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sgx, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sgx_refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tdx, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tsm_is_disturbed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tsm_of_another_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_snp_by_device, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_snp_by_tsm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_snp_sealing_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_snp_sealing_key_needs_the_ids, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
