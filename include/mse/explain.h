// SPDX-License-Identifier: Apache-2.0
/*
 * What stands in a file of evidence, a certificate, a collateral bundle or any JSON document of
 * mse, field by field. Nothing is judged: no signature is checked, nothing here is to be trusted.
 */
#pragma once

#include "mse/policy.h"

MSE_BEGIN

enum mse_format {
    MSE_TEXT, /* for a person: one field a line */
    MSE_JSON, /* {"kind": ..., "fields": {path: value, ...}} */
};

/* The caller frees the text with free(). NULL and a message where the bytes are nothing that is
 * known, or where memory ran out. A file that breaks off in the middle is shown as far as it goes,
 * with a field "error". */
MSE_API char *mse_explain(struct mse_bytes file, enum mse_format format,
                          char error[MSE_ERROR_SIZE]);

/* What differs between two such files, field by field: "[]" in JSON, and a text that says so, where
 * nothing does. *ret_same, unless NULL, says whether that is so. Otherwise as mse_explain. */
MSE_API char *mse_diff(struct mse_bytes a, struct mse_bytes b, enum mse_format format,
                       bool *ret_same, char error[MSE_ERROR_SIZE]);

MSE_END
