// SPDX-License-Identifier: Apache-2.0
/*
 * The verifier of AMD SEV-SNP attestation reports, versions 2, 3 and 5. Reads the report, judges
 * its own fields, then collateral and chain, then what the policy asks of an SNP platform.
 */
#include "attest/snp.h"

#include "attest/policy_apply.h"

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

/* Each TCB of the report against the policy's least one, part by part. */
static void judge_minimum(struct snp_case *c)
{
    const struct mse_snp_tcb *minimum = &c->v->policy->snp_min_tcb;
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
        const char *behind = "";
        for (size_t part = 0; part < SNP_TCB_PARTS; part++) {
            if (snp_tcb_part(&tcb, part) < snp_tcb_part(minimum, part) &&
                (part > 0 || c->family->has_fmc))
                behind = say(c->v, "%s%s%s is at %u, at least %u is needed", behind,
                             behind[0] == '\0' ? "" : "; ", snp_tcb_names[part],
                             snp_tcb_part(&tcb, part), snp_tcb_part(minimum, part));
        }
        check_that(c->v, behind[0] == '\0', tcbs[i].name,
                   behind[0] == '\0' ? say_snp_tcb(c->v, c->family, &tcb) : behind,
                   say(c->v, "at least %s", say_snp_tcb(c->v, c->family, minimum)),
                   "the operator must update firmware or microcode, and start the guest anew");
    }
}

static bool asks_minimum(const struct mse_snp_tcb *minimum)
{
    for (size_t part = 0; part < SNP_TCB_PARTS; part++) {
        if (snp_tcb_part(minimum, part) > 0)
            return true;
    }
    return false;
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

static void judge_policy(struct snp_case *c)
{
    struct verification *v = c->v;
    if (v->policy->snp_vmpls != 0)
        check_that(
            v, c->report.vmpl <= SNP_VMPL_MAX && (v->policy->snp_vmpls & 1u << c->report.vmpl) != 0,
            "policy.vmpl", say(v, "%u", c->report.vmpl),
            say(v, "one of the bits 0x%x", v->policy->snp_vmpls),
            "another privilege level of the guest asked for this report than you allow");
    if (asks_minimum(&v->policy->snp_min_tcb))
        judge_minimum(c);
    else
        check_skip(v, "policy.tcb", "the policy names no minimum");
    judge_chip(c);
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
};
