// SPDX-License-Identifier: Apache-2.0
/*
 * The RA-TLS extension: written in the enclave, read by whoever connects to a server that claims to
 * be one.
 */
#include "model/ratls.h"

#include "format/cbor.h"

static const struct {
    enum ratls_evidence format;
    uint64_t tag;
} tags[] = {
    {RATLS_INTEL_QUOTE, 60000},
    {RATLS_SNP_REPORT, 0x1a7504},
    {RATLS_SIMULATION, 0x6d736501},
};

static const struct {
    enum ratls_hash id;
    size_t size;
} hashes[] = {
    {RATLS_SHA256, 32},
    {RATLS_SHA384, 48},
    {RATLS_SHA512, 64},
};

static const char key_public_key[] = "pubkey-hash";
static const char key_nonce[] = "nonce";
static const char key_fingerprint[] = "mse-fingerprint";

int ratls_claims_encode(const uint8_t spki_sha256[static 32], const uint8_t *fingerprint,
                        struct buf *out, struct err *err)
{
    AUTO_BUF struct buf entry = BUF_INIT(64);
    if (cbor_put_array(&entry, 2, err) < 0 || cbor_put_uint(&entry, RATLS_SHA256, err) < 0 ||
        cbor_put_bytes(&entry, slice_of(spki_sha256, 32), err) < 0)
        return -1;
    if (cbor_put_map(out, fingerprint == NULL ? 1 : 2, err) < 0 ||
        cbor_put_text(out, key_public_key, err) < 0 ||
        cbor_put_bytes(out, buf_slice(&entry), err) < 0)
        return -1;
    if (fingerprint == NULL)
        return 0;
    if (cbor_put_text(out, key_fingerprint, err) < 0)
        return -1;
    return cbor_put_bytes(out, slice_of(fingerprint, RATLS_FINGERPRINT_SIZE), err);
}

int ratls_extension_encode(enum ratls_evidence format, struct slice evidence, struct slice claims,
                           struct buf *out, struct err *err)
{
    if ((size_t)format >= ARRAY_LEN(tags))
        return FAIL(err, ERR_INTERNAL, "RA-TLS: unknown evidence format");
    if (evidence.len == 0 || evidence.len > RATLS_EVIDENCE_MAX || claims.len == 0 ||
        claims.len > RATLS_CLAIMS_MAX)
        return FAIL(err, ERR_TOO_LARGE, "RA-TLS: %zu bytes of evidence, %zu of claims",
                    evidence.len, claims.len);
    if (cbor_put_tag(out, tags[format].tag, err) < 0 || cbor_put_array(out, 2, err) < 0 ||
        cbor_put_bytes(out, evidence, err) < 0)
        return -1;
    return cbor_put_bytes(out, claims, err);
}

