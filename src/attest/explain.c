// SPDX-License-Identifier: Apache-2.0
/*
 * Finds out what a file is, lists its fields, and shows the list. The claims of evidence are the
 * verifiers' own, so that a field has one name everywhere.
 */
#include "attest/explain.h"

#include "attest/intel.h"
#include "attest/ra_tls.h"
#include "attest/snp.h"

#include "base/clock.h"
#include "base/text.h"
#include "model/evidence.h"

#include <openssl/err.h>

#include <stdio.h>

void explanation_done(struct explanation *e)
{
    arena_done(&e->arena);
}

void explain_put(struct explanation *e, const char *prefix, const char *name, const char *value)
{
    if (e->fields == NULL)
        e->fields = arena_array(&e->arena, EXPLAIN_FIELDS_MAX, sizeof(*e->fields));
    if (e->fields == NULL || e->count == EXPLAIN_FIELDS_MAX) {
        e->full = true;
        return;
    }
    e->fields[e->count++] = (struct explain_field){
        .path = arena_printf(&e->arena, "%s%s", prefix, name),
        .value = arena_printf(&e->arena, "%s", value),
    };
}

void explain_printf(struct explanation *e, const char *prefix, const char *name, const char *fmt,
                    ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = arena_vprintf(&e->arena, fmt, args);
    va_end(args);
    explain_put(e, prefix, name, text);
}

void explain_bytes(struct explanation *e, const char *prefix, const char *name, struct slice bytes)
{
    explain_put(e, prefix, name, arena_hex(&e->arena, bytes));
}

void explain_time(struct explanation *e, const char *prefix, const char *name, int64_t unix_time)
{
    char text[RFC3339_SIZE];
    rfc3339_format(unix_time, text);
    explain_put(e, prefix, name, text);
}

/* The claims that a verifier's recorder makes, below the prefix. */
struct recorder {
    struct mse_verdict verdict;
    struct mse_input input;
    struct mse_policy policy;
    struct verification v;
};

static void recorder_start(struct recorder *recorder, struct explanation *e)
{
    *recorder = (struct recorder){0};
    recorder->v = (struct verification){.input = &recorder->input,
                                        .policy = &recorder->policy,
                                        .arena = &e->arena,
                                        .verdict = &recorder->verdict};
}

static void recorder_end(const struct recorder *recorder, struct explanation *e, const char *prefix)
{
    for (size_t i = 0; i < recorder->verdict.claim_count; i++)
        explain_put(e, prefix, recorder->v.claims[i].name, recorder->v.claims[i].value);
}

static void explain_certification(struct explanation *e, const char *prefix,
                                  const struct intel_quote *quote, unsigned depth)
{
    explain_printf(e, prefix, "certification.type", "%u", quote->certification_type);
    if (quote->certification_type == CERTIFICATION_PCK_CHAIN)
        explain_certificates(e, arena_printf(&e->arena, "%scertification.chain", prefix),
                             quote->certification_data, depth + 1);
    else
        explain_bytes(e, prefix, "certification.data", quote->certification_data);
}

static void explain_qe(struct explanation *e, const char *prefix, const struct sgx_report *report)
{
    explain_bytes(e, prefix, "qe_report.mrenclave", report->mrenclave);
    explain_bytes(e, prefix, "qe_report.mrsigner", report->mrsigner);
    explain_printf(e, prefix, "qe_report.isv_prod_id", "%u", report->isv_prod_id);
    explain_printf(e, prefix, "qe_report.isv_svn", "%u", report->isv_svn);
    explain_bytes(e, prefix, "qe_report.attributes", report->attributes);
    explain_printf(e, prefix, "qe_report.misc_select", "%08x", report->misc_select);
    explain_bytes(e, prefix, "qe_report.cpu_svn", report->cpu_svn);
    explain_bytes(e, prefix, "qe_report.report_data", report->report_data);
}

