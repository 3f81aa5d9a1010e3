// SPDX-License-Identifier: Apache-2.0
/*
 * The collateral bundle for a piece of evidence, from the vendors' services (docs/attestation.md
 * has the bundle's format).
 */
#pragma once

#include "client/collateral_get.h"

#include "format/arena.h"

struct collateral_services {
    const char *pcs;      /* Intel PCS, a PCCS, or a folder that mirrors one */
    const char *root_crl; /* where Intel's root CRL is: the whole URL, or NULL: at the PCCS */
    const char *kds;      /* AMD's key distribution service, or a folder */
    const char *vlek;     /* a file with the VLEK certificate; NULL: none */
    bool no_cache;
    const struct client_hooks *hooks; /* NULL: none */
};

/* Intel's and AMD's own. */
struct collateral_services collateral_services_of_vendors(void);

/* Appends the bundle, JSON. What the services answer is held against the evidence: a document of
 * another issuer, or altered, is ERR_REJECTED and names the check. */
int collateral_fetch(const struct collateral_services *services, struct slice evidence,
                     struct buf *out, struct err *err) MUST_USE;

/* collateral_intel.c, collateral_amd.c: add members to the bundle, a JSON object under way. */
struct collateral_bundle {
    struct buf *out;
    size_t count;
    struct arena arena;
};
int bundle_text(struct collateral_bundle *bundle, const char *name, struct slice text,
                struct err *err) MUST_USE;
int bundle_hex(struct collateral_bundle *bundle, const char *name, struct slice bytes,
               struct err *err) MUST_USE;
int collateral_fetch_intel(const struct collateral_services *services, struct slice evidence,
                           struct collateral_bundle *bundle, struct err *err) MUST_USE;
int collateral_fetch_amd(const struct collateral_services *services, struct slice evidence,
                         struct collateral_bundle *bundle, struct err *err) MUST_USE;
/* A CRL as DER, from DER, PEM or hexadecimal, as the services have it. */
int collateral_crl_der(struct slice body, struct buf *out, struct err *err) MUST_USE;
