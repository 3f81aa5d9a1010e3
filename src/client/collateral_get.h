// SPDX-License-Identifier: Apache-2.0
/*
 * One document from a vendor's service, over HTTP through libcurl, from a folder that mirrors the
 * service, or from the cache on disk. What comes back is signed by the vendor and judged elsewhere;
 * here it is only bounded.
 */
#pragma once

#include "client/hooks.h"

#include "base/buf.h"

#include <stdbool.h>

enum { COLLATERAL_DOCUMENT_MAX = 4 << 20, COLLATERAL_CHAIN_MAX = 64 << 10 };

enum collateral_keep {
    COLLATERAL_FOREVER,          /* a certificate: it never changes */
    COLLATERAL_UNTIL_NEXT_UPDATE /* TCB info, QE identity, CRL: until the time that stands in it */
};

struct collateral_request {
    const char *base;   /* "https://host" or a folder */
    const char *path;   /* "/sgx/certification/v4/tcb?fmspc=..." */
    bool wants_chain;   /* the issuer chain comes in a header (Intel) */
    bool may_be_absent; /* 404 is ERR_NOT_FOUND without a word more */
    enum collateral_keep keep;
    unsigned wait_s; /* what a 429 without Retry-After asks for */
    bool no_cache;
    bool refresh; /* the cache serves only where nobody answers; certificates never change */
    const struct client_hooks *hooks; /* NULL: none */
};

struct collateral_answer {
    struct buf body;
    struct buf chain; /* PEM, decoded */
};
void collateral_answer_done(struct collateral_answer *answer);
#define AUTO_ANSWER __attribute__((cleanup(collateral_answer_done)))

/* Errors: NOT_FOUND (404), UNREACHABLE (refused, no such host, TLS), TIMEOUT, TOO_LARGE, BUSY (429
 * or 5xx after every attempt), INVALID (a broken answer). *ret is to be done in any case. */
int collateral_get(const struct collateral_request *request, struct collateral_answer *ret,
                   struct err *err) MUST_USE;

/* collateral_cache.c. The folder is $MSE_CACHE_HOME, $XDG_CACHE_HOME/mse or ~/.cache/mse. */
/* A folder in it; it may not exist. The caller frees. ERR_NOT_FOUND: no HOME. */
char *collateral_cache_folder(const char *name, struct err *err) MUST_USE;
/* ERR_NOT_FOUND where there is none, or what is there has expired. */
int collateral_cache_read(const char *url, struct collateral_answer *ret, struct err *err) MUST_USE;
/* A failure to write is not the caller's problem. */
void collateral_cache_write(const char *url, const struct collateral_answer *answer,
                            enum collateral_keep keep);
