// SPDX-License-Identifier: Apache-2.0
/*
 * Who may have which host name. Names at or below the node's own domain are the node's: it gives
 * each app ID.DOMAIN, and no owner's certificate gets one. Every other name needs a proof that it
 * is the owner's. With domain "localhost" no name leads to an app, its port does, so there is
 * nothing to claim.
 */
#pragma once

#include "crypto/name_proof.h"
#include "node/node_config.h"

#include <stdbool.h>

/* Is `name` the node's `domain`, or below it? In any spelling: case and a dot at the end do not
 * count. A pattern "*.REST" is the node's as soon as one of the node's names fits it. */
bool name_is_of_node(const char *name, const char *domain);

/* What an owner brings for the name in its manifest. */
struct name_claim {
    const char *name;
    const char *account;
    bool by_operator; /* on the node's own socket */
    X509 *certificate;
    struct slice chain;     /* PEM, the certificate first */
    struct slice signature; /* name_proof_sign by its key for `fingerprint`; empty: none */
    const uint8_t *fingerprint;
    int64_t now; /* unix seconds */
};

/* The certificate covers the name, and neither the name nor any other that it holds is the node's.
 * Errors: INVALID (does not cover it, or cannot be read), FORBIDDEN. */
int names_check_certificate(X509 *certificate, const char *name, const char *domain,
                            struct err *err) MUST_USE;
/* The name is the account's: the operator says so, or the certificate's key and a public authority,
 * or the domain name system. May wait for the latter for some ten seconds. FORBIDDEN: no, with what
 * each way found and what to do. */
int names_prove(const struct node_config *config, const struct name_claim *claim,
                struct err *err) MUST_USE;
