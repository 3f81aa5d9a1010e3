// SPDX-License-Identifier: Apache-2.0
/*
 * Policies as the commands need them. Runs on the owner's machine.
 */
#include "client/policy.h"

#include "base/buf.h"
#include "base/file.h"

#include <string.h>

enum { POLICY_MAX = 1 << 20 };

int policy_read(const char *path, struct mse_policy **ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(POLICY_MAX);
    char message[MSE_ERROR_SIZE];
    if (file_read(path, &text, err) < 0)
        return FAIL_CONTEXT(err, "policy");
    if (mse_policy_parse(buf_text(&text), text.len, ret, message) < 0)
        return FAIL(err, ERR_INVALID, "%s: %s", path, message);
    return 0;
}

enum mse_tee policy_tee_of_name(const char *name)
{
    for (enum mse_tee tee = MSE_TEE_SGX; tee <= MSE_TEE_SIMULATION; tee++) {
        if (strcmp(name, mse_tee_name(tee)) == 0)
            return tee;
    }
    return MSE_TEE_UNKNOWN;
}

struct mse_policy policy_of_context(const struct context *context)
{
    struct mse_policy policy = {
        .size = sizeof(policy),
        .tees = MSE_TEE_BIT(MSE_TEE_SGX) | MSE_TEE_BIT(MSE_TEE_TDX) | MSE_TEE_BIT(MSE_TEE_SNP),
    };
    if (context != NULL && policy_tee_of_name(context->tee) == MSE_TEE_SIMULATION) {
        policy.tees = MSE_TEE_BIT(MSE_TEE_SIMULATION);
        policy.simulation_root = context->simulation_root;
    }
    return policy;
}
