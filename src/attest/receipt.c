// SPDX-License-Identifier: Apache-2.0
/*
 * Makes and checks receipts of verifications (format in the header). Runs on the verifier's machine
 * and on that of whoever is shown the receipt; opens no connection and asks no clock.
 */
#include "attest/receipt.h"

#include "format/json.h"

#include <stdlib.h>

static int put_digest(json_t *object, const char *key, struct slice bytes, struct err *err)
{
    uint8_t digest[SHA256_SIZE];
    if (sha256(bytes, digest, err) < 0)
        return -1;
    return json_put_hex(object, key, slice_of(digest, sizeof(digest)), err);
}

/* The bundle, and each text in it: a verifier later may hold the same TCB info in another bundle.
 */
static int put_collateral(json_t *body, struct slice collateral, struct err *err)
{
    AUTO_JSON json_t *bundle = NULL;
    const char *name;
    json_t *member;
    if (collateral.len == 0)
        return json_put(body, "collateral", json_null(), err);
    json_t *digests = json_new_object(err);
    if (digests == NULL)
        return -1;
    if (json_put(body, "collateral", digests, err) < 0 ||
        put_digest(digests, "bundle", collateral, err) < 0)
        return -1;
    if (json_parse(collateral, "the collateral", RECEIPT_MAX, &bundle, NULL) < 0)
        return 0; /* the verdict says that it was unreadable */
    json_object_foreach(bundle, name, member)
    {
        struct slice text = slice_of(json_string_value(member), json_string_length(member));
        if (json_is_string(member) && strcmp(name, "bundle") != 0 &&
            put_digest(digests, name, text, err) < 0)
            return -1;
    }
    return 0;
}

