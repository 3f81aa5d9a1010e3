// SPDX-License-Identifier: Apache-2.0
/*
 * Takes Intel quotes apart, without judging them. Only lengths can be wrong here, and the few
 * numbers that decide what follows.
 */
#include "attest/intel_quote.h"

enum { SIGNATURE_SIZE = 64, KEY_SIZE = 64, SIGNATURE_DATA_MAX = 64 * 1024 };

/* "Intel SGX DCAP Quote Library API", A.4, "QE Vendor ID" */
const uint8_t intel_qe_vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                     0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

/* One place to copy a fixed field: name, where its slice goes, how many bytes. */
struct field {
    const char *name;
    struct slice *to;
    size_t size;
};

static int read_fields(struct reader *in, const struct field *fields, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (reader_slice(in, fields[i].name, fields[i].size, fields[i].to, err) < 0)
            return -1;
    }
    return 0;
}

static int read_header(struct reader *in, struct intel_quote *quote, struct err *err)
{
    if (reader_u16le(in, "version", &quote->version, err) < 0 ||
        reader_u16le(in, "attestation key type", &quote->key_type, err) < 0 ||
        reader_u32le(in, "TEE type", &quote->tee_type, err) < 0 ||
        reader_u16le(in, "QE SVN", &quote->qe_svn, err) < 0 ||
        reader_u16le(in, "PCE SVN", &quote->pce_svn, err) < 0)
        return -1;
    if (reader_slice(in, "QE vendor", 16, &quote->qe_vendor, err) < 0)
        return -1;
    return reader_slice(in, "user data", 20, &quote->user_data, err);
}

int intel_quote_read_header(struct slice bytes, struct intel_quote *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "the quote");
    struct intel_quote quote = {0};
    if (read_header(&in, &quote, err) < 0)
        return -1;
    *ret = quote;
    return 0;
}

static int read_svns(struct reader *in, struct sgx_report *report, struct err *err)
{
    if (reader_u16le(in, "ISVPRODID", &report->isv_prod_id, err) < 0 ||
        reader_u16le(in, "ISVSVN", &report->isv_svn, err) < 0)
        return -1;
    return reader_u16le(in, "CONFIGSVN", &report->config_svn, err);
}

int sgx_report_parse(struct slice bytes, struct sgx_report *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "the SGX report");
    struct sgx_report report = {0};
    struct slice reserved[4] = {{0}};
    const struct field middle[] = {
        {"reserved", &reserved[0], 12},         {"ISVEXTPRODID", &report.isv_ext_prod_id, 16},
        {"ATTRIBUTES", &report.attributes, 16}, {"MRENCLAVE", &report.mrenclave, 32},
        {"reserved", &reserved[1], 32},         {"MRSIGNER", &report.mrsigner, 32},
        {"reserved", &reserved[2], 32},         {"CONFIGID", &report.config_id, 64},
    };
    const struct field end[] = {
        {"reserved", &reserved[3], 42},
        {"ISVFAMILYID", &report.isv_family_id, 16},
        {"REPORTDATA", &report.report_data, 64},
    };
    if (reader_slice(&in, "CPUSVN", 16, &report.cpu_svn, err) < 0 ||
        reader_u32le(&in, "MISCSELECT", &report.misc_select, err) < 0 ||
        read_fields(&in, middle, sizeof(middle) / sizeof(middle[0]), err) < 0 ||
        read_svns(&in, &report, err) < 0 ||
        read_fields(&in, end, sizeof(end) / sizeof(end[0]), err) < 0 || reader_end(&in, err) < 0)
        return -1;
    report.reserved_zero = true;
    for (size_t i = 0; i < 4; i++)
        report.reserved_zero = report.reserved_zero && slice_is_zero(reserved[i]);
    *ret = report;
    return 0;
}

static int parse_td_report(struct slice bytes, bool is_15, struct td_report *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "the TD report");
    struct td_report report = {0};
    const struct field fields[] = {
        {"TEE_TCB_SVN", &report.tee_tcb_svn, 16},
        {"MRSEAM", &report.mrseam, 48},
        {"MRSIGNERSEAM", &report.mrsignerseam, 48},
        {"SEAMATTRIBUTES", &report.seam_attributes, 8},
        {"TDATTRIBUTES", &report.td_attributes, 8},
        {"XFAM", &report.xfam, 8},
        {"MRTD", &report.mrtd, 48},
        {"MRCONFIGID", &report.mrconfigid, 48},
        {"MROWNER", &report.mrowner, 48},
        {"MROWNERCONFIG", &report.mrownerconfig, 48},
        {"RTMR0", &report.rtmr[0], 48},
        {"RTMR1", &report.rtmr[1], 48},
        {"RTMR2", &report.rtmr[2], 48},
        {"RTMR3", &report.rtmr[3], 48},
        {"REPORTDATA", &report.report_data, 64},
    };
    const struct field later[] = {
        {"TEE_TCB_SVN_2", &report.tee_tcb_svn2, 16},
        {"MRSERVICETD", &report.mrservicetd, 48},
    };
    if (read_fields(&in, fields, sizeof(fields) / sizeof(fields[0]), err) < 0 ||
        (is_15 && read_fields(&in, later, sizeof(later) / sizeof(later[0]), err) < 0) ||
        reader_end(&in, err) < 0)
        return -1;
    *ret = report;
    return 0;
}

