// SPDX-License-Identifier: Apache-2.0
/*
 * Layout of Intel's ECDSA quotes: "Intel SGX DCAP Quote Library API" appendix A (version 3) and
 * "Intel TDX DCAP Quoting Library API" appendix A.3 (versions 4 and 5). All numbers are
 * little-endian. Slices point into the quote.
 */
#pragma once

#include "base/reader.h"

enum {
    QUOTE_HEADER_SIZE = 48,
    SGX_REPORT_SIZE = 384,
    TD_REPORT_10_SIZE = 584,
    TD_REPORT_15_SIZE = 648,
    TEE_TYPE_SGX = 0x00000000,
    TEE_TYPE_TDX = 0x00000081,
    QUOTE_KEY_ECDSA_P256 = 2,
    TCB_COMPONENTS = 16,
};

/* Body types of version 5; versions 3 and 4 have the one that their TEE type says. */
enum quote_body { QUOTE_BODY_SGX = 1, QUOTE_BODY_TD_10 = 2, QUOTE_BODY_TD_15 = 3 };

/* Certification data types. */
enum { CERTIFICATION_PCK_CHAIN = 5, CERTIFICATION_QE_REPORT = 6 };

/* An SGX report body (Intel SDM volume 3D, table 38-21). */
struct sgx_report {
    struct slice cpu_svn;
    uint32_t misc_select;
    struct slice isv_ext_prod_id;
    struct slice attributes; /* 8 bytes flags, 8 bytes XFRM */
    struct slice mrenclave;
    struct slice mrsigner;
    struct slice config_id;
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    uint16_t config_svn;
    struct slice isv_family_id;
    struct slice report_data;
    bool reserved_zero;
};

/* A TD report body; the last two only in TDX 1.5's. */
struct td_report {
    struct slice tee_tcb_svn;
    struct slice mrseam;
    struct slice mrsignerseam;
    struct slice seam_attributes;
    struct slice td_attributes;
    struct slice xfam;
    struct slice mrtd;
    struct slice mrconfigid;
    struct slice mrowner;
    struct slice mrownerconfig;
    struct slice rtmr[4];
    struct slice report_data;
    struct slice tee_tcb_svn2;
    struct slice mrservicetd;
};

struct intel_quote {
    uint16_t version;
    uint16_t key_type;
    uint32_t tee_type;
    uint16_t qe_svn;  /* version 3; reserved later */
    uint16_t pce_svn; /* version 3; reserved later */
    struct slice qe_vendor;
    struct slice user_data;
    enum quote_body body;
    struct sgx_report sgx;        /* body SGX */
    struct td_report td;          /* the other bodies */
    struct slice signed_data;     /* header and body */
    struct slice signature;       /* r and s */
    struct slice attestation_key; /* x and y */
    struct slice qe_report_bytes;
    struct sgx_report qe_report;
    struct slice qe_report_signature;
    struct slice qe_auth_data;
    uint16_t certification_type;
    struct slice certification_data;
    struct slice trailing; /* after the signature data */
};

extern const uint8_t intel_qe_vendor[16];

/* The 48 bytes of the header, which every version shares. */
int intel_quote_read_header(struct slice bytes, struct intel_quote *ret, struct err *err) MUST_USE;
/* The whole; the version, key type and TEE type must be known ones. */
int intel_quote_parse(struct slice bytes, struct intel_quote *ret, struct err *err) MUST_USE;
int sgx_report_parse(struct slice bytes, struct sgx_report *ret, struct err *err) MUST_USE;
