// SPDX-License-Identifier: Apache-2.0
/*
 * What a certificate that carries evidence holds, and the bindings between the two.
 */
#pragma once

#include "attest/chain.h"

#include "model/ratls.h"

enum ra_tls_form {
    RA_TLS_TAGGED,  /* TCG DICE tagged evidence with claims */
    RA_TLS_GRAMINE, /* a bare quote, report data over the public key */
};

struct ra_tls_certificate {
    struct certificate_store store; /* owned: certificate_store_done */
    struct certificate *certificate;
    struct slice public_key; /* DER SubjectPublicKeyInfo, in the arena */
    bool has_extension;
    enum ra_tls_form form;
    struct slice evidence;         /* a view of the certificate */
    struct ratls_extension tagged; /* RA_TLS_TAGGED */
};

/* Do these bytes begin as an X.509 certificate does, in DER or PEM? */
bool ra_tls_recognise(struct slice bytes);
/* The certificate itself: one, complete, in DER. Views live as
 * long as the bytes, the store and the arena. The store is to be done also after a failure. */
int ra_tls_parse(struct arena *arena, struct slice bytes, struct ra_tls_certificate *ret,
                 struct err *err) MUST_USE;
/* Its extension: sets has_extension, form, evidence, tagged. Where both forms are there, the tagged
 * one counts. Errors: NOT_FOUND (neither), INVALID, UNSUPPORTED. */
int ra_tls_find_evidence(struct ra_tls_certificate *certificate, struct err *err) MUST_USE;

/* binding.public-key: the key that the caller met (mse_input.public_key) is the one in the
 * certificate that held the evidence. */
void ra_tls_check_public_key(struct verification *v);