static size_t body_size(enum quote_body body)
{
    return body == QUOTE_BODY_SGX     ? SGX_REPORT_SIZE
           : body == QUOTE_BODY_TD_10 ? TD_REPORT_10_SIZE
                                      : TD_REPORT_15_SIZE;
}

/* Version 5 says which body follows and how long it is. */
static int read_body_type(struct reader *in, struct intel_quote *quote, struct err *err)
{
    bool sgx = quote->tee_type == TEE_TYPE_SGX;
    quote->body = sgx ? QUOTE_BODY_SGX : QUOTE_BODY_TD_10;
    if (quote->version < 5)
        return 0;
    uint16_t type;
    uint32_t size;
    if (reader_u16le(in, "body type", &type, err) < 0 ||
        reader_u32le(in, "body size", &size, err) < 0)
        return -1;
    if (type < QUOTE_BODY_SGX || type > QUOTE_BODY_TD_15)
        return FAIL(err, ERR_INVALID, "the quote's body type is %u, known are 1, 2 and 3", type);
    if (sgx != (type == QUOTE_BODY_SGX))
        return FAIL(err, ERR_INVALID, "the quote's body type %u does not fit its TEE type", type);
    quote->body = (enum quote_body)type;
    if (size != body_size(quote->body))
        return FAIL(err, ERR_INVALID, "the quote's body has %u bytes, type %u has %zu", size, type,
                    body_size(quote->body));
    return 0;
}

static int read_body(struct reader *in, struct intel_quote *quote, struct err *err)
{
    struct slice body;
    if (read_body_type(in, quote, err) < 0 ||
        reader_slice(in, "body", body_size(quote->body), &body, err) < 0)
        return -1;
    quote->signed_data = slice_of(in->bytes.data, in->pos);
    if (quote->body == QUOTE_BODY_SGX)
        return sgx_report_parse(body, &quote->sgx, err);
    return parse_td_report(body, quote->body == QUOTE_BODY_TD_15, &quote->td, err);
}

/* QE report, its signature, authentication data and the certification data within. */
static int read_qe(struct reader *in, struct intel_quote *quote, struct err *err)
{
    uint16_t auth_size;
    uint32_t size;
    if (reader_slice(in, "QE report", SGX_REPORT_SIZE, &quote->qe_report_bytes, err) < 0 ||
        reader_slice(in, "QE report signature", SIGNATURE_SIZE, &quote->qe_report_signature, err) <
            0 ||
        reader_u16le(in, "QE authentication data size", &auth_size, err) < 0 ||
        reader_slice(in, "QE authentication data", auth_size, &quote->qe_auth_data, err) < 0 ||
        reader_u16le(in, "certification data type", &quote->certification_type, err) < 0 ||
        reader_u32le(in, "certification data size", &size, err) < 0 ||
        reader_slice(in, "certification data", size, &quote->certification_data, err) < 0)
        return -1;
    return sgx_report_parse(quote->qe_report_bytes, &quote->qe_report, err);
}

/* Versions 4 and 5 nest what version 3 has flat (certification data type 6). */
static int read_nested_qe(struct reader *in, struct intel_quote *quote, struct err *err)
{
    uint16_t type;
    uint32_t size;
    struct slice nested;
    if (reader_u16le(in, "certification data type", &type, err) < 0 ||
        reader_u32le(in, "certification data size", &size, err) < 0)
        return -1;
    if (type != CERTIFICATION_QE_REPORT)
        return FAIL(err, ERR_INVALID,
                    "certification data type %u where version %u has type %d (QE report)", type,
                    quote->version, CERTIFICATION_QE_REPORT);
    if (reader_slice(in, "QE report certification data", size, &nested, err) < 0)
        return -1;
    struct reader inner = reader_of(nested, "the QE report certification data");
    if (read_qe(&inner, quote, err) < 0)
        return -1;
    return reader_end(&inner, err);
}

static int read_signature_data(struct slice bytes, struct intel_quote *quote, struct err *err)
{
    struct reader in = reader_of(bytes, "the quote's signature data");
    if (reader_slice(&in, "quote signature", SIGNATURE_SIZE, &quote->signature, err) < 0 ||
        reader_slice(&in, "attestation key", KEY_SIZE, &quote->attestation_key, err) < 0)
        return -1;
    if ((quote->version == 3 ? read_qe(&in, quote, err) : read_nested_qe(&in, quote, err)) < 0)
        return -1;
    return reader_end(&in, err);
}

int intel_quote_parse(struct slice bytes, struct intel_quote *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "the quote");
    struct intel_quote quote = {0};
    uint32_t size;
    struct slice data;
    if (read_header(&in, &quote, err) < 0 || read_body(&in, &quote, err) < 0 ||
        reader_u32le(&in, "signature data size", &size, err) < 0)
        return -1;
    if (size > SIGNATURE_DATA_MAX)
        return FAIL(err, ERR_TOO_LARGE, "the quote's signature data has %u bytes, at most %d", size,
                    SIGNATURE_DATA_MAX);
    if (reader_slice(&in, "signature data", size, &data, err) < 0 ||
        read_signature_data(data, &quote, err) < 0 ||
        reader_slice(&in, "trailing bytes", reader_left(&in), &quote.trailing, err) < 0)
        return -1;
    *ret = quote;
    return 0;
}
