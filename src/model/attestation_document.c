// SPDX-License-Identifier: Apache-2.0
/*
 * The attestation document as JSON. Written by the enclave, read by verifiers, who trust no byte of
 * it.
 */
#include "model/attestation_document.h"

#include "format/json.h"

#include <stdlib.h>

void attestation_document_done(struct attestation_document *document)
{
    buf_done(&document->evidence);
    buf_done(&document->public_key);
    free(document->manifest);
    free(document->collateral);
    *document = (struct attestation_document){0};
}

static int put_storage(json_t *root, const struct attestation_document *document, struct err *err)
{
    const struct storage_word *word = &document->storage;
    if (!document->has_storage)
        return json_put(root, "storage", json_null(), err);
    json_t *storage = json_new_object(err);
    if (storage == NULL || json_put(root, "storage", storage, err) < 0 ||
        json_put_u64(storage, "opening", word->now.opening, err) < 0 ||
        json_put_hex(storage, "head", slice_of(word->now.head, STORAGE_HEAD_SIZE), err) < 0 ||
        json_put_u64(storage, "asked", word->asked, err) < 0)
        return -1;
    return word->has_then
               ? json_put_hex(storage, "then", slice_of(word->then, STORAGE_HEAD_SIZE), err)
               : json_put(storage, "then", json_null(), err);
}

int attestation_document_encode(const struct attestation_document *document, struct buf *out,
                                struct err *err)
{
    AUTO_JSON json_t *root = json_new_object(err);
    if (root == NULL || json_put_i64(root, "format", ATTESTATION_FORMAT, err) < 0 ||
        json_put_text(root, "tee", document->tee, err) < 0 ||
        json_put_base64(root, "evidence", buf_slice(&document->evidence), err) < 0 ||
        json_put_base64(root, "public_key", buf_slice(&document->public_key), err) < 0 ||
        json_put_text(root, "manifest", document->manifest, err) < 0 ||
        put_storage(root, document, err) < 0)
        return -1;
    if (document->collateral == NULL) {
        if (json_put(root, "collateral", json_null(), err) < 0)
            return -1;
    } else if (json_put_text(root, "collateral", document->collateral, err) < 0) {
        return -1;
    }
    return json_canonical(root, out, err);
}

static int read_texts(const struct json_at *top, struct attestation_document *document,
                      struct err *err)
{
    const char *manifest;
    const char *collateral;
    if (json_read_text_into(top, "tee", document->tee, sizeof(document->tee), err) < 0 ||
        json_read_text(top, "manifest", MANIFEST_MAX, &manifest, err) < 0 ||
        json_read_text_optional(top, "collateral", ATTESTATION_DOCUMENT_MAX, &collateral, err) < 0)
        return -1;
    document->manifest = str_copy(manifest, err);
    if (document->manifest == NULL)
        return -1;
    if (collateral == NULL)
        return 0;
    document->collateral = str_copy(collateral, err);
    return document->collateral == NULL ? -1 : 0;
}

static int read_storage(const struct json_at *top, struct attestation_document *document,
                        struct err *err)
{
    static const char *const known[] = {"opening", "head", "asked", "then"};
    struct storage_word *word = &document->storage;
    struct json_at storage;
    if (json_is_null(json_object_get(top->value, "storage")))
        return 0;
    if (json_read_object(top, "storage", &storage, err) < 0 ||
        json_only_keys(&storage, known, ARRAY_LEN(known), err) < 0 ||
        json_read_u64(&storage, "opening", 1, STORAGE_OPENINGS_MAX, &word->now.opening, err) < 0 ||
        json_read_hex(&storage, "head", word->now.head, STORAGE_HEAD_SIZE, err) < 0 ||
        json_read_u64(&storage, "asked", 0, STORAGE_OPENINGS_MAX, &word->asked, err) < 0)
        return -1;
    document->has_storage = true;
    word->has_then = !json_is_null(json_object_get(storage.value, "then"));
    return word->has_then ? json_read_hex(&storage, "then", word->then, STORAGE_HEAD_SIZE, err) : 0;
}

/* "storage" belongs to format 2, which always has it. */
static int check_keys(const struct json_at *top, uint64_t format, struct err *err)
{
    static const char *const known[] = {"format",   "tee",        "evidence", "public_key",
                                        "manifest", "collateral", "storage"};
    return json_only_keys(top, known, ARRAY_LEN(known) - (format == 1 ? 1 : 0), err);
}

int attestation_document_decode(struct slice text, struct attestation_document *ret,
                                struct err *err)
{
    static const char what[] = "attestation document";
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    uint64_t format;
    if (json_parse(text, what, ATTESTATION_DOCUMENT_MAX, &root, err) < 0 ||
        json_top(root, what, &top, err) < 0 ||
        json_read_u64(&top, "format", 0, UINT32_MAX, &format, err) < 0)
        return -1;
    if (format < 1 || format > ATTESTATION_FORMAT)
        return FAIL(err, ERR_UNSUPPORTED, "%s: format %llu, this mse reads 1 to %d", what,
                    (unsigned long long)format, ATTESTATION_FORMAT);
    if (check_keys(&top, format, err) < 0)
        return -1;
    AUTO_ATTESTATION_DOCUMENT struct attestation_document document = {
        .evidence = BUF_INIT(ATTESTATION_EVIDENCE_MAX),
        .public_key = BUF_INIT(ATTESTATION_KEY_MAX),
    };
    if (json_read_base64(&top, "evidence", &document.evidence, err) < 0 ||
        json_read_base64(&top, "public_key", &document.public_key, err) < 0 ||
        read_texts(&top, &document, err) < 0 ||
        (format > 1 && read_storage(&top, &document, err) < 0))
        return -1;
    *ret = document;
    document = (struct attestation_document){0};
    return 0;
}
