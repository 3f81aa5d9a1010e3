// SPDX-License-Identifier: Apache-2.0
/*
 * Which documents the collateral of a piece of evidence consists of, and where the vendors'
 * services have them. Nothing is fetched and nothing is judged: what the evidence says of its
 * platform is taken at its word, and a verification finds out when it was a lie.
 *
 * The bundle that mse_verify takes is one JSON object. docs/attestation.md names its members, and
 * says of each service at which address the vendor runs it.
 */
#pragma once

#include "mse/policy.h"

MSE_BEGIN

enum mse_service {
    MSE_SERVICE_INTEL_PCS,  /* Intel's provisioning certification service, or a PCCS */
    MSE_SERVICE_INTEL_ROOT, /* Intel's root CRL: its own whole address, or `path` at a PCCS */
    MSE_SERVICE_AMD_KDS,    /* AMD's key distribution service */
    MSE_SERVICE_PROVIDER,   /* not published: the guest has it from its cloud provider */
};

enum mse_form {
    /* JSON: `member` as it stands there, byte for byte, is NAME; "signature" is NAME_signature; the
     * issuer chain that comes in a header is NAME_issuer_chain. */
    MSE_FORM_SIGNED_JSON,
    MSE_FORM_CRL,         /* DER, PEM or hexadecimal; hexadecimal of DER is NAME */
    MSE_FORM_CERTIFICATE, /* DER or PEM; PEM is NAME */
    MSE_FORM_ASK_ARK,     /* PEM: the first certificate is "ask", the second "ark" */
};

struct mse_document {
    enum mse_service service;
    enum mse_form form;
    const char *path;   /* with query, behind the service's address; "" where there is none */
    const char *name;   /* NAME, the member of the bundle */
    const char *member; /* of the answer; "" but for MSE_FORM_SIGNED_JSON */
    bool issuer_chain;  /* the answer comes with its issuer chain: NAME_issuer_chain */
    bool permanent;     /* it never changes; others hold until the time that stands in them */
    /* 0: needed. Others: the evidence leaves open which documents it needs. Those with one number
     * belong together; the right number is the first whose first document the service has. */
    unsigned alternative;
    const void *reserved[2]; /* NULL: room for a later version */
};

struct mse_needs {
    size_t size; /* sizeof(struct mse_needs) in the library that made it */
    const struct mse_document *documents;
    size_t count;
};

/* What `evidence` needs: a quote, a report, or a certificate that holds one. Returns 0 and *ret,
 * which the caller frees with mse_needs_free, or -1 and a message: evidence that is not known, that
 * needs nothing (the simulation), or that does not say its platform. */
MSE_API int mse_needs_of(struct mse_bytes evidence, struct mse_needs **ret,
                         char error[MSE_ERROR_SIZE]);
/* NULL is allowed. */
MSE_API void mse_needs_free(struct mse_needs *needs);

MSE_END
