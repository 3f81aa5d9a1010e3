// SPDX-License-Identifier: Apache-2.0
/*
 * One SEV-SNP report on its way to a verdict: what was read so far, shared by the files that judge
 * it.
 */
#pragma once

#include "attest/chain.h"
#include "attest/collateral.h"
#include "attest/snp_family.h"
#include "attest/verifiers.h"

/* The extensions of a VCEK or VLEK certificate (AMD 57230, section 3.2). */
struct snp_leaf {
    struct slice product; /* "Milan-B0" */
    struct mse_snp_tcb tcb;
    struct slice hwid;   /* VCEK */
    struct slice csp_id; /* VLEK: the cloud provider */
};

struct snp_case {
    struct verification *v;
    struct snp_report report;
    const struct snp_family *family; /* NULL: not known */
    struct certificate_store store;
    struct collateral collateral;
    bool vlek; /* by the report's flags: signed by the VLEK, not the VCEK */
    struct certificate *leaf_certificate;
    struct certificate *ask;
    struct certificate *ark;
    struct certificate *anchor;
    bool has_leaf; /* `leaf` was read */
    struct snp_leaf leaf;
};

/* Reads the extensions; `family` decides which TCB parts there are. Errors: INVALID, NOT_FOUND. */
int snp_leaf_read_product(const struct certificate *certificate, struct slice *ret,
                          struct err *err) MUST_USE;
int snp_leaf_read(const struct certificate *certificate, const struct snp_family *family, bool vlek,
                  struct snp_leaf *ret, struct err *err) MUST_USE;

/* "bootloader 3, tee 0, snp 8, microcode 115" */
const char *say_snp_tcb(struct verification *v, const struct snp_family *family,
                        const struct mse_snp_tcb *tcb);

/* Claims that need no family; those that do. */
void snp_record_claims(struct verification *v, const struct snp_report *report);
void snp_record_family(struct snp_case *c);
/* Fields of the report by themselves. */
void snp_judge_report(struct snp_case *c);
/* Collateral: reads it and finds the family. False: nothing more can be judged. */
bool snp_judge_collateral(struct snp_case *c);
/* The chain, the leaf against the report, the report's signature, the CRL. */
void snp_judge_chain(struct snp_case *c);
