// SPDX-License-Identifier: Apache-2.0
/*
 * Reads X.509 certificates through the bounded reader. Judges nothing: which certificate may stand
 * where is in chain_judge.c.
 */
#include "attest/certificate.h"

#include "format/der.h"

#include <openssl/objects.h>

/* RFC 5280 appendix A: 2.5.29.19 and 2.5.29.15 */
static const uint8_t oid_constraints[] = {0x55, 0x1d, 0x13};
static const uint8_t oid_usage[] = {0x55, 0x1d, 0x0f};

/* RFC 5758 3.2: ecdsa-with-SHA256, no parameters */
static const uint8_t ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                       0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};

/* RFC 5480: SubjectPublicKeyInfo of a point on P-256 and P-384, up to the point, whose first byte
 * says that it is uncompressed */
static const uint8_t p256_prefix[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
static const uint8_t p384_prefix[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                      0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                      0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00};

static const struct {
    const char *group;
    struct slice prefix;
    size_t point_size;
} curves[] = {
    {"P-256", {p256_prefix, sizeof(p256_prefix)}, 65},
    {"P-384", {p384_prefix, sizeof(p384_prefix)}, 97},
};

static int read_constraints(struct slice value, struct certificate *certificate, struct err *err)
{
    struct reader whole = reader_of(value, "basic constraints");
    struct slice content;
    struct slice element;
    uint64_t path_length;
    if (der_expect(&whole, "basic constraints", DER_SEQUENCE, &content, err) < 0 ||
        reader_end(&whole, err) < 0)
        return -1;
    struct reader in = reader_of(content, "basic constraints");
    certificate->has_constraints = true;
    if (der_next_is(&in, DER_BOOLEAN)) {
        if (der_expect(&in, "CA", DER_BOOLEAN, &element, err) < 0 ||
            der_boolean(element, "CA", &certificate->is_ca, err) < 0)
            return -1;
    }
    if (der_next_is(&in, DER_INTEGER)) {
        if (der_expect(&in, "path length", DER_INTEGER, &element, err) < 0 ||
            der_number(element, "path length", 100, &path_length, err) < 0)
            return -1;
        certificate->path_length = (int)path_length;
    }
    return reader_end(&in, err);
}

static int read_usage(struct slice value, struct certificate *certificate, struct err *err)
{
    struct reader in = reader_of(value, "key usage");
    struct slice bits;
    if (der_expect(&in, "key usage", DER_BIT_STRING, &bits, err) < 0 || reader_end(&in, err) < 0)
        return -1;
    if (bits.len < 2 || bits.len > 3 || bits.data[0] > 7)
        return FAIL(err, ERR_INVALID, "key usage is no bit string of nine bits");
    certificate->has_usage = true;
    certificate->usage = bits.data[1];
    return 0;
}

static int refuse_duplicate(const struct certificate *certificate, struct slice oid,
                            struct err *err)
{
    if (certificate->extension_count == CERTIFICATE_EXTENSIONS_MAX)
        return FAIL(err, ERR_TOO_LARGE, "a certificate with more than %d extensions",
                    CERTIFICATE_EXTENSIONS_MAX);
    for (size_t i = 0; i < certificate->extension_count; i++) {
        if (slice_equal(certificate->extensions[i].oid, oid))
            return FAIL(err, ERR_INVALID, "a certificate with an extension twice");
    }
    return 0;
}

static int read_extension(struct slice content, struct certificate *certificate, struct err *err)
{
    struct reader in = reader_of(content, "a certificate's extension");
    struct slice oid;
    struct slice element;
    bool critical = false;
    if (der_expect(&in, "extension", DER_OID, &oid, err) < 0 ||
        refuse_duplicate(certificate, oid, err) < 0)
        return -1;
    if (der_next_is(&in, DER_BOOLEAN)) {
        if (der_expect(&in, "critical", DER_BOOLEAN, &element, err) < 0 ||
            der_boolean(element, "critical", &critical, err) < 0)
            return -1;
    }
    if (der_expect(&in, "extension value", DER_OCTET_STRING, &element, err) < 0 ||
        reader_end(&in, err) < 0)
        return -1;
    certificate->extensions[certificate->extension_count++] =
        (struct certificate_part){.oid = oid, .value = element};
    if (slice_equal(oid, slice_of(oid_constraints, sizeof(oid_constraints))))
        return read_constraints(element, certificate, err);
    if (slice_equal(oid, slice_of(oid_usage, sizeof(oid_usage))))
        return read_usage(element, certificate, err);
    certificate->has_unknown_critical = certificate->has_unknown_critical || critical;
    return 0;
}

static int read_extensions(struct reader *outer, struct certificate *certificate, struct err *err)
{
    struct slice context;
    struct slice list;
    if (reader_left(outer) == 0)
        return 0;
    if (der_expect(outer, "extensions", DER_CONTEXT_3, &context, err) < 0)
        return -1;
    struct reader whole = reader_of(context, "a certificate's extensions");
    if (der_expect(&whole, "extensions", DER_SEQUENCE, &list, err) < 0 ||
        reader_end(&whole, err) < 0)
        return -1;
    struct reader in = reader_of(list, "a certificate's extensions");
    while (reader_left(&in) > 0) {
        struct slice extension;
        if (der_expect(&in, "extension", DER_SEQUENCE, &extension, err) < 0 ||
            read_extension(extension, certificate, err) < 0)
            return -1;
    }
    return 0;
}

static int read_version(struct reader *in, struct err *err)
{
    struct slice context;
    struct slice content;
    uint64_t version;
    if (der_expect(in, "version", DER_CONTEXT_0, &context, err) < 0)
        return FAIL(err, ERR_INVALID, "a certificate that is not of version 3");
    struct reader inner = reader_of(context, "a certificate's version");
    if (der_expect(&inner, "version", DER_INTEGER, &content, err) < 0 ||
        der_number(content, "version", 255, &version, err) < 0 || reader_end(&inner, err) < 0)
        return -1;
    return version == 2 ? 0 : FAIL(err, ERR_INVALID, "a certificate that is not of version 3");
}

static int read_validity(struct reader *outer, struct certificate *certificate, struct err *err)
{
    struct slice content;
    if (der_expect(outer, "validity", DER_SEQUENCE, &content, err) < 0)
        return -1;
    struct reader in = reader_of(content, "a certificate's validity");
    if (der_time(&in, "not before", &certificate->not_before, err) < 0 ||
        der_time(&in, "not after", &certificate->not_after, err) < 0)
        return -1;
    return reader_end(&in, err);
}

/* RFC 5280 4.1.2; the algorithm inside must be the one outside (4.1.1.2). */
static int read_to_be_signed(struct slice content, struct certificate *certificate, struct err *err)
{
    struct reader in = reader_of(content, "a certificate");
    struct slice ignored;
    struct slice algorithm;
    if (read_version(&in, err) < 0 ||
        der_expect(&in, "serial number", DER_INTEGER, &certificate->serial, err) < 0 ||
        der_whole(&in, "algorithm", DER_SEQUENCE, &ignored, &algorithm, err) < 0 ||
        der_whole(&in, "issuer", DER_SEQUENCE, &ignored, &certificate->issuer, err) < 0 ||
        read_validity(&in, certificate, err) < 0 ||
        der_whole(&in, "subject", DER_SEQUENCE, &ignored, &certificate->subject, err) < 0 ||
        der_whole(&in, "public key", DER_SEQUENCE, &ignored, &certificate->public_key, err) < 0 ||
        read_extensions(&in, certificate, err) < 0 || reader_end(&in, err) < 0)
        return -1;
    if (!slice_equal(algorithm, certificate->algorithm))
        return FAIL(err, ERR_INVALID, "a certificate with two signature algorithms");
    return 0;
}

int certificate_read(struct slice der, struct certificate *ret, struct err *err)
{
    struct certificate found = {.der = der, .path_length = -1};
    struct slice content;
    struct slice tbs;
    struct slice ignored;
    struct slice bits;
    if (der.len > CERTIFICATE_MAX_SIZE)
        return FAIL(err, ERR_TOO_LARGE, "a certificate of more than %d bytes",
                    CERTIFICATE_MAX_SIZE);
    struct reader whole = reader_of(der, "a certificate");
    if (der_expect(&whole, "certificate", DER_SEQUENCE, &content, err) < 0 ||
        reader_end(&whole, err) < 0)
        return -1;
    struct reader in = reader_of(content, "a certificate");
    if (der_whole(&in, "signed part", DER_SEQUENCE, &tbs, &found.to_be_signed, err) < 0 ||
        der_whole(&in, "algorithm", DER_SEQUENCE, &ignored, &found.algorithm, err) < 0 ||
        der_expect(&in, "signature", DER_BIT_STRING, &bits, err) < 0 || reader_end(&in, err) < 0 ||
        read_to_be_signed(tbs, &found, err) < 0)
        return -1;
    if (bits.len < 1 || bits.data[0] != 0)
        return FAIL(err, ERR_INVALID, "a certificate whose signature is not whole bytes");
    found.signature = slice_of(bits.data + 1, bits.len - 1);
    *ret = found;
    return 0;
}

void certificate_done(struct certificate *certificate)
{
    EVP_PKEY_free(certificate->key);
    X509_free(certificate->x509);
    certificate->key = NULL;
    certificate->x509 = NULL;
}

X509 *certificate_x509(struct certificate *certificate)
{
    const uint8_t *at = certificate->der.data;
    if (certificate->x509 == NULL)
        certificate->x509 = d2i_X509(NULL, &at, (long)certificate->der.len);
    return certificate->x509;
}

static EVP_PKEY *curve_key(struct slice info)
{
    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        struct slice prefix = curves[i].prefix;
        if (info.len == prefix.len + curves[i].point_size &&
            memcmp(info.data, prefix.data, prefix.len) == 0 && info.data[prefix.len] == 0x04)
            return ec_public_key(curves[i].group,
                                 slice_of(info.data + prefix.len, curves[i].point_size));
    }
    return NULL;
}

