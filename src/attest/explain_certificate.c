// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates and CRLs, field by field: with the vendors' extensions, and with the evidence that
 * an RA-TLS certificate carries.
 */
#include "attest/explain.h"

#include "attest/crl.h"
#include "attest/intel_pck.h"
#include "attest/ra_tls.h"
#include "format/der.h"

#include "crypto/crypto.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>

enum { SHOWN_BYTES_MAX = 96, SERIALS_MAX = 64 };

static const struct {
    const char *oid;
    const char *name;
} amd_extensions[] = {
    {"1.3.6.1.4.1.3704.1.1", "amd.struct_version"},
    {"1.3.6.1.4.1.3704.1.2", "amd.product_name"},
    {"1.3.6.1.4.1.3704.1.3.1", "amd.bootloader_spl"},
    {"1.3.6.1.4.1.3704.1.3.2", "amd.tee_spl"},
    {"1.3.6.1.4.1.3704.1.3.3", "amd.snp_spl"},
    {"1.3.6.1.4.1.3704.1.3.4", "amd.spl_4"},
    {"1.3.6.1.4.1.3704.1.3.5", "amd.spl_5"},
    {"1.3.6.1.4.1.3704.1.3.6", "amd.spl_6"},
    {"1.3.6.1.4.1.3704.1.3.7", "amd.spl_7"},
    {"1.3.6.1.4.1.3704.1.3.8", "amd.microcode_spl"},
    {"1.3.6.1.4.1.3704.1.3.9", "amd.fmc_spl"},
    {"1.3.6.1.4.1.3704.1.4", "amd.hardware_id"},
    {"1.3.6.1.4.1.3704.1.5", "amd.csp_id"},
};

static const char *name_text(struct explanation *e, const X509_NAME *name)
{
    char *line = X509_NAME_oneline(name, NULL, 0);
    const char *text = line == NULL ? "" : arena_printable(&e->arena, slice_str(line), 400);
    OPENSSL_free(line);
    return text;
}

/* A number or a text where it is one, else the bytes. */
static void put_value(struct explanation *e, const char *prefix, const char *name,
                      struct slice content)
{
    struct reader in = reader_of(content, "extension");
    uint8_t tag;
    struct slice value;
    uint64_t number;
    if (der_next(&in, "value", &tag, &value, NULL) == 0 && reader_left(&in) == 0) {
        if (tag == DER_INTEGER && der_number(value, "value", UINT32_MAX, &number, NULL) == 0) {
            explain_printf(e, prefix, name, "%llu", (unsigned long long)number);
            return;
        }
        if (tag == DER_IA5_STRING) {
            explain_put(e, prefix, name, arena_printable(&e->arena, value, 200));
            return;
        }
    }
    if (content.len <= SHOWN_BYTES_MAX)
        explain_bytes(e, prefix, name, content);
    else
        explain_printf(e, prefix, name, "%zu bytes", content.len);
}

static void explain_pck(struct explanation *e, const char *prefix, struct slice content)
{
    struct intel_pck pck = {0};
    struct err err = ERR_INIT;
    const char *inner = arena_printf(&e->arena, "%ssgx.", prefix);
    if (intel_pck_parse(content, &pck, &err) < 0) {
        explain_printf(e, inner, "error", "%s", err.message);
        return;
    }
    explain_bytes(e, inner, "fmspc", pck.fmspc);
    explain_bytes(e, inner, "pce_id", pck.pce_id);
    explain_bytes(e, inner, "ppid", pck.ppid);
    explain_bytes(e, inner, "cpu_svn", pck.cpu_svn);
    explain_printf(e, inner, "pce_svn", "%u", pck.pce_svn);
    for (size_t i = 0; i < TCB_COMPONENTS; i++)
        explain_printf(e, inner, arena_printf(&e->arena, "component[%zu]", i + 1), "%u",
                       pck.components[i]);
    explain_printf(e, inner, "type", "%u", pck.sgx_type);
    if (pck.platform_instance.len > 0)
        explain_bytes(e, inner, "platform_instance", pck.platform_instance);
}

static void explain_ra_tls(struct explanation *e, const char *prefix, struct slice content,
                           bool tagged, unsigned depth)
{
    struct ratls_extension extension = {0};
    struct err err = ERR_INIT;
    const char *inner = arena_printf(&e->arena, "%s%s.", prefix, tagged ? "ra_tls" : "gramine");
    struct slice evidence = content;
    if (tagged) {
        if (ratls_extension_decode(content, &extension, &err) < 0) {
            explain_printf(e, inner, "error", "%s", err.message);
            return;
        }
        const struct ratls_claims *claims = &extension.claims;
        explain_bytes(e, inner, "claims.pubkey-hash",
                      slice_of(claims->public_key_hash, claims->public_key_hash_len));
        if (claims->nonce.len > 0)
            explain_bytes(e, inner, "claims.nonce", claims->nonce);
        if (claims->has_fingerprint)
            explain_bytes(e, inner, "claims.mse-fingerprint",
                          slice_of(claims->fingerprint, sizeof(claims->fingerprint)));
        evidence = extension.evidence;
    }
    if (explain_any(e, arena_printf(&e->arena, "%sevidence.", inner), evidence, depth + 1, &err) <
        0)
        explain_printf(e, inner, "error", "%s", err.message);
}

