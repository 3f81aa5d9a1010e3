// SPDX-License-Identifier: Apache-2.0
/*
 * One verifier per format of evidence, one file each, one table. A verifier
 *  - recognises its format from the bytes alone (`detect`), generously: a format that is nearly
 *    right is better refused by name than not recognised;
 *  - fills the verdict's claims and sets v->parsed;
 *  - records its checks, going on where a failed one does not make the next meaningless;
 *  - sets v->complete where it came to its end;
 *  - lists the documents that its evidence needs (`needs`), or says why that cannot be told.
 * A container (an RA-TLS certificate) replaces v->evidence and calls verifier_run again, and
 * verifier_needs likewise.
 */
#pragma once

#include "attest/needs.h"
#include "attest/verification.h"

struct verifier {
    const char *name; /* "Intel DCAP quote" */
    bool (*detect)(struct slice evidence);
    void (*verify)(struct verification *v);
    int (*needs)(struct slice evidence, struct needs *needs, struct err *err);
};

extern const struct verifier intel_dcap_verifier;
extern const struct verifier ra_tls_verifier;
extern const struct verifier simulation_verifier;
extern const struct verifier snp_verifier;

/* Finds the verifier for v->evidence and runs it; the check "evidence.format" says which. */
void verifier_run(struct verification *v);

/* Lists what the evidence needs, by its verifier. */
int verifier_needs(struct slice evidence, struct needs *needs, struct err *err) MUST_USE;

/* intel_needs.c, snp_needs.c */
int intel_dcap_needs(struct slice evidence, struct needs *needs, struct err *err) MUST_USE;
int snp_needs(struct slice evidence, struct needs *needs, struct err *err) MUST_USE;
