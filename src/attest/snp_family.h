// SPDX-License-Identifier: Apache-2.0
/*
 * Families of EPYC processors, as far as attestation tells them apart: whose root, which layout of
 * the TCB version, how many bytes of chip id.
 */
#pragma once

#include "attest/snp_report.h"

#include "mse/policy.h"

struct snp_step; /* attest/snp_minimum.h */

struct snp_family {
    const char *name;      /* as it stands in AMD's certificates: "Milan" */
    const char *root_name; /* "ARK-Milan" */
    const char *ask_name;  /* "SEV-Milan" */
    const char *asvk_name; /* "SEV-VLEK-Milan" */
    const char *root_pem;
    size_t hwid_size;
    bool has_fmc;                 /* Turin's layout of the TCB version */
    const struct snp_step *steps; /* what its TCB must be at least */
};

/* By the CPUID values of a report of version 3 or later; NULL: not known. */
const struct snp_family *snp_family_by_cpuid(uint8_t family, uint8_t model);
/* By a certificate's product name, with or without a stepping ("Milan-B0"); NULL: not known. */
const struct snp_family *snp_family_by_product(struct slice product);

/* The families' names, from 0 on; NULL behind the last. */
enum { SNP_FAMILIES_MAX = 8 };
const char *snp_family_name(size_t index);

/* Section 2.2, table 3 (Milan, Genoa) and 4 (Turin). The 8 bytes in memory order. */
struct mse_snp_tcb snp_tcb_decode(const struct snp_family *family, struct slice bytes);
/* Are the bytes between the parts zero? */
bool snp_tcb_reserved_zero(const struct snp_family *family, struct slice bytes);

enum snp_tcb_part {
    SNP_PART_FMC,
    SNP_PART_BOOTLOADER,
    SNP_PART_TEE,
    SNP_PART_SNP,
    SNP_PART_MICROCODE,
    SNP_TCB_PARTS,
};
/* "fmc", "bootloader", "tee", "snp", "microcode" */
extern const char *const snp_tcb_names[SNP_TCB_PARTS];
uint8_t snp_tcb_part(const struct mse_snp_tcb *tcb, size_t part);
