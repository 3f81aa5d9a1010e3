// SPDX-License-Identifier: Apache-2.0
/*
 * Each rule for an SEV-SNP report, its chain, extensions and CRL, broken one at a time on
 * make-believe platforms: exactly the check of that rule fails, and the status word is the right
 * one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "judge.h"
#include "samples.h"
#include "synth_snp.h"

#include "attest/snp.h"

/* Real reports of their time: without CRL, some not at VMPL 0, below what the bulletins ask now. */
static const struct mse_policy of_samples = {.size = sizeof(of_samples),
                                             .crl = MSE_CRL_IF_PRESENT,
                                             .has_snp_min_tcb = true,
                                             .snp_vmpls = 0xf};

typedef void change_function(struct synth_snp *spec);

struct broken {
    const char *what;
    change_function *change;
    const char *failed;
    const char *status;
};

/* One function a rule: CHANGE(name, what it changes) */
#define CHANGE(name, ...)                                                                          \
    static void name(struct synth_snp *s)                                                          \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }
#define ROW(name, failed, status)                                                                  \
    {                                                                                              \
#name, name, failed, status                                                                \
    }
#define ARC "1.3.6.1.4.1.3704.1"
enum { DAY = 86400, AUTHOR = SNP_FLAG_AUTHOR_KEY };

CHANGE(nothing, (void)s)
CHANGE(version_1, s->version = 1)
CHANGE(version_4, s->version = 4)
CHANGE(version_6, s->version = 6)
CHANGE(family_unknown, s->cpuid_family = 0x1b)
CHANGE(model_unknown, s->cpuid_model = 0x20)
CHANGE(model_bergamo, s->cpuid_model = 0xa0)
CHANGE(policy_bit_26, s->policy |= 1u << 26)
CHANGE(policy_bit_63, s->policy |= UINT64_C(1) << 63)
CHANGE(policy_one_missing, s->policy &= ~(uint64_t)SNP_POLICY_ONE)
CHANGE(policy_migration, s->policy |= SNP_POLICY_MIGRATE_MA)
CHANGE(policy_debug, s->policy |= SNP_POLICY_DEBUG)
CHANGE(policy_all_harmless,
       s->policy = SNP_POLICY_KNOWN & ~(SNP_POLICY_MIGRATE_MA | SNP_POLICY_DEBUG))
CHANGE(platform_all_known, s->platform_info = SNP_PLATFORM_KNOWN)
CHANGE(platform_bit_6, s->platform_info |= 1 << 6)
CHANGE(platform_turin, s->platform_info = 0x67)
CHANGE(no_alias_check, s->platform_info &= ~(uint64_t)SNP_PLATFORM_ALIAS_CHECK)
CHANGE(platform_bit_63, s->platform_info |= UINT64_C(1) << 63)
CHANGE(vmpl_1, s->vmpl = 1)
CHANGE(platform_bit_8, s->platform_info |= 1 << 8)
CHANGE(flags_bit_5, s->flags |= 1 << 5)
CHANGE(flags_mask_chip_key, s->flags |= SNP_FLAG_MASK_CHIP_KEY)
CHANGE(key_2, s->flags |= 2 << SNP_SIGNING_KEY_SHIFT)
CHANGE(key_none, s->flags |= SNP_KEY_NONE << SNP_SIGNING_KEY_SHIFT)
CHANGE(author_without_flag, s->author_key_digest = 0xa1)
CHANGE(author_with_flag, s->author_key_digest = 0xa1; s->flags |= AUTHOR)
CHANGE(vmpl_3, s->vmpl = 3)
CHANGE(vmpl_4, s->vmpl = 4)
CHANGE(vmpl_host, s->vmpl = UINT32_MAX)
CHANGE(algorithm_0, s->algorithm = 0)
CHANGE(algorithm_2, s->algorithm = 2)
CHANGE(reserved_4c, s->set_byte = 0x4c)
CHANGE(reserved_18b, s->set_byte = 0x18b)
CHANGE(reserved_1eb, s->set_byte = 0x1eb)
CHANGE(reserved_1ef, s->set_byte = 0x1ef)
CHANGE(reserved_208, s->set_byte = 0x208)
CHANGE(reserved_29f, s->set_byte = 0x29f)
CHANGE(mitigation_set, s->set_byte = 0x1f8)
CHANGE(tcb_reserved, s->set_byte = 0x182)
CHANGE(signed_by_other, s->signed_by_other = true)
CHANGE(signature_r, s->change_signature = 1)
CHANGE(signature_r_padding, s->change_signature = 48)
CHANGE(signature_s, s->change_signature = 72)
CHANGE(signature_s_padding, s->change_signature = 143)
CHANGE(signature_rest, s->change_signature = 511)

