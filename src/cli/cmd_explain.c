// SPDX-License-Identifier: Apache-2.0
/*
 * mse explain: what stands in a file of evidence, a certificate or collateral, without a judgement.
 */
#include "cli/command.h"
#include "cli/ui.h"

#include "base/file.h"

#include "mse/explain.h"

#include <stdlib.h>

enum { FILE_MAX = 8 << 20 };

static int explain(const struct options *options, struct err *err)
{
    AUTO_BUF struct buf file = BUF_INIT(FILE_MAX);
    char message[MSE_ERROR_SIZE];
    const char *path = options->arguments[0];
    if (file_read(path, &file, err) < 0)
        return -1;
    AUTO_FREE char *text = mse_explain((struct mse_bytes){file.data, file.len},
                                       ui_json() ? MSE_JSON : MSE_TEXT, message);
    if (text == NULL) {
        (void)FAIL(err, ERR_INVALID, "'%s': %s", path, message);
        err_hint(err, "it takes raw evidence, a certificate (DER or PEM), or a JSON document");
        return -1;
    }
    ui_print(UI_PLAIN, "%s", text);
    return 0;
}

static const struct option_spec explain_options[] = {OPTION_JSON, OPTION_HELP};

const struct command command_explain = {
    .name = "explain",
    .arguments = "FILE",
    .summary = "print evidence, a certificate or collateral field by field",
    .text = "Shows what stands in an SGX or TDX quote, an SEV-SNP report, simulated evidence, a "
            "certificate with the evidence in it, a collateral bundle, an attestation document, a "
            "receipt or a manifest. Nothing is verified: use `mse verify` for that.",
    .example = "mse explain cert.pem\nmse explain quote.bin --json",
    .options = explain_options,
    .option_count = ARRAY_LEN(explain_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = explain,
};
