// SPDX-License-Identifier: Apache-2.0
/*
 * The make-believe AMD. RSA keys of 2048 bits: AMD's 4096 would only make the tests slower.
 */
#include "synth_snp.h"

#include "synth_x509.h"

#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdio.h>

#define ARC "1.3.6.1.4.1.3704.1"

enum { KEY_ROOT, KEY_ASK, KEY_OTHER, KEY_OTHER_ROOT, KEY_LEAF, KEY_OTHER_LEAF, KEY_COUNT };

static EVP_PKEY *key_of(size_t which)
{
    static EVP_PKEY *keys[KEY_COUNT];
    if (keys[which] == NULL)
        keys[which] = which >= KEY_LEAF ? EVP_EC_gen("P-384") : EVP_RSA_gen(2048);
    MUST(keys[which] != NULL);
    return keys[which];
}

struct synth_snp synth_snp_good(const char *family, uint32_t version, bool vlek)
{
    bool turin = strcmp(family, "Turin") == 0;
    bool milan = strcmp(family, "Milan") == 0;
    const struct mse_snp_tcb tcb = {
        .fmc = turin ? 2 : 0, .bootloader = 3, .tee = 1, .snp = 30, .microcode = 230};
    struct synth_snp spec = {
        .version = version,
        .turin = turin,
        .cpuid_family = turin ? 0x1a : 0x19,
        .cpuid_model = turin   ? 0x02
                       : milan ? 0x01
                               : 0x11,
        .policy = SNP_POLICY_ONE | SNP_POLICY_SMT | 0x0137,
        .cpuid_stepping = 1,
        .platform_info = SNP_PLATFORM_SMT | SNP_PLATFORM_ECC | SNP_PLATFORM_ALIAS_CHECK,
        .algorithm = SNP_ALGORITHM_P384,
        .flags = vlek ? SNP_KEY_VLEK << SNP_SIGNING_KEY_SHIFT : 0,
        .current = tcb,
        .reported = tcb,
        .committed = tcb,
        .launch = tcb,
        .measurement = 0x4d,
        .host_data = 0xf1,
        .vlek = vlek,
        .product = family,
        .leaf_tcb = tcb,
        .hwid_size = turin ? 8 : 64,
        .leaf = {.from = SYNTH_SNP_FROM, .until = SYNTH_SNP_UNTIL},
        .ask = {.from = SYNTH_SNP_FROM - 10,
                .until = SYNTH_SNP_UNTIL + 10,
                .basic_constraints = "critical,CA:TRUE,pathlen:0",
                .key_usage = "critical,keyCertSign",
                .serial = 65537},
        .ark = {.from = SYNTH_SNP_FROM - 20,
                .until = SYNTH_SNP_UNTIL + 20,
                .basic_constraints = "critical,CA:TRUE",
                .key_usage = "critical,keyCertSign,cRLSign",
                .serial = 65536},
        .crl = SYNTH_CRL_GOOD,
        .crl_from = SYNTH_SNP_FROM,
        .crl_until = SYNTH_SNP_UNTIL,
    };
    static const char *const names[][4] = {
        {"Milan", "SEV-Milan", "SEV-VLEK-Milan", "ARK-Milan"},
        {"Genoa", "SEV-Genoa", "SEV-VLEK-Genoa", "ARK-Genoa"},
        {"Turin", "SEV-Turin", "SEV-VLEK-Turin", "ARK-Turin"},
    };
    const char *const *name = names[turin ? 2 : milan ? 0 : 1];
    spec.leaf.common_name = vlek ? "SEV-VLEK" : "SEV-VCEK";
    spec.ask.common_name = vlek ? name[2] : name[1];
    spec.ark.common_name = name[3];
    memset(spec.hwid, 0xc1, spec.hwid_size);
    if (!vlek)
        memset(spec.chip_id, 0xc1, spec.hwid_size);
    return spec;
}

static void put_tcb(const struct synth_snp *spec, const struct mse_snp_tcb *tcb, struct buf *out)
{
    const uint8_t turin[8] = {tcb->fmc, tcb->bootloader, tcb->tee, tcb->snp, 0, 0,
                              0,        tcb->microcode};
    const uint8_t legacy[8] = {tcb->bootloader, tcb->tee, 0, 0, 0, 0, tcb->snp, tcb->microcode};
    synth_put(out, slice_of(spec->turin ? turin : legacy, 8));
}