EVP_PKEY *certificate_key(struct certificate *certificate)
{
    if (certificate->key == NULL)
        certificate->key = curve_key(certificate->public_key);
    if (certificate->key == NULL)
        certificate->key = rsa_public_key(certificate->public_key);
    if (certificate->key == NULL && certificate_x509(certificate) != NULL)
        certificate->key = X509_get_pubkey(certificate->x509);
    return certificate->key;
}

bool algorithm_is_ecdsa_sha256(struct slice algorithm)
{
    return slice_equal(algorithm, slice_of(ecdsa_sha256, sizeof(ecdsa_sha256)));
}

bool certificate_signature_info(struct certificate *certificate, int *ret_digest_nid,
                                int *ret_key_nid)
{
    if (algorithm_is_ecdsa_sha256(certificate->algorithm)) {
        *ret_digest_nid = NID_sha256;
        *ret_key_nid = NID_X9_62_id_ecPublicKey;
        return true;
    }
    if (algorithm_is_pss_sha384(certificate->algorithm)) {
        *ret_digest_nid = NID_sha384;
        *ret_key_nid = NID_rsassaPss;
        return true;
    }
    X509 *x509 = certificate_x509(certificate);
    return x509 != NULL &&
           X509_get_signature_info(x509, ret_digest_nid, ret_key_nid, NULL, NULL) == 1;
}