static int decode_tag(struct reader *in, enum ratls_evidence *ret, struct err *err)
{
    uint64_t tag;
    if (cbor_read_tag(in, "evidence tag", &tag, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        if (tags[i].tag == tag) {
            *ret = tags[i].format;
            return 0;
        }
    }
    return FAIL(err, ERR_UNSUPPORTED, "RA-TLS extension: unknown evidence format (CBOR tag %llu)",
                (unsigned long long)tag);
}

static int decode_public_key(struct slice bytes, struct ratls_claims *claims, struct err *err)
{
    struct reader in = reader_of(bytes, "RA-TLS claim 'pubkey-hash'");
    uint64_t count;
    uint64_t id;
    struct slice digest;
    if (cbor_read_array(&in, "hash entry", 2, &count, err) < 0 ||
        cbor_read_uint(&in, "algorithm", &id, err) < 0 ||
        cbor_read_bytes(&in, "hash", RATLS_HASH_MAX, &digest, err) < 0 || reader_end(&in, err) < 0)
        return -1;
    size_t i = 0;
    while (i < ARRAY_LEN(hashes) && (uint64_t)hashes[i].id != id)
        i++;
    if (i == ARRAY_LEN(hashes))
        return FAIL(err, ERR_UNSUPPORTED, "%s: hash algorithm %llu, expected 1, 7 or 8", in.what,
                    (unsigned long long)id);
    if (count != 2 || digest.len != hashes[i].size)
        return FAIL(err, ERR_INVALID, "%s: %zu bytes, expected %zu", in.what, digest.len,
                    hashes[i].size);
    claims->hash = hashes[i].id;
    claims->public_key_hash_len = digest.len;
    memcpy(claims->public_key_hash, digest.data, digest.len);
    return 0;
}

static int decode_fingerprint(struct slice bytes, struct ratls_claims *claims, struct err *err)
{
    if (bytes.len != RATLS_FINGERPRINT_SIZE)
        return FAIL(err, ERR_INVALID, "RA-TLS claim 'mse-fingerprint': %zu bytes, expected %d",
                    bytes.len, RATLS_FINGERPRINT_SIZE);
    claims->has_fingerprint = true;
    memcpy(claims->fingerprint, bytes.data, bytes.len);
    return 0;
}

static int decode_nonce(struct slice bytes, struct ratls_claims *claims, struct err *err)
{
    if (bytes.len == 0)
        return FAIL(err, ERR_INVALID, "RA-TLS claim 'nonce' is empty");
    claims->nonce = bytes;
    return 0;
}

static const struct claim {
    const char *key;
    int (*decode)(struct slice bytes, struct ratls_claims *claims, struct err *err);
} known_claims[] = {
    {key_public_key, decode_public_key},
    {key_fingerprint, decode_fingerprint},
    {key_nonce, decode_nonce},
};

/* One pair of the map; *seen has a bit per known claim. */
static int decode_claim(struct reader *in, struct ratls_claims *claims, unsigned *seen,
                        struct err *err)
{
    struct slice key;
    if (cbor_read_text(in, "name of a claim", 64, &key, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(known_claims); i++) {
        if (!slice_is_str(key, known_claims[i].key))
            continue;
        struct slice value;
        if ((*seen & 1u << i) != 0)
            return FAIL(err, ERR_INVALID, "RA-TLS claim '%s' appears twice", known_claims[i].key);
        *seen |= 1u << i;
        if (cbor_read_bytes(in, known_claims[i].key, RATLS_CLAIMS_MAX, &value, err) < 0)
            return -1;
        return known_claims[i].decode(value, claims, err);
    }
    return cbor_skip(in, "a claim that is not ours", err);
}

static int decode_claims(struct slice bytes, struct ratls_claims *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "RA-TLS claims");
    uint64_t count;
    unsigned seen = 0;
    if (cbor_read_map(&in, "claims", RATLS_CLAIMS_COUNT_MAX, &count, err) < 0)
        return -1;
    for (uint64_t i = 0; i < count; i++) {
        if (decode_claim(&in, ret, &seen, err) < 0)
            return -1;
    }
    if ((seen & 1u) == 0)
        return FAIL(err, ERR_INVALID, "RA-TLS claim 'pubkey-hash' is missing");
    return reader_end(&in, err);
}

int ratls_extension_decode(struct slice content, struct ratls_extension *ret, struct err *err)
{
    struct reader in = reader_of(content, "RA-TLS extension");
    struct ratls_extension extension = {0};
    uint64_t count;
    if (decode_tag(&in, &extension.format, err) < 0 ||
        cbor_read_array(&in, "evidence and claims", 2, &count, err) < 0 ||
        cbor_read_bytes(&in, "evidence", RATLS_EVIDENCE_MAX, &extension.evidence, err) < 0)
        return -1;
    if (count != 2)
        return FAIL(err, ERR_INVALID, "RA-TLS extension: the claims are missing");
    if (extension.evidence.len == 0)
        return FAIL(err, ERR_INVALID, "RA-TLS extension: the evidence is empty");
    if (cbor_read_bytes(&in, "claims", RATLS_CLAIMS_MAX, &extension.claims_bytes, err) < 0 ||
        reader_end(&in, err) < 0 ||
        decode_claims(extension.claims_bytes, &extension.claims, err) < 0)
        return -1;
    *ret = extension;
    return 0;
}