static void put_fill(struct buf *out, uint8_t byte, size_t count)
{
    for (size_t i = 0; i < count; i++)
        MUST(buf_u8(out, byte, NULL) == 0);
}

static void put_report(const struct synth_snp *spec, struct buf *out)
{
    MUST(buf_u32le(out, spec->version, NULL) == 0 && buf_u32le(out, 7, NULL) == 0 &&
         buf_u64le(out, spec->policy, NULL) == 0);
    put_fill(out, spec->family_id, 16);
    put_fill(out, spec->image_id, 16);
    MUST(buf_u32le(out, spec->vmpl, NULL) == 0 && buf_u32le(out, spec->algorithm, NULL) == 0);
    put_tcb(spec, &spec->current, out);
    MUST(buf_u64le(out, spec->platform_info, NULL) == 0 && buf_u32le(out, spec->flags, NULL) == 0);
    put_fill(out, 0, 4);
    put_fill(out, 0xd2, 64); /* report data */
    put_fill(out, spec->measurement, 48);
    put_fill(out, spec->host_data, 32);
    put_fill(out, 0x1d, 48); /* ID key digest */
    put_fill(out, spec->author_key_digest, 48);
    put_fill(out, 0x1e, 32); /* report id */
    put_fill(out, 0xff, 32); /* no migration agent */
    put_tcb(spec, &spec->reported, out);
    put_fill(out, spec->version >= 3 ? spec->cpuid_family : 0, 1);
    put_fill(out, spec->version >= 3 ? spec->cpuid_model : 0, 1);
    put_fill(out, spec->version >= 3 ? spec->cpuid_stepping : 0, 1);
    put_fill(out, 0, 21);
    synth_put(out, slice_of(spec->chip_id, 64));
    put_tcb(spec, &spec->committed, out);
    synth_put(out, slice_of("\x04\x37\x01\0\x04\x37\x01\0", 8));
    put_tcb(spec, &spec->launch, out);
    put_fill(out, 0, SNP_SIGNED_SIZE - 0x1f8);
    if (spec->set_byte > 0)
        out->data[spec->set_byte] = 1;
}

static void put_signature(const struct synth_snp *spec, struct buf *out)
{
    uint8_t der[160];
    size_t len = sizeof(der);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    MUST(EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL,
                            key_of(spec->signed_by_other ? KEY_OTHER_LEAF : KEY_LEAF)) == 1);
    MUST(EVP_DigestSign(context, der, &len, out->data, out->len) == 1);
    EVP_MD_CTX_free(context);
    const uint8_t *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)len);
    uint8_t bytes[SNP_REPORT_SIZE - SNP_SIGNED_SIZE] = {0};
    MUST(signature != NULL);
    MUST(BN_bn2lebinpad(ECDSA_SIG_get0_r(signature), bytes, 72) == 72);
    MUST(BN_bn2lebinpad(ECDSA_SIG_get0_s(signature), bytes + 72, 72) == 72);
    ECDSA_SIG_free(signature);
    if (spec->change_signature > 0)
        bytes[spec->change_signature] ^= 1;
    synth_put(out, slice_of(bytes, sizeof(bytes)));
}

static void add_number(const struct synth_snp *spec, X509 *leaf, const char *oid, uint8_t number)
{
    AUTO_BUF struct buf value = BUF_INIT(16);
    uint8_t content[2] = {0, number};
    bool wide = spec->wide_oid != NULL && strcmp(spec->wide_oid, oid) == 0;
    content[0] = wide ? 1 : 0;
    bool two = wide || number >= 0x80;
    if (spec->without_oid != NULL && strcmp(spec->without_oid, oid) == 0)
        return;
    synth_put_der(&value, 0x02, two ? slice_of(content, 2) : slice_of(content + 1, 1));
    synth_add_raw_extension(leaf, oid, false, buf_slice(&value));
}

static void add_text(const struct synth_snp *spec, X509 *leaf, const char *oid, const char *text)
{
    AUTO_BUF struct buf value = BUF_INIT(128);
    if (spec->without_oid != NULL && strcmp(spec->without_oid, oid) == 0)
        return;
    synth_put_der(&value, 0x16, slice_str(text));
    synth_add_raw_extension(leaf, oid, false, buf_slice(&value));
}

