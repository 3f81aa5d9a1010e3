// SPDX-License-Identifier: Apache-2.0
/*
 * Builds a make-believe Intel platform's evidence and collateral.
 */
#include "synth_intel.h"
#include "synth_x509.h"

#include "attest/intel_pck.h"
#include "crypto/crypto.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { SYNTH_MAX = 1 << 20, DAY = 86400 };

/* A platform that is up to date: every component at 5, the levels at 5 and 4. */
static void init_tcb(struct synth_intel *synth)
{
    memset(synth->components, 5, sizeof(synth->components));
    synth->pce_svn = 11;
    synth->level_count = 2;
    synth->levels[0] = (struct synth_level){
        .pce_svn = 11, .status = "UpToDate", .date = "2025-03-01T00:00:00Z", .advisories = ""};
    synth->levels[1] = (struct synth_level){.pce_svn = 10,
                                            .status = "OutOfDate",
                                            .date = "2024-03-01T00:00:00Z",
                                            .advisories = "\"INTEL-SA-00001\""};
    memset(synth->levels[0].sgx, 5, 16);
    memset(synth->levels[0].tdx, 5, 16);
    memset(synth->levels[1].sgx, 4, 16);
    memset(synth->levels[1].tdx, 4, 16);
    synth->tcb_version = 3;
    synth->tcb_id = synth->tee_type == TEE_TYPE_TDX ? "TDX" : "SGX";
    synth->tcb_issued = "2025-10-01T00:00:00Z";
    synth->tcb_next = "2025-10-31T00:00:00Z";
    memcpy(synth->fmspc, "\x00\x90\x6e\xd5\x00\x01", 6);
    memcpy(synth->tcb_fmspc, synth->fmspc, 6);
    synth->fmspc_size = 6;
    memset(synth->module.mask, 0xff, 8);
    synth->module_count = 2;
    for (size_t i = 0; i < 2; i++) {
        struct synth_module *module = &synth->modules[i];
        module->id = i == 0 ? "TDX_01" : "TDX_03";
        memset(module->mask, 0xff, 8);
        module->level_count = 2;
        module->levels[0] = (struct synth_svn_level){6, "UpToDate", "2025-03-01T00:00:00Z", ""};
        module->levels[1] =
            (struct synth_svn_level){4, "OutOfDate", "2024-03-01T00:00:00Z", "\"INTEL-SA-00002\""};
    }
}

static void init_qe(struct synth_intel *synth)
{
    bool tdx = synth->tee_type == TEE_TYPE_TDX;
    synth->qe_version = 2;
    synth->qe_id = tdx ? "TD_QE" : "QE";
    synth->qe_issued = "2025-10-02T00:00:00Z";
    synth->qe_next = "2025-11-01T00:00:00Z";
    memset(synth->misc_mask, 0xff, 4);
    synth->attributes[0] = 0x11;
    memcpy(synth->attributes_mask, "\xfb\xff\xff\xff\xff\xff\xff\xff", 8);
    memset(synth->mrsigner, 0x8c, 32);
    synth->isv_prod_id = tdx ? 2 : 1;
    synth->qe_level_count = 2;
    synth->qe_levels[0] = (struct synth_svn_level){8, "UpToDate", "2025-03-01T00:00:00Z", ""};
    synth->qe_levels[1] =
        (struct synth_svn_level){6, "OutOfDate", "2024-03-01T00:00:00Z", "\"INTEL-SA-00003\""};
    memcpy(synth->qe_report + SGX_AT_ATTRIBUTES, "\x15\0\0\0\0\0\0\0\xe7", 9);
    memcpy(synth->qe_report + SGX_AT_MRSIGNER, synth->mrsigner, 32);
    synth->qe_report[SGX_AT_ISV_PROD_ID] = (uint8_t)synth->isv_prod_id;
    synth->qe_report[SGX_AT_ISV_SVN] = 8;
}

