// SPDX-License-Identifier: Apache-2.0
/*
 * From the report up to AMD's root: ARK, ASK (or ASVK), VCEK (or VLEK), report. Certificates and
 * their extensions as in AMD 57230, signature of the report as in AMD 56860, section 10.2.1.
 */
#include "attest/policy_apply.h"
#include "attest/snp.h"

#include <openssl/objects.h>

static const char advice_fetch[] = "fetch the collateral for this very report with "
                                   "`mse collateral fetch`";
static const char advice_leaf[] =
    "this certificate is of another chip or another TCB: fetch the one for this very report with "
    "`mse collateral fetch`";

static const char *leaf_name(const struct snp_case *c, const char *vcek, const char *vlek)
{
    return c->vlek ? vlek : vcek;
}

/* A member of the bundle. Absent: NULL, and a failed check where it is needed. */
static struct certificate *read_certificate(struct snp_case *c, const char *name, struct slice pem,
                                            bool needed)
{
    struct verification *v = c->v;
    struct certificate *certificate = NULL;
    struct err err = ERR_INIT;
    if (pem.len == 0) {
        if (needed) {
            check_fail(v, name, "not in the collateral", "a certificate", advice_fetch);
            note_trouble(v, TROUBLE_NO_COLLATERAL);
        }
        return NULL;
    }
    if (certificate_parse(&c->store, v->arena, pem, &certificate, &err) < 0) {
        check_fail(v, name, say(v, "%s", err.message), "a certificate", advice_fetch);
        note_trouble(v, TROUBLE_BAD_SIGNATURE);
        return NULL;
    }
    return certificate;
}

/* By the report's CPUID fields; version 2 has none, there the leaf's product name says it. */
static void find_family(struct snp_case *c)
{
    const struct snp_report *report = &c->report;
    struct verification *v = c->v;
    struct slice product = {0};
    struct err err = ERR_INIT;
    if (report->version >= 3) {
        c->family = snp_family_by_cpuid(report->cpuid_family, report->cpuid_model);
        check_that(
            v, c->family != NULL, "report.family",
            say(v, "CPUID family %02x, model %02x", report->cpuid_family, report->cpuid_model),
            c->family != NULL ? c->family->name : "Milan, Genoa, Bergamo, Siena or Turin",
            "this processor is not known to this verifier");
        return;
    }
    bool read = snp_leaf_read_product(c->leaf_certificate, &product, &err) == 0;
    if (read)
        c->family = snp_family_by_product(product);
    check_that(v, c->family != NULL, "report.family",
               read ? arena_printable(v->arena, product, 32) : say(v, "%s", err.message),
               "Milan, Genoa or Turin, as the leaf's product name", advice_fetch);
}

bool snp_judge_collateral(struct snp_case *c)
{
    if (!collateral_judge(c->v, advice_fetch, &c->collateral))
        return false;
    c->leaf_certificate = c->vlek
                              ? read_certificate(c, "collateral.vlek", c->collateral.vlek, true)
                              : read_certificate(c, "collateral.vcek", c->collateral.vcek, true);
    c->ask = read_certificate(c, "collateral.ask", c->collateral.ask, true);
    c->ark = read_certificate(c, "collateral.ark", c->collateral.ark, false);
    if (c->leaf_certificate == NULL || c->ask == NULL ||
        (c->ark == NULL && c->collateral.ark.len > 0))
        return false;
    find_family(c);
    return c->family != NULL;
}

/* The caller's root for this family, by name; NULL: none of that name. */
static struct certificate *given_anchor(struct snp_case *c, const struct mse_trust *trust)
{
    for (size_t i = 0; i < trust->amd_root_count; i++) {
        struct certificate *root = NULL;
        struct err err = ERR_INIT;
        if (certificate_parse(&c->store, c->v->arena, slice_from(trust->amd_roots[i]), &root,
                              &err) < 0) {
            check_fail(c->v, "trust.amd-root", say(c->v, "%s", err.message), "a certificate", "");
            return NULL;
        }
        if (strcmp(certificate_common_name(c->v, root), c->family->root_name) == 0)
            return root;
    }
    check_fail(c->v, "trust.amd-root", "none for this family",
               say(c->v, "a root '%s'", c->family->root_name), "");
    return NULL;
}

static void find_anchor(struct snp_case *c)
{
    const struct mse_trust *trust = c->v->input->trust;
    struct certificate *anchor = NULL;
    struct err err = ERR_INIT;
    if (trust != NULL && trust->amd_root_count > 0) {
        anchor = given_anchor(c, trust);
        if (anchor != NULL)
            check_loosened(c->v, "trust.amd-root", "a root given by the caller",
                           say(c->v, "the built-in %s", c->family->root_name));
    } else if (certificate_parse(&c->store, c->v->arena, slice_str(c->family->root_pem), &anchor,
                                 &err) < 0) {
        check_fail(c->v, "trust.amd-root", say(c->v, "%s", err.message), "a certificate", "");
    }
    c->anchor = anchor;
    if (c->ark == NULL)
        c->ark = anchor;
}

