// SPDX-License-Identifier: Apache-2.0
/*
 * Layout of an unlock message. Runs on the owner's machine and in the enclave, where its input is
 * the adversary's until provision/ has checked the signature.
 */
#include "model/unlock_message.h"

static const char magic[8] = {'m', 's', 'e', '-', 'u', 'n', 'l', 'k'};

int unlock_message_encode(const struct unlock_message *message, struct buf *out, struct err *err)
{
    if (message->key.len != UNLOCK_KEY_SIZE)
        return FAIL(err, ERR_INVALID, "unlock message: a volume key has %d bytes", UNLOCK_KEY_SIZE);
    if (buf_bytes(out, slice_of(magic, sizeof(magic)), err) < 0 ||
        buf_u16be(out, UNLOCK_MESSAGE_VERSION, err) < 0 ||
        owner_signature_encode_target(&message->owner, out, err) < 0)
        return -1;
    return buf_bytes(out, message->key, err);
}

int unlock_message_decode(struct slice bytes, struct unlock_message *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "unlock message");
    struct unlock_message message = {0};
    struct slice found;
    uint16_t version;
    if (reader_slice(&in, "magic", sizeof(magic), &found, err) < 0)
        return -1;
    if (!slice_equal(found, slice_of(magic, sizeof(magic))))
        return FAIL(err, ERR_INVALID, "this is not an unlock message");
    if (reader_u16be(&in, "version", &version, err) < 0)
        return -1;
    if (version != UNLOCK_MESSAGE_VERSION)
        return FAIL(err, ERR_UNSUPPORTED, "unlock message: version %u, expected %d", version,
                    UNLOCK_MESSAGE_VERSION);
    if (owner_signature_decode_target(&in, &message.owner, err) < 0 ||
        reader_slice(&in, "volume key", UNLOCK_KEY_SIZE, &message.key, err) < 0 ||
        owner_signature_decode_end(&in, bytes, &message.owner, err) < 0)
        return -1;
    *ret = message;
    return 0;
}