static void add_extensions(const struct synth_snp *spec, X509 *leaf)
{
    add_number(spec, leaf, ARC ".1", spec->turin ? 1 : 0);
    add_text(spec, leaf, ARC ".2", spec->product);
    add_number(spec, leaf, ARC ".3.1", spec->leaf_tcb.bootloader);
    add_number(spec, leaf, ARC ".3.2", spec->leaf_tcb.tee);
    add_number(spec, leaf, ARC ".3.3", spec->leaf_tcb.snp);
    add_number(spec, leaf, ARC ".3.8", spec->leaf_tcb.microcode);
    if (spec->turin)
        add_number(spec, leaf, ARC ".3.9", spec->leaf_tcb.fmc);
    if (spec->vlek) {
        add_text(spec, leaf, ARC ".5", "CN=cloud.example");
        return;
    }
    if (spec->without_oid != NULL && strcmp(spec->without_oid, ARC ".4") == 0)
        return;
    AUTO_BUF struct buf hwid = BUF_INIT(128);
    if (spec->hwid_wrapped)
        synth_put_der(&hwid, 0x04, slice_of(spec->hwid, spec->hwid_size));
    else
        synth_put(&hwid, slice_of(spec->hwid, spec->hwid_size));
    synth_add_raw_extension(leaf, ARC ".4", false, buf_slice(&hwid));
}

static void start_pss(EVP_MD_CTX *context, EVP_PKEY *key, const EVP_MD *digest)
{
    EVP_PKEY_CTX *options = NULL;
    MUST(EVP_DigestSignInit(context, &options, digest, NULL, key) == 1);
    MUST(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
    MUST(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static X509 *make_certificate(const struct synth_snp *spec, const struct synth_certificate *made,
                              EVP_PKEY *key, const char *issuer, EVP_PKEY *issuer_key)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = synth_name(made->common_name);
    X509_NAME *by = synth_name(issuer);
    MUST(certificate != NULL && X509_set_version(certificate, 2) == 1);
    MUST(ASN1_INTEGER_set(X509_get_serialNumber(certificate), made->serial) == 1);
    MUST(X509_set_subject_name(certificate, subject) == 1 &&
         X509_set_issuer_name(certificate, by) == 1);
    MUST(ASN1_TIME_set(X509_getm_notBefore(certificate), made->from) != NULL);
    MUST(ASN1_TIME_set(X509_getm_notAfter(certificate), made->until) != NULL);
    MUST(X509_set_pubkey(certificate, key) == 1);
    synth_add_extension(certificate, NID_basic_constraints, made->basic_constraints);
    synth_add_extension(certificate, NID_key_usage, made->key_usage);
    if (made == &spec->leaf)
        add_extensions(spec, certificate);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    start_pss(context, made->signed_by_other ? key_of(KEY_OTHER) : issuer_key,
              made->sha256 ? EVP_sha256() : EVP_sha384());
    MUST(X509_sign_ctx(certificate, context) > 0);
    EVP_MD_CTX_free(context);
    X509_NAME_free(subject);
    X509_NAME_free(by);
    return certificate;
}

static void put_pem(X509 *certificate, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    MUST(bio != NULL && PEM_write_bio_X509(bio, certificate) == 1);
    long len = BIO_get_mem_data(bio, &text);
    synth_put(out, slice_of(text, (size_t)len));
    BIO_free(bio);
}

static void put_member(const char *name, X509 *certificate, struct buf *out)
{
    AUTO_BUF struct buf pem = BUF_INIT(16384);
    put_pem(certificate, &pem);
    synth_put_text(out, "%s\"%s\": ", out->len > 1 ? ", " : "", name);
    synth_put_json_string(out, buf_slice(&pem));
}

static void revoke(X509_CRL *crl, long serial)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_TIME *time = ASN1_TIME_set(NULL, SYNTH_SNP_FROM);
    X509_REVOKED *entry = X509_REVOKED_new();
    MUST(ASN1_INTEGER_set(number, serial) == 1 &&
         X509_REVOKED_set_serialNumber(entry, number) == 1 &&
         X509_REVOKED_set_revocationDate(entry, time) == 1 &&
         X509_CRL_add0_revoked(crl, entry) == 1);
    ASN1_INTEGER_free(number);
    ASN1_TIME_free(time);
}

static void put_crl(const struct synth_snp *spec, struct buf *out)
{
    X509_CRL *crl = X509_CRL_new();
    X509_NAME *issuer = synth_name(spec->crl_of_other_issuer ? "ARK-Other" : spec->ark.common_name);
    ASN1_TIME *from = ASN1_TIME_set(NULL, spec->crl_from);
    ASN1_TIME *until = ASN1_TIME_set(NULL, spec->crl_until);
    MUST(X509_CRL_set_version(crl, 1) == 1 && X509_CRL_set_issuer_name(crl, issuer) == 1);
    MUST(X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, until) == 1);
    revoke(crl, 4711);
    if (spec->crl == SYNTH_CRL_REVOKES_ASK)
        revoke(crl, spec->ask.serial);
    if (spec->crl == SYNTH_CRL_REVOKES_LEAF_SERIAL)
        revoke(crl, spec->leaf.serial);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    start_pss(context, key_of(spec->crl_signed_by_other ? KEY_OTHER : KEY_ROOT), EVP_sha384());
    MUST(X509_CRL_sign_ctx(crl, context) > 0);
    EVP_MD_CTX_free(context);
    uint8_t *der = NULL;
    int len = i2d_X509_CRL(crl, &der);
    MUST(len > 0);
    synth_put_text(out, ", \"crl\": \"");
    synth_put_hex(out, slice_of(der, (size_t)len));
    synth_put_text(out, "\"");
    OPENSSL_free(der);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    X509_NAME_free(issuer);
    X509_CRL_free(crl);
}

