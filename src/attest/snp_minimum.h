// SPDX-License-Identifier: Apache-2.0
/*
 * The least TCB of an SNP platform where the policy names none. AMD has no status word such as
 * Intel's UpToDate: "genuine" alone would accept firmware with published holes.
 */
#pragma once

#include "attest/snp_family.h"

/* One figure of one bulletin: this part of the TCB must be at least so high. */
struct snp_step {
    const char *bulletin;  /* NULL ends a family's table */
    const char *published; /* the bulletin's month: "2025-10" */
    int model;             /* SNP_EVERY: whatever the processor of the family */
    int stepping;          /* with a model: whose microcode is counted like this */
    enum snp_tcb_part part;
    uint8_t least;
};

enum { SNP_EVERY = -1 };

extern const struct snp_step snp_steps_milan[];
extern const struct snp_step snp_steps_genoa[]; /* with Bergamo and Siena */
extern const struct snp_step snp_steps_turin[];

/* When the bulletins were last looked at: "2026-10". */
extern const char snp_minimum_date[];

/* Does the step speak of this report's processor? A report of version 2 does not say which it is:
 * only what holds for every one of the family applies. */
bool snp_step_applies(const struct snp_step *step, const struct snp_report *report);
/* The highest figure of each part among the steps that apply. */
struct mse_snp_tcb snp_minimum(const struct snp_family *family, const struct snp_report *report);
