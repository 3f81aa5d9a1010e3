// SPDX-License-Identifier: Apache-2.0
/*
 * The parts that an owner's messages share. Runs on the owner's machine and in the enclave, where
 * its input is the adversary's until provision/ has checked the signature.
 */
#include "model/owner_signature.h"

int owner_signature_encode_target(const struct owner_signature *signature, struct buf *out,
                                  struct err *err)
{
    if (buf_bytes(out, slice_of(signature->fingerprint, sizeof(signature->fingerprint)), err) < 0)
        return -1;
    return buf_bytes(out, slice_of(signature->channel_binding, sizeof(signature->channel_binding)),
                     err);
}

int owner_signature_decode_target(struct reader *in, struct owner_signature *ret, struct err *err)
{
    if (reader_copy(in, "fingerprint", ret->fingerprint, sizeof(ret->fingerprint), err) < 0)
        return -1;
    return reader_copy(in, "channel binding", ret->channel_binding, sizeof(ret->channel_binding),
                       err);
}

int owner_signature_decode_end(struct reader *in, struct slice bytes, struct owner_signature *ret,
                               struct err *err)
{
    ret->signed_bytes = slice_of(bytes.data, in->pos);
    if (reader_copy(in, "signature", ret->signature, sizeof(ret->signature), err) < 0)
        return -1;
    return reader_end(in, err);
}
