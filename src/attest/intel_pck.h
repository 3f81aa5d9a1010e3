// SPDX-License-Identifier: Apache-2.0
/*
 * The SGX extension of a PCK certificate, OID 1.2.840.113741.1.13.1 ("Intel SGX PCK Certificate and
 * Certificate Revocation List Profile Specification", section 1.3.5).
 */
#pragma once

#include "attest/intel_quote.h"

struct intel_pck {
    struct slice ppid; /* 16 bytes */
    uint8_t components[TCB_COMPONENTS];
    uint16_t pce_svn;
    struct slice cpu_svn;           /* 16 bytes */
    struct slice pce_id;            /* 2 bytes */
    struct slice fmspc;             /* 6 bytes */
    uint8_t sgx_type;               /* 0 standard, 1 scalable, 2 scalable with integrity */
    struct slice platform_instance; /* 16 bytes; empty: a processor's certificate */
};

extern const char intel_pck_oid[];

/* `extension`: the content of the extension's OCTET STRING. */
int intel_pck_parse(struct slice extension, struct intel_pck *ret, struct err *err) MUST_USE;
