// SPDX-License-Identifier: Apache-2.0
/*
 * Where something answers: a host and a port, as they stand in a URL.
 */
#pragma once

#include "base/err.h"

enum { ENDPOINT_HOST_SIZE = 254, ENDPOINT_PORT_HTTPS = 443 };

struct endpoint {
    char host[ENDPOINT_HOST_SIZE];
    int port;
};

/* https://HOST[:PORT] at the start of url, HOST of letters, digits, '.', '-' and '_': no user, no
 * escape, nothing that a terminal or a shell would take for more. *ret_rest (may be NULL: there
 * must be none) is what follows: "", or it begins with '/', '?' or '#'. Errors: USAGE. */
int endpoint_parse_url(const char *url, struct endpoint *ret, const char **ret_rest,
                       struct err *err) MUST_USE;
