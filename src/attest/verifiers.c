// SPDX-License-Identifier: Apache-2.0
/*
 * The table of evidence formats. A new one is a file and a line here.
 */
#include "attest/verifiers.h"

static const struct verifier *const verifiers[] = {
    &intel_dcap_verifier,
    &ra_tls_verifier,
    &simulation_verifier,
    &snp_verifier,
};

static const struct verifier *find(struct slice evidence)
{
    for (size_t i = 0; i < ARRAY_LEN(verifiers); i++) {
        if (verifiers[i]->detect(evidence))
            return verifiers[i];
    }
    return NULL;
}

void verifier_run(struct verification *v)
{
    const struct verifier *verifier = find(v->evidence);
    if (verifier == NULL) {
        check_fail(v, "evidence.format", say(v, "%zu bytes of unknown format", v->evidence.len),
                   "a DCAP quote, an SEV-SNP report, an RA-TLS certificate or simulated evidence",
                   "give the raw bytes as the TEE made them, not base64 or JSON");
        return;
    }
    check_pass(v, "evidence.format", verifier->name, "");
    verifier->verify(v);
}

int verifier_needs(struct slice evidence, struct needs *needs, struct err *err)
{
    const struct verifier *verifier = find(evidence);
    if (verifier == NULL)
        return FAIL(err, ERR_INVALID, "%zu bytes of evidence of unknown format", evidence.len);
    return verifier->needs(evidence, needs, err);
}
