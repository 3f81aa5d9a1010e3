// SPDX-License-Identifier: Apache-2.0
/*
 * Keys and certificates for TLS, by OpenSSL. Every object returned belongs to the caller. A private
 * key is encoded in memory that OpenSSL wipes, and reading one never asks for a password. Runs in
 * every process that speaks TLS.
 */
#include "crypto/x509.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { SERIAL_SIZE = 16, COMMON_NAME_MAX = 64 /* ub-common-name, RFC 5280 appendix A.1 */ };

DEFINE_CLEANUP(bio_cleanup, BIO *, BIO_free_all)
DEFINE_CLEANUP(object_cleanup, ASN1_OBJECT *, ASN1_OBJECT_free)
DEFINE_CLEANUP(octets_cleanup, ASN1_OCTET_STRING *, ASN1_OCTET_STRING_free)
DEFINE_CLEANUP(bits_cleanup, ASN1_BIT_STRING *, ASN1_BIT_STRING_free)
DEFINE_CLEANUP(extension_cleanup, X509_EXTENSION *, X509_EXTENSION_free)
DEFINE_CLEANUP(names_cleanup, GENERAL_NAMES *, GENERAL_NAMES_free)
DEFINE_CLEANUP(name_cleanup, GENERAL_NAME *, GENERAL_NAME_free)
DEFINE_CLEANUP(constraints_cleanup, BASIC_CONSTRAINTS *, BASIC_CONSTRAINTS_free)
DEFINE_CLEANUP(bignum_cleanup, BIGNUM *, BN_free)

static int fail_openssl(struct err *err, enum err_kind kind, const char *what)
{
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    if (reason == NULL)
        return FAIL(err, kind, "%s", what);
    return FAIL(err, kind, "%s: %s", what, reason);
}

int crypto_fail(struct err *err, const char *what)
{
    return fail_openssl(err, ERR_CRYPTO, what);
}

int p256_key_new(EVP_PKEY **ret, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (key == NULL)
        return FAIL_OPENSSL(err, "cannot make a P-256 key");
    *ret = key;
    return 0;
}

/* Takes over what OpenSSL's i2d functions return (a length or a negative number, and memory). */
static int append_der(struct buf *out, int len, uint8_t *der, const char *what, struct err *err)
{
    if (len < 0 || der == NULL)
        return FAIL_OPENSSL(err, what);
    int result = buf_bytes(out, slice_of(der, (size_t)len), err);
    OPENSSL_free(der);
    return result;
}

int public_key_der(EVP_PKEY *key, struct buf *out, struct err *err)
{
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    return append_der(out, len, der, "cannot encode a public key", err);
}

static int append_bio(struct buf *out, BIO *bio, struct err *err)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    return buf_bytes(out, slice_of(data, len > 0 ? (size_t)len : 0), err);
}

int private_key_to_pem(EVP_PKEY *key, struct buf *out, struct err *err)
{
    AUTO(bio_cleanup) BIO *bio = BIO_new(BIO_s_secmem());
    if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return FAIL_OPENSSL(err, "cannot encode a private key");
    return append_bio(out, bio, err);
}

static BIO *bio_of(struct slice bytes, struct err *err)
{
    if (bytes.len > INT_MAX) {
        (void)FAIL(err, ERR_TOO_LARGE, "%zu bytes are too many for PEM", bytes.len);
        return NULL;
    }
    static const uint8_t none[1]; /* OpenSSL refuses NULL */
    BIO *bio = BIO_new_mem_buf(bytes.len == 0 ? none : bytes.data, (int)bytes.len);
    if (bio == NULL)
        (void)FAIL_OPENSSL(err, "cannot read from memory");
    return bio;
}

/* In place of OpenSSL's, which would ask on the terminal. */
static int no_password(char *to, int size, int writing, void *data)
{
    return -1;
}

int private_key_from_pem(struct slice pem, EVP_PKEY **ret, struct err *err)
{
    AUTO(bio_cleanup) BIO *bio = bio_of(pem, err);
    if (bio == NULL)
        return -1;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    if (key == NULL) {
        (void)fail_openssl(err, ERR_INVALID, "no private key in PEM without a password");
        return -1;
    }
    *ret = key;
    return 0;
}

