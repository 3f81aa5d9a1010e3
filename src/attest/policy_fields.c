// SPDX-License-Identifier: Apache-2.0
/*
 * The table of fields that a policy can name.
 */
#include "attest/policy_fields.h"

static const char another_launch[] =
    "this guest was launched with another ID block than you expect: it is another app, or the "
    "launch was not mse's";
static const char another_firmware[] =
    "this guest runs other firmware: compute what yours measures "
    "with `mse image measure`";
static const char another_image[] = "this guest runs another kernel, initial RAM disk or command "
                                    "line: compute what yours measures with `mse image measure`";

const struct policy_field policy_fields[MSE_FIELD_COUNT] = {
    [MSE_FIELD_SNP_FAMILY_ID] = {"snp", "family_id", 16, MSE_TEE_SNP, "family_id",
                                 "policy.family-id", another_launch},
    [MSE_FIELD_SNP_IMAGE_ID] = {"snp", "image_id", 16, MSE_TEE_SNP, "image_id", "policy.image-id",
                                another_launch},
    [MSE_FIELD_SNP_ID_KEY_DIGEST] = {"snp", "id_key_digest", 48, MSE_TEE_SNP, "id_key_digest",
                                     "policy.id-key-digest", another_launch},
    [MSE_FIELD_SNP_AUTHOR_KEY_DIGEST] = {"snp", "author_key_digest", 48, MSE_TEE_SNP,
                                         "author_key_digest", "policy.author-key-digest",
                                         another_launch},
    [MSE_FIELD_TDX_MRTD] = {"tdx", "mrtd", 48, MSE_TEE_TDX, "mrtd", "policy.mrtd",
                            another_firmware},
    [MSE_FIELD_TDX_RTMR0] = {"tdx", "rtmr0", 48, MSE_TEE_TDX, "rtmr0", "policy.rtmr0",
                             "the machine that QEMU built for this guest is another one (memory, "
                             "processors, ACPI tables)"},
    [MSE_FIELD_TDX_RTMR1] = {"tdx", "rtmr1", 48, MSE_TEE_TDX, "rtmr1", "policy.rtmr1",
                             another_image},
    [MSE_FIELD_TDX_RTMR2] = {"tdx", "rtmr2", 48, MSE_TEE_TDX, "rtmr2", "policy.rtmr2",
                             another_image},
    [MSE_FIELD_TDX_RTMR3] = {"tdx", "rtmr3", 48, MSE_TEE_TDX, "rtmr3", "policy.rtmr3",
                             "what this guest measured while it ran is something else"},
};

unsigned policy_field_tees(const struct mse_policy *policy)
{
    unsigned tees = policy->snp_product_count > 0 ? MSE_TEE_BIT(MSE_TEE_SNP) : 0;
    for (enum mse_field field = 0; field < MSE_FIELD_COUNT; field++) {
        if (policy_names_field(policy, field))
            tees |= MSE_TEE_BIT(policy_fields[field].tee);
    }
    return tees;
}