static void init_report(struct synth_intel *synth)
{
    if (synth->tee_type == TEE_TYPE_SGX) {
        synth->report[SGX_AT_ATTRIBUTES] = 0x05; /* INIT, MODE64BIT */
        memset(synth->report + SGX_AT_MRENCLAVE, 0xe1, 32);
        memset(synth->report + SGX_AT_MRSIGNER, 0x51, 32);
        memset(synth->report + SGX_AT_REPORT_DATA, 0xda, 64);
        return;
    }
    memset(synth->report + TD_AT_TCB_SVN, 5, 16);
    memcpy(synth->report + TD_AT_TCB_SVN, "\x06\x01", 2);
    memset(synth->report + TD_AT_TCB_SVN2, 5, 16);
    memcpy(synth->report + TD_AT_TCB_SVN2, "\x06\x01", 2);
    synth->report[TD_AT_ATTRIBUTES + 3] = 0x10; /* SEPT_VE_DISABLE */
    memset(synth->report + TD_AT_MRTD, 0xe1, 48);
    memset(synth->report + TD_AT_MRCONFIGID, 0xf1, 32);
    memset(synth->report + TD_AT_REPORT_DATA, 0xda, 64);
}

static struct synth_certificate certificate(const char *name, const char *constraints,
                                            const char *usage, unsigned serial)
{
    return (struct synth_certificate){.common_name = name,
                                      .from = SYNTH_AT - 100 * DAY,
                                      .until = SYNTH_AT + 1000 * DAY,
                                      .constraints = constraints,
                                      .usage = usage,
                                      .serial = serial};
}

static void init_certificates(struct synth_intel *synth)
{
    const char *ca = "critical,keyCertSign,cRLSign";
    const char *leaf = "critical,digitalSignature,nonRepudiation";
    synth->root = certificate("Intel SGX Root CA", "critical,CA:TRUE,pathlen:1", ca, 1);
    synth->pck_ca = certificate("Intel SGX PCK Platform CA", "critical,CA:TRUE,pathlen:0", ca, 2);
    synth->pck = certificate("Intel SGX PCK Certificate", "critical,CA:FALSE", leaf, 3);
    synth->tcb_signer = certificate("Intel SGX TCB Signing", "critical,CA:FALSE", leaf, 4);
    synth->pck_order = "lcr";
    synth->tcb_order = "tr";
    synth->qe_order = "tr";
    synth->crl_order = "cr";
    synth->root_crl = (struct synth_crl){.from = SYNTH_AT - DAY, .until = SYNTH_AT + 30 * DAY};
    synth->pck_crl = synth->root_crl;
}

void synth_intel_init(struct synth_intel *synth, uint16_t version, uint32_t tee_type)
{
    *synth = (struct synth_intel){.version = version, .tee_type = tee_type};
    synth->key_type = QUOTE_KEY_ECDSA_P256;
    memcpy(synth->vendor, intel_qe_vendor, 16);
    synth->body = tee_type == TEE_TYPE_SGX ? QUOTE_BODY_SGX
                  : version == 5           ? QUOTE_BODY_TD_15
                                           : QUOTE_BODY_TD_10;
    synth->body_size = tee_type == TEE_TYPE_SGX ? SGX_REPORT_SIZE
                       : version == 5           ? TD_REPORT_15_SIZE
                                                : TD_REPORT_10_SIZE;
    synth->outer_type = CERTIFICATION_QE_REPORT;
    synth->certification_type = CERTIFICATION_PCK_CHAIN;
    synth->evidence = synth->collateral = synth->root_der = BUF_INIT(SYNTH_MAX);
    synth->tcb_info = synth->qe_identity = BUF_INIT(SYNTH_MAX);
    init_tcb(synth);
    init_qe(synth);
    init_report(synth);
    init_certificates(synth);
}

