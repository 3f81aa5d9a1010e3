// SPDX-License-Identifier: Apache-2.0
/*
 * mse_verify: makes the verdict, lets the verifier of the evidence's format fill it, applies what
 * the policy asks of every TEE, and draws the conclusion. Accepted means: every check passed, the
 * claims were read, and the verifier came to its end.
 */
#include "attest/policy_apply.h"
#include "attest/ra_tls.h"
#include "attest/verifiers.h"

#include "base/sized.h"

#include <openssl/err.h>

#include <stdlib.h>
#include <string.h>

struct owned_verdict {
    struct mse_verdict verdict; /* first: what the caller sees */
    struct arena arena;
};

static const struct {
    enum trouble trouble;
    const char *word;
} trouble_words[] = {
    {TROUBLE_NO_COLLATERAL, "no-collateral"}, {TROUBLE_EXPIRED, "expired"},
    {TROUBLE_NOT_YET_VALID, "not-yet-valid"}, {TROUBLE_REVOKED, "revoked"},
    {TROUBLE_BAD_SIGNATURE, "bad-signature"}, {TROUBLE_NO_CHAIN, "no-chain"},
};

static void conclude(struct verification *v)
{
    for (size_t i = 0; i < ARRAY_LEN(trouble_words); i++) {
        if (trouble_words[i].trouble == v->trouble)
            v->verdict->status = trouble_words[i].word;
    }
    bool sound = v->parsed && v->complete && v->verdict->check_count > 0;
    if (!sound && !v->failed)
        check_fail(v, "verification.complete", "ended early", "every check made",
                   "this is a defect of the verifier: report it");
    v->verdict->accepted = sound && !v->failed && v->trouble == TROUBLE_NONE;
}

/* What the caller handed in, laid out as this version has it. */
struct adopted {
    struct mse_input input;
    struct mse_policy policy;
    struct mse_trust trust;
};

static bool adopt(struct verification *v, const char *check, const void *from, void *to,
                  size_t known_size)
{
    struct err err = ERR_INIT;
    if (sized_take(from, to, known_size, &err) == 0)
        return true;
    check_fail(v, check, arena_printf(v->arena, "%s", err.message),
               "a struct of this version, or an older one's",
               "begin with MSE_INPUT_INIT, MSE_POLICY_INIT, MSE_TRUST_INIT; a newer header "
               "needs a newer libmse");
    return false;
}

/* Fields and parts of TCBs have room of their own for what later versions name. */
static bool check_room(struct verification *v)
{
    const struct mse_policy *policy = v->policy;
    bool unknown = !slice_is_zero(
        slice_of(policy->snp_min_tcb.reserved, sizeof(policy->snp_min_tcb.reserved)));
    for (size_t i = MSE_FIELD_COUNT; i < MSE_FIELD_MAX; i++)
        unknown = unknown || policy->fields[i].count != 0;
    if (unknown)
        check_fail(v, "policy.known", "a field that is not known", "fields of this version",
                   "a newer header needs a newer libmse");
    return !unknown;
}

static bool adopt_all(struct verification *v, const struct mse_input *input, struct adopted *own)
{
    if (!adopt(v, "input.size", input, &own->input, sizeof(own->input)))
        return false;
    v->evidence = slice_from(own->input.evidence);
    if (own->input.policy != NULL &&
        !adopt(v, "policy.size", own->input.policy, &own->policy, sizeof(own->policy)))
        return false;
    if (own->input.trust != NULL) {
        if (!adopt(v, "trust.size", own->input.trust, &own->trust, sizeof(own->trust)))
            return false;
        own->input.trust = &own->trust;
    }
    own->input.policy = &own->policy;
    return check_room(v);
}

struct mse_verdict *mse_verify(const struct mse_input *input)
{
    struct owned_verdict *owned = mem_alloc(sizeof(*owned), NULL);
    if (owned == NULL)
        return NULL;
    struct adopted own = {.policy = {.size = sizeof(own.policy)}};
    struct verification v = {
        .input = &own.input,
        .policy = &own.policy,
        .arena = &owned->arena,
        .verdict = &owned->verdict,
    };
    owned->verdict.size = sizeof(owned->verdict);
    owned->verdict.platform = "";
    owned->verdict.family = "";
    /* The caller's entries in OpenSSL's error queue survive; ours do not. */
    (void)ERR_set_mark();
    if (adopt_all(&v, input, &own))
        verifier_run(&v);
    if (v.parsed) {
        policy_apply(&v);
        ra_tls_check_public_key(&v);
    }
    conclude(&v);
    (void)ERR_pop_to_mark();
    if (owned->arena.out_of_memory) {
        mse_verdict_free(&owned->verdict);
        return NULL;
    }
    return &owned->verdict;
}

void mse_verdict_free(struct mse_verdict *verdict)
{
    if (verdict == NULL)
        return;
    struct owned_verdict *owned = (struct owned_verdict *)verdict;
    arena_done(&owned->arena);
    free(owned);
}
