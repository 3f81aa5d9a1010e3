// SPDX-License-Identifier: Apache-2.0
/*
 * The server name (SNI) of a TLS ClientHello, read before anything is decrypted, so that the node
 * can route bytes that it cannot read; and whether a certificate authority asks who controls that
 * name. RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3, RFC 7301 section 3.1, RFC 8737.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>

enum {
    CLIENT_HELLO_MAX = 16 * 1024, /* bytes looked at, record headers included */
    CLIENT_HELLO_NAME_SIZE = 256,
};

enum client_hello_state {
    CLIENT_HELLO_MORE,    /* not complete yet: call again with more bytes */
    CLIENT_HELLO_NAMED,   /* the name is there */
    CLIENT_HELLO_UNNAMED, /* complete, without a server name */
};

struct client_hello {
    enum client_hello_state state;
    char name[CLIENT_HELLO_NAME_SIZE]; /* lower case */
    bool offers_acme;                  /* "acme-tls/1" is among its application protocols */
};

/* `bytes` is everything received so far. The message may be cut into records and reads anywhere.
 * INVALID: not a ClientHello, or one that two readers may understand in two ways (an extension or
 * a name twice, bytes behind the message in its record); TOO_LARGE: not complete within
 * CLIENT_HELLO_MAX bytes. */
int client_hello_parse(struct slice bytes, struct client_hello *ret, struct err *err) MUST_USE;