void synth_intel_done(struct synth_intel *synth)
{
    buf_done(&synth->evidence);
    buf_done(&synth->collateral);
    buf_done(&synth->root_der);
    buf_done(&synth->tcb_info);
    buf_done(&synth->qe_identity);
}

/* ---- the SGX extension of the PCK certificate ---- */

static void put_oid(struct buf *out, const uint8_t *last, size_t count)
{
    uint8_t oid[16] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
    memcpy(oid + 9, last, count);
    synth_put_der(out, 0x06, slice_of(oid, 9 + count));
}

static void put_pair(struct buf *out, const uint8_t *last, size_t count, uint8_t tag,
                     struct slice value)
{
    AUTO_BUF struct buf pair = BUF_INIT(SYNTH_MAX);
    put_oid(&pair, last, count);
    synth_put_der(&pair, tag, value);
    synth_put_der(out, 0x30, buf_slice(&pair));
}

static void put_tcb(struct buf *out, const struct synth_intel *synth)
{
    AUTO_BUF struct buf tcb = BUF_INIT(SYNTH_MAX);
    uint8_t cpu_svn[16] = {0};
    for (uint8_t i = synth->extension_without_component ? 2 : 1; i <= 16; i++)
        put_pair(&tcb, (const uint8_t[]){2, i}, 2, 0x02, slice_of(&synth->components[i - 1], 1));
    uint8_t pce_svn = (uint8_t)synth->pce_svn;
    put_pair(&tcb, (const uint8_t[]){2, 17}, 2, 0x02, slice_of(&pce_svn, 1));
    put_pair(&tcb, (const uint8_t[]){2, 18}, 2, 0x04, slice_of(cpu_svn, 16));
    put_pair(out, (const uint8_t[]){2}, 1, 0x30, buf_slice(&tcb));
}

static void put_sgx_extension(struct buf *out, const struct synth_intel *synth)
{
    AUTO_BUF struct buf body = BUF_INIT(SYNTH_MAX);
    const uint8_t ppid[16] = {0x77};
    const uint8_t type = 1;
    put_pair(&body, (const uint8_t[]){1}, 1, 0x04, slice_of(ppid, 16));
    put_tcb(&body, synth);
    put_pair(&body, (const uint8_t[]){3}, 1, 0x04, slice_of(synth->pce_id, 2));
    put_pair(&body, (const uint8_t[]){4}, 1, 0x04, slice_of(synth->fmspc, synth->fmspc_size));
    put_pair(&body, (const uint8_t[]){5}, 1, 0x0a, slice_of(&type, 1));
    if (synth->extension_part_twice)
        put_pair(&body, (const uint8_t[]){5}, 1, 0x0a, slice_of(&type, 1));
    if (synth->extension_unknown_part)
        put_pair(&body, (const uint8_t[]){9}, 1, 0x0a, slice_of(&type, 1));
    synth_put_der(out, 0x30, buf_slice(&body));
}

/* ---- certificates and CRLs ---- */

struct made {
    X509 *root, *pck_ca, *pck, *tcb_signer, *other_root;
};

static X509 *make_certificate(const struct synth_certificate *spec, const char *key,
                              const char *issuer_name, const char *issuer_key,
                              struct slice sgx_extension)
{
    X509 *made = X509_new();
    X509_NAME *subject = synth_name(spec->common_name);
    X509_NAME *issuer = synth_name(issuer_name);
    MUST(X509_set_version(made, 2) == 1);
    MUST(ASN1_INTEGER_set(X509_get_serialNumber(made), spec->serial) == 1);
    MUST(X509_set_subject_name(made, subject) == 1 && X509_set_issuer_name(made, issuer) == 1);
    MUST(ASN1_TIME_set(X509_getm_notBefore(made), spec->from) != NULL);
    MUST(ASN1_TIME_set(X509_getm_notAfter(made), spec->until) != NULL);
    MUST(X509_set_pubkey(made, synth_key(key)) == 1);
    synth_add_extension(made, NID_basic_constraints, spec->constraints);
    synth_add_extension(made, NID_key_usage, spec->usage);
    if (sgx_extension.len > 0)
        synth_add_raw_extension(made, intel_pck_oid, false, sgx_extension);
    if (spec->unknown_critical)
        synth_add_raw_extension(made, "1.3.6.1.4.1.99999.1", true, slice_str("?"));
    MUST(X509_sign(made, synth_key(spec->wrong_signer ? "stranger" : issuer_key), EVP_sha256()) >
         0);
    X509_NAME_free(subject);
    X509_NAME_free(issuer);
    return made;
}