static void explain_extension(struct explanation *e, const char *prefix, X509_EXTENSION *extension,
                              unsigned depth)
{
    char oid[80];
    const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(extension);
    struct slice content = slice_of(ASN1_STRING_get0_data(data), (size_t)ASN1_STRING_length(data));
    if (OBJ_obj2txt(oid, sizeof(oid), X509_EXTENSION_get_object(extension), 1) <= 0)
        return;
    if (strcmp(oid, intel_pck_oid) == 0) {
        explain_pck(e, prefix, content);
        return;
    }
    bool tagged = strcmp(oid, RATLS_OID) == 0;
    if (tagged || strcmp(oid, RATLS_GRAMINE_OID) == 0) {
        explain_ra_tls(e, prefix, content, tagged, depth);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(amd_extensions); i++) {
        if (strcmp(oid, amd_extensions[i].oid) == 0) {
            put_value(e, prefix, amd_extensions[i].name, content);
            return;
        }
    }
    const char *critical = X509_EXTENSION_get_critical(extension) == 1 ? ", critical" : "";
    int nid = OBJ_txt2nid(oid);
    explain_printf(
        e, prefix,
        arena_printf(&e->arena, "extension.%s", nid == NID_undef ? oid : OBJ_nid2sn(nid)), "%s%s",
        arena_hex(&e->arena, content), critical);
}

static void put_key(struct explanation *e, const char *prefix, struct certificate *certificate)
{
    uint8_t digest[SHA256_SIZE];
    EVP_PKEY *key = certificate_key(certificate);
    const char *type = key == NULL ? NULL : EVP_PKEY_get0_type_name(key);
    if (type == NULL)
        explain_put(e, prefix, "public_key", "unknown");
    else
        explain_printf(e, prefix, "public_key", "%s, %d bits", type, EVP_PKEY_get_bits(key));
    if (sha256(certificate->public_key, digest, NULL) == 0)
        explain_bytes(e, prefix, "public_key_sha256", slice_of(digest, sizeof(digest)));
}

static void explain_certificate(struct explanation *e, const char *prefix,
                                struct certificate *certificate, unsigned depth)
{
    uint8_t digest[SHA256_SIZE];
    X509 *x509 = certificate_x509(certificate);
    if (x509 == NULL) {
        explain_put(e, prefix, "error", "a certificate that cannot be read");
        return;
    }
    explain_put(e, prefix, "subject", name_text(e, X509_get_subject_name(x509)));
    explain_put(e, prefix, "issuer", name_text(e, X509_get_issuer_name(x509)));
    explain_bytes(e, prefix, "serial", certificate->serial);
    explain_time(e, prefix, "not_before", certificate->not_before);
    explain_time(e, prefix, "not_after", certificate->not_after);
    put_key(e, prefix, certificate);
    const char *algorithm = OBJ_nid2ln(X509_get_signature_nid(x509));
    explain_put(e, prefix, "signature_algorithm", algorithm == NULL ? "unknown" : algorithm);
    if (sha256(certificate->der, digest, NULL) == 0)
        explain_bytes(e, prefix, "sha256", slice_of(digest, sizeof(digest)));
    for (int i = 0; i < X509_get_ext_count(x509); i++)
        explain_extension(e, prefix, X509_get_ext(x509, i), depth);
}

void explain_certificates(struct explanation *e, const char *prefix, struct slice bytes,
                          unsigned depth)
{
    AUTO_CERTIFICATES struct certificate_store store = {0};
    struct chain chain = {0};
    struct err err = ERR_INIT;
    if (bytes.len > 0 && bytes.data[0] == 0x30)
        chain.count =
            certificate_parse(&store, &e->arena, bytes, &chain.certificates[0], &err) == 0;
    else if (chain_parse(&store, &e->arena, bytes, &chain, &err) < 0)
        chain.count = 0;
    if (chain.count == 0) {
        explain_printf(e, prefix, "error", "%s", err.message);
        return;
    }
    size_t len = strlen(prefix);
    int stem = (int)(len > 0 && prefix[len - 1] == '.' ? len - 1 : len);
    for (size_t i = 0; i < chain.count; i++)
        explain_certificate(
            e, chain.count == 1 ? prefix : arena_printf(&e->arena, "%.*s[%zu].", stem, prefix, i),
            chain.certificates[i], depth);
}

void explain_crl(struct explanation *e, const char *prefix, struct slice der)
{
    struct crl crl;
    struct err err = ERR_INIT;
    const uint8_t *at = der.data;
    if (crl_read(der, &crl, &err) < 0) {
        explain_put(e, prefix, "error", err.message);
        return;
    }
    X509_CRL *named = d2i_X509_CRL(NULL, &at, (long)der.len);
    if (named != NULL)
        explain_put(e, prefix, "issuer", name_text(e, X509_CRL_get_issuer(named)));
    X509_CRL_free(named);
    explain_time(e, prefix, "this_update", crl.from);
    explain_time(e, prefix, "next_update", crl.until);
    struct reader in = reader_of(crl.entries, "a CRL's entries");
    size_t count = 0;
    struct slice serial;
    for (; reader_left(&in) > 0 && crl_next_entry(&in, &crl, &serial, NULL) == 0; count++) {
        if (count < SERIALS_MAX)
            explain_bytes(e, prefix, arena_printf(&e->arena, "revoked[%zu].serial", count), serial);
    }
    explain_printf(e, prefix, "revoked", "%zu", count);
}
