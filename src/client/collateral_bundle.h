// SPDX-License-Identifier: Apache-2.0
/*
 * The collateral bundle under way: JSON text that answers of the services are added to, in the form
 * that docs/attestation.md describes.
 */
#pragma once

#include "client/collateral_get.h"

#include "format/arena.h"

#include "mse/needs.h"

struct collateral_bundle {
    struct buf *out;
    size_t count;
    struct arena arena;
};

/* Adds what a service answered for this document. INVALID: it is not what the document is. */
int bundle_add(struct collateral_bundle *bundle, const struct mse_document *document,
               const struct collateral_answer *answer, struct err *err) MUST_USE;

/* Adds a member: plain text, or bytes as hexadecimal. INVALID: it is not ASCII. */
int bundle_text(struct collateral_bundle *bundle, const char *name, struct slice text,
                struct err *err) MUST_USE;
int bundle_hex(struct collateral_bundle *bundle, const char *name, struct slice bytes,
               struct err *err) MUST_USE;

/* A CRL as DER, from DER, PEM or hexadecimal, as the services have it. */
int collateral_crl_der(struct slice body, struct buf *out, struct err *err) MUST_USE;
