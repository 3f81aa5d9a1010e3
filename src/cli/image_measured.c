// SPDX-License-Identifier: Apache-2.0
/*
 * Measuring the image in a folder, on the machine of its owner or of anybody who verifies.
 */
#include "cli/image_measured.h"

#include <string.h>

enum { FIRMWARE_MAX = 64 << 20, KERNEL_MAX = 64 << 20, INITRD_MAX = 256 << 20 };

void image_measured_done(struct image_measured *measured)
{
    image_folder_done(&measured->folder);
    buf_done(&measured->firmware);
    buf_done(&measured->kernel);
    buf_done(&measured->initrd);
}

static void add_result(struct image_measured *measured, const char *table, const char *name,
                       enum mse_field field, const uint8_t digest[static MSE_SHA384_SIZE])
{
    struct image_result *result = &measured->results[measured->result_count++];
    result->table = table;
    result->name = name;
    result->field = field;
    memcpy(result->digest, digest, MSE_SHA384_SIZE);
}

static int read_files(struct image_measured *measured, const char *firmware_name,
                      const struct image_file *firmware, struct err *err)
{
    const struct image_folder *folder = &measured->folder;
    measured->firmware = BUF_INIT(FIRMWARE_MAX);
    measured->kernel = BUF_INIT(KERNEL_MAX);
    measured->initrd = BUF_INIT(INITRD_MAX);
    if (slice_is_zero(slice_of(firmware->sha256, SHA256_SIZE)))
        return FAIL(err, ERR_UNSUPPORTED, "image '%s' has no %s: it is not made for this TEE",
                    folder->image.name, firmware_name);
    if (image_folder_read(folder, firmware_name, firmware->sha256, &measured->firmware, err) < 0 ||
        image_folder_read(folder, IMAGE_FILE_KERNEL, folder->image.kernel.sha256, &measured->kernel,
                          err) < 0 ||
        image_folder_read(folder, IMAGE_FILE_INITRD, folder->image.initrd, &measured->initrd, err) <
            0 ||
        image_folder_check_root(folder, err) < 0)
        return -1;
    measured->guest.size = sizeof(measured->guest);
    measured->guest.firmware = (struct mse_bytes){measured->firmware.data, measured->firmware.len};
    measured->guest.kernel = (struct mse_bytes){measured->kernel.data, measured->kernel.len};
    measured->guest.initrd = (struct mse_bytes){measured->initrd.data, measured->initrd.len};
    measured->guest.cmdline = folder->image.cmdline;
    return 0;
}

int image_measure_snp(struct image_measured *measured, const struct image_guest *guest,
                      struct err *err)
{
    uint8_t digest[MSE_SHA384_SIZE];
    uint8_t key[MSE_SHA384_SIZE];
    char message[MSE_ERROR_SIZE];
    measured->guest.cpu = guest->cpu;
    measured->guest.vcpus = guest->vcpus;
    measured->guest.sev_features = guest->sev_features;
    if (read_files(measured, IMAGE_FILE_FIRMWARE_SNP, &measured->folder.image.firmware_snp, err) <
        0)
        return -1;
    if (mse_measure_snp(&measured->guest, digest, message) < 0 ||
        mse_snp_id_key_digest(key, message) < 0)
        return FAIL(err, ERR_INVALID, "%s", message);
    add_result(measured, "", "measurement", MSE_FIELD_COUNT, digest);
    add_result(measured, "snp", "id_key_digest", MSE_FIELD_SNP_ID_KEY_DIGEST, key);
    return 0;
}

int image_measure_tdx(struct image_measured *measured, const struct image_guest *guest,
                      struct err *err)
{
    struct mse_tdx_measurement tdx = MSE_TDX_MEASUREMENT_INIT;
    char message[MSE_ERROR_SIZE];
    measured->guest.mrtd_add_first = guest->mrtd_add_first;
    if (read_files(measured, IMAGE_FILE_FIRMWARE_TDX, &measured->folder.image.firmware_tdx, err) <
        0)
        return -1;
    if (mse_measure_tdx(&measured->guest, &tdx, message) < 0)
        return FAIL(err, ERR_INVALID, "%s", message);
    add_result(measured, "tdx", "mrtd", MSE_FIELD_TDX_MRTD, tdx.mrtd);
    add_result(measured, "tdx", "rtmr1", MSE_FIELD_TDX_RTMR1, tdx.rtmr1);
    add_result(measured, "tdx", "rtmr2", MSE_FIELD_TDX_RTMR2, tdx.rtmr2);
    return 0;
}

/* The TEEs whose hardware measures what the launcher `vm` starts. */
static const struct measured_tee {
    enum mse_tee tee;
    int (*measure)(struct image_measured *measured, const struct image_guest *guest,
                   struct err *err);
} measured_tees[] = {
    {MSE_TEE_SNP, image_measure_snp},
    {MSE_TEE_TDX, image_measure_tdx},
};

static const struct measured_tee *find_measured(enum mse_tee tee)
{
    for (size_t i = 0; i < ARRAY_LEN(measured_tees); i++) {
        if (measured_tees[i].tee == tee)
            return &measured_tees[i];
    }
    return NULL;
}

bool image_is_measured_on(enum mse_tee tee)
{
    return find_measured(tee) != NULL;
}

int image_measure_for(struct image_measured *measured, enum mse_tee tee, struct err *err)
{
    static const struct image_guest guest = IMAGE_GUEST_OF_LAUNCHER;
    const struct measured_tee *found = find_measured(tee);
    return found != NULL ? found->measure(measured, &guest, err)
                         : image_folder_check_root(&measured->folder, err);
}

void image_measured_policy(struct image_measured *measured, struct mse_policy *policy)
{
    for (size_t i = 0; i < measured->result_count; i++) {
        struct image_result *result = &measured->results[i];
        result->bytes = (struct mse_bytes){result->digest, sizeof(result->digest)};
        if (result->field == MSE_FIELD_COUNT) {
            policy->measurements = &result->bytes;
            policy->measurement_count = 1;
        } else {
            policy->fields[result->field] = (struct mse_accepted){&result->bytes, 1};
        }
    }
}
