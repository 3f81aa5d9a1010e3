// SPDX-License-Identifier: Apache-2.0
/*
 * Handing a running enclave the OCSP response of its owner's certificate.
 */
#pragma once

#include "client/attested.h"

/* Errors: REJECTED with the enclave's words, and those of attested_request. */
int staple_send(struct attested *app, struct slice response, struct err *err) MUST_USE;
