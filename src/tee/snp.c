// SPDX-License-Identifier: Apache-2.0
/*
 * AMD SEV-SNP virtual machine: reports through configfs-tsm, or from /dev/sev-guest where the
 * kernel is older; keys from /dev/sev-guest (SEV-SNP firmware ABI 1.55, MSG_REPORT_REQ and
 * MSG_KEY_REQ; the kernel's structures are in linux/sev-guest.h). Runs inside the virtual machine;
 * what comes back was sealed by the firmware under a key that the host does not have.
 */
#include "tee/platform.h"
#include "tee/tee.h"

#include "base/fd.h"
#include "base/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <sys/ioctl.h>

#define DEVICE "/dev/sev-guest"

enum {
    MESSAGE_VERSION = 1,
    REPORT_SIZE_MIN = 1184, /* ATTESTATION_REPORT, version 2 */
    REPORT_HEAD_RESERVED = 24,
    KEY_HEAD_RESERVED = 28,
    KEY_SIZE = 32,
    ROOT_VCEK = 0,
    /* GUEST_FIELD_SELECT (table 18): the key is bound to the policy (debug or not), both ids of the
     * ID block, the measurement */
    FIELD_GUEST_POLICY = 1 << 0,
    FIELD_IMAGE_ID = 1 << 1,
    FIELD_FAMILY_ID = 1 << 2,
    FIELD_MEASUREMENT = 1 << 3,
    REPORT_FAMILY_ID = 0x10, /* and IMAGE_ID behind it, 16 bytes each (table 23) */
};

static bool present(void)
{
    return tee_path_exists(DEVICE);
}

static int request(unsigned long number, void *input, void *output, const char *what,
                   struct err *err)
{
    AUTO_FREE char *path = tee_path(DEVICE, err);
    AUTO_CLOSE int fd = -1;
    struct snp_guest_request_ioctl call = {
        .msg_version = MESSAGE_VERSION,
        .req_data = (uintptr_t)input,
        .resp_data = (uintptr_t)output,
    };
    if (path == NULL || fd_open(path, O_RDWR, 0, &fd, err) < 0)
        return -1;
    if (tee_platform.ioctl(fd, number, &call) < 0)
        return FAIL_ERRNO(err, ERR_IO, "%s: firmware error 0x%llx", what,
                          (unsigned long long)call.exitinfo2);
    return 0;
}

static int check_status(struct reader *in, const char *what, struct err *err)
{
    uint32_t status = 0;
    if (reader_u32le(in, "status", &status, err) < 0)
        return -1;
    if (status != 0)
        return FAIL(err, ERR_IO, "%s: the firmware says 0x%x", what, status);
    return 0;
}

static int report_from_device(const uint8_t *report_data, struct buf *out, struct err *err)
{
    struct snp_report_req input = {0};
    struct snp_report_resp output = {0};
    struct slice report;
    uint32_t size = 0;
    memcpy(input.user_data, report_data, sizeof(input.user_data));
    if (request(SNP_GET_REPORT, &input, &output, "report", err) < 0)
        return -1;
    struct reader in = reader_of(slice_of(output.data, sizeof(output.data)), "SNP report answer");
    if (check_status(&in, "report", err) < 0 || reader_u32le(&in, "size", &size, err) < 0 ||
        reader_skip(&in, "reserved", REPORT_HEAD_RESERVED, err) < 0 ||
        reader_slice(&in, "report", size, &report, err) < 0)
        return -1;
    if (size < REPORT_SIZE_MIN)
        return FAIL(err, ERR_INVALID, "a report of %u bytes, expected at least %d", size,
                    REPORT_SIZE_MIN);
    return buf_bytes(out, report, err);
}

