// SPDX-License-Identifier: Apache-2.0
/*
 * From a service's answer to members of the collateral bundle. What a form means is in
 * include/mse/needs.h. Nothing is judged here: the bundle is held against the evidence later.
 */
#include "client/collateral_bundle.h"

#include "attest/crl.h"
#include "format/document.h"

#include "base/text.h"
#include "crypto/x509.h"

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

/* The signature is over the member's exact text, so that text is what is kept. */
static int add_signed(struct collateral_bundle *bundle, const struct mse_document *document,
                      const struct collateral_answer *answer, struct err *err)
{
    const char *signature_name = arena_printf(&bundle->arena, "%s_signature", document->name);
    const struct doc_node *root;
    const struct doc_node *inner;
    struct slice signature;
    if (doc_parse(&bundle->arena, buf_slice(&answer->body), document->name, &root, err) < 0 ||
        doc_get_object(root, document->member, &inner, err) < 0 ||
        doc_get_string(&bundle->arena, root, "signature", &signature, err) < 0 ||
        bundle_text(bundle, document->name, inner->text, err) < 0)
        return -1;
    return bundle_text(bundle, signature_name, signature, err);
}

static int add_crl(struct collateral_bundle *bundle, const char *name, struct slice body,
                   struct err *err)
{
    AUTO_BUF struct buf der = BUF_INIT(COLLATERAL_DOCUMENT_MAX);
    if (collateral_crl_der(body, &der, err) < 0)
        return -1;
    return bundle_hex(bundle, name, buf_slice(&der), err);
}

static int add_certificate(struct collateral_bundle *bundle, const char *name, struct slice bytes,
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

static int add_ask_ark(struct collateral_bundle *bundle, struct slice text, struct err *err)
{
    static const char end[] = "-----END CERTIFICATE-----";
    const uint8_t *at = memmem(text.data, text.len, end, strlen(end));
    if (at == NULL)
        return FAIL(err, ERR_INVALID, "AMD's certificate chain holds no certificate");
    size_t first = (size_t)(at - text.data) + strlen(end);
    if (add_certificate(bundle, "ask", slice_of(text.data, first), err) < 0)
        return -1;
    return add_certificate(bundle, "ark", slice_of(text.data + first, text.len - first), err);
}

int bundle_add(struct collateral_bundle *bundle, const struct mse_document *document,
               const struct collateral_answer *answer, struct err *err)
{
    const char *chain = arena_printf(&bundle->arena, "%s_issuer_chain", document->name);
    struct slice body = buf_slice(&answer->body);
    if (document->issuer_chain && bundle_text(bundle, chain, buf_slice(&answer->chain), err) < 0)
        return -1;
    switch (document->form) {
    case MSE_FORM_SIGNED_JSON:
        return add_signed(bundle, document, answer, err);
    case MSE_FORM_CRL:
        return add_crl(bundle, document->name, body, err);
    case MSE_FORM_CERTIFICATE:
        return add_certificate(bundle, document->name, body, err);
    case MSE_FORM_ASK_ARK:
        return add_ask_ark(bundle, body, err);
    }
    return FAIL(err, ERR_INTERNAL, "a document of unknown form");
}
