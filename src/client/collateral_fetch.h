// SPDX-License-Identifier: Apache-2.0
/*
 * The collateral bundle for a piece of evidence, from the vendors' services (docs/attestation.md
 * has the bundle's format).
 */
#pragma once

#include "client/collateral_get.h"

struct collateral_services {
    const char *pcs;      /* Intel PCS, a PCCS, or a folder that mirrors one */
    const char *root_crl; /* where Intel's root CRL is: the whole URL, or NULL: at the PCCS */
    const char *kds;      /* AMD's key distribution service, or a folder */
    const char *vlek;     /* a file with the VLEK certificate; NULL: none */
    bool no_cache;
    bool refresh; /* ask although it is in the cache, which serves without an answer */
    const struct client_hooks *hooks; /* NULL: none */
};

/* Intel's and AMD's own. */
struct collateral_services collateral_services_of_vendors(void);

/* Appends the bundle, JSON. What the services answer is held against the evidence: a document of
 * another issuer, or altered, is ERR_REJECTED and names the check. */
int collateral_fetch(const struct collateral_services *services, struct slice evidence,
                     struct buf *out, struct err *err) MUST_USE;
