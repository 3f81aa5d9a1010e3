// SPDX-License-Identifier: Apache-2.0
/*
 * Policies of strangers: an error has a message, and what was read is never laxer about revocation.
 */
#include "mse/mse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mse_policy *policy = NULL;
    char error[MSE_ERROR_SIZE] = "";
    if (mse_policy_parse((const char *)data, size, &policy, error) < 0) {
        if (policy != NULL || error[0] == '\0')
            abort();
        return 0;
    }
    for (size_t i = 0; i < policy->tcb_accept_count; i++) {
        if (strcmp(policy->tcb_accept[i], "Revoked") == 0)
            abort();
    }
    mse_policy_free(policy);
    return 0;
}
