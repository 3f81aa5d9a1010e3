// SPDX-License-Identifier: Apache-2.0
/*
 * The head of an HTTP/1.1 request: where it ends, and what it says. Part of the server
 * (connection.h); apart from the rest so that it can be tested and fuzzed without a connection.
 */
#pragma once

#include "http/connection.h"

/* Why a head is refused: the status of the answer, and its text. */
struct http1_refusal {
    int status;
    const char *text;
};

/* Looks for the empty line in data[0..len), going on where the last call with the same `scan`
 * (zeroed for a new head) ended; the data must begin at the same byte. *ret_len stays 0 until it is
 * there. -1: refused (bare LF, folded line, too long). */
int http1_find_head(struct http1_scan *scan, const uint8_t *data, size_t len,
                    const struct http_limits *limits, size_t *ret_len,
                    struct http1_refusal *ret_refusal) MUST_USE;

/* Copies the head into the exchange and fills in its request. -1: refused. */
int http1_parse_head(struct http_exchange *exchange, struct slice head,
                     const struct http_limits *limits, struct http1_refusal *ret_refusal) MUST_USE;