static bool judge_certificates(struct snp_case *c)
{
    const struct chain_rules rules = {
        .name = leaf_name(c, "vcek-chain", "vlek-chain"),
        .count = 3,
        .digest_nid = NID_sha384,
        .signature_nid = EVP_PKEY_RSA_PSS,
        .common_names = {{leaf_name(c, "SEV-VCEK", "SEV-VLEK")},
                         {leaf_name(c, c->family->ask_name, c->family->asvk_name)},
                         {c->family->root_name}},
        .hint = advice_fetch,
        .leaf_without_extensions = true,
    };
    const struct chain chain = {.certificates = {c->leaf_certificate, c->ask, c->ark}, .count = 3};
    return chain_judge(c->v, &rules, &chain, c->anchor);
}

static void judge_leaf_tcb(struct snp_case *c)
{
    struct verification *v = c->v;
    struct mse_snp_tcb reported = snp_tcb_decode(c->family, c->report.reported_tcb);
    bool same = snp_tcb_reserved_zero(c->family, c->report.reported_tcb);
    for (size_t part = 0; part < SNP_TCB_PARTS; part++)
        same = same && snp_tcb_part(&reported, part) == snp_tcb_part(&c->leaf.tcb, part);
    check_that(
        v, same, leaf_name(c, "vcek.tcb", "vlek.tcb"), say_snp_tcb(v, c->family, &c->leaf.tcb),
        say(v, "%s, the report's reported TCB", say_snp_tcb(v, c->family, &reported)), advice_leaf);
}

static void judge_leaf_chip(struct snp_case *c)
{
    struct verification *v = c->v;
    struct slice chip = c->report.chip_id;
    if (c->vlek) {
        check_skip(v, "vlek.chip-id", "a VLEK is of a cloud provider, not of a chip");
        return;
    }
    if (slice_is_zero(chip)) {
        check_skip(v, "vcek.chip-id", "the report's chip id is masked");
        return;
    }
    size_t size = c->leaf.hwid.len;
    bool same = slice_equal(slice_of(chip.data, size), c->leaf.hwid) &&
                slice_is_zero(slice_of(chip.data + size, chip.len - size));
    check_that(v, same, "vcek.chip-id", say_hex(v, c->leaf.hwid),
               say(v, "%s, the report's chip id", say_hex(v, chip)), advice_leaf);
}

static void judge_leaf(struct snp_case *c)
{
    struct verification *v = c->v;
    struct err err = ERR_INIT;
    c->has_leaf = snp_leaf_read(c->leaf_certificate, c->family, c->vlek, &c->leaf, &err) == 0;
    const char *name = leaf_name(c, "vcek.extensions", "vlek.extensions");
    if (!check_that(v, c->has_leaf, name,
                    c->has_leaf ? arena_printable(v->arena, c->leaf.product, 32)
                                : say(v, "%s", err.message),
                    "product, TCB and hardware or provider id", advice_fetch))
        return;
    if (c->leaf.csp_id.len > 0)
        claim_text(v, "csp_id", arena_printable(v->arena, c->leaf.csp_id, 64));
    check_that(v, snp_family_by_product(c->leaf.product) == c->family,
               leaf_name(c, "vcek.product", "vlek.product"),
               arena_printable(v->arena, c->leaf.product, 32), c->family->name, advice_leaf);
    judge_leaf_tcb(c);
    judge_leaf_chip(c);
}

/* r and s as big-endian numbers of 48 bytes; false where one is longer, or what is behind them is
 * not zero (table 139). */
static bool read_signature(struct slice signature, uint8_t ret[static 96])
{
    for (size_t i = 0; i < 2; i++) {
        const uint8_t *number = signature.data + i * SNP_SCALAR_SIZE;
        for (size_t byte = 0; byte < 48; byte++)
            ret[48 * i + byte] = number[47 - byte];
        if (!slice_is_zero(slice_of(number + 48, SNP_SCALAR_SIZE - 48)))
            return false;
    }
    size_t used = 2 * (size_t)SNP_SCALAR_SIZE;
    return slice_is_zero(slice_of(signature.data + used, signature.len - used));
}

static void judge_signature(struct snp_case *c)
{
    uint8_t r_and_s[96];
    EVP_PKEY *key = certificate_key(c->leaf_certificate);
    bool good = key != NULL && read_signature(c->report.signature, r_and_s) &&
                ecdsa_verify(key, slice_of(c->v->evidence.data, SNP_SIGNED_SIZE), r_and_s, 48);
    if (!check_that(c->v, good, "report.signature", good ? "good" : "wrong",
                    leaf_name(c, "signed by the VCEK", "signed by the VLEK"),
                    "the report was altered, or the certificate is not of the chip that signed it"))
        note_trouble(c->v, TROUBLE_BAD_SIGNATURE);
}

/* The ARK signs the list (57230, section 4.3); it speaks of what the ARK issued. */
static void judge_crl(struct snp_case *c)
{
    const struct crl_rules rules = {
        .name = "amd-crl",
        .required = policy_requires_crl(c->v->policy),
        .hint = "fetch it from AMD's key distribution service with `mse collateral fetch`",
    };
    const struct certificate *const certificates[] = {c->ask, c->ark};
    crl_judge(c->v, &rules, c->collateral.crl, c->anchor, certificates, ARRAY_LEN(certificates));
}

void snp_judge_chain(struct snp_case *c)
{
    find_anchor(c);
    if (c->anchor == NULL)
        return;
    bool good = judge_certificates(c);
    judge_leaf(c);
    judge_signature(c);
    if (good)
        judge_crl(c);
}