CHANGE(product_other, s->product = "Milan")
CHANGE(product_stepping, s->product = "Genoa-B1")
CHANGE(product_longer, s->product = "Genoa2")
CHANGE(tcb_bootloader, s->leaf_tcb.bootloader--)
CHANGE(tcb_bootloader_above, s->leaf_tcb.bootloader++)
CHANGE(tcb_tee, s->leaf_tcb.tee++)
CHANGE(tcb_snp, s->leaf_tcb.snp++)
CHANGE(tcb_microcode, s->leaf_tcb.microcode++)
CHANGE(tcb_fmc, s->leaf_tcb.fmc++)
CHANGE(current_ahead, s->current.microcode++)
CHANGE(no_product, s->without_oid = ARC ".2")
CHANGE(no_bootloader, s->without_oid = ARC ".3.1")
CHANGE(no_microcode, s->without_oid = ARC ".3.8")
CHANGE(no_fmc, s->without_oid = ARC ".3.9")
CHANGE(no_hwid, s->without_oid = ARC ".4")
CHANGE(no_csp, s->without_oid = ARC ".5")
CHANGE(wide_svn, s->wide_oid = ARC ".3.3")
CHANGE(hwid_other, s->hwid[0] ^= 1)
CHANGE(hwid_short, s->hwid_size--)
CHANGE(hwid_wrapped, s->hwid_wrapped = true)
CHANGE(chip_other, s->chip_id[7] ^= 1)
CHANGE(chip_behind_hwid, s->chip_id[63] = 1)
CHANGE(chip_masked, memset(s->chip_id, 0, 64))

CHANGE(leaf_name, s->leaf.common_name = "SEV-VLEK")
CHANGE(ask_is_asvk, s->ask.common_name = "SEV-VLEK-Genoa")
CHANGE(ark_other_family, s->ark.common_name = "ARK-Milan")
CHANGE(root_other_key, s->other_root = true)
CHANGE(root_absent, s->ark.absent = true)
CHANGE(leaf_absent, s->leaf.absent = true)
CHANGE(ask_absent, s->ask.absent = true)
CHANGE(leaf_by_other, s->leaf.signed_by_other = true)
CHANGE(ask_by_other, s->ask.signed_by_other = true)
CHANGE(ark_by_other, s->ark.signed_by_other = true)
CHANGE(leaf_sha256, s->leaf.sha256 = true)
CHANGE(ask_sha256, s->ask.sha256 = true)
CHANGE(leaf_is_ca, s->leaf.basic_constraints = "critical,CA:TRUE")
CHANGE(ask_no_ca, s->ask.basic_constraints = "critical,CA:FALSE")
CHANGE(ask_no_constraints, s->ask.basic_constraints = NULL)
CHANGE(ask_usage, s->ask.key_usage = "critical,digitalSignature")
CHANGE(ark_path_length, s->ark.basic_constraints = "critical,CA:TRUE,pathlen:0")
CHANGE(leaf_expired, s->leaf.until = SYNTH_SNP_AT - 1)
CHANGE(leaf_until_now, s->leaf.until = SYNTH_SNP_AT)
CHANGE(leaf_future, s->leaf.from = SYNTH_SNP_AT + 1)
CHANGE(ask_expired, s->ask.until = SYNTH_SNP_AT - 1)
CHANGE(ark_future, s->ark.from = SYNTH_SNP_AT + 1)

CHANGE(crl_good, s->crl = SYNTH_CRL_GOOD)
CHANGE(crl_absent, s->crl = SYNTH_CRL_NONE)
CHANGE(crl_revokes_ask, s->crl = SYNTH_CRL_REVOKES_ASK)
/* every VCEK has the serial number 0, and is not issued by the ARK */
CHANGE(crl_leaf_serial, s->crl = SYNTH_CRL_REVOKES_LEAF_SERIAL)
CHANGE(crl_expired, s->crl = SYNTH_CRL_GOOD; s->crl_until = SYNTH_SNP_AT - DAY)
CHANGE(crl_future, s->crl = SYNTH_CRL_GOOD; s->crl_from = SYNTH_SNP_AT + DAY)
CHANGE(crl_by_other, s->crl = SYNTH_CRL_GOOD; s->crl_signed_by_other = true)
CHANGE(crl_of_other, s->crl = SYNTH_CRL_GOOD; s->crl_of_other_issuer = true)

