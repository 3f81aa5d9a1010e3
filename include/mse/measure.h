// SPDX-License-Identifier: Apache-2.0
/*
 * What the hardware will measure of a guest that QEMU boots directly, computed from the files that
 * go into it. Like the rest of libmse: no file, no clock, no log, no state. docs/measure.md has the
 * formulas and says how sure each of them is.
 *
 * Every function returns 0, or -1 and a message.
 */
#pragma once

#include "mse/policy.h"

MSE_BEGIN

enum {
    MSE_SHA256_SIZE = 32,
    MSE_SHA384_SIZE = 48,
    MSE_SNP_ID_BLOCK_SIZE = 96,
    MSE_SNP_ID_AUTH_SIZE = 4096,
    MSE_TDX_RTMRS = 4,
};

/* All files as they are on disk. */
struct mse_guest {
    size_t size; /* sizeof(struct mse_guest), as mse_policy.size */
    struct mse_bytes firmware;
    struct mse_bytes
        kernel; /* size 0: none, the firmware starts something from a disk (SNP only) */
    struct mse_bytes initrd;
    const char *cmdline; /* as QEMU's -append has it */
    /* SNP alone: */
    const char *cpu;       /* QEMU's processor model, "EPYC-v4" */
    uint32_t vcpus;        /* 1 to 512 */
    uint64_t sev_features; /* bit 0: SNP itself, must be set; bit 5: debug swap */
    /* TDX alone: */
    bool mrtd_add_first; /* a host before Linux 6.16, which adds all pages before it measures any */
};

#define MSE_GUEST_INIT                                                                             \
    {                                                                                              \
        .size = sizeof(struct mse_guest)                                                           \
    }

/* MEASUREMENT of an SEV-SNP report. */
MSE_API int mse_measure_snp(const struct mse_guest *guest, uint8_t ret[MSE_SHA384_SIZE],
                            char error[MSE_ERROR_SIZE]);

struct mse_tdx_measurement {
    size_t size; /* sizeof(struct mse_tdx_measurement): what the caller has room for */
    uint8_t mrtd[MSE_SHA384_SIZE];
    uint8_t rtmr1[MSE_SHA384_SIZE];
    uint8_t rtmr2[MSE_SHA384_SIZE];
};

#define MSE_TDX_MEASUREMENT_INIT                                                                   \
    {                                                                                              \
        .size = sizeof(struct mse_tdx_measurement)                                                 \
    }

/* MRTD, RTMR1 and RTMR2 of a TDX quote. RTMR0 depends on the machine that QEMU builds and is not
 * computed. */
MSE_API int mse_measure_tdx(const struct mse_guest *guest, struct mse_tdx_measurement *ret,
                            char error[MSE_ERROR_SIZE]);

/* The RTMRs that a TDX guest's event log (ACPI table CCEL) leads to. The log means something only
 * where they are a quote's. */
MSE_API int mse_replay_event_log(struct mse_bytes log, uint8_t ret[MSE_TDX_RTMRS][MSE_SHA384_SIZE],
                                 char error[MSE_ERROR_SIZE]);

/* ID block and ID authentication for a launch of this measurement under this guest policy, with
 * the fingerprint in FAMILY_ID and IMAGE_ID. Signed by a key that is published on purpose. */
MSE_API int mse_snp_id_block(const uint8_t measurement[MSE_SHA384_SIZE],
                             const uint8_t fingerprint[MSE_SHA256_SIZE], uint64_t policy,
                             uint8_t ret_block[MSE_SNP_ID_BLOCK_SIZE],
                             uint8_t ret_auth[MSE_SNP_ID_AUTH_SIZE], char error[MSE_ERROR_SIZE]);
/* ID_KEY_DIGEST of a report for such a launch. */
MSE_API int mse_snp_id_key_digest(uint8_t ret[MSE_SHA384_SIZE], char error[MSE_ERROR_SIZE]);

/* The root of a dm-verity tree without superblock over whole blocks of 4096 bytes: SHA-256, salt of
 * 32 zero bytes. */
MSE_API int mse_verity_root(struct mse_bytes data, uint8_t ret[MSE_SHA256_SIZE],
                            char error[MSE_ERROR_SIZE]);

/* The digest that names an image: of its image.json, which must be one that this version
 * understands. */
MSE_API int mse_image_digest(struct mse_bytes image_json, uint8_t ret[MSE_SHA256_SIZE],
                             char error[MSE_ERROR_SIZE]);

MSE_END
