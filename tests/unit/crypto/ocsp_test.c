// SPDX-License-Identifier: Apache-2.0
/*
 * OCSP responses of a responder that is made up here: what is taken, what is refused and why.
 */
#include "crypto/ocsp.h"
#include "testing.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

enum { DAY = 86400 };

static const int64_t now = 1795341600;

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
};

static struct identity ca;
static struct identity other_ca;
static struct identity leaf;
static struct identity other_leaf;
static struct identity responder;         /* made for it by the CA */
static struct identity foreign_responder; /* made for it by another CA */
static struct identity no_responder;      /* of the CA, but for TLS */
static struct identity expired_responder;
static struct buf chain = {.max = 65536}; /* leaf, CA */

static void make(struct identity *ret, const char *name, const struct identity *issuer,
                 int64_t not_after)
{
    const struct certificate_spec spec = {.common_name = name,
                                          .dns_names = &name,
                                          .dns_name_count = 1,
                                          .not_before = now - 10 * DAY,
                                          .not_after = not_after,
                                          .is_ca = issuer == NULL};
    OK(p256_key_new(&ret->key, &err));
    OK(certificate_new(ret->key, &spec, issuer == NULL ? NULL : issuer->certificate,
                       issuer == NULL ? NULL : issuer->key, &ret->certificate, &err));
}

/* RFC 6960 section 4.2.2.2: the extended key usage makes a responder. */
static void make_responder(struct identity *ret, const struct identity *issuer, int64_t not_after)
{
    make(ret, "responder.example", issuer, not_after);
    int place = X509_get_ext_by_NID(ret->certificate, NID_ext_key_usage, -1);
    X509_EXTENSION_free(X509_delete_ext(ret->certificate, place));
    X509_EXTENSION *usage = X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, "OCSPSigning");
    assert_int_equal(X509_add_ext(ret->certificate, usage, -1), 1);
    X509_EXTENSION_free(usage);
    assert_true(X509_sign(ret->certificate, issuer->key, EVP_sha256()) > 0);
}

static int setup(void **state)
{
    make(&ca, "ca.example", NULL, now + 100 * DAY);
    make(&other_ca, "ca.example", NULL, now + 100 * DAY);
    make(&leaf, "app.example", &ca, now + 90 * DAY);
    make(&other_leaf, "app.example", &ca, now + 90 * DAY);
    make_responder(&responder, &ca, now + DAY);
    make_responder(&foreign_responder, &other_ca, now + DAY);
    make(&no_responder, "tls.example", &ca, now + DAY);
    make_responder(&expired_responder, &ca, now - DAY);
    OK(certificate_to_pem(leaf.certificate, &chain, &err));
    OK(certificate_to_pem(ca.certificate, &chain, &err));
    return 0;
}

static int teardown(void **state)
{
    struct identity *const all[] = {&ca,           &other_ca,         &leaf,
                                    &other_leaf,   &responder,        &foreign_responder,
                                    &no_responder, &expired_responder};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        EVP_PKEY_free(all[i]->key);
        X509_free(all[i]->certificate);
    }
    buf_done(&chain);
    return 0;
}

struct made {
    const struct identity *subject;
    const struct identity *signer;
    int status;
    int64_t this_update;
    int64_t next_update; /* 0: none */
    const EVP_MD *digest;
};

static struct made usual(void)
{
    return (struct made){.subject = &leaf,
                         .signer = &responder,
                         .status = V_OCSP_CERTSTATUS_GOOD,
                         .this_update = now - DAY,
                         .next_update = now + DAY,
                         .digest = EVP_sha1()};
}

static void respond(const struct made *made, struct buf *out)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(made->digest, made->subject->certificate, ca.certificate);
    ASN1_TIME *from = ASN1_TIME_adj(NULL, (time_t)made->this_update, 0, 0);
    ASN1_TIME *until =
        made->next_update == 0 ? NULL : ASN1_TIME_adj(NULL, (time_t)made->next_update, 0, 0);
    assert_non_null(OCSP_basic_add1_status(basic, id, made->status, 0, from, from, until));
    assert_int_equal(OCSP_basic_sign(basic, made->signer->certificate, made->signer->key,
                                     EVP_sha256(), NULL, made->signer == &ca ? OCSP_NOCERTS : 0),
                     1);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    unsigned char *der = NULL;
    int len = i2d_OCSP_RESPONSE(response, &der);
    assert_true(len > 0);
    OK(buf_bytes(out, slice_of(der, (size_t)len), &err));
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
}

