// SPDX-License-Identifier: Apache-2.0
/*
 * Layout of an owner's request. Runs on the owner's machine and in the enclave, where its input is
 * the adversary's until provision/ has checked the signature.
 */
#include "model/owner_request.h"

static const char magic[8] = {'m', 's', 'e', '-', 'o', 'w', 'n', 'r'};

int owner_request_encode(const struct owner_request *request, struct buf *out, struct err *err)
{
    if (buf_bytes(out, slice_of(magic, sizeof(magic)), err) < 0 ||
        buf_u16be(out, OWNER_REQUEST_VERSION, err) < 0 ||
        buf_u16be(out, request->action, err) < 0 ||
        owner_signature_encode_target(&request->owner, out, err) < 0)
        return -1;
    return buf_u64be(out, request->argument, err);
}

int owner_request_decode(struct slice bytes, struct owner_request *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "owner's request");
    struct owner_request request = {0};
    struct slice found;
    uint16_t version;
    if (reader_slice(&in, "magic", sizeof(magic), &found, err) < 0)
        return -1;
    if (!slice_equal(found, slice_of(magic, sizeof(magic))))
        return FAIL(err, ERR_INVALID, "this is not an owner's request");
    if (reader_u16be(&in, "version", &version, err) < 0)
        return -1;
    if (version != OWNER_REQUEST_VERSION)
        return FAIL(err, ERR_UNSUPPORTED, "owner's request: version %u, expected %d", version,
                    OWNER_REQUEST_VERSION);
    if (reader_u16be(&in, "action", &request.action, err) < 0 ||
        owner_signature_decode_target(&in, &request.owner, err) < 0 ||
        reader_u64be(&in, "argument", &request.argument, err) < 0)
        return -1;
    if (owner_signature_decode_end(&in, bytes, &request.owner, err) < 0)
        return -1;
    *ret = request;
    return 0;
}