static void explain_quote(struct explanation *e, const char *prefix, struct slice bytes,
                          unsigned depth)
{
    struct intel_quote quote = {0};
    struct err err = ERR_INIT;
    if (intel_quote_read_header(bytes, &quote, &err) == 0) {
        if (e->kind == NULL)
            e->kind = arena_printf(&e->arena, "Intel quote, version %u", quote.version);
        explain_printf(e, prefix, "header.version", "%u", quote.version);
        explain_printf(e, prefix, "header.key_type", "%u", quote.key_type);
        explain_printf(e, prefix, "header.tee_type", "%08x", quote.tee_type);
        explain_bytes(e, prefix, "header.qe_vendor", quote.qe_vendor);
        explain_bytes(e, prefix, "header.user_data", quote.user_data);
    }
    if (intel_quote_parse(bytes, &quote, &err) < 0) {
        explain_put(e, prefix, "error", err.message);
        return;
    }
    struct recorder recorder;
    recorder_start(&recorder, e);
    intel_record_claims(&recorder.v, &quote);
    recorder_end(&recorder, e, arena_printf(&e->arena, "%sreport.", prefix));
    explain_bytes(e, prefix, "signature", quote.signature);
    explain_bytes(e, prefix, "attestation_key", quote.attestation_key);
    explain_qe(e, prefix, &quote.qe_report);
    explain_bytes(e, prefix, "qe_report_signature", quote.qe_report_signature);
    explain_bytes(e, prefix, "qe_auth_data", quote.qe_auth_data);
    explain_certification(e, prefix, &quote, depth);
    explain_printf(e, prefix, "trailing_bytes", "%zu", quote.trailing.len);
}

static void explain_snp(struct explanation *e, const char *prefix, struct slice bytes)
{
    struct snp_case c = {0};
    struct err err = ERR_INIT;
    struct recorder recorder;
    if (snp_report_parse(bytes, &c.report, &err) < 0) {
        explain_put(e, prefix, "error", err.message);
        return;
    }
    if (e->kind == NULL)
        e->kind = arena_printf(&e->arena, "AMD SEV-SNP report, version %u", c.report.version);
    recorder_start(&recorder, e);
    c.v = &recorder.v;
    c.family = c.report.version < 3
                   ? NULL
                   : snp_family_by_cpuid(c.report.cpuid_family, c.report.cpuid_model);
    snp_record_claims(c.v, &c.report);
    if (c.family != NULL)
        snp_record_family(&c);
    recorder_end(&recorder, e, arena_printf(&e->arena, "%sreport.", prefix));
    if (c.family == NULL) {
        explain_bytes(e, prefix, "report.reported_tcb", c.report.reported_tcb);
        explain_bytes(e, prefix, "report.committed_tcb", c.report.committed_tcb);
        explain_bytes(e, prefix, "report.launch_tcb", c.report.launch_tcb);
        explain_bytes(e, prefix, "report.current_tcb", c.report.current_tcb);
    }
    explain_bytes(e, prefix, "signature.r", slice_of(c.report.signature.data, SNP_SCALAR_SIZE));
    explain_bytes(e, prefix, "signature.s",
                  slice_of(c.report.signature.data + SNP_SCALAR_SIZE, SNP_SCALAR_SIZE));
}

static void explain_simulation(struct explanation *e, const char *prefix, struct slice bytes)
{
    struct evidence evidence;
    struct err err = ERR_INIT;
    if (e->kind == NULL)
        e->kind = "simulated evidence (protects nothing from the operator)";
    if (evidence_decode(bytes, &evidence, &err) < 0) {
        explain_put(e, prefix, "error", err.message);
        return;
    }
    explain_put(e, prefix, "tee", "simulation");
    explain_put(e, prefix, "debug", (evidence.flags & EVIDENCE_FLAG_DEBUG) != 0 ? "true" : "false");
    explain_bytes(e, prefix, "fingerprint",
                  slice_of(evidence.fingerprint, sizeof(evidence.fingerprint)));
    explain_bytes(e, prefix, "report_data",
                  slice_of(evidence.report_data, sizeof(evidence.report_data)));
    explain_bytes(e, prefix, "simulation_root",
                  slice_of(evidence.root_public_key, sizeof(evidence.root_public_key)));
    explain_bytes(e, prefix, "signature", slice_of(evidence.signature, sizeof(evidence.signature)));
}

static struct slice trim(struct slice bytes)
{
    while (bytes.len > 0 && (bytes.data[0] == ' ' || bytes.data[0] == '\n' ||
                             bytes.data[0] == '\r' || bytes.data[0] == '\t'))
        bytes = slice_of(bytes.data + 1, bytes.len - 1);
    return bytes;
}

