// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates with evidence: any bytes give a verdict that can be printed, and without the
 * caller's word for the simulation none is accepted: no fuzzer finds a vendor's signature.
 */
#include "mse/mse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mse_policy allow = {
        .size = sizeof(allow), .tees = MSE_TEE_BIT(MSE_TEE_SIMULATION), .allow_debug = true};
    struct mse_input input = {
        .size = sizeof(input), .evidence = {data, size}, .at = 1800001000, .policy = &allow};
    struct mse_verdict *verdict = mse_verify(&input);
    if (verdict == NULL)
        return 0;
    char *text = mse_verdict_text(verdict);
    char *json = mse_verdict_json(verdict);
    free(text);
    free(json);
    mse_verdict_free(verdict);
    input.policy = NULL;
    verdict = mse_verify(&input);
    if (verdict != NULL && verdict->accepted)
        abort();
    mse_verdict_free(verdict);
    struct mse_needs *needs = NULL;
    if (mse_needs_of((struct mse_bytes){data, size}, &needs, NULL) == 0 && needs->count == 0)
        abort();
    mse_needs_free(needs);
    return 0;
}