static int check(struct slice response)
{
    struct ocsp_validity validity = {0};
    err = ERR_INIT;
    int result = ocsp_check(response, leaf.certificate, buf_slice(&chain), now, &validity, &err);
    if (result == 0) {
        assert_true(validity.this_update == now - DAY);
        assert_true(validity.next_update == now + DAY);
    }
    assert_int_equal(ERR_peek_error(), 0);
    return result;
}

static int check_made(const struct made *made)
{
    AUTO_BUF struct buf der = BUF_INIT(65536);
    respond(made, &der);
    return check(buf_slice(&der));
}

static void good_ones_are_taken(void **state)
{
    struct made delegated = usual();
    struct made direct = usual();
    struct made sha256 = usual();
    direct.signer = &ca;
    sha256.digest = EVP_sha256();
    OK(check_made(&delegated));
    OK(check_made(&direct));
    OK(check_made(&sha256));
}

static void expect_refused(const struct made *made, const char *part)
{
    FAILS(ERR_INVALID, part, check_made(made));
}

static void what_does_not_fit_is_named(void **state)
{
    struct made made = usual();
    made.subject = &other_leaf;
    expect_refused(&made, "about another certificate");
    made = usual();
    made.signer = &foreign_responder;
    expect_refused(&made, "not signed by the certificate's issuer");
    made.signer = &no_responder;
    expect_refused(&made, "not signed by the certificate's issuer");
    made.signer = &leaf;
    expect_refused(&made, "not signed by the certificate's issuer");
    made.signer = &expired_responder;
    expect_refused(&made, "certificate has expired");
    made = usual();
    made.next_update = now;
    expect_refused(&made, "has expired: it held until 2026-11-22T");
    made = usual();
    made.this_update = now + 301;
    expect_refused(&made, "holds from 2026-11-22T");
    made = usual();
    made.next_update = 0;
    expect_refused(&made, "does not say until when");
    made = usual();
    made.status = V_OCSP_CERTSTATUS_REVOKED;
    expect_refused(&made, "has been revoked, since 2026-11-21T");
    made.status = V_OCSP_CERTSTATUS_UNKNOWN;
    expect_refused(&made, "does not know the certificate");
}

static void without_the_issuer_nothing_can_be_told(void **state)
{
    AUTO_BUF struct buf der = BUF_INIT(65536);
    AUTO_BUF struct buf alone = BUF_INIT(65536);
    struct ocsp_validity validity;
    struct made made = usual();
    respond(&made, &der);
    OK(certificate_to_pem(leaf.certificate, &alone, &err));
    FAILS(ERR_INVALID, "issuer is not in its file",
          ocsp_check(buf_slice(&der), leaf.certificate, buf_slice(&alone), now, &validity, &err));
    /* One of the same name did not sign it. */
    OK(certificate_to_pem(other_ca.certificate, &alone, &err));
    FAILS(ERR_INVALID, "issuer is not in its file",
          ocsp_check(buf_slice(&der), leaf.certificate, buf_slice(&alone), now, &validity, &err));
}

static void other_bytes_are_refused(void **state)
{
    static const uint8_t try_later[] = {0x30, 0x03, 0x0a, 0x01, 0x03};
    static uint8_t huge[OCSP_RESPONSE_MAX + 1];
    FAILS(ERR_INVALID, "no OCSP response", check(slice_of(NULL, 0)));
    FAILS(ERR_INVALID, "no OCSP response", check(buf_slice(&chain)));
    FAILS(ERR_INVALID, "error 'trylater'", check(slice_of(try_later, sizeof(try_later))));
    FAILS(ERR_TOO_LARGE, "65537 bytes", check(slice_of(huge, sizeof(huge))));
    AUTO_BUF struct buf der = BUF_INIT(65536);
    struct made made = usual();
    respond(&made, &der);
    OK(buf_u8(&der, 0, &err));
    FAILS(ERR_INVALID, "no OCSP response", check(buf_slice(&der)));
}

/* With the responder's own certificate inside, a change there could be one that does not matter;
 * the CA's answer, which has none, is covered whole. */
static void every_changed_byte_is_noticed(void **state)
{
    AUTO_BUF struct buf der = BUF_INIT(65536);
    struct made made = usual();
    made.signer = &ca;
    respond(&made, &der);
    for (size_t i = 0; i < der.len; i++) {
        der.data[i] ^= 1;
        if (check(buf_slice(&der)) == 0)
            fail_msg("byte %zu of %zu is not looked at", i, der.len);
        der.data[i] ^= 1;
    }
    for (size_t len = 0; len < der.len; len++)
        assert_int_equal(check(slice_of(der.data, len)), -1);
    OK(check(buf_slice(&der)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_are_taken),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(without_the_issuer_nothing_can_be_told),
        cmocka_unit_test(other_bytes_are_refused),
        cmocka_unit_test(every_changed_byte_is_noticed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
