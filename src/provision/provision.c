// SPDX-License-Identifier: Apache-2.0
/*
 * Both ends of provisioning. The sending half runs on the owner's machine, the receiving half in
 * the enclave, on bytes that the adversary may have made.
 */
#include "provision/provision.h"

#include "model/provision_message.h"

void provisioned_done(struct provisioned *provisioned)
{
    secret_done(&provisioned->code_key);
    secret_done(&provisioned->salt);
    secret_done(&provisioned->secrets);
    secret_done(&provisioned->tls_private_key);
    provisioned->has_secrets = false;
}

int provisioned_encode(const struct provisioned *provisioned, struct buf *out, struct err *err)
{
    const struct provision_payload payload = {
        .code_key = secret_slice(&provisioned->code_key),
        .salt = secret_slice(&provisioned->salt),
        .has_secrets = provisioned->has_secrets,
        .secrets = secret_slice(&provisioned->secrets),
        .tls_private_key = secret_slice(&provisioned->tls_private_key),
    };
    return provision_payload_encode(&payload, out, err);
}

/* An empty run of bytes needs no locked memory. */
static int take(struct slice bytes, struct secret *ret, struct err *err)
{
    return bytes.len == 0 ? 0 : secret_copy(ret, bytes, err);
}

int provisioned_decode(struct slice bytes, struct provisioned *ret, struct err *err)
{
    struct provision_payload payload;
    if (provision_payload_decode(bytes, &payload, err) < 0)
        return -1;
    AUTO_PROVISIONED struct provisioned taken = {.has_secrets = payload.has_secrets};
    if (take(payload.code_key, &taken.code_key, err) < 0 ||
        take(payload.salt, &taken.salt, err) < 0 ||
        take(payload.secrets, &taken.secrets, err) < 0 ||
        take(payload.tls_private_key, &taken.tls_private_key, err) < 0)
        return -1;
    *ret = taken;
    taken = (struct provisioned){0};
    return 0;
}

/* domain || bytes: what the owner's key signs. */
static int signed_text(struct slice bytes, struct buf *out, struct err *err)
{
    if (buf_bytes(out, slice_str(PROVISION_SIGNATURE_DOMAIN), err) < 0)
        return -1;
    return buf_bytes(out, bytes, err);
}

int provision_build(const struct provisioned *provisioned, const struct provision_target *target,
                    const struct secret *owner_secret, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf payload = BUF_INIT(PROVISION_PAYLOAD_MAX);
    AUTO_BUF struct buf body = BUF_INIT(PROVISION_MESSAGE_MAX);
    AUTO_BUF struct buf text = BUF_INIT(PROVISION_MESSAGE_MAX);
    if (provisioned_encode(provisioned, &payload, err) < 0)
        return -1;
    struct provision_message message = {.payload = buf_slice(&payload)};
    memcpy(message.fingerprint, target->fingerprint, sizeof(message.fingerprint));
    memcpy(message.channel_binding, target->channel_binding, sizeof(message.channel_binding));
    if (provision_message_encode(&message, &body, err) < 0 ||
        signed_text(buf_slice(&body), &text, err) < 0 ||
        ed25519_sign(owner_secret, buf_slice(&text), message.signature, err) < 0 ||
        buf_bytes(out, buf_slice(&body), err) < 0)
        return -1;
    return buf_bytes(out, slice_of(message.signature, sizeof(message.signature)), err);
}

int provision_open(struct slice bytes, const uint8_t owner_key[static ED25519_PUBLIC_SIZE],
                   const struct provision_target *target, struct provisioned *ret, struct err *err)
{
    struct provision_message message;
    AUTO_BUF struct buf text = BUF_INIT(PROVISION_MESSAGE_MAX);
    if (provision_message_decode(bytes, &message, err) < 0 ||
        signed_text(message.signed_bytes, &text, err) < 0)
        return -1;
    if (!ed25519_verify(owner_key, buf_slice(&text), message.signature))
        return FAIL(err, ERR_UNAUTHORIZED,
                    "the provisioning message is not signed by the owner's key of the manifest");
    if (!crypto_equal(message.channel_binding, target->channel_binding, PROVISION_BINDING_SIZE))
        return FAIL(err, ERR_FORBIDDEN,
                    "the provisioning message was made for another TLS session (replayed?)");
    if (!crypto_equal(message.fingerprint, target->fingerprint, PROVISION_FINGERPRINT_SIZE))
        return FAIL(err, ERR_FORBIDDEN,
                    "the provisioning message was made for another fingerprint");
    return provisioned_decode(message.payload, ret, err);
}
