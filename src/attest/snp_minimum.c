// SPDX-License-Identifier: Apache-2.0
/*
 * The least TCB of each family, step by step as AMD's security bulletins raised it. Pure.
 *
 * Looked at in October 2026, as the Linux kernel (drivers/crypto/ccp, for AMD-SB-3023) and public
 * verifiers quote the bulletins; AMD's own pages were not at hand. The figures of AMD-SB-3020 stand
 * in several places that do not copy one another; those marked (1) stand in one only.
 *
 *   AMD-SB-3019  CVE-2024-56161  forged microcode passes the signature check (EntrySign)
 *   AMD-SB-3020  CVE-2025-0033   the RMP can be written while SNP initialises (RMPocalypse)
 *   AMD-SB-3027  CVE-2025-29943  a sibling thread moves the stack pointer (StackWarp)
 *   AMD-SB-3030  CVE-2025-61971  registers that route MMIO are not locked
 *
 * AMD-SB-3015 (CVE-2024-21944, BadRAM) is older than these; what it adds is ALIAS_CHECK_COMPLETE,
 * which snp.c asks for. AMD-SB-3034 (CVE-2025-54510) named snp 28 for Genoa and withdrew its
 * figures in September 2026: there the step of AMD-SB-3020 stands. AMD-SB-3016 asks snp 27 of Milan
 * and Genoa too.
 *
 * "snp" counts for a whole family. "microcode" is the low byte of the patch level, and each
 * stepping counts for itself (Milan B1 0x0A0011DE, Milan-X B2 0x0A001247), so that a figure of one
 * says nothing of another. For Bergamo, Siena and Turin Dense none was found: "snp" has to do
 * there. Firmware of these levels makes reports of version 3 or later, so that a report of version
 * 2, which does not say its stepping, ends at "snp".
 */
#include "attest/snp_minimum.h"

const char snp_minimum_date[] = "2026-10";

const struct snp_step snp_steps_milan[] = {
    {"AMD-SB-3019", "2025-02", SNP_EVERY, SNP_EVERY, SNP_PART_SNP, 0x18}, /* (1) */
    {"AMD-SB-3020", "2025-10", SNP_EVERY, SNP_EVERY, SNP_PART_SNP, 0x1b},
    {"AMD-SB-3027", "2026-01", 0x01, 1, SNP_PART_MICROCODE, 0xde},        /* (1) B1 */
    {"AMD-SB-3027", "2026-01", 0x01, 2, SNP_PART_MICROCODE, 0x47},        /* (1) B2, Milan-X */
    {"AMD-SB-3030", "2026-05", SNP_EVERY, SNP_EVERY, SNP_PART_SNP, 0x1d}, /* (1) */
    {0},
};

const struct snp_step snp_steps_genoa[] = {
    {"AMD-SB-3019", "2025-02", SNP_EVERY, SNP_EVERY, SNP_PART_SNP, 0x17}, /* (1) */
    {"AMD-SB-3019", "2025-02", 0x11, 1, SNP_PART_MICROCODE, 0x54},        /* (1) B1 */
    {"AMD-SB-3019", "2025-02", 0x11, 2, SNP_PART_MICROCODE, 0x4f},        /* (1) B2, Genoa-X */
    {"AMD-SB-3020", "2025-10", SNP_EVERY, SNP_EVERY, SNP_PART_SNP, 0x1b},
    {"AMD-SB-3027", "2026-01", 0x11, 1, SNP_PART_MICROCODE, 0x56}, /* (1) B1 */
    {"AMD-SB-3027", "2026-01", 0x11, 2, SNP_PART_MICROCODE, 0x51}, /* (1) B2, Genoa-X */
    {0},
};

const struct snp_step snp_steps_turin[] = {
    {"AMD-SB-3020", "2025-10", SNP_EVERY, SNP_EVERY, SNP_PART_SNP, 0x04},
    {"AMD-SB-3020", "2025-10", 0x02, 1, SNP_PART_MICROCODE, 0x50}, /* (1) C1 */
    {"AMD-SB-3027", "2026-01", 0x02, 1, SNP_PART_MICROCODE, 0x51}, /* (1) C1 */
    {0},
};

bool snp_step_applies(const struct snp_step *step, const struct snp_report *report)
{
    if (step->model == SNP_EVERY)
        return true;
    return report->version >= 3 && step->model == report->cpuid_model &&
           step->stepping == report->cpuid_stepping;
}

struct mse_snp_tcb snp_minimum(const struct snp_family *family, const struct snp_report *report)
{
    struct mse_snp_tcb least = {0};
    uint8_t *const parts[SNP_TCB_PARTS] = {&least.fmc, &least.bootloader, &least.tee, &least.snp,
                                           &least.microcode};
    for (const struct snp_step *step = family->steps; step->bulletin != NULL; step++) {
        if (snp_step_applies(step, report) && *parts[step->part] < step->least)
            *parts[step->part] = step->least;
    }
    return least;
}
