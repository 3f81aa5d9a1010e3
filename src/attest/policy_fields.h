// SPDX-License-Identifier: Apache-2.0
/*
 * The fields of one TEE's evidence that a policy can name: one table, from which the policy's keys,
 * their sizes and the checks come.
 */
#pragma once

#include "attest/verification.h"

struct policy_field {
    const char *table; /* of the key in a policy: "snp", "tdx" */
    const char *key;
    size_t size; /* bytes */
    enum mse_tee tee;
    const char *claim;
    const char *check; /* its name in a verdict */
    const char *hint;
};

/* By enum mse_field. */
extern const struct policy_field policy_fields[MSE_FIELD_COUNT];

static inline bool policy_names_field(const struct mse_policy *policy, enum mse_field field)
{
    return policy->fields[field].count > 0;
}

/* The TEEs of which the policy names a field or a product, as MSE_TEE_BITs. */
unsigned policy_field_tees(const struct mse_policy *policy);
