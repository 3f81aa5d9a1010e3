// SPDX-License-Identifier: Apache-2.0
/*
 * The verifier of simulated evidence (model/evidence.h): an Ed25519 signature by a software root
 * that the operator holds. It goes through the same door as hardware so that a deployment is tried
 * end to end, and says in every verdict that it protects nothing.
 */
#include "attest/verifiers.h"

#include "crypto/crypto.h"
#include "model/evidence.h"

static bool detect(struct slice evidence)
{
    return evidence_recognise(evidence);
}

static void record_claims(struct verification *v, const struct evidence *evidence)
{
    struct mse_verdict *verdict = v->verdict;
    struct slice fingerprint = slice_of(evidence->fingerprint, sizeof(evidence->fingerprint));
    struct slice report_data = slice_of(evidence->report_data, sizeof(evidence->report_data));
    struct slice root = slice_of(evidence->root_public_key, sizeof(evidence->root_public_key));
    verdict->tee = MSE_TEE_SIMULATION;
    verdict->status = "simulated";
    verdict->debug = (evidence->flags & EVIDENCE_FLAG_DEBUG) != 0;
    verdict->identity = keep_bytes(v, fingerprint);
    verdict->report_data = keep_bytes(v, report_data);
    verdict->signer = keep_bytes(v, root);
    claim_text(v, "tee", "simulation");
    claim_number(v, "version", EVIDENCE_VERSION);
    claim_bytes(v, "fingerprint", fingerprint);
    claim_bytes(v, "report_data", report_data);
    claim_bytes(v, "simulation_root", root);
    claim_text(v, "debug", verdict->debug ? "true" : "false");
    v->parsed = true;
}

static bool signature_good(const struct evidence *evidence)
{
    AUTO_BUF struct buf message = BUF_INIT(sizeof(EVIDENCE_SIGNING_PREFIX) + EVIDENCE_TBS_SIZE);
    if (evidence_encode_tbs(evidence, &message, NULL) < 0)
        return false;
    return ed25519_verify(evidence->root_public_key, buf_slice(&message), evidence->signature);
}

static void check_root(struct verification *v, const struct evidence *evidence)
{
    static const char name[] = "simulation.root";
    struct slice root = slice_of(evidence->root_public_key, sizeof(evidence->root_public_key));
    if (v->policy->simulation_root == NULL) {
        check_loosened(v, name, say_hex(v, root), "any root: the policy names none");
        return;
    }
    struct slice expected = slice_of(v->policy->simulation_root, EVIDENCE_PUBLIC_KEY_SIZE);
    check_that(v, slice_equal(root, expected), name, say_hex(v, root), say_hex(v, expected),
               "this comes from another node, or the node's simulation root was replaced");
}

static void verify(struct verification *v)
{
    struct evidence evidence;
    struct err err = ERR_INIT;
    bool readable = evidence_decode(v->evidence, &evidence, &err) == 0;
    if (!check_that(v, readable, "simulation.form",
                    readable ? say(v, "version %d", EVIDENCE_VERSION) : say(v, "%s", err.message),
                    "208 bytes of simulated evidence, version 1",
                    "the evidence was cut off or altered"))
        return;
    record_claims(v, &evidence);
    check_loosened(v, "simulation.protection",
                   "none: the operator holds the key that signs this evidence",
                   "hardware; the simulation protects nothing from the operator");
    bool good = signature_good(&evidence);
    if (!check_that(v, good, "simulation.signature", good ? "good" : "wrong",
                    "signed by the root in the evidence", "the evidence was altered"))
        note_trouble(v, TROUBLE_BAD_SIGNATURE);
    check_root(v, &evidence);
    v->complete = true;
}

static int needs(struct slice evidence, struct needs *needs, struct err *err)
{
    (void)evidence;
    (void)needs;
    return FAIL(err, ERR_UNSUPPORTED, "simulated evidence has no collateral");
}

const struct verifier simulation_verifier = {
    .name = "simulated evidence",
    .detect = detect,
    .verify = verify,
    .needs = needs,
};