static void judge_rows(const struct broken *rows, size_t count, const char *family,
                       uint32_t version, bool vlek)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        struct synth_snp spec = synth_snp_good(family, version, vlek);
        rows[i].change(&spec);
        struct mse_verdict *verdict = synth_snp_judge(&spec, NULL);
        wrong += judged(verdict, rows[i].what, rows[i].failed, rows[i].status) ? 0 : 1;
    }
    assert_int_equal(wrong, 0);
}

static void test_good_ones(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        uint32_t version;
        bool vlek;
    } good[] = {
        {"Milan", 2, false}, {"Milan", 3, true},  {"Milan", 5, false}, {"Genoa", 2, true},
        {"Genoa", 3, false}, {"Genoa", 5, true},  {"Turin", 2, false}, {"Turin", 3, false},
        {"Turin", 3, true},  {"Turin", 5, false}, {"Turin", 5, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct synth_snp spec = synth_snp_good(good[i].family, good[i].version, good[i].vlek);
        struct mse_verdict *verdict = synth_snp_judge(&spec, NULL);
        assert_string_equal(verdict->family, good[i].family);
        assert_int_equal(verdict->valid_from, SYNTH_SNP_FROM);
        assert_int_equal(verdict->valid_until, SYNTH_SNP_UNTIL);
        assert_judged(verdict, good[i].family, "", "genuine");
    }
}

static void test_report(void **state)
{
    (void)state;
    static const struct broken rows[] = {
        ROW(nothing, "", "genuine"),
        ROW(version_1, "report.version", NULL),
        ROW(version_4, "report.version", NULL),
        ROW(version_6, "report.version", NULL),
        ROW(family_unknown, "report.family", "genuine"),
        ROW(model_unknown, "report.family", "genuine"),
        ROW(model_bergamo, "", "genuine"),
        ROW(policy_bit_26, "report.policy", "genuine"),
        ROW(policy_bit_63, "report.policy", "genuine"),
        ROW(policy_one_missing, "report.policy-reserved-one", "genuine"),
        ROW(policy_migration, "report.migration-agent", "genuine"),
        ROW(policy_debug, "policy.debug", "genuine"),
        ROW(policy_all_harmless, "", "genuine"),
        ROW(platform_all_known, "", "genuine"),
        ROW(platform_bit_6, "", "genuine"),
        ROW(platform_bit_8, "", "genuine"),
        ROW(platform_bit_63, "", "genuine"),
        ROW(platform_turin, "", "genuine"),
        ROW(no_alias_check, "policy.alias-check", "genuine"),
        ROW(flags_bit_5, "report.flags", "genuine"),
        ROW(flags_mask_chip_key, "", "genuine"),
        ROW(key_2, "report.signing-key", "genuine"),
        ROW(key_none, "report.signing-key", "genuine"),
        ROW(author_without_flag, "report.author-key", "genuine"),
        ROW(author_with_flag, "", "genuine"),
        ROW(vmpl_1, "policy.vmpl", "genuine"),
        ROW(vmpl_3, "policy.vmpl", "genuine"),
        ROW(vmpl_4, "report.vmpl policy.vmpl", "genuine"),
        ROW(vmpl_host, "report.vmpl policy.vmpl", "genuine"),
        ROW(algorithm_0, "report.signature-algorithm", "genuine"),
        ROW(algorithm_2, "report.signature-algorithm", "genuine"),
        ROW(reserved_4c, "report.reserved", "genuine"),
        ROW(reserved_18b, "report.reserved", "genuine"),
        ROW(reserved_1eb, "report.reserved", "genuine"),
        ROW(reserved_1ef, "report.reserved", "genuine"),
        ROW(reserved_208, "report.reserved", "genuine"),
        ROW(reserved_29f, "report.reserved", "genuine"),
        ROW(mitigation_set, "", "genuine"),
        ROW(tcb_reserved, "vcek.tcb", "genuine"),
        ROW(signed_by_other, "report.signature", "bad-signature"),
        ROW(signature_r, "report.signature", "bad-signature"),
        ROW(signature_r_padding, "report.signature", "bad-signature"),
        ROW(signature_s, "report.signature", "bad-signature"),
        ROW(signature_s_padding, "report.signature", "bad-signature"),
        ROW(signature_rest, "report.signature", "bad-signature"),
    };
    judge_rows(rows, ARRAY_LEN(rows), "Genoa", 5, false);
}

static void test_reserved_by_version(void **state)
{
    (void)state;
    static const struct broken rows[] = {
        ROW(mitigation_set, "report.reserved", "genuine"),
        ROW(reserved_18b, "report.reserved", "genuine"),
    };
    judge_rows(rows, ARRAY_LEN(rows), "Genoa", 3, false);
    judge_rows(rows, ARRAY_LEN(rows), "Milan", 2, false);
}

