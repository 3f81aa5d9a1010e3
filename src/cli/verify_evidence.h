// SPDX-License-Identifier: Apache-2.0
/*
 * mse verify --evidence: a file of evidence judged offline by libmse.
 */
#pragma once

#include "base/options.h"

#include <stdbool.h>

#define VERIFY_EVIDENCE_OPTIONS                                                                    \
    {.name = "evidence", .value_name = "FILE", .help = "judge this quote, report or certificate"}, \
        {.name = "collateral",                                                                     \
         .value_name = "FILE",                                                                     \
         .help = "the vendor's collateral for it (docs/attestation.md)"},                          \
    {                                                                                              \
        .name = "at", .value_name = "TIME",                                                        \
        .help = "judge at this time, unix seconds or RFC 3339 (default: now)"                      \
    }

bool verify_evidence_wanted(const struct options *options);
/* Prints the verdict. REJECTED where it is not accepted. */
int verify_evidence(const struct options *options, struct err *err) MUST_USE;
