// SPDX-License-Identifier: Apache-2.0
/*
 * One verification on its way to a verdict: the input, the policy, and the recorder through which
 * every check, claim and validity window goes.
 *
 *     if (!check_that(v, version == 3, "quote.version", say(v, "%u", version), "3", ""))
 *         return;
 *
 * Texts given to the recorder are literals or come from say(); they live as long as the verdict.
 */
#pragma once

#include "format/arena.h"

#include "mse/verify.h"

enum { CHECKS_MAX = 256, CLAIMS_MAX = 128 };

/* Words that take the place of the vendor's own in the verdict's status, the gravest last. */
enum trouble {
    TROUBLE_NONE,
    TROUBLE_NO_COLLATERAL,
    TROUBLE_EXPIRED,
    TROUBLE_NOT_YET_VALID,
    TROUBLE_REVOKED,
    TROUBLE_BAD_SIGNATURE,
    TROUBLE_NO_CHAIN,
};

struct verification {
    const struct mse_input *input;
    const struct mse_policy *policy; /* never NULL */
    struct slice evidence;           /* the input's, or what a container held */
    struct slice public_key;         /* of the certificate that held it (DER); empty: none did */
    struct arena *arena;             /* the verdict's */
    struct mse_verdict *verdict;
    struct mse_check *checks;
    struct mse_claim *claims;
    enum trouble trouble;
    bool failed;   /* some check failed */
    bool parsed;   /* the claims are there: the policy can be applied */
    bool complete; /* the verifier came to its end; nothing is accepted without it */
};

/* Formatted text that lives as long as the verdict. */
const char *say(struct verification *v, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;
const char *say_hex(struct verification *v, struct slice bytes) MUST_USE;
/* "2025-06-19T10:56:11Z". */
const char *say_time(struct verification *v, int64_t unix_time) MUST_USE;

void check_pass(struct verification *v, const char *name, const char *found, const char *expected);
void check_fail(struct verification *v, const char *name, const char *found, const char *expected,
                const char *hint);
/* Not applicable, and why. */
void check_skip(struct verification *v, const char *name, const char *why);
/* Pass or fail; returns `ok`. The hint is recorded only with a failure. */
bool check_that(struct verification *v, bool ok, const char *name, const char *found,
                const char *expected, const char *hint);
/* A passed check that deserves a look: shown like a loosened one. */
void check_warning(struct verification *v, const char *name, const char *found,
                   const char *expected, const char *hint);
/* A line of the policy that is less than strict: a passed check that names it. */
void check_loosened(struct verification *v, const char *name, const char *found,
                    const char *expected);

/* The gravest trouble gives the verdict its status word. */
void note_trouble(struct verification *v, enum trouble trouble);

/* Records the check `name` for a document's window [from, until] against the time to judge at, and
 * narrows the verdict's own window. `grave`: being outside also gives the status word. */
bool check_window(struct verification *v, const char *name, int64_t from, int64_t until, bool grave,
                  const char *hint);

void claim_text(struct verification *v, const char *name, const char *value);
void claim_number(struct verification *v, const char *name, uint64_t value);
void claim_bytes(struct verification *v, const char *name, struct slice value);
/* Copies bytes for one of the verdict's own fields. */
struct mse_bytes keep_bytes(struct verification *v, struct slice bytes) MUST_USE;

static inline struct slice slice_from(struct mse_bytes bytes)
{
    return slice_of(bytes.data, bytes.size);
}
