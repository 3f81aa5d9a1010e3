// SPDX-License-Identifier: Apache-2.0
/*
 * What the policy asks of every TEE, judged on the verdict's claims once they are read.
 */
#pragma once

#include "attest/verification.h"

/* TEE accepted, measurement, signer, fingerprint, report data, debug, and the lines that loosen. */
void policy_apply(struct verification *v);

/* Is this word among tcb.accept ("UpToDate" alone where the policy has none)? */
bool policy_accepts_status(const struct mse_policy *policy, const char *status);

/* Are CRLs required? */
bool policy_requires_crl(const struct mse_policy *policy);
/* "0, 2" of the bits 0 and 2. */
const char *say_vmpls(struct verification *v, unsigned vmpls);

/* A hexadecimal text of either case against bytes. */
bool policy_hex_equal(const char *text, struct slice bytes);

/* A list of words as one text: "UpToDate, SWHardeningNeeded". */
const char *say_words(struct verification *v, const char *const *words, size_t count);
