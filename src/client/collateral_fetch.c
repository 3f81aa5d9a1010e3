// SPDX-License-Identifier: Apache-2.0
/*
 * Puts the collateral bundle together and holds it against the evidence before anybody keeps it.
 */
#include "client/collateral_fetch.h"

#include "attest/crl.h"
#include "attest/ra_tls.h"
#include "attest/verifiers.h"

#include "base/clock.h"
#include "base/text.h"
#include "model/evidence.h"

#include <stdlib.h>

struct collateral_services collateral_services_of_vendors(void)
{
    return (struct collateral_services){
        .pcs = "https://api.trustedservices.intel.com",
        .root_crl = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
        .kds = "https://kdsintf.amd.com",
    };
}

static int put_string(struct buf *out, struct slice text, struct err *err)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        if ((plain ? buf_u8(out, c, err) : buf_printf(out, err, "\\u%04x", c)) < 0)
            return -1;
    }
    return buf_u8(out, '"', err);
}

static int put_name(struct collateral_bundle *bundle, const char *name, struct err *err)
{
    return buf_printf(bundle->out, err, "%s\"%s\": \"", bundle->count++ == 0 ? "\n" : ",\n", name);
}

int bundle_text(struct collateral_bundle *bundle, const char *name, struct slice text,
                struct err *err)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= 0x80)
            return FAIL(err, ERR_INVALID, "%s is not plain text", name);
    }
    if (put_name(bundle, name, err) < 0)
        return -1;
    return put_string(bundle->out, text, err);
}

int bundle_hex(struct collateral_bundle *bundle, const char *name, struct slice bytes,
               struct err *err)
{
    if (put_name(bundle, name, err) < 0 || hex_append(bundle->out, bytes, err) < 0)
        return -1;
    return buf_u8(bundle->out, '"', err);
}

/* Everything between the markers that is not white space. */
static int pem_body(struct slice text, struct buf *out, struct err *err)
{
    static const char begin[] = "-----BEGIN X509 CRL-----";
    static const char end[] = "-----END X509 CRL-----";
    AUTO_BUF struct buf joined = BUF_INIT(COLLATERAL_DOCUMENT_MAX);
    const uint8_t *from = memmem(text.data, text.len, begin, strlen(begin));
    const uint8_t *to = memmem(text.data, text.len, end, strlen(end));
    if (from == NULL || to == NULL || to < from)
        return FAIL(err, ERR_INVALID, "a CRL that is neither DER, PEM nor hexadecimal");
    for (const uint8_t *p = from + strlen(begin); p < to; p++) {
        if (*p > ' ' && buf_u8(&joined, *p, err) < 0)
            return -1;
    }
    return base64_decode_append(out, buf_slice(&joined), "a CRL", err);
}

int collateral_crl_der(struct slice body, struct buf *out, struct err *err)
{
    struct crl crl;
    int rc = -1;
    if (body.len > 0 && body.data[0] == '-')
        rc = pem_body(body, out, err);
    else if (body.len > 1 && body.data[0] == 0x30 && body.data[1] >= 0x80)
        rc = buf_bytes(out, body, err);
    else
        rc = hex_decode_append(out, body, "a CRL", err);
    return rc < 0 ? -1 : crl_read(buf_slice(out), &crl, err);
}

/* Evidence may stand in a certificate. */
static int unwrap(struct ra_tls_certificate *certificate, struct arena *arena,
                  struct slice *evidence, struct err *err)
{
    if (!ra_tls_recognise(*evidence))
        return 0;
    if (ra_tls_parse(arena, *evidence, certificate, err) < 0 ||
        ra_tls_find_evidence(certificate, err) < 0)
        return -1;
    *evidence = certificate->evidence;
    return 0;
}

/* The checks that speak of collateral. Whether it is valid now is the verification's business. */
static int check_answers(const struct client_hooks *hooks, const struct mse_verdict *verdict,
                         struct err *err)
{
    static const char *const about[] = {"tcb-info", "qe-identity", "pck-crl",
                                        "root-crl", "root-ca",     "vcek",
                                        "vlek",     "amd-crl",     "collateral"};
    for (size_t i = 0; i < verdict->check_count; i++) {
        const struct mse_check *check = &verdict->checks[i];
        if (check->result != MSE_FAIL || str_ends_with(check->name, ".revocation"))
            continue;
        for (size_t j = 0; j < ARRAY_LEN(about); j++) {
            if (!str_starts_with(check->name, about[j]))
                continue;
            if (!str_ends_with(check->name, ".validity"))
                return FAIL(err, ERR_REJECTED,
                            "what the service answered is not good: %s: %s, expected %s",
                            check->name, check->found, check->expected);
            client_warn(hooks, "%s: %s", check->name, check->found);
        }
    }
    return 0;
}

static int check_bundle(const struct client_hooks *hooks, struct slice evidence,
                        const struct buf *bundle, struct err *err)
{
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {evidence.data, evidence.len},
        .collateral = {bundle->data, bundle->len},
        .at = clock_unix(),
    };
    struct mse_verdict *verdict = mse_verify(&input);
    if (verdict == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    int rc = check_answers(hooks, verdict, err);
    mse_verdict_free(verdict);
    return rc;
}

static int fetch(const struct collateral_services *services, struct slice evidence,
                 struct collateral_bundle *bundle, struct err *err)
{
    if (evidence_recognise(evidence))
        return FAIL(err, ERR_UNSUPPORTED, "simulated evidence has no collateral");
    if (buf_str(bundle->out, "{", err) < 0)
        return -1;
    int rc = -1;
    if (intel_dcap_verifier.detect(evidence))
        rc = collateral_fetch_intel(services, evidence, bundle, err);
    else if (snp_verifier.detect(evidence))
        rc = collateral_fetch_amd(services, evidence, bundle, err);
    else
        rc = FAIL(err, ERR_INVALID, "%zu bytes of evidence of unknown format", evidence.len);
    return rc < 0 ? -1 : buf_str(bundle->out, "\n}\n", err);
}

int collateral_fetch(const struct collateral_services *services, struct slice evidence,
                     struct buf *out, struct err *err)
{
    struct collateral_bundle bundle = {.out = out};
    struct ra_tls_certificate certificate = {0};
    struct slice inner = evidence;
    int rc = unwrap(&certificate, &bundle.arena, &inner, err);
    if (rc == 0)
        rc = fetch(services, inner, &bundle, err);
    if (rc == 0)
        rc = check_bundle(services->hooks, inner, out, err);
    certificate_store_done(&certificate.store);
    arena_done(&bundle.arena);
    return rc;
}