static int evidence(const uint8_t report_data[static TEE_REPORT_DATA_SIZE], struct buf *out,
                    struct err *err)
{
    struct err no_tsm = ERR_INIT;
    int result = tsm_report("sev_guest", slice_of(report_data, TEE_REPORT_DATA_SIZE), out, &no_tsm);
    if (result == 0)
        return 0;
    if (no_tsm.kind != ERR_UNSUPPORTED) {
        err_set(err, no_tsm.kind, no_tsm.errnum, "SNP: %s", no_tsm.message);
        return -1;
    }
    if (report_from_device(report_data, out, err) < 0)
        return FAIL_CONTEXT(err, "SNP");
    return 0;
}

static int read_key(const struct snp_derived_key_resp *output, struct slice *ret, struct err *err)
{
    struct reader in = reader_of(slice_of(output->data, sizeof(output->data)), "SNP key answer");
    if (check_status(&in, "sealing key", err) < 0 ||
        reader_skip(&in, "reserved", KEY_HEAD_RESERVED, err) < 0 ||
        reader_slice(&in, "key", KEY_SIZE, ret, err) < 0)
        return -1;
    if (slice_is_zero(*ret))
        return FAIL(err, ERR_INVALID, "the sealing key is zero");
    return 0;
}

/* HOST_DATA, where the fingerprint stands in reports, cannot be selected for keys; the ids of the
 * ID block can. With others in them, or none, an app of the same image on the same chip could ask
 * for this very key: so the chip's own word is asked for first. */
static int check_ids(const uint8_t fingerprint[static TEE_FINGERPRINT_SIZE], struct err *err)
{
    const uint8_t nothing[TEE_REPORT_DATA_SIZE] = {0};
    AUTO_BUF struct buf report = BUF_INIT(TEE_EVIDENCE_MAX);
    struct slice ids;
    if (evidence(nothing, &report, err) < 0)
        return -1;
    struct reader in = reader_of(buf_slice(&report), "own SNP report");
    if (reader_skip(&in, "version, SVN and policy", REPORT_FAMILY_ID, err) < 0 ||
        reader_slice(&in, "family and image id", TEE_FINGERPRINT_SIZE, &ids, err) < 0)
        return -1;
    if (!crypto_equal(ids.data, fingerprint, TEE_FINGERPRINT_SIZE))
        return FAIL(err, ERR_INVALID,
                    "FAMILY_ID and IMAGE_ID of this launch are not the fingerprint: the chip would "
                    "give its sealing key to other apps too; launch it with mse's ID block");
    return 0;
}

/* Bound by the firmware to policy, measurement and, through the ids, the fingerprint; to the epoch
 * by the measured runtime. */
static int sealing_key(const uint8_t fingerprint[static TEE_FINGERPRINT_SIZE], uint32_t epoch,
                       struct secret *ret, struct err *err)
{
    struct snp_derived_key_req input = {
        .root_key_select = ROOT_VCEK,
        .guest_field_select =
            FIELD_GUEST_POLICY | FIELD_IMAGE_ID | FIELD_FAMILY_ID | FIELD_MEASUREMENT,
    };
    struct snp_derived_key_resp output = {0};
    struct slice key;
    int result = check_ids(fingerprint, err);
    if (result == 0)
        result = request(SNP_GET_DERIVED_KEY, &input, &output, "sealing key", err);
    if (result == 0)
        result = read_key(&output, &key, err);
    if (result == 0)
        result = tee_derive_sealing_key(key, fingerprint, epoch, ret, err);
    mem_wipe(&output, sizeof(output));
    return result < 0 ? FAIL_CONTEXT(err, "SNP") : 0;
}

const struct tee tee_snp = {
    .name = "snp",
    .evidence_format = RATLS_SNP_REPORT,
    .present = present,
    .evidence = evidence,
    .sealing_key = sealing_key,
    /* SNP ABI 1.55, table 23: REPORT_ID and REPORT_ID_MA; SIGNATURE and what stands behind */
    .varying = {{0x140, 0x40}, {0x2a0, TEE_TO_THE_END}},
};
