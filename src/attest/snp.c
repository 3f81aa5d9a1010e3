// SPDX-License-Identifier: Apache-2.0
/*
 * The verifier of AMD SEV-SNP attestation reports, versions 2, 3 and 5. Reads the report, judges
 * its own fields, then collateral and chain, then what the policy asks of an SNP platform.
 */
#include "attest/snp.h"

#include "attest/policy_apply.h"
#include "attest/snp_minimum.h"

enum { VERSION_LIMIT = 0x100 };

/* A small number in the first four bytes: no quote (its key type would be in the upper two) and no
 * certificate. */
static bool detect(struct slice evidence)
{
    uint32_t version;
    return snp_report_read_version(evidence, &version, NULL) == 0 && version < VERSION_LIMIT;
}

static bool version_known(uint32_t version)
{
    return version == 2 || version == 3 || version == 5;
}

/* "snp is at 8, at least 27 is needed"; "" where nothing is behind. */
static const char *say_behind(struct snp_case *c, const struct mse_snp_tcb *tcb,
                              const struct mse_snp_tcb *least)
{
    const char *behind = "";
    for (size_t part = c->family->has_fmc ? 0 : 1; part < SNP_TCB_PARTS; part++) {
        if (snp_tcb_part(tcb, part) < snp_tcb_part(least, part))
            behind = say(c->v, "%s%s%s is at %u, at least %u is needed", behind,
                         behind[0] == '\0' ? "" : "; ", snp_tcb_names[part],
                         snp_tcb_part(tcb, part), snp_tcb_part(least, part));
    }
    return behind;
}

/* Each TCB of the report against the least one, part by part. */
static void judge_minimum(struct snp_case *c, const struct mse_snp_tcb *least, const char *source)
{
    const struct {
        const char *name;
        struct slice bytes;
    } tcbs[] = {
        {"policy.tcb.reported", c->report.reported_tcb},
        {"policy.tcb.committed", c->report.committed_tcb},
        {"policy.tcb.launch", c->report.launch_tcb},
        {"policy.tcb.current", c->report.current_tcb},
    };
    for (size_t i = 0; i < ARRAY_LEN(tcbs); i++) {
        struct mse_snp_tcb tcb = snp_tcb_decode(c->family, tcbs[i].bytes);
        const char *behind = say_behind(c, &tcb, least);
        check_that(c->v, behind[0] == '\0', tcbs[i].name,
                   behind[0] == '\0' ? say_snp_tcb(c->v, c->family, &tcb) : behind,
                   say(c->v, "at least %s%s", say_snp_tcb(c->v, c->family, least), source),
                   "the operator must update firmware or microcode, and start the guest anew; "
                   "snp.min_tcb of the policy says otherwise");
    }
}

static bool names_minimum(const struct mse_policy *policy)
{
    bool any = policy->has_snp_min_tcb;
    for (size_t part = 0; part < SNP_TCB_PARTS; part++)
        any = any || snp_tcb_part(&policy->snp_min_tcb, part) > 0;
    return any;
}

/* " (AMD-SB-3020, AMD-SB-3027, as of 2026-10)": the bulletins whose figures count. */
static const char *say_bulletins(struct snp_case *c, const struct mse_snp_tcb *least)
{
    const char *text = "";
    for (const struct snp_step *step = c->family->steps; step->bulletin != NULL; step++) {
        if (snp_step_applies(step, &c->report) && step->least == snp_tcb_part(least, step->part))
            text = say(c->v, "%s%s, ", text, step->bulletin);
    }
    return say(c->v, " (%sas of %s)", text, snp_minimum_date);
}

/* AMD-SB-3015: memory modules that lie about their size let the operator write encrypted memory;
 * the firmware looks for that, and says whether it has found none (table 24). */
static void judge_aliases(struct snp_case *c)
{
    bool complete = (c->report.platform_info & SNP_PLATFORM_ALIAS_CHECK) != 0;
    check_that(
        c->v, complete, "policy.alias-check", complete ? "complete" : "not complete",
        "complete (AMD-SB-3015)",
        "the platform has not shown that its memory has no aliases: the operator must update "
        "firmware and restart it");
}