static void test_extensions(void **state)
{
    (void)state;
    static const struct broken rows[] = {
        ROW(product_other, "vcek.product", "genuine"),
        ROW(product_stepping, "", "genuine"),
        ROW(product_longer, "vcek.product", "genuine"),
        ROW(tcb_bootloader, "vcek.tcb", "genuine"),
        ROW(tcb_bootloader_above, "vcek.tcb", "genuine"),
        ROW(tcb_tee, "vcek.tcb", "genuine"),
        ROW(tcb_snp, "vcek.tcb", "genuine"),
        ROW(tcb_microcode, "vcek.tcb", "genuine"),
        ROW(current_ahead, "", "genuine"),
        ROW(no_product, "vcek.extensions", "genuine"),
        ROW(no_bootloader, "vcek.extensions", "genuine"),
        ROW(no_microcode, "vcek.extensions", "genuine"),
        ROW(no_hwid, "vcek.extensions", "genuine"),
        ROW(wide_svn, "vcek.extensions", "genuine"),
        ROW(hwid_other, "vcek.chip-id", "genuine"),
        ROW(hwid_short, "vcek.extensions", "genuine"),
        ROW(hwid_wrapped, "", "genuine"),
        ROW(chip_other, "vcek.chip-id", "genuine"),
        ROW(chip_behind_hwid, "vcek.chip-id", "genuine"),
        ROW(chip_masked, "", "genuine"),
    };
    judge_rows(rows, ARRAY_LEN(rows), "Genoa", 3, false);
    static const struct broken turin[] = {
        ROW(tcb_fmc, "vcek.tcb", "genuine"),
        ROW(no_fmc, "vcek.extensions", "genuine"),
        ROW(hwid_wrapped, "", "genuine"),
        ROW(chip_behind_hwid, "vcek.chip-id", "genuine"),
    };
    judge_rows(turin, ARRAY_LEN(turin), "Turin", 5, false);
    static const struct broken vlek[] = {
        ROW(no_csp, "vlek.extensions", "genuine"),
        ROW(tcb_snp, "vlek.tcb", "genuine"),
        ROW(chip_other, "", "genuine"),
        ROW(leaf_by_other, "vlek-chain.signatures", "bad-signature"),
    };
    judge_rows(vlek, ARRAY_LEN(vlek), "Genoa", 3, true);
}

static void test_chain(void **state)
{
    (void)state;
    static const struct broken rows[] = {
        ROW(leaf_name, "vcek-chain.names", "bad-signature"),
        ROW(ask_is_asvk, "vcek-chain.names", "bad-signature"),
        ROW(ark_other_family, "trust.amd-root", "genuine"),
        ROW(root_other_key, "vcek-chain.root vcek-chain.signatures", "bad-signature"),
        ROW(root_absent, "", "genuine"),
        ROW(leaf_absent, "collateral.vcek", "no-collateral"),
        ROW(ask_absent, "collateral.ask", "no-collateral"),
        ROW(leaf_by_other, "vcek-chain.signatures", "bad-signature"),
        ROW(ask_by_other, "vcek-chain.signatures", "bad-signature"),
        ROW(ark_by_other, "vcek-chain.signatures", "bad-signature"),
        ROW(leaf_sha256, "vcek-chain.signatures", "bad-signature"),
        ROW(ask_sha256, "vcek-chain.signatures", "bad-signature"),
        ROW(leaf_is_ca, "vcek-chain.constraints", "bad-signature"),
        ROW(ask_no_ca, "vcek-chain.constraints", "bad-signature"),
        ROW(ask_no_constraints, "vcek-chain.constraints", "bad-signature"),
        ROW(ask_usage, "vcek-chain.constraints", "bad-signature"),
        ROW(ark_path_length, "vcek-chain.constraints", "bad-signature"),
        ROW(leaf_expired, "vcek-chain.validity", "expired"),
        ROW(leaf_until_now, "", "genuine"),
        ROW(leaf_future, "vcek-chain.validity", "not-yet-valid"),
        ROW(ask_expired, "vcek-chain.validity", "expired"),
        ROW(ark_future, "vcek-chain.validity", "not-yet-valid"),
        ROW(crl_good, "", "genuine"),
        ROW(crl_absent, "amd-crl.present", "genuine"),
        ROW(crl_revokes_ask, "amd-crl.revocation", "revoked"),
        ROW(crl_leaf_serial, "", "genuine"),
        ROW(crl_expired, "amd-crl.validity", "genuine"),
        ROW(crl_future, "amd-crl.validity", "genuine"),
        ROW(crl_by_other, "amd-crl.signature", "bad-signature"),
        ROW(crl_of_other, "amd-crl.issuer", "genuine"),
    };
    judge_rows(rows, ARRAY_LEN(rows), "Genoa", 5, false);
}

