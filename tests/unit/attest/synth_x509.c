// SPDX-License-Identifier: Apache-2.0
/*
 * The tools of the make-believe vendors, over OpenSSL.
 */
#include "synth_x509.h"

#include "base/text.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>

void synth_abort(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "%s:%d: the generator failed: %s\n", file, line, what);
    exit(1);
}

EVP_PKEY *synth_key(const char *name)
{
    static struct {
        const char *name;
        EVP_PKEY *key;
    } keys[16];
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i].name == NULL) {
            keys[i].name = name;
            keys[i].key = EVP_EC_gen("P-256");
            MUST(keys[i].key != NULL);
        }
        if (strcmp(keys[i].name, name) == 0)
            return keys[i].key;
    }
    synth_abort(__FILE__, __LINE__, "too many keys");
}

void synth_sign(EVP_PKEY *key, struct slice message, struct buf *out)
{
    uint8_t der[128];
    size_t len = sizeof(der);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    MUST(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1);
    MUST(EVP_DigestSign(context, der, &len, message.data, message.len) == 1);
    EVP_MD_CTX_free(context);
    const uint8_t *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)len);
    MUST(signature != NULL);
    uint8_t bytes[64];
    MUST(BN_bn2binpad(ECDSA_SIG_get0_r(signature), bytes, 32) == 32);
    MUST(BN_bn2binpad(ECDSA_SIG_get0_s(signature), bytes + 32, 32) == 32);
    ECDSA_SIG_free(signature);
    synth_put(out, slice_of(bytes, sizeof(bytes)));
}

void synth_public_point(EVP_PKEY *key, struct buf *out)
{
    uint8_t point[65];
    size_t len;
    MUST(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
                                         &len) == 1 &&
         len == 65);
    synth_put(out, slice_of(point + 1, 64));
}

void synth_put(struct buf *out, struct slice bytes)
{
    MUST(buf_bytes(out, bytes, NULL) == 0);
}

void synth_put_text(struct buf *out, const char *fmt, ...)
{
    char text[8192];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    MUST(len >= 0 && (size_t)len < sizeof(text));
    synth_put(out, slice_of(text, (size_t)len));
}

void synth_put_hex(struct buf *out, struct slice bytes)
{
    MUST(hex_append(out, bytes, NULL) == 0);
}

void synth_put_json_string(struct buf *out, struct slice text)
{
    synth_put_text(out, "\"");
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '\n')
            synth_put_text(out, "\\n");
        else if (c == '"' || c == '\\')
            synth_put_text(out, "\\%c", c);
        else
            synth_put(out, slice_of(&c, 1));
    }
    synth_put_text(out, "\"");
}

void synth_put_der(struct buf *out, uint8_t tag, struct slice content)
{
    uint8_t head[4] = {tag};
    size_t len = 2;
    if (content.len < 0x80) {
        head[1] = (uint8_t)content.len;
    } else if (content.len < 0x100) {
        head[1] = 0x81;
        head[len++] = (uint8_t)content.len;
    } else {
        head[1] = 0x82;
        head[len++] = (uint8_t)(content.len >> 8);
        head[len++] = (uint8_t)content.len;
    }
    synth_put(out, slice_of(head, len));
    synth_put(out, content);
}

X509_NAME *synth_name(const char *common_name)
{
    X509_NAME *name = X509_NAME_new();
    MUST(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)common_name, -1, -1,
                                    0) == 1);
    MUST(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const uint8_t *)"Make-believe", -1,
                                    -1, 0) == 1);
    return name;
}

void synth_add_extension(X509 *certificate, int nid, const char *value)
{
    if (value == NULL)
        return;
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    MUST(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

void synth_add_raw_extension(X509 *certificate, const char *oid, bool critical, struct slice value)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
    MUST(ASN1_OCTET_STRING_set(data, value.data, (int)value.len) == 1);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, critical ? 1 : 0, data);
    MUST(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(data);
    ASN1_OBJECT_free(object);
}