static void judge_tcb(struct snp_case *c)
{
    const struct mse_snp_tcb built_in = snp_minimum(c->family, &c->report);
    const struct mse_snp_tcb *own = &c->v->policy->snp_min_tcb;
    if (!names_minimum(c->v->policy)) {
        judge_minimum(c, &built_in, say_bulletins(c, &built_in));
        judge_aliases(c);
        return;
    }
    if (say_behind(c, own, &built_in)[0] != '\0')
        check_loosened(c->v, "policy.loosened.snp.min_tcb", say_snp_tcb(c->v, c->family, own),
                       say(c->v, "at least %s%s", say_snp_tcb(c->v, c->family, &built_in),
                           say_bulletins(c, &built_in)));
    judge_minimum(c, own, "");
}

static void judge_chip(struct snp_case *c)
{
    const struct mse_policy *policy = c->v->policy;
    if (policy->chip_id_count == 0)
        return;
    /* a masked id is still in the VCEK's certificate */
    struct slice chip = c->report.chip_id;
    if (slice_is_zero(chip) && c->has_leaf && c->leaf.hwid.len > 0)
        chip = c->leaf.hwid;
    bool found = false;
    for (size_t i = 0; i < policy->chip_id_count && !slice_is_zero(chip); i++)
        found = found || policy_hex_equal(policy->chip_ids[i], chip) ||
                policy_hex_equal(policy->chip_ids[i], slice_of(chip.data, c->family->hwid_size));
    check_that(c->v, found, "policy.chip-id",
               slice_is_zero(chip) ? "masked, and no VCEK to tell it" : say_hex(c->v, chip),
               say_words(c->v, policy->chip_ids, policy->chip_id_count),
               "this platform is not among those that the policy allows");
}

static void judge_product(struct snp_case *c)
{
    const struct mse_policy *policy = c->v->policy;
    bool found = false;
    if (policy->snp_product_count == 0)
        return;
    for (size_t i = 0; i < policy->snp_product_count; i++)
        found = found || strcmp(policy->snp_products[i], c->family->name) == 0;
    check_that(c->v, found, "policy.product", c->family->name,
               say_words(c->v, policy->snp_products, policy->snp_product_count),
               "this is a chip of another generation than the policy allows");
}

static void judge_policy(struct snp_case *c)
{
    struct verification *v = c->v;
    unsigned vmpls = v->policy->snp_vmpls != 0 ? v->policy->snp_vmpls : 1u << 0;
    check_that(v, c->report.vmpl <= SNP_VMPL_MAX && (vmpls & 1u << c->report.vmpl) != 0,
               "policy.vmpl", say(v, "%u", c->report.vmpl), say_vmpls(v, vmpls),
               "another privilege level of the guest asked for this report than you allow: name it "
               "in snp.vmpl if your image runs there");
    judge_tcb(c);
    judge_chip(c);
    judge_product(c);
}

static void judge(struct snp_case *c)
{
    snp_judge_report(c);
    if (!snp_judge_collateral(c))
        return;
    snp_record_family(c);
    snp_judge_chain(c);
    judge_policy(c);
    c->v->complete = c->has_leaf && c->anchor != NULL;
}

static void verify(struct verification *v)
{
    struct snp_case c = {.v = v};
    struct err err = ERR_INIT;
    uint32_t version = 0;
    if (snp_report_read_version(v->evidence, &version, &err) < 0 ||
        !check_that(v, version_known(version), "report.version", say(v, "%u", version), "2, 3 or 5",
                    "this kind of report is not known to this verifier"))
        return;
    bool readable = snp_report_parse(v->evidence, &c.report, &err) == 0;
    if (!check_that(v, readable, "report.form",
                    readable ? say(v, "version %u", version) : say(v, "%s", err.message),
                    "1184 bytes", "the evidence was cut off or is no SNP report"))
        return;
    snp_record_claims(v, &c.report);
    v->parsed = true;
    judge(&c);
    certificate_store_done(&c.store);
}

const struct verifier snp_verifier = {
    .name = "AMD SEV-SNP report",
    .detect = detect,
    .verify = verify,
    .needs = snp_needs,
};
