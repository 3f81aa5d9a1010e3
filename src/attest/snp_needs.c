// SPDX-License-Identifier: Apache-2.0
/*
 * The documents that an SEV-SNP report needs: "VCEK Certificate and KDS Interface Specification",
 * AMD publication 57230, section 4.
 */
#include "attest/needs.h"
#include "attest/snp.h"

_Static_assert(3 * SNP_FAMILIES_MAX <= NEEDS_MAX, "room for three documents a family");

/* Section 4.1: two digits at least. */
static const char *vcek_path(struct arena *arena, const struct snp_family *family,
                             const struct snp_report *report)
{
    struct mse_snp_tcb tcb = snp_tcb_decode(family, report->reported_tcb);
    const char *fmc = family->has_fmc ? arena_printf(arena, "fmcSPL=%02u&", tcb.fmc) : "";
    return arena_printf(arena, "/vcek/v1/%s/%s?%sblSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u",
                        family->name,
                        arena_hex(arena, slice_of(report->chip_id.data, family->hwid_size)), fmc,
                        tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode);
}

static void add_leaf(struct needs *needs, const struct snp_family *family,
                     const struct snp_report *report, unsigned alternative)
{
    bool vlek = snp_signing_key(report) == SNP_KEY_VLEK;
    const struct mse_document leaf = {
        .service = vlek ? MSE_SERVICE_PROVIDER : MSE_SERVICE_AMD_KDS,
        .form = MSE_FORM_CERTIFICATE,
        .path = vlek ? "" : vcek_path(&needs->arena, family, report),
        .name = vlek ? "vlek" : "vcek",
        .member = "",
        .permanent = true,
        .alternative = alternative,
    };
    needs_add(needs, &leaf);
}

/* Section 4.2: the chain is the same for a product's chips; ASVK and ARK under a VLEK. */
static void add_family(struct needs *needs, const struct snp_family *family,
                       const struct snp_report *report, unsigned alternative)
{
    struct arena *arena = &needs->arena;
    const char *key = snp_signing_key(report) == SNP_KEY_VLEK ? "vlek" : "vcek";
    const struct mse_document chain = {
        .service = MSE_SERVICE_AMD_KDS,
        .form = MSE_FORM_ASK_ARK,
        .path = arena_printf(arena, "/%s/v1/%s/cert_chain", key, family->name),
        .name = "ask",
        .member = "",
        .permanent = true,
        .alternative = alternative,
    };
    const struct mse_document crl = {
        .service = MSE_SERVICE_AMD_KDS,
        .form = MSE_FORM_CRL,
        .path = arena_printf(arena, "/%s/v1/%s/crl", key, family->name),
        .name = "crl",
        .member = "",
        .alternative = alternative,
    };
    add_leaf(needs, family, report, alternative);
    needs_add(needs, &chain);
    needs_add(needs, &crl);
}

int snp_needs(struct slice evidence, struct needs *needs, struct err *err)
{
    struct snp_report report;
    if (snp_report_parse(evidence, &report, err) < 0)
        return -1;
    bool vlek = snp_signing_key(&report) == SNP_KEY_VLEK;
    const struct snp_family *family =
        report.version < 3 ? NULL : snp_family_by_cpuid(report.cpuid_family, report.cpuid_model);
    if (family == NULL && (vlek || report.version >= 3))
        return FAIL(err, ERR_UNSUPPORTED, "the report does not say a processor that is known");
    if (!vlek && slice_is_zero(report.chip_id)) {
        (void)FAIL(err, ERR_UNSUPPORTED, "the report's chip id is masked: its VCEK is not known");
        err_hint(err, "ask the operator for the collateral");
        return -1;
    }
    if (family != NULL) {
        add_family(needs, family, &report, 0);
        return 0;
    }
    /* A report of version 2 does not say its family. */
    for (unsigned i = 0; snp_family_name(i) != NULL; i++)
        add_family(needs, snp_family_by_product(slice_str(snp_family_name(i))), &report, i + 1);
    return 0;
}
