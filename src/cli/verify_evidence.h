// SPDX-License-Identifier: Apache-2.0
/*
 * mse verify --evidence: a file of evidence judged offline by libmse; --check-receipt: the signed
 * record of such a verification.
 */
#pragma once

#include "cli/collateral_options.h"

#include "base/options.h"

#include <stdbool.h>

#define VERIFY_EVIDENCE_OPTIONS                                                                    \
    {.name = "evidence", .value_name = "FILE", .help = "judge this quote, report or certificate"}, \
        {.name = "collateral",                                                                     \
         .value_name = "FILE",                                                                     \
         .help = "the vendor's collateral for it (docs/attestation.md)"},                          \
        {.name = "at",                                                                             \
         .value_name = "TIME",                                                                     \
         .help = "judge at this time, unix seconds or RFC 3339 (default: now)"},                   \
        {.name = "fetch", .help = "ask the vendor's service for the collateral"},                  \
        COLLATERAL_OPTIONS,                                                                        \
        {.name = "receipt",                                                                        \
         .value_name = "FILE",                                                                     \
         .help = "write a signed record of this verification of --evidence"},                      \
        {.name = "check-receipt",                                                                  \
         .value_name = "FILE",                                                                     \
         .help = "check such a record; with --evidence, --collateral, --policy also that it is "   \
                 "of these"},                                                                      \
    {                                                                                              \
        .name = "verifier", .value_name = "HEX",                                                   \
        .help = "the public key that must have signed the receipt"                                 \
    }

bool verify_evidence_wanted(const struct options *options);
/* Prints the verdict. REJECTED where it is not accepted. */
int verify_evidence(const struct options *options, struct err *err) MUST_USE;

/* cli/verify_receipt.c */
struct receipt_input;
/* Writes the receipt, signed with the owner's key. */
int verify_receipt_write(const char *path, const struct receipt_input *input,
                         struct err *err) MUST_USE;
/* --check-receipt. REJECTED where the receipt is not good, is not of the files given, or records a
 * rejection. */
int verify_receipt_check(const struct options *options, struct err *err) MUST_USE;