void synth_snp_build(const struct synth_snp *spec, struct buf *report, struct buf *collateral,
                     struct buf *root)
{
    const char *root_name = spec->ark.common_name;
    size_t root_key = spec->other_root ? KEY_OTHER_ROOT : KEY_ROOT;
    put_report(spec, report);
    put_signature(spec, report);
    X509 *ark = make_certificate(spec, &spec->ark, key_of(root_key), root_name, key_of(root_key));
    X509 *ask = make_certificate(spec, &spec->ask, key_of(KEY_ASK), root_name, key_of(KEY_ROOT));
    X509 *leaf = make_certificate(spec, &spec->leaf, key_of(KEY_LEAF), spec->ask.common_name,
                                  key_of(KEY_ASK));
    struct synth_certificate plain = spec->ark;
    plain.signed_by_other = false;
    plain.sha256 = false;
    X509 *anchor = make_certificate(spec, &plain, key_of(KEY_ROOT), root_name, key_of(KEY_ROOT));
    synth_put_text(collateral, "{");
    if (!spec->leaf.absent)
        put_member(spec->vlek ? "vlek" : "vcek", leaf, collateral);
    if (!spec->ask.absent)
        put_member("ask", ask, collateral);
    if (!spec->ark.absent)
        put_member("ark", ark, collateral);
    if (spec->crl != SYNTH_CRL_NONE)
        put_crl(spec, collateral);
    synth_put_text(collateral, "}");
    put_pem(anchor, root);
    X509_free(ark);
    X509_free(ask);
    X509_free(leaf);
    X509_free(anchor);
}

struct mse_verdict *synth_snp_judge(const struct synth_snp *spec, const struct mse_policy *policy)
{
    AUTO_BUF struct buf report = BUF_INIT(4096);
    AUTO_BUF struct buf collateral = BUF_INIT(65536);
    AUTO_BUF struct buf root = BUF_INIT(16384);
    synth_snp_build(spec, &report, &collateral, &root);
    const struct mse_bytes roots[] = {{root.data, root.len}};
    const struct mse_trust trust = {.size = sizeof(trust), .amd_roots = roots, .amd_root_count = 1};
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {report.data, report.len},
        .collateral = {collateral.data, collateral.len},
        .policy = policy,
        .at = SYNTH_SNP_AT,
        .trust = &trust,
    };
    struct mse_verdict *verdict = mse_verify(&input);
    MUST(verdict != NULL);
    return verdict;
}
