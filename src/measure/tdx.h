// SPDX-License-Identifier: Apache-2.0
/*
 * What a TDX quote will show for a guest that QEMU boots directly: MRTD, made by the TDX module
 * while the firmware is laid into memory; RTMR1 and RTMR2, which firmware and kernel extend by what
 * they start. MRTD alone is the firmware and says nothing about the kernel. RTMR0 holds what QEMU
 * tells the firmware about its machine (memory map, ACPI tables) and is not computed here.
 *
 * Sources: Intel "TDX Module ABI", TDH.MEM.PAGE.ADD and TDH.MR.EXTEND; "TDX Virtual Firmware Design
 * Guide", section 8; edk2, OvmfPkg/Tcg/TdTcg2Dxe (2025.05 or later: the kernel as it is in the
 * file); Linux, drivers/firmware/efi/libstub/efi-stub-helper.c.
 */
#pragma once

#include "crypto/crypto.h"
#include "measure/firmware.h"

enum { TDX_DIGEST_SIZE = SHA384_SIZE, TDX_RTMR_COUNT = 4 };

/* In which order a host adds the pages of a section and measures their contents. */
enum mrtd_order {
    MRTD_PAGE_BY_PAGE,    /* upstream Linux, 6.16 and later */
    MRTD_ADD_THEN_EXTEND, /* hosts before that: all pages of a section, then all contents */
};

/* Errors: INVALID, UNSUPPORTED (no TDX metadata). */
int tdx_mrtd(const struct firmware *firmware, enum mrtd_order order,
             uint8_t ret[static TDX_DIGEST_SIZE], struct err *err) MUST_USE;
/* `kernel`: its Authenticode digest (measure/pe.h), which edk2 measures. */
int tdx_rtmr1(const uint8_t kernel[static TDX_DIGEST_SIZE], uint8_t ret[static TDX_DIGEST_SIZE],
              struct err *err) MUST_USE;
/* Of the command line (ASCII, as QEMU is given it) and the initrd. Errors: INVALID, MEMORY. */
int tdx_rtmr2(const char *cmdline, struct slice initrd, uint8_t ret[static TDX_DIGEST_SIZE],
              struct err *err) MUST_USE;

/* RTMR = SHA-384(RTMR ‖ digest). */
int tdx_extend(uint8_t rtmr[static TDX_DIGEST_SIZE], const uint8_t digest[static TDX_DIGEST_SIZE],
               struct err *err) MUST_USE;
