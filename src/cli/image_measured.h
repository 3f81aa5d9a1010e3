// SPDX-License-Identifier: Apache-2.0
/*
 * What the hardware will say of a guest that starts from the image in a folder, and the policy that
 * accepts such a guest alone. Nobody's word is taken for the files: each is compared with
 * image.json first.
 */
#pragma once

#include "cli/image_folder.h"

#include "model/guest.h"

#include "mse/measure.h"
#include "mse/mse.h"

/* How the guest is started, as far as it is measured. */
struct image_guest {
    const char *cpu; /* SNP: QEMU's model of the processor */
    uint32_t vcpus;
    uint64_t sev_features;
    bool mrtd_add_first; /* TDX: as a host before Linux 6.16 */
};
#define IMAGE_GUEST_OF_LAUNCHER                                                                    \
    {                                                                                              \
        .cpu = GUEST_SNP_CPU, .vcpus = GUEST_VCPUS, .sev_features = GUEST_SEV_FEATURES             \
    }

/* One digest, by the name that a policy has for it. */
struct image_result {
    const char *table; /* of the policy file: "" at the top */
    const char *name;
    enum mse_field field; /* MSE_FIELD_COUNT: the policy's measurement */
    uint8_t digest[MSE_SHA384_SIZE];
    struct mse_bytes bytes; /* the digest again, for image_measured_policy */
};

struct image_measured {
    struct image_folder folder; /* the caller opens it */
    struct buf firmware;
    struct buf kernel;
    struct buf initrd;
    struct mse_guest guest;
    struct image_result results[4];
    size_t result_count;
};

#define AUTO_IMAGE_MEASURED __attribute__((cleanup(image_measured_done)))
void image_measured_done(struct image_measured *measured);

/* Once for each struct. Errors: INVALID (a file is not the one of image.json), UNSUPPORTED (the
 * image has no firmware for this TEE), IO. */
int image_measure_snp(struct image_measured *measured, const struct image_guest *guest,
                      struct err *err) MUST_USE;
int image_measure_tdx(struct image_measured *measured, const struct image_guest *guest,
                      struct err *err) MUST_USE;
/* Does this TEE's hardware measure what the launcher `vm` starts? */
bool image_is_measured_on(enum mse_tee tee);
/* What the launcher `vm` makes of this image on this TEE. One that is not measured (the simulation)
 * has no results; the files are compared all the same. Otherwise as above. */
int image_measure_for(struct image_measured *measured, enum mse_tee tee, struct err *err) MUST_USE;
/* Lets the policy accept these results alone; it borrows them, so *measured must not move. */
void image_measured_policy(struct image_measured *measured, struct mse_policy *policy);
