// SPDX-License-Identifier: Apache-2.0
/*
 * Our reader of certificates against OpenSSL's: the same fields for the same bytes, on the vendors'
 * real certificates and on made ones; and whatever OpenSSL refuses, we refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attest/chain.h"
#include "attest/collateral.h"
#include "base/clock.h"
#include "samples.h"
#include "synth_intel.h"

#include <openssl/x509v3.h>

static int64_t unix_time(const ASN1_TIME *time)
{
    struct tm tm = {0};
    int64_t ret = 0;
    assert_int_equal(ASN1_TIME_to_tm(time, &tm), 1);
    assert_int_equal(civil_to_unix(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                                   tm.tm_min, tm.tm_sec, &ret, NULL),
                     0);
    return ret;
}

static void assert_name(const X509_NAME *name, struct slice der)
{
    const uint8_t *bytes;
    size_t len;
    assert_int_equal(X509_NAME_get0_der(name, &bytes, &len), 1);
    assert_int_equal(len, der.len);
    assert_memory_equal(bytes, der.data, len);
}

static void assert_usage(X509 *x509, const struct certificate *ours)
{
    uint32_t flags = X509_get_extension_flags(x509);
    assert_int_equal((flags & EXFLAG_CA) != 0, ours->is_ca);
    assert_int_equal((flags & EXFLAG_BCONS) != 0, ours->has_constraints);
    assert_int_equal((flags & EXFLAG_KUSAGE) != 0, ours->has_usage);
    if (!ours->has_usage)
        return;
    uint32_t usage = X509_get_key_usage(x509);
    assert_int_equal((usage & KU_DIGITAL_SIGNATURE) != 0,
                     (ours->usage & USAGE_DIGITAL_SIGNATURE) != 0);
    assert_int_equal((usage & KU_KEY_CERT_SIGN) != 0, (ours->usage & USAGE_CERT_SIGN) != 0);
    assert_int_equal((usage & KU_CRL_SIGN) != 0, (ours->usage & USAGE_CRL_SIGN) != 0);
    if (ours->is_ca)
        assert_int_equal(X509_get_pathlen(x509), ours->path_length);
}

static void assert_same(struct certificate *ours)
{
    X509 *x509 = certificate_x509(ours);
    assert_non_null(x509);
    assert_int_equal(unix_time(X509_get0_notBefore(x509)), ours->not_before);
    assert_int_equal(unix_time(X509_get0_notAfter(x509)), ours->not_after);
    assert_name(X509_get_issuer_name(x509), ours->issuer);
    assert_name(X509_get_subject_name(x509), ours->subject);
    assert_int_equal(X509_get_ext_count(x509), ours->extension_count);
    assert_usage(x509, ours);
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(x509), certificate_key(ours)), 1);
    int digest;
    int key;
    int their_digest;
    int their_key;
    assert_true(certificate_signature_info(ours, &digest, &key));
    assert_int_equal(X509_get_signature_info(x509, &their_digest, &their_key, NULL, NULL), 1);
    assert_int_equal(digest, their_digest);
    assert_int_equal(key, their_key);
}

static void assert_chain(struct slice pem)
{
    struct arena arena = {0};
    struct certificate_store store = {0};
    struct chain chain;
    if (pem.len == 0)
        return;
    assert_int_equal(chain_parse(&store, &arena, pem, &chain, NULL), 0);
    for (size_t i = 0; i < chain.count; i++)
        assert_same(chain.certificates[i]);
    certificate_store_done(&store);
    arena_done(&arena);
}

static void assert_bundle(struct slice text)
{
    struct arena arena = {0};
    struct collateral bundle;
    assert_int_equal(collateral_parse(&arena, text, &bundle, NULL), 0);
    const struct slice chains[] = {bundle.pck_crl_issuer_chain,
                                   bundle.tcb_info_issuer_chain,
                                   bundle.qe_identity_issuer_chain,
                                   bundle.vcek,
                                   bundle.vlek,
                                   bundle.ask,
                                   bundle.ark};
    for (size_t i = 0; i < ARRAY_LEN(chains); i++)
        assert_chain(chains[i]);
    arena_done(&arena);
}

static void test_real_certificates(void **state)
{
    (void)state;
    static const char *const names[] = {"sgx-config-and-hardening", "tdx4-up-to-date",
                                        "tdx5-up-to-date",          "snp-milan-v2",
                                        "snp-milan-vlek",           "snp-genoa-v5"};
    const char *folder = samples_or_skip();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char name[128];
        AUTO_BUF struct buf bundle = BUF_INIT(1 << 20);
        (void)snprintf(name, sizeof(name), "%s.collateral.json", names[i]);
        sample_read(folder, name, &bundle);
        assert_bundle(buf_slice(&bundle));
    }
}

static void test_made_certificates(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth.pck.from = 2208988799;    /* 2039-12-31, UTCTime */
    synth.pck.until = 4102444800;   /* 2100-01-01, GeneralizedTime */
    synth.pck_ca.from = -315619200; /* 1960-01-01 */
    synth.crl_order = "lctr";
    synth_intel_build(&synth);
    assert_bundle(buf_slice(&synth.collateral));
    struct certificate root;
    assert_int_equal(certificate_read(buf_slice(&synth.root_der), &root, NULL), 0);
    assert_same(&root);
    certificate_done(&root);
    synth_intel_done(&synth);
}

