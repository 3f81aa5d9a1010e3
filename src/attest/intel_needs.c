// SPDX-License-Identifier: Apache-2.0
/*
 * The documents that an Intel quote needs: "Intel SGX and Intel TDX Provisioning Certification
 * Service" API version 4, which PCCS repeats. FMSPC and CA stand in the quote's own PCK
 * certificate.
 */
#include "attest/intel.h"
#include "attest/needs.h"

#include "base/text.h"

#define API "certification/v4"

struct platform {
    const char *ca; /* "platform", "processor" */
    char fmspc[13];
};

static int read_certificate(struct certificate_store *store, struct needs *needs,
                            const struct intel_quote *quote, struct platform *ret, struct err *err)
{
    static const char processor[] = "Intel SGX PCK Processor CA";
    struct chain chain;
    struct slice extension;
    struct intel_pck pck;
    if (chain_parse(store, &needs->arena, quote->certification_data, &chain, err) < 0 ||
        certificate_find_extension(chain.certificates[0], intel_pck_oid, &extension, err) < 0 ||
        intel_pck_parse(extension, &pck, err) < 0)
        return FAIL_CONTEXT(err, "the quote's PCK certificate");
    struct slice issuer = chain.certificates[0]->issuer;
    bool found = memmem(issuer.data, issuer.len, processor, strlen(processor)) != NULL;
    ret->ca = found ? "processor" : "platform";
    hex_encode(pck.fmspc, ret->fmspc);
    return 0;
}

static int read_platform(struct needs *needs, const struct intel_quote *quote, struct platform *ret,
                         struct err *err)
{
    AUTO_CERTIFICATES struct certificate_store store = {0};
    if (quote->certification_type != CERTIFICATION_PCK_CHAIN)
        return FAIL(err, ERR_UNSUPPORTED,
                    "the quote holds no certificates (certification data type %u): its platform is "
                    "not known",
                    quote->certification_type);
    return read_certificate(&store, needs, quote, ret, err);
}

static void add_crls(struct needs *needs, const struct platform *platform)
{
    const struct mse_document pck_crl = {
        .service = MSE_SERVICE_INTEL_PCS,
        .form = MSE_FORM_CRL,
        .path = arena_printf(&needs->arena, "/sgx/" API "/pckcrl?ca=%s&encoding=der", platform->ca),
        .name = "pck_crl",
        .member = "",
        .issuer_chain = true,
    };
    const struct mse_document root_crl = {
        .service = MSE_SERVICE_INTEL_ROOT,
        .form = MSE_FORM_CRL,
        .path = "/sgx/" API "/rootcacrl",
        .name = "root_ca_crl",
        .member = "",
    };
    needs_add(needs, &pck_crl);
    needs_add(needs, &root_crl);
}

static void add_signed(struct needs *needs, const char *name, const char *member, const char *path)
{
    const struct mse_document document = {
        .service = MSE_SERVICE_INTEL_PCS,
        .form = MSE_FORM_SIGNED_JSON,
        .path = path,
        .name = name,
        .member = member,
        .issuer_chain = true,
    };
    needs_add(needs, &document);
}

int intel_dcap_needs(struct slice evidence, struct needs *needs, struct err *err)
{
    struct intel_quote quote;
    struct platform platform;
    struct arena *arena = &needs->arena;
    if (intel_quote_parse(evidence, &quote, err) < 0 ||
        read_platform(needs, &quote, &platform, err) < 0)
        return -1;
    const char *tee = quote.body == QUOTE_BODY_SGX ? "sgx" : "tdx";
    add_crls(needs, &platform);
    add_signed(needs, "tcb_info", "tcbInfo",
               arena_printf(arena, "/%s/" API "/tcb?fmspc=%s", tee, platform.fmspc));
    add_signed(needs, "qe_identity", "enclaveIdentity",
               arena_printf(arena, "/%s/" API "/qe/identity", tee));
    return 0;
}
