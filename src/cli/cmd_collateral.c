// SPDX-License-Identifier: Apache-2.0
/*
 * mse collateral fetch: what the vendor publishes about the platform that made this evidence.
 */
#include "cli/collateral_options.h"
#include "cli/command.h"
#include "cli/ui.h"

#include "base/file.h"

enum { EVIDENCE_MAX = 1 << 20, BUNDLE_MAX = 8 << 20 };

static int fetch(const struct options *options, struct err *err)
{
    const struct collateral_services services = collateral_services_from(options);
    const char *output = options_value(options, "output");
    AUTO_BUF struct buf evidence = BUF_INIT(EVIDENCE_MAX);
    AUTO_BUF struct buf bundle = BUF_INIT(BUNDLE_MAX);
    if (file_read(options->arguments[0], &evidence, err) < 0 ||
        collateral_fetch(&services, buf_slice(&evidence), &bundle, err) < 0)
        return -1;
    if (output != NULL)
        return file_write_atomic(output, buf_slice(&bundle), 0644, err);
    ui_print(UI_PLAIN, "%s", buf_text(&bundle));
    return 0;
}

static const struct option_spec fetch_options[] = {
    {.name = "output",
     .letter = 'o',
     .value_name = "FILE",
     .help = "write the bundle here (default: standard output)"},
    COLLATERAL_OPTIONS,
    OPTION_HELP,
};

const struct command command_collateral_fetch = {
    .name = "collateral fetch",
    .arguments = "EVIDENCE",
    .summary = "get the vendor's collateral for a quote, report or certificate",
    .text = "Asks Intel's provisioning service (or a PCCS), or AMD's key distribution service, for "
            "the certificates, CRLs, TCB info and QE identity that belong to this evidence, holds "
            "them against it, and writes one bundle: with it, verification needs no network. "
            "Answers are cached: certificates for good, the others to their next update.",
    .example = "mse collateral fetch quote.bin --output bundle.json\n"
               "mse verify --evidence quote.bin --collateral bundle.json",
    .options = fetch_options,
    .option_count = ARRAY_LEN(fetch_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = fetch,
};