static bool openssl_reads(struct slice der)
{
    const uint8_t *at = der.data;
    X509 *x509 = d2i_X509(NULL, &at, (long)der.len);
    bool whole = x509 != NULL && at == der.data + der.len;
    X509_free(x509);
    return whole;
}

static bool within(struct slice part, const uint8_t *byte)
{
    return byte >= part.data && byte < part.data + part.len;
}

/* Fields that are never taken apart, only compared byte by byte with a trusted one's or given to
 * OpenSSL: names, the public key, values of extensions that nobody asked for. */
static bool is_opaque(const struct certificate *certificate, const uint8_t *byte)
{
    if (within(certificate->issuer, byte) || within(certificate->subject, byte) ||
        within(certificate->public_key, byte) || within(certificate->signature, byte))
        return true;
    for (size_t i = 0; i < certificate->extension_count; i++) {
        if (within(certificate->extensions[i].oid, byte))
            return true;
    }
    return false;
}

/* Every byte of a certificate replaced by a few others: never more generous than OpenSSL. */
static void test_never_more_generous(void **state)
{
    (void)state;
    static const uint8_t others[] = {0x00, 0x01, 0x30, 0x7f, 0x80, 0x81, 0x82, 0xff};
    struct synth_intel synth;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth_intel_build(&synth);
    struct buf *der = &synth.root_der;
    struct certificate original;
    assert_int_equal(certificate_read(buf_slice(der), &original, NULL), 0);
    for (size_t i = 0; i < der->len; i++) {
        if (is_opaque(&original, der->data + i))
            continue;
        uint8_t before = der->data[i];
        for (size_t j = 0; j < sizeof(others); j++) {
            struct certificate ours;
            der->data[i] = others[j];
            if (certificate_read(buf_slice(der), &ours, NULL) == 0 &&
                !openssl_reads(buf_slice(der)))
                fail_msg("byte %zu as %02x: read here, refused by OpenSSL", i, others[j]);
        }
        der->data[i] = before;
    }
    synth_intel_done(&synth);
}

static void test_truncated(void **state)
{
    (void)state;
    struct synth_intel synth;
    struct certificate certificate;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth_intel_build(&synth);
    for (size_t len = 0; len < synth.root_der.len; len++) {
        struct err err = ERR_INIT;
        assert_int_equal(certificate_read(slice_of(synth.root_der.data, len), &certificate, &err),
                         -1);
        assert_true(err.message[0] != '\0');
    }
    synth_intel_done(&synth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_certificates),
        cmocka_unit_test(test_made_certificates),
        cmocka_unit_test(test_never_more_generous),
        cmocka_unit_test(test_truncated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