static struct made make_certificates(const struct synth_intel *synth)
{
    AUTO_BUF struct buf extension = BUF_INIT(SYNTH_MAX);
    struct slice none = slice_of(NULL, 0);
    if (!synth->no_extension)
        put_sgx_extension(&extension, synth);
    const char *root = synth->root.common_name;
    const char *ca = synth->pck_ca.common_name;
    return (struct made){
        .root = make_certificate(&synth->root, "root", root, "root", none),
        .pck_ca = make_certificate(&synth->pck_ca, "pck-ca", root, "root", none),
        .pck = make_certificate(&synth->pck, "pck", ca, "pck-ca", buf_slice(&extension)),
        .tcb_signer = make_certificate(&synth->tcb_signer, "tcb-signer", root, "root", none),
        .other_root = make_certificate(&synth->root, "other-root", root, "other-root", none),
    };
}

static void free_certificates(struct made *made)
{
    X509_free(made->root);
    X509_free(made->pck_ca);
    X509_free(made->pck);
    X509_free(made->tcb_signer);
    X509_free(made->other_root);
}

static X509 *by_letter(const struct made *made, char letter)
{
    switch (letter) {
    case 'r':
        return made->root;
    case 'c':
        return made->pck_ca;
    case 'l':
        return made->pck;
    case 't':
        return made->tcb_signer;
    default:
        return made->other_root;
    }
}

static void put_chain(struct buf *out, const struct made *made, const char *order)
{
    BIO *bio = BIO_new(BIO_s_mem());
    for (const char *letter = order; *letter != '\0'; letter++)
        MUST(PEM_write_bio_X509(bio, by_letter(made, *letter)) == 1);
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    synth_put(out, slice_of(text, (size_t)len));
    BIO_free(bio);
}

