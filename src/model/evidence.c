// SPDX-License-Identifier: Apache-2.0
/*
 * Encoding and decoding of simulation evidence (layout in the header). Runs on both sides: the node
 * encodes what its simulation root signed, the owner's machine decodes what it is about to judge.
 * Bytes from outside go through the bounded reader; there is one encoding for each evidence.
 */
#include "model/evidence.h"

#include "base/reader.h"

enum { MAGIC_SIZE = sizeof(EVIDENCE_MAGIC) - 1, KNOWN_FLAGS = EVIDENCE_FLAG_DEBUG };

static int check_flags(uint32_t flags, struct err *err)
{
    if ((flags & ~(uint32_t)KNOWN_FLAGS) != 0)
        return FAIL(err, ERR_INVALID, "simulation evidence: unknown flags 0x%08x", flags);
    return 0;
}

static int encode_body(const struct evidence *evidence, struct buf *out, struct err *err)
{
    if (check_flags(evidence->flags, err) < 0)
        return -1;
    if (buf_str(out, EVIDENCE_MAGIC, err) < 0 || buf_u32be(out, EVIDENCE_VERSION, err) < 0 ||
        buf_u32be(out, evidence->flags, err) < 0)
        return -1;
    const struct slice parts[] = {
        slice_of(evidence->fingerprint, sizeof(evidence->fingerprint)),
        slice_of(evidence->report_data, sizeof(evidence->report_data)),
        slice_of(evidence->root_public_key, sizeof(evidence->root_public_key)),
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (buf_bytes(out, parts[i], err) < 0)
            return -1;
    }
    return 0;
}

bool evidence_recognise(struct slice bytes)
{
    return bytes.len >= MAGIC_SIZE && memcmp(bytes.data, EVIDENCE_MAGIC, MAGIC_SIZE) == 0;
}

int evidence_encode_tbs(const struct evidence *evidence, struct buf *out, struct err *err)
{
    if (buf_str(out, EVIDENCE_SIGNING_PREFIX, err) < 0)
        return -1;
    return encode_body(evidence, out, err);
}

int evidence_encode(const struct evidence *evidence, struct buf *out, struct err *err)
{
    if (encode_body(evidence, out, err) < 0)
        return -1;
    return buf_bytes(out, slice_of(evidence->signature, sizeof(evidence->signature)), err);
}

static int decode_head(struct reader *in, struct evidence *evidence, struct err *err)
{
    struct slice magic;
    uint32_t version = 0;
    if (reader_slice(in, "magic", MAGIC_SIZE, &magic, err) < 0)
        return -1;
    if (!slice_is_str(magic, EVIDENCE_MAGIC))
        return FAIL(err, ERR_INVALID, "not simulation evidence: it does not start with '%s'",
                    EVIDENCE_MAGIC);
    if (reader_u32be(in, "version", &version, err) < 0)
        return -1;
    if (version != EVIDENCE_VERSION)
        return FAIL(err, ERR_INVALID, "simulation evidence: version %u, expected %d", version,
                    EVIDENCE_VERSION);
    if (reader_u32be(in, "flags", &evidence->flags, err) < 0)
        return -1;
    return check_flags(evidence->flags, err);
}

int evidence_decode(struct slice bytes, struct evidence *ret, struct err *err)
{
    struct evidence evidence = {0};
    struct reader in = reader_of(bytes, "simulation evidence");
    if (decode_head(&in, &evidence, err) < 0)
        return -1;
    const struct {
        const char *name;
        uint8_t *to;
        size_t size;
    } fields[] = {
        {"fingerprint", evidence.fingerprint, sizeof(evidence.fingerprint)},
        {"report data", evidence.report_data, sizeof(evidence.report_data)},
        {"root public key", evidence.root_public_key, sizeof(evidence.root_public_key)},
        {"signature", evidence.signature, sizeof(evidence.signature)},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (reader_copy(&in, fields[i].name, fields[i].to, fields[i].size, err) < 0)
            return -1;
    }
    if (reader_end(&in, err) < 0)
        return -1;
    *ret = evidence;
    return 0;
}
