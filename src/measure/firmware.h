// SPDX-License-Identifier: Apache-2.0
/*
 * What a virtual machine's firmware (an OVMF file) says about itself: a table of GUIDs at its end,
 * and behind two of those the list of memory that AMD SEV-SNP or Intel TDX has to measure. The file
 * may be anybody's: it is taken apart by the bounded reader, and what is not understood is refused,
 * since a section that is skipped would be a measurement that is wrong.
 *
 * Sources: edk2, OvmfPkg/ResetVector/Ia32/ResetVectorVtf0.asm (table), OvmfPkg/ResetVector/X64/
 * OvmfSevMetadata.asm, OvmfTdxMetadata.asm; Intel "TDX Virtual Firmware Design Guide", section 11.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>

enum {
    GUEST_PAGE_SIZE = 4096,
    FIRMWARE_MAX = 64 << 20, /* bytes; today's have 4 MiB */
    FIRMWARE_SECTIONS_MAX = 32,
};

/* The address at which firmware ends: it is mapped right below it. */
#define FIRMWARE_END (UINT64_C(1) << 32)

struct firmware {
    struct slice bytes;
    /* Each by its offset from the end of the file; 0: the table does not have it. */
    uint32_t sev_metadata;
    uint32_t tdx_metadata;
    bool has_ap_reset;
    uint32_t ap_reset_eip; /* where every processor but the first begins under SEV-ES and SNP */
    /* Where the hashes of kernel, initrd and command line go; size 0: this firmware checks none. */
    uint32_t hashes_base;
    uint32_t hashes_size;
};

/* Reads the table of GUIDs. The bytes must outlive *ret. Errors: INVALID, TOO_LARGE. */
int firmware_parse(struct slice bytes, struct firmware *ret, struct err *err) MUST_USE;

/* Where the file's first byte lies in the guest's memory. */
static inline uint64_t firmware_base(const struct firmware *firmware)
{
    return FIRMWARE_END - firmware->bytes.len;
}

enum sev_section_kind {
    SEV_SECTION_MEMORY = 1, /* zeroed, validated before the first instruction */
    SEV_SECTION_SECRETS = 2,
    SEV_SECTION_CPUID = 3,
    SEV_SECTION_SVSM_CAA = 4, /* calling area of an SVSM; zero where there is none */
    SEV_SECTION_KERNEL_HASHES = 0x10,
};

struct sev_section {
    uint32_t gpa;
    uint32_t size;
    enum sev_section_kind kind;
};

struct sev_metadata {
    struct sev_section sections[FIRMWARE_SECTIONS_MAX]; /* in the order of the file: it counts */
    size_t count;
};

/* Whole pages below the firmware that do not overlap, one page each for secrets, CPUID and kernel
 * hashes. Errors: INVALID, UNSUPPORTED (no SEV metadata, another version, an unknown kind). */
int firmware_sev_metadata(const struct firmware *firmware, struct sev_metadata *ret,
                          struct err *err) MUST_USE;

enum tdx_section_kind {
    TDX_SECTION_BFV = 0, /* boot firmware volume: code */
    TDX_SECTION_CFV = 1, /* configuration: variables */
    TDX_SECTION_TD_HOB = 2,
    TDX_SECTION_TEMP_MEMORY = 3,
    TDX_SECTION_PERM_MEMORY = 4,
};

enum {
    TDX_SECTION_EXTEND = 1 << 0,   /* its contents are measured, not only its address */
    TDX_SECTION_PAGE_AUG = 1 << 1, /* added while the guest runs: not measured at all */
};

struct tdx_section {
    struct slice data; /* what of the file goes there; the rest of `size` is zero */
    uint64_t gpa;
    uint64_t size;
    enum tdx_section_kind kind;
    uint32_t attributes;
};

struct tdx_metadata {
    struct tdx_section sections[FIRMWARE_SECTIONS_MAX];
    size_t count;
};

/* Likewise for Intel TDX. */
int firmware_tdx_metadata(const struct firmware *firmware, struct tdx_metadata *ret,
                          struct err *err) MUST_USE;