int explain_any(struct explanation *e, const char *prefix, struct slice bytes, unsigned depth,
                struct err *err)
{
    uint32_t version = 0;
    struct slice text = trim(bytes);
    if (depth > EXPLAIN_DEPTH_MAX)
        return FAIL(err, ERR_INVALID, "too deep");
    if (text.len > 0 && text.data[0] == '{')
        return explain_json(e, prefix, text, depth, err);
    if (evidence_recognise(bytes)) {
        explain_simulation(e, prefix, bytes);
    } else if (ra_tls_recognise(bytes)) {
        if (e->kind == NULL)
            e->kind = "X.509 certificate";
        explain_certificates(e, prefix, bytes, depth);
    } else if (intel_dcap_verifier.detect(bytes)) {
        explain_quote(e, prefix, bytes, depth);
    } else if (snp_report_read_version(bytes, &version, NULL) == 0 && version < 256) {
        if (bytes.len < SNP_REPORT_SIZE)
            return FAIL(err, ERR_INVALID, "%zu bytes of something that is not known", bytes.len);
        explain_snp(e, prefix, bytes);
    } else {
        return FAIL(err, ERR_INVALID, "%zu bytes of something that is not known", bytes.len);
    }
    return 0;
}

int explain_put_json(struct buf *out, const char *text, struct err *err)
{
    if (buf_u8(out, '"', err) < 0)
        return -1;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool plain = *p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\';
        if ((plain ? buf_u8(out, *p, err) : buf_printf(out, err, "\\u%04x", *p)) < 0)
            return -1;
    }
    return buf_u8(out, '"', err);
}

static int show_json(const struct explanation *e, struct buf *out, struct err *err)
{
    if (buf_str(out, "{\"kind\": ", err) < 0 || explain_put_json(out, e->kind, err) < 0 ||
        buf_str(out, ", \"fields\": {", err) < 0)
        return -1;
    for (size_t i = 0; i < e->count; i++) {
        if (buf_str(out, i == 0 ? "\n  " : ",\n  ", err) < 0 ||
            explain_put_json(out, e->fields[i].path, err) < 0 || buf_str(out, ": ", err) < 0 ||
            explain_put_json(out, e->fields[i].value, err) < 0)
            return -1;
    }
    return buf_str(out, "\n}}\n", err);
}

static int show_text(const struct explanation *e, struct buf *out, struct err *err)
{
    if (buf_printf(out, err, "%s\n", e->kind) < 0)
        return -1;
    for (size_t i = 0; i < e->count; i++) {
        if (buf_printf(out, err, "  %-34s %s\n", e->fields[i].path, e->fields[i].value) < 0)
            return -1;
    }
    return 0;
}

int explain_file(struct explanation *e, struct mse_bytes file, struct err *err)
{
    (void)ERR_set_mark();
    int rc = explain_any(e, "", slice_from(file), 0, err);
    (void)ERR_pop_to_mark();
    if (rc < 0)
        return -1;
    if (e->kind == NULL)
        e->kind = "unreadable";
    if (e->arena.out_of_memory)
        return FAIL(err, ERR_MEMORY, "out of memory");
    if (e->full)
        return FAIL(err, ERR_TOO_LARGE, "more than %d fields", EXPLAIN_FIELDS_MAX);
    return 0;
}

char *explain_finish(int rc, struct buf *out, const struct err *err, char error[MSE_ERROR_SIZE])
{
    struct err ignored = ERR_INIT;
    if (rc == 0)
        return buf_steal_text(out, &ignored);
    (void)snprintf(error, MSE_ERROR_SIZE, "%s", err->message);
    return NULL;
}

char *mse_explain(struct mse_bytes file, enum mse_format format, char error[MSE_ERROR_SIZE])
{
    AUTO_EXPLANATION struct explanation e = {0};
    AUTO_BUF struct buf out = BUF_INIT(EXPLAIN_OUTPUT_MAX);
    struct err err = ERR_INIT;
    error[0] = '\0';
    int rc = explain_file(&e, file, &err);
    if (rc == 0)
        rc = format == MSE_JSON ? show_json(&e, &out, &err) : show_text(&e, &out, &err);
    return explain_finish(rc, &out, &err, error);
}