static int set_serial(X509 *certificate, struct err *err)
{
    uint8_t bytes[SERIAL_SIZE];
    if (random_bytes(bytes, sizeof(bytes), err) < 0)
        return -1;
    bytes[0] &= 0x7f; /* 127 bits: positive, and at most 20 bytes (RFC 5280 section 4.1.2.2) */
    bytes[SERIAL_SIZE - 1] |= 1; /* never zero */
    AUTO(bignum_cleanup) BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    if (number == NULL || BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) == NULL)
        return FAIL_OPENSSL(err, "cannot set the serial number");
    return 0;
}

static int set_names(X509 *certificate, const char *common_name, X509 *issuer, struct err *err)
{
    size_t len = strlen(common_name);
    if (len == 0 || len > COMMON_NAME_MAX)
        return FAIL(err, ERR_INVALID, "common name '%s' has %zu bytes, expected 1 to %d",
                    common_name, len, COMMON_NAME_MAX);
    X509_NAME *subject = X509_get_subject_name(certificate);
    if (X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                   (const unsigned char *)common_name, (int)len, -1, 0) != 1)
        return FAIL_OPENSSL(err, "cannot set the common name");
    const X509_NAME *from = issuer == NULL ? subject : X509_get_subject_name(issuer);
    if (X509_set_issuer_name(certificate, from) != 1)
        return FAIL_OPENSSL(err, "cannot set the issuer");
    return 0;
}

static int set_validity(X509 *certificate, const struct certificate_spec *spec, struct err *err)
{
    if (spec->not_after < spec->not_before)
        return FAIL(err, ERR_INVALID, "a certificate that ends before it begins");
    if (ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)spec->not_before) == NULL ||
        ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)spec->not_after) == NULL)
        return FAIL_OPENSSL(err, "cannot set the validity");
    return 0;
}

static bool is_ip_address(const char *text)
{
    struct in6_addr address;
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static int add_name(GENERAL_NAMES *names, const char *text, struct err *err)
{
    bool is_ip = is_ip_address(text);
    AUTO(name_cleanup) GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = is_ip ? a2i_IPADDRESS(text) : ASN1_IA5STRING_new();
    if (name == NULL || value == NULL ||
        (!is_ip && ASN1_STRING_set(value, text, (int)strlen(text)) != 1)) {
        ASN1_STRING_free(value);
        return FAIL_OPENSSL(err, "cannot encode a subject alternative name");
    }
    GENERAL_NAME_set0_value(name, is_ip ? GEN_IPADD : GEN_DNS, value);
    if (sk_GENERAL_NAME_push(names, name) <= 0)
        return FAIL_OPENSSL(err, "cannot add a subject alternative name");
    (void)STEAL(name);
    return 0;
}

static int add_alternative_names(X509 *certificate, const struct certificate_spec *spec,
                                 struct err *err)
{
    if (spec->dns_name_count == 0)
        return 0;
    AUTO(names_cleanup) GENERAL_NAMES *names = GENERAL_NAMES_new();
    if (names == NULL)
        return FAIL_OPENSSL(err, "cannot encode the subject alternative names");
    for (size_t i = 0; i < spec->dns_name_count; i++) {
        if (add_name(names, spec->dns_names[i], err) < 0)
            return -1;
    }
    if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) != 1)
        return FAIL_OPENSSL(err, "cannot add the subject alternative names");
    return 0;
}

static int add_basic_constraints(X509 *certificate, bool is_ca, struct err *err)
{
    AUTO(constraints_cleanup) BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    if (constraints == NULL)
        return FAIL_OPENSSL(err, "cannot encode the basic constraints");
    constraints->ca = is_ca ? 0xff : 0;
    if (X509_add1_ext_i2d(certificate, NID_basic_constraints, constraints, 1, X509V3_ADD_DEFAULT) !=
        1)
        return FAIL_OPENSSL(err, "cannot add the basic constraints");
    return 0;
}

/* Bit numbers as in RFC 5280 section 4.2.1.3. */
static int add_key_usage(X509 *certificate, bool is_ca, struct err *err)
{
    enum { DIGITAL_SIGNATURE = 0, KEY_CERT_SIGN = 5, CRL_SIGN = 6 };
    AUTO(bits_cleanup) ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    bool ok = bits != NULL;
    if (ok && is_ca)
        ok = ASN1_BIT_STRING_set_bit(bits, KEY_CERT_SIGN, 1) == 1 &&
             ASN1_BIT_STRING_set_bit(bits, CRL_SIGN, 1) == 1;
    else if (ok)
        ok = ASN1_BIT_STRING_set_bit(bits, DIGITAL_SIGNATURE, 1) == 1;
    if (!ok || X509_add1_ext_i2d(certificate, NID_key_usage, bits, 1, X509V3_ADD_DEFAULT) != 1)
        return FAIL_OPENSSL(err, "cannot add the key usage");
    return 0;
}

