// SPDX-License-Identifier: Apache-2.0
/*
 * AMD's collateral: "VCEK Certificate and KDS Interface Specification", AMD publication 57230,
 * section 4. The service gives about one VCEK in ten seconds.
 */
#include "client/collateral_fetch.h"

#include "attest/snp_family.h"

#include "base/file.h"
#include "base/text.h"
#include "crypto/x509.h"

enum { WAIT_S = 10 };

static int get(const struct collateral_services *services, const char *path,
               enum collateral_keep keep, struct collateral_answer *ret, struct err *err)
{
    const struct collateral_request request = {
        .base = services->kds,
        .path = path,
        .keep = keep,
        .wait_s = WAIT_S,
        .no_cache = services->no_cache,
        .hooks = services->hooks,
    };
    return collateral_get(&request, ret, err);
}

static int put_certificate(struct collateral_bundle *bundle, const char *name, struct slice bytes,
                           struct err *err)
{
    AUTO_X509 X509 *certificate = NULL;
    AUTO_BUF struct buf pem = BUF_INIT(COLLATERAL_CHAIN_MAX);
    int rc = bytes.len > 0 && bytes.data[0] == 0x30
                 ? certificate_from_der(bytes, &certificate, err)
                 : certificate_from_pem(bytes, &certificate, err);
    if (rc < 0 || certificate_to_pem(certificate, &pem, err) < 0)
        return FAIL_CONTEXT(err, "%s", name);
    return bundle_text(bundle, name, buf_slice(&pem), err);
}

/* Section 4.1: two digits at least. */
static const char *vcek_path(struct arena *arena, const struct snp_family *family,
                             const struct snp_report *report)
{
    struct mse_snp_tcb tcb = snp_tcb_decode(family, report->reported_tcb);
    const char *fmc = family->has_fmc ? arena_printf(arena, "fmcSPL=%02u&", tcb.fmc) : "";
    return arena_printf(arena, "/vcek/v1/%s/%s?%sblSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u",
                        family->name,
                        arena_hex(arena, slice_of(report->chip_id.data, family->hwid_size)), fmc,
                        tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode);
}

/* A report of version 2 does not say its family: the service is asked for one after another. */
static int fetch_vcek(const struct collateral_services *services, const struct snp_report *report,
                      struct collateral_bundle *bundle, const struct snp_family **ret,
                      struct err *err)
{
    static const char *const products[] = {"Milan", "Genoa", "Turin"};
    bool said = report->version >= 3;
    if (slice_is_zero(report->chip_id)) {
        (void)FAIL(err, ERR_UNSUPPORTED, "the report's chip id is masked: its VCEK is not known");
        err_hint(err, "ask the operator for the collateral");
        return -1;
    }
    for (size_t i = 0; i < (said ? 1 : ARRAY_LEN(products)); i++) {
        const struct snp_family *family =
            said ? *ret : snp_family_by_product(slice_str(products[i]));
        AUTO_ANSWER struct collateral_answer answer;
        err_clear(err);
        if (get(services, vcek_path(&bundle->arena, family, report), COLLATERAL_FOREVER, &answer,
                err) == 0) {
            *ret = family;
            return put_certificate(bundle, "vcek", buf_slice(&answer.body), err);
        }
        if (err->kind != ERR_NOT_FOUND && err->kind != ERR_INVALID)
            return -1;
    }
    return -1;
}

static int put_vlek(const struct collateral_services *services, struct collateral_bundle *bundle,
                    struct err *err)
{
    AUTO_BUF struct buf file = BUF_INIT(COLLATERAL_CHAIN_MAX);
    if (services->vlek == NULL) {
        (void)FAIL(err, ERR_UNSUPPORTED,
                   "the report is signed by a VLEK, which AMD does not "
                   "publish");
        err_hint(err, "the guest gets the certificate from its cloud provider: pass --vlek FILE");
        return -1;
    }
    if (file_read(services->vlek, &file, err) < 0)
        return -1;
    return put_certificate(bundle, "vlek", buf_slice(&file), err);
}

/* Two certificates, ASK (or ASVK) and ARK: section 4.2. */
static int put_chain(struct collateral_bundle *bundle, struct slice text, struct err *err)
{
    static const char end[] = "-----END CERTIFICATE-----";
    const uint8_t *at = memmem(text.data, text.len, end, strlen(end));
    if (at == NULL)
        return FAIL(err, ERR_INVALID, "AMD's certificate chain holds no certificate");
    size_t first = (size_t)(at - text.data) + strlen(end);
    if (put_certificate(bundle, "ask", slice_of(text.data, first), err) < 0)
        return -1;
    return put_certificate(bundle, "ark", slice_of(text.data + first, text.len - first), err);
}

int collateral_fetch_amd(const struct collateral_services *services, struct slice evidence,
                         struct collateral_bundle *bundle, struct err *err)
{
    struct snp_report report;
    AUTO_ANSWER struct collateral_answer chain = {0};
    AUTO_ANSWER struct collateral_answer crl = {0};
    AUTO_BUF struct buf der = BUF_INIT(COLLATERAL_DOCUMENT_MAX);
    if (snp_report_parse(evidence, &report, err) < 0)
        return -1;
    bool vlek = snp_signing_key(&report) == SNP_KEY_VLEK;
    const struct snp_family *family =
        report.version < 3 ? NULL : snp_family_by_cpuid(report.cpuid_family, report.cpuid_model);
    if (family == NULL && (vlek || report.version >= 3))
        return FAIL(err, ERR_UNSUPPORTED, "the report does not say a processor that is known");
    int rc = vlek ? put_vlek(services, bundle, err)
                  : fetch_vcek(services, &report, bundle, &family, err);
    if (rc < 0)
        return -1;
    const char *path =
        arena_printf(&bundle->arena, "/%s/v1/%s/cert_chain", vlek ? "vlek" : "vcek", family->name);
    const char *crl_path =
        arena_printf(&bundle->arena, "/%s/v1/%s/crl", vlek ? "vlek" : "vcek", family->name);
    if (get(services, path, COLLATERAL_FOREVER, &chain, err) < 0 ||
        put_chain(bundle, buf_slice(&chain.body), err) < 0 ||
        get(services, crl_path, COLLATERAL_UNTIL_NEXT_UPDATE, &crl, err) < 0 ||
        collateral_crl_der(buf_slice(&crl.body), &der, err) < 0)
        return -1;
    return bundle_hex(bundle, "crl", buf_slice(&der), err);
}