static int put_verdict(json_t *body, const struct mse_verdict *verdict, struct err *err)
{
    AUTO_FREE char *text = mse_verdict_json(verdict);
    json_t *value;
    if (text == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    if (json_parse(slice_str(text), "the verdict", RECEIPT_MAX, &value, err) < 0)
        return -1;
    return json_put(body, "verdict", value, err);
}

static int put_body(json_t *body, const struct receipt_input *input, struct err *err)
{
    if (json_put_i64(body, "format", RECEIPT_FORMAT, err) < 0 ||
        json_put_i64(body, "made_at", input->made_at, err) < 0 ||
        json_put_i64(body, "at", input->at, err) < 0 ||
        put_digest(body, "evidence", input->evidence, err) < 0 ||
        put_collateral(body, input->collateral, err) < 0)
        return -1;
    int rc = input->policy.len == 0 ? json_put(body, "policy", json_null(), err)
                                    : put_digest(body, "policy", input->policy, err);
    return rc < 0 ? -1 : put_verdict(body, input->verdict, err);
}

static int message_of(const json_t *body, struct buf *out, struct err *err)
{
    if (buf_str(out, RECEIPT_SIGNING_PREFIX, err) < 0)
        return -1;
    return json_canonical(body, out, err);
}

int receipt_make(const struct receipt_input *input, const uint8_t public_key[static 32],
                 const struct secret *secret, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf message = BUF_INIT(RECEIPT_MAX);
    AUTO_JSON json_t *root = json_new_object(err);
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    json_t *body = json_new_object(err);
    if (root == NULL || body == NULL) {
        json_decref(body);
        return -1;
    }
    if (json_put(root, "receipt", body, err) < 0 || put_body(body, input, err) < 0 ||
        message_of(body, &message, err) < 0 ||
        ed25519_sign(secret, buf_slice(&message), signature, err) < 0 ||
        json_put_hex(root, "public_key", slice_of(public_key, ED25519_PUBLIC_SIZE), err) < 0 ||
        json_put_hex(root, "signature", slice_of(signature, sizeof(signature)), err) < 0)
        return FAIL_CONTEXT(err, "receipt");
    return json_canonical(root, out, err);
}

static int check_spelling(const json_t *root, struct slice text, struct err *err)
{
    AUTO_BUF struct buf again = BUF_INIT(RECEIPT_MAX);
    if (json_canonical(root, &again, err) < 0)
        return -1;
    if (!slice_equal(buf_slice(&again), text))
        return FAIL(err, ERR_INVALID, "the receipt is not canonical JSON: it was written anew");
    return 0;
}

static int check_signature(const json_t *root, const struct json_at *top, struct receipt *receipt,
                           struct err *err)
{
    AUTO_BUF struct buf message = BUF_INIT(RECEIPT_MAX);
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    if (json_read_hex(top, "public_key", receipt->public_key, ED25519_PUBLIC_SIZE, err) < 0 ||
        json_read_hex(top, "signature", signature, sizeof(signature), err) < 0 ||
        message_of(json_object_get(root, "receipt"), &message, err) < 0)
        return -1;
    if (!ed25519_verify(receipt->public_key, buf_slice(&message), signature))
        return FAIL(err, ERR_REJECTED, "the receipt's signature is wrong: it was altered");
    return 0;
}

static int read_verdict(const struct json_at *body, struct receipt *receipt, struct err *err)
{
    struct json_at verdict;
    const char *word = NULL;
    const char *tee = NULL;
    const char *status = NULL;
    if (json_read_object(body, "verdict", &verdict, err) < 0 ||
        json_read_text(&verdict, "verdict", RECEIPT_WORD_SIZE - 1, &word, err) < 0 ||
        json_read_text_optional(&verdict, "tee", RECEIPT_WORD_SIZE - 1, &tee, err) < 0 ||
        json_read_text_optional(&verdict, "status", RECEIPT_WORD_SIZE - 1, &status, err) < 0)
        return -1;
    receipt->accepted = strcmp(word, "accepted") == 0;
    if (tee != NULL)
        memcpy(receipt->tee, tee, strlen(tee) + 1);
    if (status != NULL)
        memcpy(receipt->status, status, strlen(status) + 1);
    return 0;
}

static int read_body(const struct json_at *body, struct receipt *receipt, struct err *err)
{
    static const char *const known[] = {"format",     "made_at", "at",     "evidence",
                                        "collateral", "policy",  "verdict"};
    struct json_at collateral;
    int64_t format;
    if (json_only_keys(body, known, ARRAY_LEN(known), err) < 0 ||
        json_read_i64(body, "format", RECEIPT_FORMAT, RECEIPT_FORMAT, &format, err) < 0 ||
        json_read_i64(body, "made_at", 0, INT64_MAX, &receipt->made_at, err) < 0 ||
        json_read_i64(body, "at", 0, INT64_MAX, &receipt->at, err) < 0 ||
        json_read_hex(body, "evidence", receipt->evidence, SHA256_SIZE, err) < 0)
        return -1;
    receipt->has_collateral = json_is_object(json_object_get(body->value, "collateral"));
    if (receipt->has_collateral &&
        (json_read_object(body, "collateral", &collateral, err) < 0 ||
         json_read_hex(&collateral, "bundle", receipt->collateral, SHA256_SIZE, err) < 0))
        return -1;
    receipt->has_policy = json_is_string(json_object_get(body->value, "policy"));
    if (receipt->has_policy && json_read_hex(body, "policy", receipt->policy, SHA256_SIZE, err) < 0)
        return -1;
    return read_verdict(body, receipt, err);
}

int receipt_check(struct slice text, struct receipt *ret, struct err *err)
{
    static const char *const known[] = {"public_key", "signature", "receipt"};
    AUTO_JSON json_t *root = NULL;
    struct receipt receipt = {0};
    struct json_at top;
    struct json_at body;
    if (json_parse(text, "receipt", RECEIPT_MAX, &root, err) < 0 ||
        json_top(root, "receipt", &top, err) < 0 ||
        json_only_keys(&top, known, ARRAY_LEN(known), err) < 0 ||
        json_read_object(&top, "receipt", &body, err) < 0 || check_spelling(root, text, err) < 0 ||
        check_signature(root, &top, &receipt, err) < 0 || read_body(&body, &receipt, err) < 0)
        return -1;
    *ret = receipt;
    return 0;
}
