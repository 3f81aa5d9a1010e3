// SPDX-License-Identifier: Apache-2.0
/*
 * Vendors' certificate chains and CRLs. Which certificate may stand where, and for what, is checked
 * here rule by rule, because each rule is a check of its own in the verdict (RFC 5280; Intel SGX
 * PCK certificate and CRL profile, AMD's chip certificates).
 */
#pragma once

#include "attest/certificate.h"
#include "attest/collateral.h"
#include "attest/verification.h"

enum { CERTIFICATES_MAX = 16, CHAIN_MAX = 4, NAMES_MAX = 3 };

/* Every certificate of one verification, each once: the root comes in four chains, and is parsed
 * and checked one time. */
struct certificate_store {
    struct certificate certificates[CERTIFICATES_MAX];
    size_t count;
};
void certificate_store_done(struct certificate_store *store);
#define AUTO_CERTIFICATES __attribute__((cleanup(certificate_store_done)))

struct chain {
    struct certificate *certificates[CHAIN_MAX]; /* leaf first */
    size_t count;
};

/* One certificate, DER or PEM (anything after it is an error). */
int certificate_parse(struct certificate_store *store, struct arena *arena, struct slice bytes,
                      struct certificate **ret, struct err *err) MUST_USE;
/* A PEM text of at most CHAIN_MAX certificates with nothing but white space (and zero bytes at the
 * end) around them. */
int chain_parse(struct certificate_store *store, struct arena *arena, struct slice pem,
                struct chain *ret, struct err *err) MUST_USE;

/* A chain's form. Names of checks are `name` and one of: .form .names .root .signatures
 * .constraints .validity */
struct chain_rules {
    const char *name;  /* "pck-chain" */
    size_t count;      /* certificates, the root included */
    int digest_nid;    /* of every signature: NID_sha256 */
    int signature_nid; /* as X509_get_signature_info names it */
    /* accepted common names for each place, leaf first */
    const char *common_names[CHAIN_MAX][NAMES_MAX];
    const char *hint;             /* for a wrong root or name: where the right chain comes from */
    bool leaf_is_ca;              /* the chain of a CRL's issuer */
    bool leaf_without_extensions; /* the leaf has neither basic constraints nor key usage (AMD) */
};

/* Reads the bundle that came with the evidence and records collateral.form; `hint` says how to get
 * one. False: there is none, or it cannot be read. */
bool collateral_judge(struct verification *v, const char *hint, struct collateral *ret) MUST_USE;

/* Judges the chain up to the trust anchor and records it. Failures give the verdict's status word
 * (bad-signature, expired, not-yet-valid). True where the chain has its form: only then is it known
 * which certificate is the leaf, and its key worth using for further checks. */
bool chain_judge(struct verification *v, const struct chain_rules *rules, const struct chain *chain,
                 struct certificate *anchor);

/* A CRL and the certificates that it may revoke. Names of checks: `name` and .form .issuer
 * .signature .validity .revocation */
struct crl_rules {
    const char *name; /* "pck-crl" */
    bool required;    /* else absence is not applicable */
    const char *hint; /* how to get it */
};
void crl_judge(struct verification *v, const struct crl_rules *rules, struct slice der,
               struct certificate *issuer, const struct certificate *const *certificates,
               size_t count);

/* The subject's common name as printable text; "" where there is none or more than one. */
const char *certificate_common_name(struct verification *v, const struct certificate *certificate);
