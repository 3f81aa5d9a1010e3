// SPDX-License-Identifier: Apache-2.0
/*
 * Any file explained and compared with itself: it is shown or refused, and never differs.
 */
#include "mse/mse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[MSE_ERROR_SIZE];
    bool same = true;
    struct mse_bytes file = {data, size};
    char *text = mse_explain(file, MSE_TEXT, error);
    free(text);
    char *json = mse_diff(file, file, MSE_JSON, &same, error);
    if ((text == NULL) != (json == NULL))
        abort();
    free(json);
    return 0;
}
