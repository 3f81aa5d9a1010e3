// SPDX-License-Identifier: Apache-2.0
/*
 * Intel's collateral: "Intel SGX and Intel TDX Provisioning Certification Service" API version 4,
 * which PCCS repeats.
 */
#include "client/collateral_fetch.h"

#include "attest/chain.h"
#include "attest/intel_pck.h"
#include "attest/intel_quote.h"
#include "format/document.h"

#include "base/text.h"

struct target {
    const char *kind; /* "sgx", "tdx" */
    const char *ca;   /* "platform", "processor" */
    char fmspc[13];
};

/* The FMSPC and the CA stand in the quote's own PCK certificate. */
static int read_pck(struct collateral_bundle *bundle, const struct intel_quote *quote,
                    struct target *ret, struct err *err)
{
    AUTO_CERTIFICATES struct certificate_store store = {0};
    struct chain chain;
    struct slice extension;
    struct intel_pck pck;
    static const char processor[] = "Intel SGX PCK Processor CA";
    if (quote->certification_type != CERTIFICATION_PCK_CHAIN)
        return FAIL(err, ERR_UNSUPPORTED,
                    "the quote holds no certificates (certification data type %u): its platform is "
                    "not known",
                    quote->certification_type);
    if (chain_parse(&store, &bundle->arena, quote->certification_data, &chain, err) < 0 ||
        certificate_find_extension(chain.certificates[0], intel_pck_oid, &extension, err) < 0 ||
        intel_pck_parse(extension, &pck, err) < 0)
        return FAIL_CONTEXT(err, "the quote's PCK certificate");
    struct slice issuer = chain.certificates[0]->issuer;
    ret->ca = memmem(issuer.data, issuer.len, processor, strlen(processor)) != NULL ? "processor"
                                                                                    : "platform";
    hex_encode(pck.fmspc, ret->fmspc);
    return 0;
}

struct signed_document {
    const char *path;
    const char *member;    /* in the answer */
    const char *name;      /* in the bundle */
    const char *signature; /* in the bundle */
    const char *chain;     /* in the bundle */
};

/* The signature is over the member's exact text, so that text is what is kept. */
static int fetch_document(const struct collateral_services *services,
                          const struct signed_document *wanted, struct collateral_bundle *bundle,
                          struct err *err)
{
    const struct collateral_request request = {
        .base = services->pcs,
        .path = wanted->path,
        .wants_chain = true,
        .keep = COLLATERAL_UNTIL_NEXT_UPDATE,
        .wait_s = 2,
        .no_cache = services->no_cache,
        .hooks = services->hooks,
    };
    AUTO_ANSWER struct collateral_answer answer;
    const struct doc_node *root;
    const struct doc_node *inner;
    struct slice signature;
    if (collateral_get(&request, &answer, err) < 0)
        return -1;
    if (doc_parse(&bundle->arena, buf_slice(&answer.body), wanted->name, &root, err) < 0 ||
        doc_get_object(root, wanted->member, &inner, err) < 0 ||
        doc_get_string(&bundle->arena, root, "signature", &signature, err) < 0)
        return FAIL_CONTEXT(err, "'%s%s'", services->pcs, wanted->path);
    if (bundle_text(bundle, wanted->chain, buf_slice(&answer.chain), err) < 0 ||
        bundle_text(bundle, wanted->name, inner->text, err) < 0)
        return -1;
    return bundle_text(bundle, wanted->signature, signature, err);
}

static int fetch_pck_crl(const struct collateral_services *services, const struct target *target,
                         struct collateral_bundle *bundle, struct err *err)
{
    const struct collateral_request request = {
        .base = services->pcs,
        .path = arena_printf(&bundle->arena, "/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
                             target->ca),
        .wants_chain = true,
        .keep = COLLATERAL_UNTIL_NEXT_UPDATE,
        .wait_s = 2,
        .no_cache = services->no_cache,
        .hooks = services->hooks,
    };
    AUTO_ANSWER struct collateral_answer answer;
    AUTO_BUF struct buf der = BUF_INIT(COLLATERAL_DOCUMENT_MAX);
    if (collateral_get(&request, &answer, err) < 0 ||
        collateral_crl_der(buf_slice(&answer.body), &der, err) < 0 ||
        bundle_text(bundle, "pck_crl_issuer_chain", buf_slice(&answer.chain), err) < 0)
        return -1;
    return bundle_hex(bundle, "pck_crl", buf_slice(&der), err);
}

static int fetch_root_crl(const struct collateral_services *services,
                          struct collateral_bundle *bundle, struct err *err)
{
    const struct collateral_request request = {
        .base = services->root_crl == NULL ? services->pcs : services->root_crl,
        .path = services->root_crl == NULL ? "/sgx/certification/v4/rootcacrl" : "",
        .keep = COLLATERAL_UNTIL_NEXT_UPDATE,
        .wait_s = 2,
        .no_cache = services->no_cache,
        .hooks = services->hooks,
    };
    AUTO_ANSWER struct collateral_answer answer;
    AUTO_BUF struct buf der = BUF_INIT(COLLATERAL_DOCUMENT_MAX);
    if (collateral_get(&request, &answer, err) < 0 ||
        collateral_crl_der(buf_slice(&answer.body), &der, err) < 0)
        return -1;
    return bundle_hex(bundle, "root_ca_crl", buf_slice(&der), err);
}

int collateral_fetch_intel(const struct collateral_services *services, struct slice evidence,
                           struct collateral_bundle *bundle, struct err *err)
{
    struct intel_quote quote;
    struct target target;
    if (intel_quote_parse(evidence, &quote, err) < 0 || read_pck(bundle, &quote, &target, err) < 0)
        return -1;
    target.kind = quote.body == QUOTE_BODY_SGX ? "sgx" : "tdx";
    struct arena *arena = &bundle->arena;
    const struct signed_document documents[] = {
        {arena_printf(arena, "/%s/certification/v4/tcb?fmspc=%s", target.kind, target.fmspc),
         "tcbInfo", "tcb_info", "tcb_info_signature", "tcb_info_issuer_chain"},
        {arena_printf(arena, "/%s/certification/v4/qe/identity", target.kind), "enclaveIdentity",
         "qe_identity", "qe_identity_signature", "qe_identity_issuer_chain"},
    };
    if (fetch_pck_crl(services, &target, bundle, err) < 0 ||
        fetch_root_crl(services, bundle, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
        if (fetch_document(services, &documents[i], bundle, err) < 0)
            return -1;
    }
    return 0;
}
