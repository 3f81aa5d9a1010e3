// SPDX-License-Identifier: Apache-2.0
/*
 * Quotes of strangers, judged whole without collateral: never accepted, always for a named reason.
 */
#include "base/slice.h"

#include "mse/mse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mse_input input = {
        .size = sizeof(input), .evidence = {data, size}, .at = 1760000000};
    struct mse_verdict *verdict = mse_verify(&input);
    if (verdict == NULL || verdict->accepted || verdict->check_count == 0)
        abort();
    char *json = mse_verdict_json(verdict);
    if (json == NULL)
        abort();
    free(json);
    mse_verdict_free(verdict);
    struct mse_needs *needs = NULL;
    if (mse_needs_of((struct mse_bytes){data, size}, &needs, NULL) == 0 && needs->count == 0)
        abort();
    mse_needs_free(needs);
    return 0;
}
