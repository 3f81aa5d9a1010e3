// SPDX-License-Identifier: Apache-2.0
/*
 * mse_verify: makes the verdict, lets the verifier of the evidence's format fill it, applies what
 * the policy asks of every TEE, and draws the conclusion. Accepted means: every check passed, the
 * claims were read, and the verifier came to its end.
 */
#include "attest/policy_apply.h"
#include "attest/ra_tls.h"
#include "attest/verifiers.h"

#include <openssl/err.h>

#include <stdlib.h>

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

struct mse_verdict *mse_verify(const struct mse_input *input)
{
    static const struct mse_policy strict = {0};
    struct owned_verdict *owned = mem_alloc(sizeof(*owned), NULL);
    if (owned == NULL)
        return NULL;
    struct verification v = {
        .input = input,
        .policy = input->policy == NULL ? &strict : input->policy,
        .evidence = slice_from(input->evidence),
        .arena = &owned->arena,
        .verdict = &owned->verdict,
    };
    owned->verdict.platform = "";
    owned->verdict.family = "";
    /* The caller's entries in OpenSSL's error queue survive; ours do not. */
    (void)ERR_set_mark();
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