static void expect(const struct synth_snp *spec, const struct mse_policy *policy, const char *what,
                   const char *failed)
{
    assert_judged(synth_snp_judge(spec, policy), what, failed, "genuine");
}

static void test_policy_tcb(void **state)
{
    (void)state;
    struct synth_snp spec = synth_snp_good("Turin", 5, false);
    struct mse_policy policy = {.size = sizeof(policy), .snp_min_tcb = spec.reported};
    expect(&spec, &policy, "at the minimum", "");
    spec.committed.microcode--;
    expect(&spec, &policy, "committed below", "policy.tcb.committed");
    spec.committed.microcode++;
    spec.launch.tee--;
    expect(&spec, &policy, "launch below", "policy.tcb.launch");
    spec.launch.tee++;
    spec.current.snp--;
    expect(&spec, &policy, "current below", "policy.tcb.current");
    spec.current.snp++;
    spec.reported.fmc--;
    spec.leaf_tcb.fmc--;
    expect(&spec, &policy, "reported below", "policy.tcb.reported");
    policy.snp_min_tcb.fmc--;
    policy.snp_min_tcb.bootloader++;
    expect(&spec, &policy, "all below",
           "policy.tcb.reported policy.tcb.committed policy.tcb.launch policy.tcb.current");
    spec = synth_snp_good("Milan", 2, false);
    policy.snp_min_tcb = (struct mse_snp_tcb){.fmc = 9, .microcode = 200};
    expect(&spec, &policy, "no FMC before Turin", "");
}

#define ALL_FOUR "policy.tcb.reported policy.tcb.committed policy.tcb.launch policy.tcb.current"

static void set_tcb(struct synth_snp *spec, uint8_t snp, uint8_t microcode)
{
    spec->reported.snp = spec->committed.snp = spec->launch.snp = spec->current.snp = snp;
    spec->leaf_tcb.snp = snp;
    spec->reported.microcode = spec->committed.microcode = microcode;
    spec->launch.microcode = spec->current.microcode = spec->leaf_tcb.microcode = microcode;
}

/* Without a word of the policy: the level of AMD's bulletins, of this very processor. */
static void test_built_in_minimum(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        uint32_t version;
        uint8_t model;
        uint8_t stepping;
        uint8_t snp;
        uint8_t microcode; /* 0: none is known */
        const char *bulletin;
    } cases[] = {
        {"Milan", 5, 0x01, 1, 0x1d, 0xde, "AMD-SB-3030"},
        {"Milan", 3, 0x01, 2, 0x1d, 0x47, "AMD-SB-3027"},
        {"Milan", 3, 0x01, 0, 0x1d, 0, "AMD-SB-3030"},
        {"Milan", 2, 0x01, 1, 0x1d, 0, "AMD-SB-3030"}, /* does not say its stepping */
        {"Genoa", 5, 0x11, 1, 0x1b, 0x56, "AMD-SB-3020"},
        {"Genoa", 5, 0x11, 2, 0x1b, 0x51, "AMD-SB-3027"},
        {"Genoa", 5, 0xa0, 2, 0x1b, 0, "AMD-SB-3020"}, /* Bergamo, Siena */
        {"Turin", 5, 0x02, 1, 0x04, 0x51, "AMD-SB-3027"},
        {"Turin", 5, 0x11, 0, 0x04, 0, "AMD-SB-3020"}, /* Turin Dense */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct synth_snp spec = synth_snp_good(cases[i].family, cases[i].version, false);
        spec.cpuid_model = cases[i].model;
        spec.cpuid_stepping = cases[i].stepping;
        set_tcb(&spec, cases[i].snp, cases[i].microcode);
        struct mse_verdict *verdict = synth_snp_judge(&spec, NULL);
        const struct mse_check *check = find_check(verdict, "policy.tcb.reported");
        assert_non_null(check);
        assert_non_null(strstr(check->expected, cases[i].bulletin));
        assert_judged(verdict, cases[i].family, "", "genuine");
        set_tcb(&spec, cases[i].snp - 1, cases[i].microcode);
        expect(&spec, NULL, cases[i].family, ALL_FOUR);
        if (cases[i].microcode == 0)
            continue;
        set_tcb(&spec, cases[i].snp, cases[i].microcode - 1);
        expect(&spec, NULL, cases[i].family, ALL_FOUR);
    }
}

