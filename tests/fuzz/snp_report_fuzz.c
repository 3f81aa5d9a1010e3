// SPDX-License-Identifier: Apache-2.0
/*
 * SEV-SNP reports with their collateral: the first SNP_REPORT_SIZE bytes are the report, the rest
 * the bundle. Any bytes give a verdict, and none is accepted: no fuzzer finds AMD's signature.
 */
#include "attest/snp_report.h"

#include "mse/mse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t split = size < SNP_REPORT_SIZE ? size : SNP_REPORT_SIZE;
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {data, split},
        .collateral = {data + split, size - split},
        .at = 1750000000,
    };
    struct mse_verdict *verdict = mse_verify(&input);
    if (verdict == NULL)
        return 0;
    if (verdict->accepted)
        abort();
    free(mse_verdict_json(verdict));
    mse_verdict_free(verdict);
    struct mse_needs *needs = NULL;
    if (mse_needs_of((struct mse_bytes){data, split}, &needs, NULL) == 0 && needs->count == 0)
        abort();
    mse_needs_free(needs);
    return 0;
}