static void put_crl(struct buf *out, const struct synth_crl *spec, const char *issuer,
                    const char *key)
{
    X509_CRL *crl = X509_CRL_new();
    X509_NAME *name = synth_name(spec->wrong_issuer ? "Somebody else" : issuer);
    ASN1_TIME *from = ASN1_TIME_set(NULL, spec->from);
    ASN1_TIME *until = ASN1_TIME_set(NULL, spec->until);
    MUST(X509_CRL_set_version(crl, 1) == 1 && X509_CRL_set_issuer_name(crl, name) == 1);
    MUST(X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, until) == 1);
    if (spec->revoked != 0) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *serial = ASN1_INTEGER_new();
        MUST(ASN1_INTEGER_set(serial, spec->revoked) == 1);
        MUST(X509_REVOKED_set_serialNumber(entry, serial) == 1);
        MUST(X509_REVOKED_set_revocationDate(entry, from) == 1);
        MUST(X509_CRL_add0_revoked(crl, entry) == 1);
        ASN1_INTEGER_free(serial);
    }
    if (spec->critical) {
        ASN1_INTEGER *base = ASN1_INTEGER_new();
        MUST(X509_CRL_add1_ext_i2d(crl, NID_delta_crl, base, 1, 0) == 1);
        ASN1_INTEGER_free(base);
    }
    MUST(X509_CRL_sort(crl) == 1);
    MUST(X509_CRL_sign(crl, synth_key(spec->wrong_signer ? "stranger" : key), EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int len = i2d_X509_CRL(crl, &der);
    MUST(len > 0);
    synth_put_hex(out, slice_of(der, (size_t)len));
    OPENSSL_free(der);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    X509_NAME_free(name);
    X509_CRL_free(crl);
}

/* ---- signed documents ---- */

static void put_hex_member(struct buf *out, const char *name, const uint8_t *bytes, size_t size)
{
    synth_put_text(out, "\"%s\":\"", name);
    synth_put_hex(out, slice_of(bytes, size));
    synth_put_text(out, "\",");
}

static void put_components(struct buf *out, const char *name, const uint8_t *svns)
{
    synth_put_text(out, "\"%s\":[", name);
    for (size_t i = 0; i < 16; i++)
        synth_put_text(out, "%s{\"svn\":%u,\"category\":\"BIOS\",\"type\":\"Part %zu\"}",
                       i == 0 ? "" : ",", svns[i], i + 1);
    synth_put_text(out, "],");
}

static void put_level(struct buf *out, const struct synth_intel *synth,
                      const struct synth_level *level)
{
    synth_put_text(out, "{\"tcb\":{");
    for (size_t i = 0; i < 16 && synth->tcb_version == 2; i++)
        synth_put_text(out, "\"sgxtcbcomp%02zusvn\":%u,", i + 1, level->sgx[i]);
    if (synth->tcb_version != 2)
        put_components(out, "sgxtcbcomponents", level->sgx);
    if (synth->tcb_version != 2 && strcmp(synth->tcb_id, "TDX") == 0)
        put_components(out, "tdxtcbcomponents", level->tdx);
    synth_put_text(out,
                   "\"pcesvn\":%u},\"tcbDate\":\"%s\",\"tcbStatus\":\"%s\",\"advisoryIDs\":[%s]}",
                   level->pce_svn, level->date, level->status, level->advisories);
}

static void put_svn_levels(struct buf *out, const struct synth_svn_level *levels, size_t count)
{
    synth_put_text(out, "\"tcbLevels\":[");
    for (size_t i = 0; i < count; i++)
        synth_put_text(out,
                       "%s{\"tcb\":{\"isvsvn\":%u},\"tcbDate\":\"%s\",\"tcbStatus\":\"%s\","
                       "\"advisoryIDs\":[%s]}",
                       i == 0 ? "" : ",", levels[i].isv_svn, levels[i].date, levels[i].status,
                       levels[i].advisories);
    synth_put_text(out, "]");
}

static void put_module(struct buf *out, const struct synth_module *module)
{
    synth_put_text(out, "{");
    if (module->id != NULL) {
        synth_put_text(out, "\"id\":\"%s\",", module->id);
        put_svn_levels(out, module->levels, module->level_count);
        synth_put_text(out, ",");
    }
    put_hex_member(out, "mrsigner", module->mrsigner, 48);
    put_hex_member(out, "attributes", module->attributes, 8);
    synth_put_text(out, "\"attributesMask\":\"");
    synth_put_hex(out, slice_of(module->mask, 8));
    synth_put_text(out, "\"}");
}

static void build_tcb_info(struct synth_intel *synth)
{
    struct buf *out = &synth->tcb_info;
    synth_put_text(out, "{\"version\":%u,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\",",
                   synth->tcb_version, synth->tcb_issued, synth->tcb_next);
    if (synth->tcb_version != 2)
        synth_put_text(out, "\"id\":\"%s\",", synth->tcb_id);
    put_hex_member(out, "fmspc", synth->tcb_fmspc, 6);
    put_hex_member(out, "pceId", synth->tcb_pce_id, 2);
    synth_put_text(out, "\"tcbType\":%u,\"tcbEvaluationDataNumber\":17,", synth->tcb_type);
    if (strcmp(synth->tcb_id, "TDX") == 0) {
        synth_put_text(out, "\"tdxModule\":");
        put_module(out, &synth->module);
        synth_put_text(out, ",\"tdxModuleIdentities\":[");
        for (size_t i = 0; i < synth->module_count; i++) {
            synth_put_text(out, i == 0 ? "" : ",");
            put_module(out, &synth->modules[i]);
        }
        synth_put_text(out, "],");
    }
    synth_put_text(out, "\"tcbLevels\":[");
    for (size_t i = 0; i < synth->level_count; i++) {
        synth_put_text(out, i == 0 ? "" : ",");
        put_level(out, synth, &synth->levels[i]);
    }
    synth_put_text(out, "]}");
}

static void build_qe_identity(struct synth_intel *synth)
{
    struct buf *out = &synth->qe_identity;
    synth_put_text(out,
                   "{\"id\":\"%s\",\"version\":%u,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
                   "\"tcbEvaluationDataNumber\":17,",
                   synth->qe_id, synth->qe_version, synth->qe_issued, synth->qe_next);
    put_hex_member(out, "miscselect", synth->misc_select, 4);
    put_hex_member(out, "miscselectMask", synth->misc_mask, 4);
    put_hex_member(out, "attributes", synth->attributes, 16);
    put_hex_member(out, "attributesMask", synth->attributes_mask, 16);
    put_hex_member(out, "mrsigner", synth->mrsigner, 32);
    synth_put_text(out, "\"isvprodid\":%u,", synth->isv_prod_id);
    put_svn_levels(out, synth->qe_levels, synth->qe_level_count);
    synth_put_text(out, "}");
}

static void put_document(struct buf *out, const char *name, struct slice text, bool wrong,
                         const struct made *made, const char *order)
{
    AUTO_BUF struct buf chain = BUF_INIT(SYNTH_MAX);
    AUTO_BUF struct buf signature = BUF_INIT(64);
    put_chain(&chain, made, order);
    synth_sign(synth_key(wrong ? "stranger" : "tcb-signer"), text, &signature);
    synth_put_text(out, "\"%s_issuer_chain\":", name);
    synth_put_json_string(out, buf_slice(&chain));
    synth_put_text(out, ",\"%s\":", name);
    synth_put_json_string(out, text);
    synth_put_text(out, ",\"%s_signature\":\"", name);
    synth_put_hex(out, buf_slice(&signature));
    synth_put_text(out, "\",");
}

static void build_collateral(struct synth_intel *synth, const struct made *made)
{
    AUTO_BUF struct buf chain = BUF_INIT(SYNTH_MAX);
    struct buf *out = &synth->collateral;
    synth_put_text(out, "{");
    if (!synth->tcb_absent)
        put_document(out, "tcb_info", buf_slice(&synth->tcb_info), synth->tcb_wrong_signature, made,
                     synth->tcb_order);
    if (!synth->qe_absent)
        put_document(out, "qe_identity", buf_slice(&synth->qe_identity), synth->qe_wrong_signature,
                     made, synth->qe_order);
    if (!synth->root_crl.absent) {
        synth_put_text(out, "\"root_ca_crl\":\"");
        put_crl(out, &synth->root_crl, synth->root.common_name, "root");
        synth_put_text(out, "\",");
    }
    if (!synth->pck_crl.absent) {
        synth_put_text(out, "\"pck_crl\":\"");
        put_crl(out, &synth->pck_crl, synth->pck_ca.common_name, "pck-ca");
        synth_put_text(out, "\",");
    }
    put_chain(&chain, made, synth->crl_order);
    synth_put_text(out, "\"pck_crl_issuer_chain\":");
    synth_put_json_string(out, buf_slice(&chain));
    synth_put_text(out, "}");
}

/* ---- the quote ---- */

static void put_u16(struct buf *out, unsigned value)
{
    MUST(buf_u16le(out, (uint16_t)value, NULL) == 0);
}

static void put_u32(struct buf *out, size_t value)
{
    MUST(buf_u32le(out, (uint32_t)value, NULL) == 0);
}

static void put_signed_part(struct buf *out, const struct synth_intel *synth)
{
    const uint8_t user_data[20] = {0};
    put_u16(out, synth->version);
    put_u16(out, synth->key_type);
    put_u32(out, synth->tee_type);
    put_u32(out, 0);
    synth_put(out, slice_of(synth->vendor, 16));
    synth_put(out, slice_of(user_data, 20));
    if (synth->version >= 5) {
        put_u16(out, synth->body);
        put_u32(out, synth->body_size);
    }
    synth_put(out, slice_of(synth->report, synth->body_size));
}

static void bind_attestation_key(struct synth_intel *synth, struct slice attestation_key)
{
    AUTO_BUF struct buf joined = BUF_INIT(SYNTH_MAX);
    synth_put(&joined, attestation_key);
    synth_put(&joined, slice_of(synth->auth_data, sizeof(synth->auth_data)));
    if (!synth->unbound)
        MUST(sha256(buf_slice(&joined), synth->qe_report + SGX_AT_REPORT_DATA, NULL) == 0);
}

static void put_qe(struct buf *out, const struct synth_intel *synth, struct slice certification)
{
    struct slice report = slice_of(synth->qe_report, SGX_REPORT_SIZE);
    synth_put(out, report);
    synth_sign(synth_key(synth->wrong_qe_key ? "stranger" : "pck"), report, out);
    put_u16(out, sizeof(synth->auth_data));
    synth_put(out, slice_of(synth->auth_data, sizeof(synth->auth_data)));
    put_u16(out, synth->certification_type);
    put_u32(out, certification.len);
    synth_put(out, certification);
}

static void build_quote(struct synth_intel *synth, const struct made *made)
{
    AUTO_BUF struct buf chain = BUF_INIT(SYNTH_MAX);
    AUTO_BUF struct buf key = BUF_INIT(64);
    AUTO_BUF struct buf qe = BUF_INIT(SYNTH_MAX);
    AUTO_BUF struct buf data = BUF_INIT(SYNTH_MAX);
    struct buf *out = &synth->evidence;
    put_chain(&chain, made, synth->pck_order);
    synth_public_point(synth_key("attestation"), &key);
    bind_attestation_key(synth, buf_slice(&key));
    put_signed_part(out, synth);
    synth_sign(synth_key(synth->wrong_quote_key ? "stranger" : "attestation"), buf_slice(out),
               &data);
    synth_put(&data, buf_slice(&key));
    put_qe(&qe, synth, buf_slice(&chain));
    if (synth->version != 3) {
        put_u16(&data, synth->outer_type);
        put_u32(&data, qe.len);
    }
    synth_put(&data, buf_slice(&qe));
    put_u32(out, data.len);
    synth_put(out, buf_slice(&data));
    if (synth->trailing != NULL)
        synth_put(out, slice_of(synth->trailing, synth->trailing_size));
}

void synth_intel_build(struct synth_intel *synth)
{
    struct made made = make_certificates(synth);
    uint8_t *der = NULL;
    int len = i2d_X509(made.root, &der);
    MUST(len > 0);
    synth_put(&synth->root_der, slice_of(der, (size_t)len));
    OPENSSL_free(der);
    build_tcb_info(synth);
    build_qe_identity(synth);
    build_collateral(synth, &made);
    build_quote(synth, &made);
    free_certificates(&made);
}

struct mse_verdict *synth_intel_verify(const struct synth_intel *synth,
                                       const struct mse_policy *policy)
{
    const struct mse_trust trust = {
        .size = sizeof(trust),
        .intel_root = {synth->root_der.data, synth->root_der.len},
    };
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {synth->evidence.data, synth->evidence.len},
        .collateral = {synth->collateral.data, synth->no_collateral ? 0 : synth->collateral.len},
        .policy = policy,
        .at = SYNTH_AT,
        .trust = &trust,
    };
    struct mse_verdict *verdict = mse_verify(&input);
    MUST(verdict != NULL);
    return verdict;
}
