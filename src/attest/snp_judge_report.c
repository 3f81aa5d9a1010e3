// SPDX-License-Identifier: Apache-2.0
/*
 * What can be judged on an SEV-SNP report alone (AMD 56860, revision 1.58, table 23). What is not
 * understood is refused by name where it may weaken the guest: an unknown bit of the guest policy
 * (table 10) may permit something, as MIGRATE_MA, DEBUG and CXL_ALLOW do; an unknown flag (offset
 * 0x48) may change what the signature means. An unknown bit of PLATFORM_INFO only tells more.
 */
#include "attest/snp.h"

static const char advice_newer[] = "the report uses something that this verifier does not know: "
                                   "update it, or the platform is misbehaving";

static void check_known_bits(struct verification *v, const char *name, uint64_t bits,
                             uint64_t known)
{
    check_that(v, (bits & ~known) == 0, name, say(v, "0x%llx", (unsigned long long)bits),
               say(v, "no bits but 0x%llx", (unsigned long long)known), advice_newer);
}

static void judge_platform_info(struct verification *v, uint64_t bits)
{
    uint64_t unknown = bits & ~(uint64_t)SNP_PLATFORM_KNOWN;
    check_pass(v, "report.platform-info", say(v, "0x%llx", (unsigned long long)bits), "");
    if (unknown != 0)
        check_warning(v, "report.platform-info.unknown",
                      say(v, "0x%llx", (unsigned long long)unknown),
                      say(v, "no bits but 0x%x", SNP_PLATFORM_KNOWN),
                      "the platform tells something that this verifier does not know: an update of "
                      "it will name it");
}

static void judge_policy_bits(struct verification *v, const struct snp_report *report)
{
    check_known_bits(v, "report.policy", report->policy, SNP_POLICY_KNOWN);
    check_that(v, (report->policy & SNP_POLICY_ONE) != 0, "report.policy-reserved-one",
               (report->policy & SNP_POLICY_ONE) != 0 ? "1" : "0", "1",
               "no firmware makes such a report");
    /* section 6.7: a migration agent receives the guest's context, with the keys to its memory */
    bool migrates = (report->policy & SNP_POLICY_MIGRATE_MA) != 0;
    check_that(v, !migrates, "report.migration-agent", migrates ? "allowed" : "not allowed",
               "not allowed",
               "the operator can have a migration agent read the guest: launch it "
               "without MIGRATE_MA in its policy");
}

/* Section 7.3: the digest is of the key that signed the ID block's key, and zero without one. */
static void judge_author(struct verification *v, const struct snp_report *report)
{
    bool enabled = (report->flags & SNP_FLAG_AUTHOR_KEY) != 0;
    check_that(v, enabled || slice_is_zero(report->author_key_digest), "report.author-key",
               enabled ? "author key" : say_hex(v, report->author_key_digest),
               enabled ? "" : "zero without an author key", advice_newer);
}

void snp_judge_report(struct snp_case *c)
{
    struct verification *v = c->v;
    const struct snp_report *report = &c->report;
    unsigned key = snp_signing_key(report);
    check_that(v, report->reserved_zero, "report.reserved", report->reserved_zero ? "zero" : "set",
               "zero", advice_newer);
    judge_policy_bits(v, report);
    judge_platform_info(v, report->platform_info);
    check_known_bits(v, "report.flags", report->flags, SNP_FLAGS_KNOWN);
    judge_author(v, report);
    check_that(v, report->vmpl <= SNP_VMPL_MAX, "report.vmpl", say(v, "%u", report->vmpl), "0 to 3",
               "this report was asked for by the host, not by the guest");
    check_that(v, report->algorithm == SNP_ALGORITHM_P384, "report.signature-algorithm",
               say(v, "%u", report->algorithm), "1 (ECDSA P-384 with SHA-384)", advice_newer);
    check_that(v, key == SNP_KEY_VCEK || key == SNP_KEY_VLEK, "report.signing-key",
               key == SNP_KEY_NONE ? "none: the report is not signed" : say(v, "%u", key),
               "0 (VCEK) or 1 (VLEK)", "only a signed report proves anything");
    c->vlek = key == SNP_KEY_VLEK;
}
