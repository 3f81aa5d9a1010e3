// SPDX-License-Identifier: Apache-2.0
/*
 * Which collateral a running app is judged with. It comes stapled to the evidence, from a node that
 * nobody trusts: every document of it is signed by the vendor, but an older one that has not ended
 * yet is as good as signed. So the newest one that this machine has ever judged by is kept, and a
 * stapled one that is older is replaced by it, aloud. The vendor is asked only when told to.
 */
#pragma once

#include "client/collateral_fetch.h"

/* How the caller wants it. */
struct collateral_wish {
    const struct collateral_services *services; /* asked instead; NULL: nobody is asked */
    int64_t max_age_s; /* no document that ends may have been issued longer ago; 0: any age */
};

struct collateral_choice {
    struct buf bundle; /* empty: there is none */
    bool asked;        /* the vendor, now; else it was stapled */
    char oldest[48];   /* which of its documents was issued first; "": none is there */
    int64_t issued;    /* when that was, unix seconds */
    int64_t until;     /* when the first of them ends */
};

#define COLLATERAL_CHOICE_INIT ((struct collateral_choice){.bundle = BUF_INIT(4 << 20)})
void collateral_choice_done(struct collateral_choice *choice);
#define AUTO_COLLATERAL_CHOICE __attribute__((cleanup(collateral_choice_done)))

/* *ret is an initialised choice. `stapled` may be empty. Where a document was replaced, hooks->warn
 * is told. Errors: REJECTED (too old; or this machine has judged by a newer one that it cannot use
 * any more; no bundle); with services those of collateral_fetch. */
int collateral_choose(const struct collateral_wish *wish, struct slice evidence,
                      struct slice stapled, int64_t at, const struct client_hooks *hooks,
                      struct collateral_choice *ret, struct err *err) MUST_USE;
/* After a verdict that was accepted with it: keeps what of it is newer than what is kept. A failure
 * to write is told hooks->warn: the next verdict then does not know of it. */
void collateral_remember(const struct collateral_choice *choice, const struct client_hooks *hooks);
/* "stapled by the enclave; the oldest of it: AMD's CRL of 2026-11-01, 27 days old; good until
 * 2026-12-01" */
void collateral_describe(const struct collateral_choice *choice, int64_t at, char *text,
                         size_t size);