bool certificate_signed_by(struct certificate *certificate, struct certificate *issuer)
{
    if (certificate->signed_by == issuer)
        return true;
    EVP_PKEY *key = certificate_key(issuer);
    if (key == NULL)
        return false;
    struct slice message = certificate->to_be_signed;
    bool good = false;
    if (algorithm_is_ecdsa_sha256(certificate->algorithm))
        good = ecdsa_verify_der(key, message, certificate->signature);
    else if (algorithm_is_pss_sha384(certificate->algorithm))
        good = pss_sha384_verify(key, message, certificate->signature);
    else if (certificate_x509(certificate) != NULL)
        good = X509_verify(certificate->x509, key) == 1;
    if (good)
        certificate->signed_by = issuer;
    return good;
}

int certificate_find_extension(const struct certificate *certificate, const char *oid,
                               struct slice *ret, struct err *err)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    if (object == NULL)
        return FAIL(err, ERR_INVALID, "'%s' is no OID", oid);
    struct slice wanted = slice_of(OBJ_get0_data(object), OBJ_length(object));
    const struct certificate_part *found = NULL;
    for (size_t i = 0; i < certificate->extension_count; i++) {
        if (slice_equal(certificate->extensions[i].oid, wanted))
            found = &certificate->extensions[i];
    }
    ASN1_OBJECT_free(object);
    if (found == NULL)
        return FAIL(err, ERR_NOT_FOUND, "no extension %s in the certificate", oid);
    *ret = found->value;
    return 0;
}