static int add_configured(X509 *certificate, X509 *issuer, int nid, const char *value,
                          struct err *err)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer == NULL ? certificate : issuer, certificate, NULL, NULL, 0);
    AUTO(extension_cleanup)
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL || X509_add_ext(certificate, extension, -1) != 1)
        return FAIL_OPENSSL(err, "cannot add an extension");
    return 0;
}

static int add_extension(X509 *certificate, const struct certificate_extension *spec,
                         struct err *err)
{
    AUTO(object_cleanup) ASN1_OBJECT *oid = OBJ_txt2obj(spec->oid, 1);
    if (oid == NULL)
        return fail_openssl(err, ERR_INVALID, "no object identifier in dotted form");
    AUTO(octets_cleanup) ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    if (value == NULL || spec->value.len > INT_MAX ||
        ASN1_OCTET_STRING_set(value, spec->value.data, (int)spec->value.len) != 1)
        return FAIL_OPENSSL(err, "cannot encode an extension");
    AUTO(extension_cleanup)
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value);
    if (extension == NULL || X509_add_ext(certificate, extension, -1) != 1)
        return FAIL_OPENSSL(err, "cannot add an extension");
    return 0;
}

static int add_extensions(X509 *certificate, const struct certificate_spec *spec, X509 *issuer,
                          struct err *err)
{
    if (add_basic_constraints(certificate, spec->is_ca, err) < 0 ||
        add_key_usage(certificate, spec->is_ca, err) < 0 ||
        add_alternative_names(certificate, spec, err) < 0 ||
        add_configured(certificate, issuer, NID_subject_key_identifier, "hash", err) < 0)
        return -1;
    if (issuer != NULL &&
        add_configured(certificate, issuer, NID_authority_key_identifier, "keyid", err) < 0)
        return -1;
    if (!spec->is_ca &&
        add_configured(certificate, issuer, NID_ext_key_usage, "serverAuth", err) < 0)
        return -1;
    for (size_t i = 0; i < spec->extension_count; i++) {
        if (add_extension(certificate, &spec->extensions[i], err) < 0)
            return FAIL_CONTEXT(err, "extension '%s'", spec->extensions[i].oid);
    }
    return 0;
}

static int sign_certificate(X509 *certificate, EVP_PKEY *key, struct err *err)
{
    const EVP_MD *hash = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
    if (X509_sign(certificate, key, hash) <= 0)
        return FAIL_OPENSSL(err, "cannot sign a certificate");
    return 0;
}

int certificate_new(EVP_PKEY *key, const struct certificate_spec *spec, X509 *issuer,
                    EVP_PKEY *issuer_key, X509 **ret, struct err *err)
{
    if ((issuer == NULL) != (issuer_key == NULL))
        return FAIL(err, ERR_INTERNAL, "an issuer needs its certificate and its key");
    AUTO_X509 X509 *certificate = X509_new();
    if (certificate == NULL || X509_set_version(certificate, X509_VERSION_3) != 1 ||
        X509_set_pubkey(certificate, key) != 1)
        return FAIL_OPENSSL(err, "cannot make a certificate");
    if (set_serial(certificate, err) < 0 ||
        set_names(certificate, spec->common_name, issuer, err) < 0 ||
        set_validity(certificate, spec, err) < 0 ||
        add_extensions(certificate, spec, issuer, err) < 0 ||
        sign_certificate(certificate, issuer_key == NULL ? key : issuer_key, err) < 0)
        return -1;
    *ret = STEAL(certificate);
    return 0;
}

int certificate_to_der(X509 *certificate, struct buf *out, struct err *err)
{
    uint8_t *der = NULL;
    int len = i2d_X509(certificate, &der);
    return append_der(out, len, der, "cannot encode a certificate", err);
}

int certificate_to_pem(X509 *certificate, struct buf *out, struct err *err)
{
    AUTO(bio_cleanup) BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || PEM_write_bio_X509(bio, certificate) != 1)
        return FAIL_OPENSSL(err, "cannot encode a certificate");
    return append_bio(out, bio, err);
}

