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

void verifier_run(struct verification *v)
{
    for (size_t i = 0; i < ARRAY_LEN(verifiers); i++) {
        if (!verifiers[i]->detect(v->evidence))
            continue;
        check_pass(v, "evidence.format", verifiers[i]->name, "");
        verifiers[i]->verify(v);
        return;
    }
    check_fail(v, "evidence.format", say(v, "%zu bytes of unknown format", v->evidence.len),
               "a DCAP quote, an SEV-SNP report, an RA-TLS certificate or simulated evidence",
               "give the raw bytes as the TEE made them, not base64 or JSON");
}
