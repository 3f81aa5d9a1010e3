// SPDX-License-Identifier: Apache-2.0
/*
 * The claims of an Intel quote, under the names that Intel's manuals give the fields.
 */
#include "attest/intel.h"

enum { SGX_FLAG_DEBUG = 0x02 }; /* ATTRIBUTES bit 1, Intel SDM volume 3D, table 38-4 */

static void record_sgx(struct verification *v, const struct sgx_report *report)
{
    claim_bytes(v, "mrenclave", report->mrenclave);
    claim_bytes(v, "mrsigner", report->mrsigner);
    claim_number(v, "isv_prod_id", report->isv_prod_id);
    claim_number(v, "isv_svn", report->isv_svn);
    claim_bytes(v, "config_id", report->config_id);
    claim_number(v, "config_svn", report->config_svn);
    claim_bytes(v, "isv_ext_prod_id", report->isv_ext_prod_id);
    claim_bytes(v, "isv_family_id", report->isv_family_id);
    claim_bytes(v, "attributes", report->attributes);
    claim_text(v, "misc_select", say(v, "%08x", report->misc_select));
    claim_bytes(v, "cpu_svn", report->cpu_svn);
    claim_bytes(v, "report_data", report->report_data);
    v->verdict->measurement = keep_bytes(v, report->mrenclave);
    v->verdict->signer = keep_bytes(v, report->mrsigner);
    v->verdict->identity = keep_bytes(v, report->config_id);
    v->verdict->report_data = keep_bytes(v, report->report_data);
    v->verdict->debug = (report->attributes.data[0] & SGX_FLAG_DEBUG) != 0;
}

static void record_td(struct verification *v, const struct td_report *report)
{
    static const char *const rtmrs[] = {"rtmr0", "rtmr1", "rtmr2", "rtmr3"};
    claim_bytes(v, "mrtd", report->mrtd);
    for (size_t i = 0; i < ARRAY_LEN(rtmrs); i++)
        claim_bytes(v, rtmrs[i], report->rtmr[i]);
    claim_bytes(v, "mrconfigid", report->mrconfigid);
    claim_bytes(v, "mrowner", report->mrowner);
    claim_bytes(v, "mrownerconfig", report->mrownerconfig);
    claim_bytes(v, "td_attributes", report->td_attributes);
    claim_bytes(v, "xfam", report->xfam);
    claim_bytes(v, "mrseam", report->mrseam);
    claim_bytes(v, "mrsignerseam", report->mrsignerseam);
    claim_bytes(v, "seam_attributes", report->seam_attributes);
    claim_bytes(v, "tee_tcb_svn", report->tee_tcb_svn);
    if (report->tee_tcb_svn2.len > 0) {
        claim_bytes(v, "tee_tcb_svn_2", report->tee_tcb_svn2);
        claim_bytes(v, "mrservicetd", report->mrservicetd);
    }
    claim_bytes(v, "report_data", report->report_data);
    v->verdict->measurement = keep_bytes(v, report->mrtd);
    v->verdict->signer = keep_bytes(v, report->mrowner);
    v->verdict->identity = keep_bytes(v, report->mrconfigid);
    v->verdict->report_data = keep_bytes(v, report->report_data);
    /* Bits 7:0 are the TD's "under debug" group: any of them set makes it untrusted
     * (Intel TDX Module 1.5 ABI, TD_ATTRIBUTES). */
    v->verdict->debug = report->td_attributes.data[0] != 0;
}

void intel_record_claims(struct verification *v, const struct intel_quote *quote)
{
    static const char *const bodies[] = {"", "SGX", "TDX 1.0", "TDX 1.5"};
    v->verdict->tee = quote->body == QUOTE_BODY_SGX ? MSE_TEE_SGX : MSE_TEE_TDX;
    claim_text(v, "tee", mse_tee_name(v->verdict->tee));
    claim_text(v, "format", say(v, "quote v%u, %s", quote->version, bodies[quote->body]));
    if (quote->body == QUOTE_BODY_SGX)
        record_sgx(v, &quote->sgx);
    else
        record_td(v, &quote->td);
    claim_text(v, "debug", v->verdict->debug ? "true" : "false");
    claim_bytes(v, "user_data", quote->user_data);
}