/* A policy's minimum stands in for the built-in one; a lower one is said. */
static void test_own_minimum(void **state)
{
    (void)state;
    struct synth_snp spec = synth_snp_good("Genoa", 5, false);
    struct mse_policy policy = {.size = sizeof(policy), .has_snp_min_tcb = true};
    no_alias_check(&spec);
    set_tcb(&spec, 1, 1);
    struct mse_verdict *verdict = synth_snp_judge(&spec, &policy);
    assert_non_null(find_check(verdict, "policy.loosened.snp.min_tcb"));
    assert_judged(verdict, "nothing asked", "", "genuine");
    set_tcb(&spec, 40, 99);
    policy.snp_min_tcb = (struct mse_snp_tcb){.snp = 40, .microcode = 99};
    verdict = synth_snp_judge(&spec, &policy);
    assert_null(find_check(verdict, "policy.loosened.snp.min_tcb"));
    assert_judged(verdict, "above the built-in", "", "genuine");
    set_tcb(&spec, 39, 99);
    expect(&spec, &policy, "below one's own", ALL_FOUR);
}

/* What only tells more is accepted, and said. */
static void test_unknown_platform_bits_are_a_warning(void **state)
{
    (void)state;
    struct synth_snp spec = synth_snp_good("Turin", 5, false);
    struct mse_verdict *verdict = synth_snp_judge(&spec, NULL);
    assert_null(find_check(verdict, "report.platform-info.unknown"));
    mse_verdict_free(verdict);
    spec.platform_info = 0x67; /* as EPYC 9005 reports it */
    verdict = synth_snp_judge(&spec, NULL);
    const struct mse_check *check = find_check(verdict, "report.platform-info.unknown");
    assert_non_null(check);
    assert_true(check->result == MSE_PASS && check->loosened);
    assert_string_equal(check->found, "0x40");
    assert_judged(verdict, "0x67", "", "genuine");
}

static void test_policy_platform(void **state)
{
    (void)state;
    struct synth_snp spec = synth_snp_good("Turin", 3, false);
    const char *const chips[] = {"C1C1C1C1C1C1C1C1"};
    const char *const others[] = {"c1c1c1c1c1c1c1c2"};
    struct mse_policy policy = {
        .size = sizeof(policy), .chip_ids = chips, .chip_id_count = 1, .snp_vmpls = 1 << 0};
    expect(&spec, &policy, "its chip", "");
    memset(spec.chip_id, 0, 64);
    expect(&spec, &policy, "masked, told by the VCEK", "");
    spec.vmpl = 1;
    expect(&spec, &policy, "VMPL 1", "policy.vmpl");
    policy.snp_vmpls = 1 << 1 | 1 << 2;
    policy.chip_ids = others;
    expect(&spec, &policy, "another chip", "policy.chip-id");
    spec = synth_snp_good("Genoa", 3, true);
    policy.snp_vmpls = 0;
    expect(&spec, &policy, "a VLEK names no chip", "policy.chip-id");
    spec.vmpl = 1;
    policy = (struct mse_policy){.size = sizeof(struct mse_policy), .snp_vmpls = 1 << 1};
    struct mse_verdict *verdict = synth_snp_judge(&spec, &policy);
    assert_non_null(find_check(verdict, "policy.loosened.snp.vmpl"));
    assert_judged(verdict, "VMPL 1 by name", "", "genuine");
}

static void test_policy_crl_and_debug(void **state)
{
    (void)state;
    struct synth_snp spec = synth_snp_good("Genoa", 5, false);
    struct mse_policy policy = {.size = sizeof(policy), .crl = MSE_CRL_IF_PRESENT};
    spec.crl = SYNTH_CRL_NONE;
    expect(&spec, &policy, "no CRL, and the policy does without", "");
    policy.crl = MSE_CRL_REQUIRED;
    expect(&spec, &policy, "no CRL", "amd-crl.present");
    policy.crl = MSE_CRL_DEFAULT;
    expect(&spec, &policy, "no CRL, and the policy says nothing", "amd-crl.present");
    spec.crl = SYNTH_CRL_GOOD;
    expect(&spec, &policy, "a CRL", "");
    spec.policy |= SNP_POLICY_DEBUG;
    expect(&spec, &policy, "debug", "policy.debug");
    policy.allow_debug = true;
    expect(&spec, &policy, "debug allowed", "");
}