int certificate_from_der(struct slice der, X509 **ret, struct err *err)
{
    const unsigned char *at = der.data;
    AUTO_X509 X509 *certificate = der.len > LONG_MAX ? NULL : d2i_X509(NULL, &at, (long)der.len);
    if (certificate == NULL)
        return fail_openssl(err, ERR_INVALID, "no certificate in DER");
    if (at != der.data + der.len)
        return FAIL(err, ERR_INVALID, "%zu bytes more behind a certificate in DER",
                    (size_t)(der.data + der.len - at));
    *ret = STEAL(certificate);
    return 0;
}

int certificate_from_pem(struct slice pem, X509 **ret, struct err *err)
{
    AUTO(bio_cleanup) BIO *bio = bio_of(pem, err);
    if (bio == NULL)
        return -1;
    X509 *certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
    if (certificate == NULL) {
        (void)fail_openssl(err, ERR_INVALID, "no certificate in PEM");
        return -1;
    }
    *ret = certificate;
    return 0;
}

int certificate_extension_get(X509 *certificate, const char *oid, struct buf *out, struct err *err)
{
    AUTO(object_cleanup) ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    if (object == NULL)
        return fail_openssl(err, ERR_INTERNAL, "no object identifier in dotted form");
    int index = X509_get_ext_by_OBJ(certificate, object, -1);
    if (index < 0)
        return FAIL(err, ERR_NOT_FOUND, "the certificate has no extension %s", oid);
    if (X509_get_ext_by_OBJ(certificate, object, index) >= 0)
        return FAIL(err, ERR_INVALID, "the certificate has extension %s twice", oid);
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(certificate, index));
    int len = ASN1_STRING_length(value);
    return buf_bytes(out, slice_of(ASN1_STRING_get0_data(value), (size_t)len), err);
}

static int time_to_unix(const ASN1_TIME *time, int64_t *ret, struct err *err)
{
    struct tm civil;
    if (time == NULL || ASN1_TIME_to_tm(time, &civil) != 1)
        return fail_openssl(err, ERR_INVALID, "no date in the certificate");
    return civil_to_unix(civil.tm_year + 1900, civil.tm_mon + 1, civil.tm_mday, civil.tm_hour,
                         civil.tm_min, civil.tm_sec, ret, err);
}

int certificate_validity(X509 *certificate, int64_t *ret_not_before, int64_t *ret_not_after,
                         struct err *err)
{
    int64_t not_before;
    int64_t not_after;
    if (time_to_unix(X509_get0_notBefore(certificate), &not_before, err) < 0 ||
        time_to_unix(X509_get0_notAfter(certificate), &not_after, err) < 0)
        return -1;
    *ret_not_before = not_before;
    *ret_not_after = not_after;
    return 0;
}

bool certificate_matches_key(X509 *certificate, EVP_PKEY *key)
{
    bool matches = X509_check_private_key(certificate, key) == 1;
    ERR_clear_error();
    return matches;
}

bool certificate_covers(X509 *certificate, const char *name)
{
    if (name[0] == '\0')
        return false;
    if (is_ip_address(name))
        return X509_check_ip_asc(certificate, name, 0) == 1;
    /* The common name says nothing about hosts any more (RFC 6125 section 6.4.4, RFC 9525). */
    unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
    return X509_check_host(certificate, name, strlen(name), flags, NULL) == 1;
}

enum { NAME_TEXT_SIZE = 256 };

/* Longer than any host name is none, but what is cut off would be at the wrong end: refused. */
static int tell_name(const ASN1_STRING *text, certificate_name_fn fn, void *context,
                     struct err *err)
{
    char name[NAME_TEXT_SIZE];
    int len = ASN1_STRING_length(text);
    const unsigned char *bytes = ASN1_STRING_get0_data(text);
    if (len < 0 || (size_t)len >= sizeof(name) || memchr(bytes, '\0', (size_t)len) != NULL)
        return FAIL(err, ERR_INVALID, "the certificate has a name that is none (%d bytes)", len);
    memcpy(name, bytes, (size_t)len);
    name[len] = '\0';
    return fn(context, name, err);
}

int certificate_names(X509 *certificate, certificate_name_fn fn, void *context, struct err *err)
{
    int critical = 0;
    AUTO(names_cleanup)
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    if (names == NULL && critical != -1) /* -1: there are none */
        return fail_openssl(err, ERR_INVALID, "the certificate's alternative names");
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS && tell_name(name->d.dNSName, fn, context, err) < 0)
            return -1;
    }
    const X509_NAME *subject = X509_get_subject_name(certificate);
    for (int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0;
         at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, at);
        if (tell_name(X509_NAME_ENTRY_get_data(entry), fn, context, err) < 0)
            return -1;
    }
    return 0;
}
