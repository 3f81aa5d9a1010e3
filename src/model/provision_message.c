// SPDX-License-Identifier: Apache-2.0
/*
 * Layout of the provisioning message. Runs on the owner's machine and in the enclave, where its
 * input is the adversary's until provision/ has checked the signature.
 */
#include "model/provision_message.h"

static const char magic[8] = {'m', 's', 'e', '-', 'p', 'r', 'o', 'v'};

enum { FLAG_SECRETS = 1 };

int provision_payload_encode(const struct provision_payload *payload, struct buf *out,
                             struct err *err)
{
    if (payload->code_key.len != PROVISION_KEY_SIZE || payload->salt.len != PROVISION_KEY_SIZE)
        return FAIL(err, ERR_INVALID, "code key and salt must be %d bytes each",
                    PROVISION_KEY_SIZE);
    if (payload->secrets.len > PROVISION_SECRETS_MAX)
        return FAIL(err, ERR_TOO_LARGE, "the secrets are %zu bytes, at most %d are possible",
                    payload->secrets.len, PROVISION_SECRETS_MAX);
    if (payload->tls_private_key.len > PROVISION_TLS_KEY_MAX)
        return FAIL(err, ERR_TOO_LARGE, "the TLS private key is %zu bytes, at most %d are possible",
                    payload->tls_private_key.len, PROVISION_TLS_KEY_MAX);
    if (!payload->has_secrets && payload->secrets.len > 0)
        return FAIL(err, ERR_INVALID, "there are secrets in a payload that says it has none");
    if (buf_bytes(out, payload->code_key, err) < 0 || buf_bytes(out, payload->salt, err) < 0 ||
        buf_u8(out, payload->has_secrets ? FLAG_SECRETS : 0, err) < 0 ||
        buf_u32be(out, (uint32_t)payload->secrets.len, err) < 0 ||
        buf_bytes(out, payload->secrets, err) < 0 ||
        buf_u32be(out, (uint32_t)payload->tls_private_key.len, err) < 0)
        return -1;
    return buf_bytes(out, payload->tls_private_key, err);
}

static int read_sized(struct reader *in, const char *field, uint32_t max, struct slice *ret,
                      struct err *err)
{
    uint32_t len;
    if (reader_u32be(in, field, &len, err) < 0)
        return -1;
    if (len > max)
        return FAIL(err, ERR_TOO_LARGE, "%s: %s is %u bytes, at most %u are possible", in->what,
                    field, len, max);
    return reader_slice(in, field, len, ret, err);
}

int provision_payload_decode(struct slice bytes, struct provision_payload *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "provisioning payload");
    struct provision_payload payload = {0};
    uint8_t flags;
    if (reader_slice(&in, "code key", PROVISION_KEY_SIZE, &payload.code_key, err) < 0 ||
        reader_slice(&in, "salt", PROVISION_KEY_SIZE, &payload.salt, err) < 0 ||
        reader_u8(&in, "flags", &flags, err) < 0)
        return -1;
    if ((flags & ~FLAG_SECRETS) != 0)
        return FAIL(err, ERR_INVALID, "provisioning payload: unknown flags 0x%02x", flags);
    if (read_sized(&in, "secrets", PROVISION_SECRETS_MAX, &payload.secrets, err) < 0 ||
        read_sized(&in, "TLS private key", PROVISION_TLS_KEY_MAX, &payload.tls_private_key, err) <
            0 ||
        reader_end(&in, err) < 0)
        return -1;
    payload.has_secrets = (flags & FLAG_SECRETS) != 0;
    if (!payload.has_secrets && payload.secrets.len > 0)
        return FAIL(err, ERR_INVALID, "provisioning payload: secrets without their flag");
    *ret = payload;
    return 0;
}

int provision_message_encode(const struct provision_message *message, struct buf *out,
                             struct err *err)
{
    if (message->payload.len > PROVISION_PAYLOAD_MAX)
        return FAIL(err, ERR_TOO_LARGE, "the provisioning payload is %zu bytes, limit %d",
                    message->payload.len, PROVISION_PAYLOAD_MAX);
    if (buf_bytes(out, slice_of(magic, sizeof(magic)), err) < 0 ||
        buf_u16be(out, PROVISION_VERSION, err) < 0 || buf_u16be(out, 0, err) < 0 ||
        owner_signature_encode_target(&message->owner, out, err) < 0 ||
        buf_u32be(out, (uint32_t)message->payload.len, err) < 0)
        return -1;
    return buf_bytes(out, message->payload, err);
}

static int read_head(struct reader *in, struct err *err)
{
    struct slice found;
    uint16_t version;
    uint16_t zero;
    if (reader_slice(in, "magic", sizeof(magic), &found, err) < 0)
        return -1;
    if (!slice_equal(found, slice_of(magic, sizeof(magic))))
        return FAIL(err, ERR_INVALID, "this is not a provisioning message");
    if (reader_u16be(in, "version", &version, err) < 0 || reader_u16be(in, "zero", &zero, err) < 0)
        return -1;
    if (version != PROVISION_VERSION)
        return FAIL(err, ERR_UNSUPPORTED, "provisioning message: version %u, expected %d", version,
                    PROVISION_VERSION);
    if (zero != 0)
        return FAIL(err, ERR_INVALID, "provisioning message: reserved bytes are not zero");
    return 0;
}

int provision_message_decode(struct slice bytes, struct provision_message *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "provisioning message");
    struct provision_message message = {0};
    if (read_head(&in, err) < 0 || owner_signature_decode_target(&in, &message.owner, err) < 0 ||
        read_sized(&in, "payload", PROVISION_PAYLOAD_MAX, &message.payload, err) < 0)
        return -1;
    if (owner_signature_decode_end(&in, bytes, &message.owner, err) < 0)
        return -1;
    *ret = message;
    return 0;
}
