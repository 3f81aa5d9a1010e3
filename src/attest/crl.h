// SPDX-License-Identifier: Apache-2.0
/*
 * A certificate revocation list, version 2 (RFC 5280 section 5), read strictly as DER like the
 * certificates.
 */
#pragma once

#include "base/reader.h"

struct crl {
    struct slice der;
    struct slice to_be_signed;
    struct slice algorithm;
    struct slice signature;
    struct slice issuer;
    struct slice entries; /* content of revokedCertificates */
    int64_t from, until;
    bool has_critical; /* an extension of the list or of an entry */
};

/* Reads the structure, every entry included. The views live as long as `der`. Errors: INVALID. */
int crl_read(struct slice der, struct crl *ret, struct err *err) MUST_USE;
/* The next entry's serial number; `in` is over crl->entries. */
int crl_next_entry(struct reader *in, struct crl *crl, struct slice *ret_serial,
                   struct err *err) MUST_USE;
