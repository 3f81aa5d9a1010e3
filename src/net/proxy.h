// SPDX-License-Identifier: Apache-2.0
/*
 * PROXY protocol version 2, the binary header that the node's gateway writes before the bytes of a
 * connection (haproxy's doc/proxy-protocol.txt, section 2.2).
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <sys/socket.h>

enum {
    PROXY_FIXED_SIZE = 16,   /* signature, version and command, family, length */
    PROXY_ADDRESS_SIZE = 46, /* INET6_ADDRSTRLEN */
    PROXY_MAX_SIZE = 1024,   /* ours: addresses and some TLVs */
};

struct proxy_peer {
    bool known; /* false: LOCAL, UNSPEC, or a Unix socket */
    char address[PROXY_ADDRESS_SIZE];
    int port;
};

/* The whole header's size from its first PROXY_FIXED_SIZE bytes. Errors: INVALID (not a header of
 * version 2), TOO_LARGE. */
int proxy_header_size(struct slice fixed, size_t *ret, struct err *err) MUST_USE;
/* A whole header; what follows the addresses (TLVs) is skipped. Errors: INVALID. */
int proxy_header_parse(struct slice bytes, struct proxy_peer *ret, struct err *err) MUST_USE;
/* Appends the header for a connection from `source` to `destination` (both IPv4 or both IPv6;
 * anything else, or NULL, is written as LOCAL). */
int proxy_header_write(const struct sockaddr *source, const struct sockaddr *destination,
                       struct buf *out, struct err *err) MUST_USE;
