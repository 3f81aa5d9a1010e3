// SPDX-License-Identifier: Apache-2.0
/*
 * libmse's face of this folder: include/mse/measure.h over the functions beside this file, errors
 * as text.
 */
#include "measure/event_log.h"
#include "measure/id_block.h"
#include "measure/image.h"
#include "measure/pe.h"
#include "measure/snp.h"
#include "measure/tdx.h"

#include "base/sized.h"

#include "mse/measure.h"

#include <stdio.h>

_Static_assert((int)MSE_SHA256_SIZE == (int)SHA256_SIZE, "one size");
_Static_assert((int)MSE_SHA384_SIZE == (int)SHA384_SIZE, "one size");
_Static_assert((int)MSE_SNP_ID_BLOCK_SIZE == (int)ID_BLOCK_SIZE, "one size");
_Static_assert((int)MSE_SNP_ID_AUTH_SIZE == (int)ID_AUTH_SIZE, "one size");
_Static_assert((int)MSE_TDX_RTMRS == (int)TDX_RTMR_COUNT, "one count");

static struct slice slice_from(struct mse_bytes bytes)
{
    return slice_of(bytes.data, bytes.size);
}

/* The result as the caller gets it, with the error as text where there is one. */
static int told(int result, const struct err *err, char error[MSE_ERROR_SIZE])
{
    if (result < 0 && error != NULL)
        (void)snprintf(error, MSE_ERROR_SIZE, "%s%s%s", err->message,
                       err->hint[0] == '\0' ? "" : "; ", err->hint);
    return result;
}

/* A struct of another version's header as this version has it. */
static int take_guest(const struct mse_guest *from, struct mse_guest *ret, struct err *err)
{
    *ret = (struct mse_guest)MSE_GUEST_INIT;
    if (sized_take(from, ret, sizeof(*ret), err) == 0)
        return 0;
    err_hint(err, "begin with MSE_GUEST_INIT; a newer header needs a newer libmse");
    return FAIL_CONTEXT(err, "guest");
}

static const char *cmdline_of(const struct mse_guest *guest)
{
    return guest->cmdline == NULL ? "" : guest->cmdline;
}

static int hash_kernel(const struct mse_guest *guest, struct kernel_hashes *ret, struct err *err)
{
    if (sha256(slice_from(guest->kernel), ret->kernel, err) < 0 ||
        sha256(slice_from(guest->initrd), ret->initrd, err) < 0)
        return -1;
    return kernel_hashes_cmdline(cmdline_of(guest), ret->cmdline, err);
}

static int measure_snp(const struct mse_guest *guest, uint8_t *ret, struct err *err)
{
    struct firmware firmware;
    struct snp_firmware measured;
    struct kernel_hashes hashes;
    struct snp_launch launch = {.vcpus = guest->vcpus, .features = guest->sev_features};
    if (guest->cpu == NULL)
        return FAIL(err, ERR_INVALID, "no processor model");
    if (snp_cpu_signature(guest->cpu, &launch.cpu_signature, err) < 0 ||
        firmware_parse(slice_from(guest->firmware), &firmware, err) < 0 ||
        snp_firmware_measure(&firmware, &measured, err) < 0)
        return -1;
    if (guest->kernel.size > 0) {
        if (hash_kernel(guest, &hashes, err) < 0)
            return -1;
        launch.kernel = &hashes;
    }
    return snp_launch_digest(&measured, &launch, ret, err);
}

int mse_measure_snp(const struct mse_guest *guest, uint8_t ret[MSE_SHA384_SIZE],
                    char error[MSE_ERROR_SIZE])
{
    struct err err = ERR_INIT;
    struct mse_guest known;
    if (take_guest(guest, &known, &err) < 0)
        return told(-1, &err, error);
    return told(measure_snp(&known, ret, &err), &err, error);
}

static int measure_tdx(const struct mse_guest *guest, struct mse_tdx_measurement *ret,
                       struct err *err)
{
    struct firmware firmware;
    uint8_t kernel[SHA384_SIZE];
    enum mrtd_order order = guest->mrtd_add_first ? MRTD_ADD_THEN_EXTEND : MRTD_PAGE_BY_PAGE;
    if (firmware_parse(slice_from(guest->firmware), &firmware, err) < 0 ||
        tdx_mrtd(&firmware, order, ret->mrtd, err) < 0)
        return -1;
    if (pe_authenticode_sha384(slice_from(guest->kernel), kernel, err) < 0)
        return FAIL_CONTEXT(err, "kernel");
    if (tdx_rtmr1(kernel, ret->rtmr1, err) < 0 ||
        tdx_rtmr2(cmdline_of(guest), slice_from(guest->initrd), ret->rtmr2, err) < 0)
        return -1;
    return 0;
}

static int give_tdx(const struct mse_tdx_measurement *measured, struct mse_tdx_measurement *ret,
                    struct err *err)
{
    if (sized_give(measured, sizeof(*measured), ret, err) == 0)
        return 0;
    err_hint(err, "begin with MSE_TDX_MEASUREMENT_INIT");
    return FAIL_CONTEXT(err, "TDX measurement");
}

int mse_measure_tdx(const struct mse_guest *guest, struct mse_tdx_measurement *ret,
                    char error[MSE_ERROR_SIZE])
{
    struct err err = ERR_INIT;
    struct mse_guest known;
    struct mse_tdx_measurement measured = MSE_TDX_MEASUREMENT_INIT;
    if (take_guest(guest, &known, &err) < 0 || measure_tdx(&known, &measured, &err) < 0)
        return told(-1, &err, error);
    return told(give_tdx(&measured, ret, &err), &err, error);
}

int mse_replay_event_log(struct mse_bytes log, uint8_t ret[MSE_TDX_RTMRS][MSE_SHA384_SIZE],
                         char error[MSE_ERROR_SIZE])
{
    struct err err = ERR_INIT;
    return told(event_log_replay(slice_from(log), ret, &err), &err, error);
}

int mse_snp_id_block(const uint8_t measurement[MSE_SHA384_SIZE],
                     const uint8_t fingerprint[MSE_SHA256_SIZE], uint64_t policy,
                     uint8_t ret_block[MSE_SNP_ID_BLOCK_SIZE],
                     uint8_t ret_auth[MSE_SNP_ID_AUTH_SIZE], char error[MSE_ERROR_SIZE])
{
    struct err err = ERR_INIT;
    struct id_block block = id_block_of(measurement, fingerprint, policy);
    id_block_encode(&block, ret_block);
    return told(id_auth_make(ret_block, ret_auth, &err), &err, error);
}

int mse_snp_id_key_digest(uint8_t ret[MSE_SHA384_SIZE], char error[MSE_ERROR_SIZE])
{
    struct err err = ERR_INIT;
    return told(id_key_digest(ret, &err), &err, error);
}

int mse_verity_root(struct mse_bytes data, uint8_t ret[MSE_SHA256_SIZE], char error[MSE_ERROR_SIZE])
{
    struct err err = ERR_INIT;
    return told(verity_root_of(slice_from(data), ret, &err), &err, error);
}

static int image_digest(struct slice bytes, uint8_t *ret, struct err *err)
{
    struct image image;
    if (image_decode(bytes, &image, err) < 0)
        return -1;
    return sha256(bytes, ret, err);
}

int mse_image_digest(struct mse_bytes image_json, uint8_t ret[MSE_SHA256_SIZE],
                     char error[MSE_ERROR_SIZE])
{
    struct err err = ERR_INIT;
    return told(image_digest(slice_from(image_json), ret, &err), &err, error);
}
