// SPDX-License-Identifier: Apache-2.0
/*
 * A responder's word about one certificate (OCSP, RFC 6960), as a server staples it to its TLS
 * handshakes: is it about this certificate, from its issuer, good, and of now? Pure: no network, no
 * clock of its own.
 */
#pragma once

#include "crypto/x509.h"

enum { OCSP_RESPONSE_MAX = 64 << 10 };

struct ocsp_validity {
    int64_t this_update; /* unix seconds */
    int64_t next_update;
};

/* Judges the DER `response` about `certificate`, whose issuer is among the certificates of
 * `chain_pem` (the certificate itself may be there too), at `now` in unix seconds. A response that
 * does not say when it ends is refused: it could be stapled for ever. Errors: TOO_LARGE; INVALID,
 * which names what does not fit. */
int ocsp_check(struct slice response, X509 *certificate, struct slice chain_pem, int64_t now,
               struct ocsp_validity *ret, struct err *err) MUST_USE;
