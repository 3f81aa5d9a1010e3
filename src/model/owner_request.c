// SPDX-License-Identifier: Apache-2.0
/*
 * Layout of an owner's request. Runs on the owner's machine and in the enclave, where its input is
 * the adversary's until provision/ has checked the signature.
 */
#include "model/owner_request.h"

#include "base/reader.h"

static const char magic[8] = {'m', 's', 'e', '-', 'o', 'w', 'n', 'r'};

int owner_request_encode(const struct owner_request *request, struct buf *out, struct err *err)
{
    if (buf_bytes(out, slice_of(magic, sizeof(magic)), err) < 0 ||
        buf_u16be(out, OWNER_REQUEST_VERSION, err) < 0 ||
        buf_u16be(out, request->action, err) < 0 ||
        buf_bytes(out, slice_of(request->fingerprint, sizeof(request->fingerprint)), err) < 0 ||
        buf_bytes(out, slice_of(request->channel_binding, sizeof(request->channel_binding)), err) <
            0)
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
        reader_copy(&in, "fingerprint", request.fingerprint, sizeof(request.fingerprint), err) <
            0 ||
        reader_copy(&in, "channel binding", request.channel_binding,
                    sizeof(request.channel_binding), err) < 0 ||
        reader_u64be(&in, "argument", &request.argument, err) < 0)
        return -1;
    request.signed_bytes = slice_of(bytes.data, in.pos);
    if (reader_copy(&in, "signature", request.signature, sizeof(request.signature), err) < 0 ||
        reader_end(&in, err) < 0)
        return -1;
    *ret = request;
    return 0;
}
