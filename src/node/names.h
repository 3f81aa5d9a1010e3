// SPDX-License-Identifier: Apache-2.0
/*
 * Who may have which host name. Names at or below the node's own domain are the node's: it gives
 * each app ID.DOMAIN, and no owner's certificate gets one. With domain "localhost" no name leads to
 * an app, its port does, so there is nothing to claim.
 */
#pragma once

#include "crypto/x509.h"

#include <stdbool.h>

/* Is `name` the node's `domain`, or below it? In any spelling: case and a dot at the end do not
 * count. A pattern "*.REST" is the node's as soon as one of the node's names fits it. */
bool name_is_of_node(const char *name, const char *domain);

/* The owner's certificate: it covers `name`, and neither `name` nor any other that it holds is the
 * node's. Errors: INVALID (does not cover it, or cannot be read), FORBIDDEN. */
int names_check_certificate(X509 *certificate, const char *name, const char *domain,
                            struct err *err) MUST_USE;
