// SPDX-License-Identifier: Apache-2.0
/*
 * The parts of an Intel platform that sign or measure: the quoting enclave against its identity,
 * the TDX module against the one that Intel names, and the TD's attributes.
 */
#include "attest/intel.h"

static const char advice_qe[] =
    "the quote was not made by Intel's quoting enclave: do not trust it";

static bool masked_equal(struct slice found, const uint8_t *mask, const uint8_t *expected)
{
    for (size_t i = 0; i < found.len; i++) {
        if ((found.data[i] & mask[i]) != expected[i])
            return false;
    }
    return true;
}

/* Quote verification library specification 4.1.2.9.5 to 4.1.2.9.8. The document has MISCSELECT's
 * bytes in the order of the report. */
void intel_judge_qe(struct intel_case *c)
{
    struct verification *v = c->v;
    if (!c->has_qe) {
        check_skip(v, "qe.identity", "no QE identity to compare with");
        return;
    }
    const struct sgx_report *report = &c->quote.qe_report;
    const struct qe_identity *identity = &c->qe;
    struct slice mrsigner = slice_of(identity->mrsigner, sizeof(identity->mrsigner));
    struct slice misc_select = slice_of(c->quote.qe_report_bytes.data + 16, 4);
    check_that(v, slice_equal(report->mrsigner, mrsigner), "qe.mrsigner",
               say_hex(v, report->mrsigner), say_hex(v, mrsigner), advice_qe);
    check_that(v, report->isv_prod_id == identity->isv_prod_id, "qe.isv-prod-id",
               say(v, "%u", report->isv_prod_id), say(v, "%u", identity->isv_prod_id), advice_qe);
    check_that(v, masked_equal(misc_select, identity->misc_select_mask, identity->misc_select),
               "qe.misc-select", say_hex(v, misc_select),
               say(v, "%s under mask %s", say_hex(v, slice_of(identity->misc_select, 4)),
                   say_hex(v, slice_of(identity->misc_select_mask, 4))),
               advice_qe);
    check_that(v, masked_equal(report->attributes, identity->attributes_mask, identity->attributes),
               "qe.attributes", say_hex(v, report->attributes),
               say(v, "%s under mask %s", say_hex(v, slice_of(identity->attributes, 16)),
                   say_hex(v, slice_of(identity->attributes_mask, 16))),
               advice_qe);
    claim_number(v, "qe_isv_svn", report->isv_svn);
}

/* Bits that the TDX module specifications define (TDX Module 1.5 ABI, TD_ATTRIBUTES): 0 DEBUG and
 * 7:4 profiling (judged as debug), 16 ICSSD, 27 LASS, 28 SEPT_VE_DISABLE, 29 MIGRATABLE, 30 PKS,
 * 31 KL, 62 TPA, 63 PERFMON. */
static const uint8_t known_td_attributes[8] = {0xff, 0x00, 0x01, 0xf8, 0x00, 0x00, 0x00, 0xc0};

static bool only_known_bits(struct slice attributes)
{
    for (size_t i = 0; i < attributes.len; i++) {
        if ((attributes.data[i] & ~known_td_attributes[i]) != 0)
            return false;
    }
    return true;
}

static void judge_module(struct intel_case *c)
{
    struct verification *v = c->v;
    const struct td_report *td = &c->quote.td;
    const char advice[] = "the TDX module is not one that Intel names for this platform";
    struct qe_identity none = {0};
    struct tcb_evaluation result = tcb_evaluate(&c->tcb, &c->pck, td, &none, 0);
    const struct tdx_module *module = result.module;
    check_that(v, module != NULL, "tdx-module.identity",
               say(v, "version %u", td->tee_tcb_svn.data[1]), "a module identity in the TCB info",
               advice);
    if (module == NULL)
        return;
    struct slice mrsigner = slice_of(module->mrsigner, sizeof(module->mrsigner));
    check_that(v, slice_equal(td->mrsignerseam, mrsigner), "tdx-module.signer",
               say_hex(v, td->mrsignerseam), say_hex(v, mrsigner), advice);
    check_that(v, masked_equal(td->seam_attributes, module->attributes_mask, module->attributes),
               "tdx-module.attributes", say_hex(v, td->seam_attributes),
               say(v, "%s under mask %s", say_hex(v, slice_of(module->attributes, 8)),
                   say_hex(v, slice_of(module->attributes_mask, 8))),
               advice);
}

/* TDX Module TD Migration Architecture, section 4: the host chooses the migration TD that a
 * migratable TD is bound to, and that gets the keys to its memory, as a migration agent does with
 * SNP. */
static void judge_migration(struct verification *v, struct slice attributes)
{
    bool migratable = (attributes.data[3] & 0x20) != 0; /* bit 29 */
    check_that(
        v, !migratable, "td.migratable", migratable ? "allowed" : "not allowed", "not allowed",
        "the operator can have a migration TD read this one: launch it without MIGRATABLE in "
        "its attributes");
}

void intel_judge_td(struct intel_case *c)
{
    if (c->quote.body == QUOTE_BODY_SGX)
        return;
    struct slice attributes = c->quote.td.td_attributes;
    check_that(c->v, only_known_bits(attributes), "td.attributes", say_hex(c->v, attributes),
               "only bits that are known",
               "the TD has a property that this verifier does not know: update it");
    judge_migration(c->v, attributes);
    if (c->has_tcb && c->has_pck && c->tcb.is_tdx)
        judge_module(c);
    else
        check_skip(c->v, "tdx-module.identity", "no TCB info to compare with");
}