/* A make-believe chain under the real roots. */
static void test_built_in_roots(void **state)
{
    (void)state;
    AUTO_BUF struct buf report = BUF_INIT(4096);
    AUTO_BUF struct buf collateral = BUF_INIT(65536);
    AUTO_BUF struct buf root = BUF_INIT(16384);
    struct synth_snp spec = synth_snp_good("Turin", 5, false);
    synth_snp_build(&spec, &report, &collateral, &root);
    struct mse_input input = {
        .size = sizeof(input),
        .evidence = {report.data, report.len},
        .collateral = {collateral.data, collateral.len},
        .at = SYNTH_SNP_AT,
    };
    assert_judged(mse_verify(&input), "under the real root",
                  "vcek-chain.root vcek-chain.signatures amd-crl.issuer", "bad-signature");
    input.collateral.size = 0;
    assert_judged(mse_verify(&input), "no collateral", "collateral.form", "no-collateral");
    input.collateral = (struct mse_bytes){(const uint8_t *)"{}", 2};
    assert_judged(mse_verify(&input), "empty collateral", "collateral.vcek collateral.ask",
                  "no-collateral");
}

/* There is a real Turin chain, and no report with it: everything but the report's own links. */
static void test_turin_chain(void **state)
{
    (void)state;
    const char *folder = samples_or_skip();
    AUTO_BUF struct buf report = BUF_INIT(4096);
    AUTO_BUF struct buf none = BUF_INIT(65536);
    AUTO_BUF struct buf root = BUF_INIT(16384);
    AUTO_BUF struct buf collateral = BUF_INIT(65536);
    struct synth_snp spec = synth_snp_good("Turin", 3, false);
    spec.reported = spec.committed = spec.launch = spec.current =
        (struct mse_snp_tcb){.microcode = 9};
    memset(spec.chip_id, 0, 64);
    synth_snp_build(&spec, &report, &none, &root);
    sample_read(folder, "turin-certificates.json", &collateral);
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {report.data, report.len},
        .collateral = {collateral.data, collateral.len},
        .policy = &of_samples,
        .at = SYNTH_SNP_AT,
    };
    assert_judged(mse_verify(&input), "the real chain", "report.signature", "bad-signature");
}

static void test_every_byte(void **state)
{
    (void)state;
    AUTO_BUF struct buf report = BUF_INIT(4096);
    AUTO_BUF struct buf collateral = BUF_INIT(65536);
    AUTO_BUF struct buf root = BUF_INIT(16384);
    struct synth_snp spec = synth_snp_good("Genoa", 5, false);
    synth_snp_build(&spec, &report, &collateral, &root);
    const struct mse_bytes roots[] = {{root.data, root.len}};
    const struct mse_trust trust = {.size = sizeof(trust), .amd_roots = roots, .amd_root_count = 1};
    struct mse_input input = {
        .size = sizeof(input),
        .evidence = {report.data, report.len},
        .collateral = {collateral.data, collateral.len},
        .at = SYNTH_SNP_AT,
        .trust = &trust,
    };
    for (size_t i = 0; i < report.len; i++) {
        report.data[i] ^= (uint8_t)(1 << i % 8);
        struct mse_verdict *verdict = mse_verify(&input);
        char failed[2048];
        if (verdict->accepted || failed_checks(verdict, failed, sizeof(failed))[0] == '\0')
            fail_msg("byte %zu may be changed", i);
        mse_verdict_free(verdict);
        report.data[i] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t len = 0; len < report.len; len += len < 64 ? 1 : 7) {
        input.evidence.size = len;
        struct mse_verdict *verdict = mse_verify(&input);
        assert_false(verdict->accepted);
        mse_verdict_free(verdict);
    }
}

static const struct {
    const char *name;
    int64_t at;
    const char *strictly; /* what fails where the policy says nothing */
} good_samples[] = {
    {"snp-milan-v2", 1700000000, "amd-crl.present " ALL_FOUR " policy.alias-check"},
    {"snp-milan-guest-svn", 1700000000, "amd-crl.present " ALL_FOUR " policy.alias-check"},
    {"snp-milan-vlek", 1740000000, "amd-crl.present policy.vmpl " ALL_FOUR},
    {"snp-genoa-v5", 1757000000, "amd-crl.present " ALL_FOUR},
};

/* Is a change of this byte of the bundle without effect? Only in the name of the member "ark": the
 * built-in root, which it must equal, then stands in for it. */
static bool is_root_name(const struct buf *collateral, size_t at)
{
    const char *name = strstr(buf_text(collateral), "\"ark\"");
    size_t start = name == NULL ? 0 : (size_t)(name - buf_text(collateral)) + 1;
    return name != NULL && at >= start && at < start + 3;
}

