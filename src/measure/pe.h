// SPDX-License-Identifier: Apache-2.0
/*
 * The Authenticode digest of a PE file: what UEFI measures of a kernel instead of its plain bytes,
 * so that a signature can be added without another digest.
 *
 * Source: Microsoft "Windows Authenticode Portable Executable Signature Format", section
 * "Calculating the PE Image Hash"; "PE Format" for the fields.
 */
#pragma once

#include "crypto/crypto.h"

enum { PE_SECTIONS_MAX = 96 };

/* Errors: INVALID (no PE file, or one whose parts overlap or lie outside). */
int pe_authenticode_sha384(struct slice file, uint8_t ret[static SHA384_SIZE],
                           struct err *err) MUST_USE;
