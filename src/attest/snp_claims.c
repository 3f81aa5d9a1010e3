// SPDX-License-Identifier: Apache-2.0
/*
 * The claims of an SEV-SNP report, under the names that AMD's specification gives the fields.
 */
#include "attest/snp.h"

static const struct {
    const char *name;
    uint64_t bit;
} policy_bits[] = {
    {"policy_smt", SNP_POLICY_SMT},
    {"policy_migrate_ma", SNP_POLICY_MIGRATE_MA},
    {"policy_debug", SNP_POLICY_DEBUG},
    {"policy_single_socket", SNP_POLICY_SINGLE_SOCKET},
    {"policy_cxl_allow", SNP_POLICY_CXL_ALLOW},
    {"policy_mem_aes_256_xts", SNP_POLICY_MEM_AES_256_XTS},
    {"policy_rapl_dis", SNP_POLICY_RAPL_DIS},
    {"policy_ciphertext_hiding", SNP_POLICY_CIPHERTEXT_HIDING},
    {"policy_page_swap_disable", SNP_POLICY_PAGE_SWAP_DISABLE},
};

static const struct {
    const char *name;
    uint64_t bit;
} platform_bits[] = {
    {"platform_smt", SNP_PLATFORM_SMT},
    {"platform_tsme", SNP_PLATFORM_TSME},
    {"platform_ecc", SNP_PLATFORM_ECC},
    {"platform_rapl_dis", SNP_PLATFORM_RAPL_DIS},
    {"platform_ciphertext_hiding", SNP_PLATFORM_CIPHERTEXT_HIDING},
    {"platform_alias_check_complete", SNP_PLATFORM_ALIAS_CHECK},
    {"platform_tio", SNP_PLATFORM_TIO},
};

static void claim_flag(struct verification *v, const char *name, bool set)
{
    claim_text(v, name, set ? "true" : "false");
}

static const char *signing_key_name(struct verification *v, unsigned key)
{
    switch (key) {
    case SNP_KEY_VCEK:
        return "VCEK";
    case SNP_KEY_VLEK:
        return "VLEK";
    case SNP_KEY_NONE:
        return "none";
    default:
        return say(v, "reserved value %u", key);
    }
}

static void record_policy(struct verification *v, const struct snp_report *report)
{
    claim_text(v, "policy", say(v, "%016llx", (unsigned long long)report->policy));
    claim_text(
        v, "policy_abi",
        say(v, "%u.%u", (unsigned)(report->policy >> 8 & 0xff), (unsigned)(report->policy & 0xff)));
    for (size_t i = 0; i < ARRAY_LEN(policy_bits); i++)
        claim_flag(v, policy_bits[i].name, (report->policy & policy_bits[i].bit) != 0);
    claim_text(v, "platform_info", say(v, "%016llx", (unsigned long long)report->platform_info));
    for (size_t i = 0; i < ARRAY_LEN(platform_bits); i++)
        claim_flag(v, platform_bits[i].name, (report->platform_info & platform_bits[i].bit) != 0);
}

static void record_identity(struct verification *v, const struct snp_report *report)
{
    claim_bytes(v, "measurement", report->measurement);
    claim_bytes(v, "host_data", report->host_data);
    claim_bytes(v, "report_data", report->report_data);
    claim_bytes(v, "family_id", report->family_id);
    claim_bytes(v, "image_id", report->image_id);
    claim_number(v, "guest_svn", report->guest_svn);
    claim_number(v, "vmpl", report->vmpl);
    claim_bytes(v, "id_key_digest", report->id_key_digest);
    claim_bytes(v, "author_key_digest", report->author_key_digest);
    claim_bytes(v, "report_id", report->report_id);
    claim_bytes(v, "report_id_ma", report->report_id_ma);
    claim_bytes(v, "chip_id", report->chip_id);
}

static void record_platform(struct verification *v, const struct snp_report *report)
{
    claim_text(v, "signing_key", signing_key_name(v, snp_signing_key(report)));
    claim_flag(v, "author_key_en", (report->flags & SNP_FLAG_AUTHOR_KEY) != 0);
    claim_flag(v, "mask_chip_key", (report->flags & SNP_FLAG_MASK_CHIP_KEY) != 0);
    claim_text(
        v, "current_version",
        say(v, "%u.%u.%u", report->current.major, report->current.minor, report->current.build));
    claim_text(v, "committed_version",
               say(v, "%u.%u.%u", report->committed.major, report->committed.minor,
                   report->committed.build));
    if (report->version >= 3)
        claim_text(v, "cpuid",
                   say(v, "family %02x, model %02x, stepping %02x", report->cpuid_family,
                       report->cpuid_model, report->cpuid_stepping));
    if (report->version < 5)
        return;
    claim_text(v, "launch_mit_vector",
               say(v, "%016llx", (unsigned long long)report->launch_mit_vector));
    claim_text(v, "current_mit_vector",
               say(v, "%016llx", (unsigned long long)report->current_mit_vector));
}

void snp_record_claims(struct verification *v, const struct snp_report *report)
{
    struct mse_verdict *verdict = v->verdict;
    verdict->tee = MSE_TEE_SNP;
    verdict->status = "genuine";
    verdict->debug = (report->policy & SNP_POLICY_DEBUG) != 0;
    verdict->measurement = keep_bytes(v, report->measurement);
    verdict->signer = keep_bytes(v, report->id_key_digest);
    verdict->identity = keep_bytes(v, report->host_data);
    verdict->report_data = keep_bytes(v, report->report_data);
    verdict->platform = slice_is_zero(report->chip_id) ? "" : say_hex(v, report->chip_id);
    claim_text(v, "tee", "snp");
    claim_text(v, "format", say(v, "SNP report v%u", report->version));
    record_identity(v, report);
    record_policy(v, report);
    record_platform(v, report);
    claim_flag(v, "debug", verdict->debug);
}

const char *say_snp_tcb(struct verification *v, const struct snp_family *family,
                        const struct mse_snp_tcb *tcb)
{
    const char *text = "";
    for (size_t i = family->has_fmc ? 0 : 1; i < SNP_TCB_PARTS; i++)
        text = say(v, "%s%s%s %u", text, text[0] == '\0' ? "" : ", ", snp_tcb_names[i],
                   snp_tcb_part(tcb, i));
    return text;
}

void snp_record_family(struct snp_case *c)
{
    const struct {
        const char *name;
        struct slice bytes;
    } tcbs[] = {
        {"reported_tcb", c->report.reported_tcb},
        {"committed_tcb", c->report.committed_tcb},
        {"launch_tcb", c->report.launch_tcb},
        {"current_tcb", c->report.current_tcb},
    };
    c->v->verdict->family = c->family->name;
    claim_text(c->v, "family", c->family->name);
    for (size_t i = 0; i < ARRAY_LEN(tcbs); i++) {
        struct mse_snp_tcb tcb = snp_tcb_decode(c->family, tcbs[i].bytes);
        claim_text(c->v, tcbs[i].name, say_snp_tcb(c->v, c->family, &tcb));
    }
}