static size_t flip_all(struct buf *flipped, size_t stride, const struct mse_input *input,
                       bool is_collateral)
{
    size_t wrong = 0;
    for (size_t i = 0; i < flipped->len; i += stride) {
        bool irrelevant = is_collateral && is_root_name(flipped, i);
        flipped->data[i] ^= (uint8_t)(1 << i % 7);
        struct mse_verdict *verdict = mse_verify(input);
        char failed[2048];
        bool named = failed_checks(verdict, failed, sizeof(failed))[0] != '\0';
        if (!irrelevant && (verdict->accepted || !named)) {
            print_message("byte %zu of the %s may be changed\n", i,
                          is_collateral ? "collateral" : "report");
            wrong++;
        }
        mse_verdict_free(verdict);
        flipped->data[i] ^= (uint8_t)(1 << i % 7);
    }
    return wrong;
}

/* Each of them is from before the bulletins, and none came with a CRL. */
static void test_real_samples_are_too_old(void **state)
{
    (void)state;
    const char *folder = samples_or_skip();
    for (size_t i = 0; i < ARRAY_LEN(good_samples); i++) {
        AUTO_BUF struct buf report = BUF_INIT(4096);
        AUTO_BUF struct buf collateral = BUF_INIT(65536);
        char name[64];
        (void)snprintf(name, sizeof(name), "%s.evidence", good_samples[i].name);
        sample_read(folder, name, &report);
        (void)snprintf(name, sizeof(name), "%s.collateral.json", good_samples[i].name);
        sample_read(folder, name, &collateral);
        const struct mse_input input = {
            .size = sizeof(input),
            .evidence = {report.data, report.len},
            .collateral = {collateral.data, collateral.len},
            .at = good_samples[i].at,
        };
        assert_judged(mse_verify(&input), good_samples[i].name, good_samples[i].strictly,
                      "genuine");
    }
}

static void test_real_samples_flipped(void **state)
{
    (void)state;
    const char *folder = samples_or_skip();
    size_t stride = getenv("MSE_EXHAUSTIVE") == NULL ? 41 : 1;
    for (size_t i = 0; i < ARRAY_LEN(good_samples); i++) {
        AUTO_BUF struct buf report = BUF_INIT(4096);
        AUTO_BUF struct buf collateral = BUF_INIT(65536);
        char name[64];
        (void)snprintf(name, sizeof(name), "%s.evidence", good_samples[i].name);
        sample_read(folder, name, &report);
        (void)snprintf(name, sizeof(name), "%s.collateral.json", good_samples[i].name);
        sample_read(folder, name, &collateral);
        const struct mse_input input = {
            .size = sizeof(input),
            .evidence = {report.data, report.len},
            .collateral = {collateral.data, collateral.len},
            .policy = &of_samples,
            .at = good_samples[i].at,
        };
        assert_judged(mse_verify(&input), good_samples[i].name, "", "genuine");
        assert_int_equal(flip_all(&report, stride, &input, false), 0);
        assert_int_equal(flip_all(&collateral, stride, &input, true), 0);
    }
}

/* Zero bytes behind a report are passed over, others are not. */
static void test_behind_the_report(void **state)
{
    (void)state;
    AUTO_BUF struct buf report = BUF_INIT(8192);
    AUTO_BUF struct buf collateral = BUF_INIT(65536);
    AUTO_BUF struct buf root = BUF_INIT(16384);
    struct synth_snp spec = synth_snp_good("Milan", 2, false);
    synth_snp_build(&spec, &report, &collateral, &root);
    const struct mse_bytes roots[] = {{root.data, root.len}};
    const struct mse_trust trust = {.size = sizeof(trust), .amd_roots = roots, .amd_root_count = 1};
    assert_int_equal(buf_u64le(&report, 0, NULL), 0);
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {report.data, report.len},
        .collateral = {collateral.data, collateral.len},
        .at = SYNTH_SNP_AT,
        .trust = &trust,
    };
    assert_judged(mse_verify(&input), "zeros", "", "genuine");
    report.data[report.len - 1] = 1;
    assert_judged(mse_verify(&input), "one", "report.form", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_reserved_by_version),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_policy_tcb),
        cmocka_unit_test(test_built_in_minimum),
        cmocka_unit_test(test_own_minimum),
        cmocka_unit_test(test_unknown_platform_bits_are_a_warning),
        cmocka_unit_test(test_policy_platform),
        cmocka_unit_test(test_policy_crl_and_debug),
        cmocka_unit_test(test_built_in_roots),
        cmocka_unit_test(test_turin_chain),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_real_samples_are_too_old),
        cmocka_unit_test(test_real_samples_flipped),
        cmocka_unit_test(test_behind_the_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
