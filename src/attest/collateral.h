// SPDX-License-Identifier: Apache-2.0
/*
 * The collateral bundle: one JSON object whose members have the names of Intel's provisioning
 * service (API v4) and of AMD's key distribution service. Documents that are signed are kept as
 * the exact text, signatures and CRLs are hexadecimal, chains are PEM, leaf first. Every member is
 * optional here; a verifier says which it needs. Names that are not listed are not read.
 */
#pragma once

#include "format/document.h"

struct collateral {
    /* Intel */
    struct slice pck_crl_issuer_chain;
    struct slice root_ca_crl; /* DER */
    struct slice pck_crl;     /* DER */
    struct slice tcb_info_issuer_chain;
    struct slice tcb_info;
    struct slice tcb_info_signature;
    struct slice qe_identity_issuer_chain;
    struct slice qe_identity;
    struct slice qe_identity_signature;
    /* AMD */
    struct slice vcek; /* PEM, like the next three */
    struct slice vlek;
    struct slice ask;
    struct slice ark;
    struct slice crl; /* DER */
};

/* What is absent is empty; the bytes live in the arena or in `text`. Errors: INVALID, TOO_LARGE. */
int collateral_parse(struct arena *arena, struct slice text, struct collateral *ret,
                     struct err *err) MUST_USE;
